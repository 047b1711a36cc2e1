"""Parity rows, the decisions of the training framework that a bundle is compared with anywhere.

Rows of three kinds: ``random`` in the typical range, ``edge`` (corners of it, and far outside), and
``adversarial`` (pushed to where the decision nearly turns). Scores must agree
everywhere within a tolerance, every output of a decision wherever it is ``settled``
``[rows, outputs]``: where rounding cannot turn it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgewright.bundle.engine import Engine, EngineError
from edgewright.bundle.interface import SCORES, Interface, Output
from edgewright.core.errors import InputError

KINDS = ("random", "edge", "adversarial")

MAX_ROWS = 4096
"""Rows of a record; an exporter writes 144."""

MIN_SETTLED = 0.02
"""Share of the rows in which an output must be settled, or the record says nothing. Exporters
settle more than half of them where an action is one of several; fewer where it has many bits."""

_AGAIN = "export the policy again"

LOOSEST, LOOSE = 0.2, 1e-3
"""A tolerance is at most this share of the largest score recorded, or this small in any case.
Exporters take 1e-4 of the scores' size, and 1e-2 in 8 bits for each step of a denoising loop."""


def check_parity(
    engine: Engine,
    record: Mapping[str, np.ndarray],
    tolerance: float,
    interface: Interface,
    where: str,
) -> dict[str, Any]:
    """Compare a graph on this machine with its record; return how far apart they are.

    Where single rows go another way than many, both ways are compared.

    Raises:
        InputError: a score is further away than ``tolerance``, or a settled decision differs; or
            the record is none, or so loose that it says nothing.
    """
    _check_record(record, interface, engine.has_scores, where)
    _check_strict(record, tolerance, where)
    try:
        rows, kinds, settled = record["rows"], record["kind"], record["settled"]
        outputs = interface.outputs
        apart, wrong = _apart(outputs, engine.many(rows), record, tolerance)
        beside = engine.one_by_one(rows)
        ways = {"onnxruntime": (apart, wrong)}
        if beside is not None:
            ways["litert"] = _apart(outputs, beside, record, tolerance)
    except (KeyError, ValueError, IndexError, TypeError, EngineError) as error:
        message = f"the record of parity does not fit the graph ({error})"
        raise InputError(message, where=where, hint=_AGAIN) from None
    clear = int(settled.any(axis=1).sum())
    for name, (apart, wrong) in ways.items():
        worst, differ = float(apart.max(initial=0.0)), int(np.sum((wrong & settled).any(axis=1)))
        if not worst <= tolerance or differ:
            message = (
                f"{name} of this machine decides otherwise than the record: {differ} of "
                f"{clear} settled decisions differ, scores by up to {worst:.3g} "
                f"(tolerated: {tolerance:.3g})"
            )
            hint = f"use another version of {name}, or export the policy again"
            raise InputError(message, where=where, hint=hint)
    worst = max(float(apart.max(initial=0.0)) for apart, _ in ways.values())
    return {
        "rows": {kind: int(np.sum(kinds == n)) for n, kind in enumerate(KINDS)},
        "settled": clear,
        "worst_score_difference": worst,
        "tolerance": tolerance,
    }


def _check_record(
    record: Mapping[str, np.ndarray], interface: Interface, scores: bool, where: str
) -> None:
    """Refuse arrays that are missing, unknown, of another kind of number, or of another shape."""
    kind = record.get("kind", np.zeros(0))
    count = len(kind) if kind.ndim == 1 else 0
    wanted = {"rows": ("f", (count, interface.columns)), "kind": ("iu", (count,))}
    wanted["settled"] = "b", (count, len(interface.outputs))
    wanted |= {
        one.name: ("f" if one.kind == "number" else "iu", (count, *one.shape))
        for one in interface.outputs
    }
    if scores:
        wide = record.get(SCORES, np.zeros(0)).shape[1:2]
        wanted[SCORES] = "f", (count, *(wide or (1,)))
    message = f"it has {count} rows, and may have 1 to {MAX_ROWS}"
    wrong = not 1 <= count <= MAX_ROWS
    for name in sorted({*wanted, *record}):
        kinds, shape = wanted.get(name, ("", ()))
        result = record.get(name)
        if not wrong and (
            result is None or result.dtype.kind not in kinds or result.shape != shape
        ):
            wrong = True
            shown = "missing" if result is None else f"{result.dtype} {list(result.shape)}"
            message = f"'{name}' is {shown}" + (
                f" and should be {list(shape)}" if kinds else ", which no record has"
            )
    if not wrong and not (np.isfinite(record["rows"]).all() and kind.max() < len(KINDS)):
        wrong, message = True, "'rows' are not finite, or 'kind' is unknown"
    if wrong:
        message = f"the record of parity does not fit the graph: {message}"
        raise InputError(message, where=where, hint=_AGAIN)


def _check_strict(record: Mapping[str, np.ndarray], tolerance: float, where: str) -> None:
    """Refuse a record that nearly every graph would pass."""
    size = float(np.abs(record[SCORES]).max(initial=0.0)) if SCORES in record else 0.0
    most = max(LOOSE, LOOSEST * size)
    if not 0.0 <= tolerance <= most:
        message = f"the manifest's 'parity.tolerance', {tolerance:.3g}, is too large"
        hint = f"scores are up to {size:.3g}, so at most {most:.3g} makes sense; export it again"
        raise InputError(message, where=where, hint=hint)
    clear, count = int(record["settled"].any(axis=1).sum()), len(record["settled"])
    if clear < MIN_SETTLED * count:
        message = f"the record of parity says nothing: {clear} of {count} decisions are settled"
        hint = "train the policy until its scores differ, and export it again"
        raise InputError(message, where=where, hint=hint)


def _apart(
    outputs: Sequence[Output],
    result: Mapping[str, np.ndarray],
    record: Mapping[str, np.ndarray],
    tolerance: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return how far scores are apart ``[rows]``, and which outputs differ ``[rows, outputs]``.

    Whole numbers must be equal; real numbers may differ by ``tolerance`` of their range.
    """
    count = len(record["rows"])
    wrong = np.zeros((count, len(outputs)), bool)
    for name, given in result.items():
        if given.shape != record[name].shape:
            raise ValueError(f"'{name}' is {list(given.shape)} here")
    for index, output in enumerate(outputs):
        given, known = result[output.name], record[output.name]
        same = given == known
        if output.kind == "number":
            unbounded = output.low is None
            size = np.maximum(1.0, np.abs(known)) if unbounded else output.span
            same = np.abs(given - known) <= tolerance * size
        wrong[:, index] = ~same.reshape(count, -1).all(axis=1)
    if SCORES not in result:
        return np.zeros(count), wrong
    return np.abs(result[SCORES] - record[SCORES]).max(axis=1), wrong
