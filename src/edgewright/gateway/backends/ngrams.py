"""Write text with a character model that is small enough to ship, in NumPy.

It counts which character follows each of up to :data:`ORDER` characters, and mixes the orders as
I. H. Witten and T. C. Bell do ("The zero-frequency problem", IEEE Trans. Information Theory 37(4),
1991): an order counts the more, the fewer different characters followed its context.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgewright.core.sealed import load_arrays, save_arrays

ORDER = 5
ALPHABET = "\n" + "".join(map(chr, range(32, 127)))
SIZE = len(ALPHABET)
WEIGHTS = Path(__file__).parent / "text.npz"
_CODES = {one: code for code, one in enumerate(ALPHABET)}
_SPACE = _CODES[" "]


def encoded(text: str) -> np.ndarray:
    """Return the codes of a text; characters that the model does not know become spaces."""
    return np.array([_CODES.get(one, _SPACE) for one in text], np.int64)


def counts_of(text: str) -> dict[str, np.ndarray]:
    """Return what follows what in a text, by names such as ``pairs_3`` and ``counts_3``.

    ``pairs_k`` are sorted numbers of ``k`` characters and the one after them, to the base of the
    alphabet; ``counts_k`` says how often each was there.
    """
    codes, result = encoded(text), {}
    for order in range(ORDER + 1):
        numbers = np.zeros(0, np.int64)
        if len(codes) > order:
            windows = np.lib.stride_tricks.sliding_window_view(codes, order + 1)
            numbers = windows @ SIZE ** np.arange(order, -1, -1, dtype=np.int64)
        pairs, counts = np.unique(numbers, return_counts=True)
        result[f"pairs_{order}"] = pairs
        result[f"counts_{order}"] = np.minimum(counts, 65_535).astype(np.uint16)
    return result


def write_text(path: Path, text: str) -> int:
    """Write the text that a model counts, packed and with a hash; return its characters."""
    packed = np.frombuffer(zlib.compress(encoded(text).astype(np.uint8).tobytes(), 9), np.uint8)
    save_arrays(path, {"text": packed}, {"characters": len(text), "order": ORDER})
    return len(text)


@functools.cache
def shipped_counts(path: Path = WEIGHTS) -> dict[str, np.ndarray]:
    """Return the counts of the text that the package ships, which is its documentation.

    Raises:
        InputError: the file is missing or does not match its hash.
    """
    hint = f"install the package again, or: edgewright generator train-text --out {path.name}"
    packed = load_arrays(path, "text generator", hint)[0]["text"]
    codes = np.frombuffer(zlib.decompress(packed.tobytes()), np.uint8)
    return counts_of("".join(ALPHABET[code] for code in codes))


class Characters:
    """A model of text, character by character."""

    def __init__(self, counts: Mapping[str, np.ndarray] | None = None) -> None:
        given = shipped_counts() if counts is None else counts
        self._pairs = [np.asarray(given[f"pairs_{k}"], np.int64) for k in range(ORDER + 1)]
        self._counts = [np.asarray(given[f"counts_{k}"], float) for k in range(ORDER + 1)]

    def probabilities(self, context: np.ndarray) -> np.ndarray:
        """Return the probability ``[SIZE]`` of each next character.

        Args:
            context: codes of the characters before it.
        """
        mixed = np.full(SIZE, 1.0 / SIZE)
        for order in range(min(ORDER, len(context)) + 1):
            number = 0
            for code in context[len(context) - order :]:
                number = number * SIZE + int(code)
            pairs = self._pairs[order]
            first, last = np.searchsorted(pairs, (number * SIZE, (number + 1) * SIZE))
            if first == last:  # a longer context is not there either
                break
            counts = self._counts[order][first:last]
            kinds, total = last - first, counts.sum()
            mixed = mixed * (kinds / (kinds + total))
            mixed[pairs[first:last] - number * SIZE] += counts / (kinds + total)
        return mixed

    def sample(self, prompt: str, length: int, seed: int) -> tuple[str, float]:
        """Return a text that goes on from a prompt, and its mean log likelihood in nats."""
        rng = np.random.default_rng(seed)
        codes, total = [*encoded(prompt[-ORDER:])], 0.0
        known = len(codes)
        for _ in range(length):
            chances = self.probabilities(np.array(codes[-ORDER:], np.int64))
            code = int(np.searchsorted(np.cumsum(chances), rng.random() * chances.sum()))
            code = min(code, SIZE - 1)
            total += float(np.log(chances[code]))
            codes.append(code)
        text = "".join(ALPHABET[code] for code in codes[known:])
        return text, total / max(1, length)
