"""Define the inputs and outputs of a bundle, as named fields with units and ranges.

A *row* is what the graph takes: numbers in their units, a choice as one column for each possibility
(``one-hot``) or as its index: an observation of the world.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from edgewright.core.errors import InputError, nearest

OutOfRange = Literal["clamp", "refuse"]

MAX_ERRORS = 100
"""Bad fields after which no more unknown ones are looked for."""

INPUT, SCORES = "observation", "scores"
"""Names in the graph: what goes in, and the values that the decision is made from."""

MAX_SEED = 2**32 - 1
LARGEST_NORMAL = 3.0
"""Beyond this a normal number is rare: one in 370 is."""

_FLOAT32_MAX = float(np.finfo(np.float32).max)
"""A row is 32 bits wide: a number without a bound may be this large."""

_SHOWN, _LISTED = 60, 20
_LONGEST_MEANT = 100
"""Characters of an unknown name up to which the nearest known one is looked for."""


class BadField(InputError):
    """The error of an observation's field that cannot be used, with its value and the fix.

    Attributes:
        others: the errors of the other fields of the observation.
    """

    def __init__(
        self,
        field: str,
        message: str,
        value: Any = None,
        allowed: str = "",
        others: Sequence[BadField] = (),
    ) -> None:
        self.field, self.value, self.allowed, self.others = field, value, allowed, tuple(others)
        self.alone = message
        also = "; ".join(f"{one.field[:_SHOWN]}: {one.alone}" for one in self.others[:_LISTED])
        if len(self.others) > _LISTED:
            also += f"; and {len(self.others) - _LISTED} more"
        hint = f"allowed: {allowed}" if allowed else ""
        super().__init__(f"{message}; also {also}" if also else message, where=field, hint=hint)


@dataclasses.dataclass(frozen=True)
class Field:
    """One named input.

    Attributes:
        unit: e.g. ``"MB"``; empty for a share or a choice.
        low, high: the least and the greatest value that the quantity can have by definition, in
            the unit; None where there is none. 0 for a choice.
        choices: what a choice may be; empty for a number.
        encoding: how it becomes columns of a row.
        trained: the least and the greatest value that training met; None for a choice. It refuses
            nothing.
        draws: how many normal numbers a seed becomes in a row: the same seed, the same numbers.
    """

    name: str
    unit: str
    meaning: str
    low: float | None
    high: float | None
    choices: tuple[str, ...] = ()
    encoding: Literal["number", "one-hot", "index", "seed"] = "number"
    trained: tuple[float, float] | None = None
    draws: int = 0

    @property
    def columns(self) -> int:
        """Return how many columns of a row it fills."""
        return {"one-hot": len(self.choices), "seed": self.draws}.get(self.encoding, 1)

    @property
    def allowed(self) -> str:
        """Return a text of the values that it may have."""
        if self.draws:
            return f"a whole number from 0 to {MAX_SEED}"
        if self.choices:
            return "one of " + ", ".join(f'"{choice}"' for choice in self.choices)
        if self.low is not None and self.high is not None:
            text = f"from {self.low:.7g} to {self.high:.7g}"
        elif self.low is not None:
            text = f"of at least {self.low:.7g}"
        else:
            text = "" if self.high is None else f"of at most {self.high:.7g}"
        return " ".join(
            word for word in ("a number", text or (self.unit and "in"), self.unit) if word
        )

    @property
    def typical(self) -> tuple[float, float]:
        """Return the ends of all values where both are known, else of those that training met."""
        if self.low is not None and self.high is not None:
            return self.low, self.high
        return self.trained or (0.0, 0.0)


@dataclasses.dataclass(frozen=True)
class Output:
    """A named output of a decision, which is one number or an array of numbers of ``shape``.

    Attributes:
        labels: what each value means, where there are few: ``labels[value]``.
        shape: e.g. ``(10,)`` for a bit of each of ten devices.
        kind: ``"integer"`` for indices and bits, ``"number"`` for real numbers.
        unit: of a real number, e.g. ``"W"``.
        low, high: the bounds of a real number; None where it has none.
    """

    name: str
    meaning: str
    labels: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    kind: Literal["integer", "number"] = "integer"
    unit: str = ""
    low: float | None = None
    high: float | None = None

    @property
    def span(self) -> float:
        """Return the width of the range of a real number, to which its tolerance is relative."""
        return 1.0 if self.low is None or self.high is None else self.high - self.low


@dataclasses.dataclass(frozen=True)
class Interface:
    """The whole contract of a policy with its callers.

    Attributes:
        joint: whether one row holds all agents of the world, and one decision serves them all.
    """

    fields: tuple[Field, ...]
    outputs: tuple[Output, ...]
    joint: bool = False

    @functools.cached_property
    def columns(self) -> int:
        """Return the width of a row."""
        return sum(field.columns for field in self.fields)

    @functools.cached_property
    def draws(self) -> int:
        """Return how many columns of a row come from a seed; they are the last ones."""
        return sum(field.draws for field in self.fields)

    @functools.cached_property
    def _plan(self) -> list[tuple[str, float, float, dict[str, list[float]] | None, Field]]:
        """Return what encoding looks at, field by field: this is in the way of every decision."""
        return [(f.name, *_ends(f), _codes(f), f) for f in self.fields]

    def encode(
        self, observation: Mapping[str, Any], out_of_range: OutOfRange = "clamp"
    ) -> tuple[list[float], tuple[str, ...]]:
        """Return the row of an observation, and the names of fields that were clamped.

        Raises:
            BadField: a field is missing, unknown, of another kind, not finite, or (``refuse``)
                outside its range; it holds the errors of all such fields.
        """
        row: list[float] = []
        clamped: tuple[str, ...] = ()
        for name, low, high, codes, field in self._plan:
            value: Any = observation.get(name)
            kind = type(value)
            if codes is None and (kind is float or kind is int):
                if field.draws:
                    if not _is_seed(value):
                        raise self._all_bad(observation, out_of_range)
                    row += normal_numbers(int(value), field.draws)
                    continue
                if low <= value <= high:
                    row.append(value)
                    continue
                inside = _beyond(field, value, out_of_range)
                if isinstance(inside, BadField):
                    raise self._all_bad(observation, out_of_range)
                row.append(inside)
                clamped += (name,)
            elif codes is not None and type(value) is str and value in codes:
                row += codes[value]
            else:
                plain = {key: _plain(one) for key, one in observation.items()}
                if any(plain[key] is not observation[key] for key in plain):
                    return self.encode(plain, out_of_range)
                raise self._all_bad(observation, out_of_range)
        if len(observation) != len(self.fields):
            raise self._all_bad(observation, out_of_range)
        return row, clamped

    def rows(
        self, observations: Sequence[Mapping[str, Any]], out_of_range: OutOfRange = "clamp"
    ) -> np.ndarray:
        """Return ``[observations, columns]`` float32."""
        return np.array([self.encode(one, out_of_range)[0] for one in observations], np.float32)

    def observation(self, row: Sequence[float]) -> dict[str, Any]:
        """Return the observation of a row: the inverse of :meth:`encode`."""
        result: dict[str, Any] = {}
        column = 0
        for field in self.fields:
            part = [float(value) for value in row[column : column + field.columns]]
            column += field.columns
            if field.draws:  # a seed is not known by its numbers
                result[field.name] = 0
            elif field.encoding == "number":
                result[field.name] = part[0]
            else:
                index = int(np.argmax(part)) if field.encoding == "one-hot" else int(part[0])
                result[field.name] = field.choices[index]
        return result

    def typical(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the lowest and the highest typical row ``[columns]``."""
        ends: list[tuple[float, float]] = []
        for field in self.fields:
            index_end = (0.0, max(1.0, len(field.choices) - 1.0))
            kinds = {
                "number": field.typical, "one-hot": (0.0, 1.0), "index": index_end,
                "seed": (-LARGEST_NORMAL, LARGEST_NORMAL),
            }  # fmt: skip
            ends += [kinds[field.encoding]] * field.columns
        low, high = np.array(ends, np.float32).T
        return low, high

    def same_contract(self, other: Interface) -> bool:
        """Return whether callers of one can be answered by the other: all but the ranges agree."""

        def contract(one: Interface) -> Any:
            fields = [(f.name, f.unit, f.choices, f.encoding, f.draws) for f in one.fields]
            outputs = [(o.name, o.labels, o.shape, o.kind, o.unit) for o in one.outputs]
            return fields, outputs, one.joint

        return contract(self) == contract(other)

    def _all_bad(self, observation: Mapping[str, Any], out_of_range: OutOfRange) -> BadField:
        """Return the error of an observation that has at least one bad field."""
        errors: list[BadField] = []
        for name, low, high, codes, field in self._plan:
            value = _plain(observation.get(name))
            if field.draws:
                errors += [] if _is_seed(value) else [_wrong(field, value, name in observation)]
            elif codes is None and type(value) in (float, int):
                inside = value if low <= value <= high else _beyond(field, value, out_of_range)
                errors += [inside] if isinstance(inside, BadField) else []
            elif codes is None or type(value) is not str or value not in codes:
                errors.append(_wrong(field, value, name in observation))
        names = [field.name for field in self.fields]
        for name in observation:
            if name not in names:
                meant = str(name)
                offer = nearest(meant if len(meant) <= _LONGEST_MEANT else "", names)
                errors.append(BadField(meant, "unknown field", observation[name], offer))
            if len(errors) > MAX_ERRORS:
                break
        first, *others = errors
        return BadField(first.field, first.alone, first.value, first.allowed, others)


def normal_numbers(seed: int, count: int) -> list[float]:
    """Return the normal numbers of a seed: those of NumPy's PCG64, in 32 bits."""
    return np.random.default_rng(seed).standard_normal(count, np.float32).tolist()


def _is_seed(value: Any) -> bool:
    """Return whether a value is a whole number that a generator can start from."""
    return type(value) in (float, int) and 0 <= value <= MAX_SEED and value == int(value)


def _beyond(field: Field, value: Any, out_of_range: OutOfRange) -> float | BadField:
    """Return a number brought to the bound that it is beyond, or what is wrong with it."""
    if isinstance(value, float) and not math.isfinite(value):
        return BadField(field.name, f"{value} is not a number", str(value), field.allowed)
    low, high = _ends(field)
    below = value < low
    if out_of_range == "refuse":
        held = (field.low if below else field.high) is not None
        why = "is out of range" if held else "is larger than 32 bits hold"
        return BadField(field.name, f"{_shown(value)} {why}", value, field.allowed)
    return low if below else high


def _ends(field: Field) -> tuple[float, float]:
    """Return the least and the greatest number that a row takes."""
    low, high = field.low, field.high
    return (-_FLOAT32_MAX if low is None else low, _FLOAT32_MAX if high is None else high)


def _wrong(field: Field, value: Any, there: bool) -> BadField:
    """Return the message for a value of another kind."""
    if not there:
        return BadField(field.name, "the field is missing", None, field.allowed)
    what = "is none of the choices" if field.choices else "is not a number"
    what = "cannot be a seed" if field.draws else what
    return BadField(field.name, f"{_shown(value)} {what}", value, field.allowed)


def _shown(value: Any) -> str:
    """Return the beginning of a value as text."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no whole number of more than 4300 digits
        return "a number of thousands of digits"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _plain(value: Any) -> Any:
    """Return a NumPy scalar as the Python value that it is."""
    if isinstance(value, np.floating):
        return float(value)  # a longdouble's item() is itself
    return value.item() if isinstance(value, np.generic) else value


def _codes(field: Field) -> dict[str, list[float]] | None:
    """Return the columns of each choice; None for a number."""
    if not field.choices:
        return None
    count = len(field.choices)
    if field.encoding == "index":
        return {choice: [float(n)] for n, choice in enumerate(field.choices)}
    return {choice: [float(k == n) for k in range(count)] for n, choice in enumerate(field.choices)}
