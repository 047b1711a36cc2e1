"""Read what the messages of an ONNX file say of tensors and of the settings of operators.

A message is a mapping from field numbers to values, as :mod:`.wire` reads it. What a tensor claims
must fit the bytes it brings, and a setting must have one value, of the kind that it names: so the
runtime reads the same numbers as this module.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from edgewright.bundle.protobuf import numbers

Message = dict[int, list[Any]]

KINDS = {
    code: np.dtype(name)
    for code, name in (
        (1, "float32"), (2, "uint8"), (3, "int8"), (4, "uint16"), (5, "int16"), (6, "int32"),
        (7, "int64"), (9, "bool"), (10, "float16"), (11, "float64"), (12, "uint32"), (13, "uint64"),
    )
}  # fmt: skip
"""Kinds of numbers by their code in ``onnx.proto3``."""

MAX_AXES = 32
"""Axes of a tensor, and whole numbers of a shape that is computed."""

_DIMS, _KIND, _FLOATS, _INT32S, _INT64S, _RAW = 1, 2, 4, 5, 7, 9
_SMALL = ("int32", "int16", "int8", "uint16", "uint8", "bool", "float16")
_FIELD_OF = {"float32": _FLOATS, "int64": _INT64S} | dict.fromkeys(_SMALL, _INT32S)

# Fields of an attribute: the code of its kind, and the field that holds its value.
_SETTINGS = {1: 2, 2: 3, 3: 4, 6: 7, 7: 8, 8: 9}
_EMPTY = {1: 0.0, 2: 0, 3: ""}


@dataclasses.dataclass(frozen=True, eq=False)
class Value:
    """A tensor, as far as it is known before a graph runs.

    Attributes:
        content: its whole numbers where they are few and known: they may become a shape.
        fixed: whether these are the same for any number of rows.
    """

    shape: tuple[int, ...]
    kind: np.dtype[Any]
    content: np.ndarray | None = None
    fixed: bool = True

    @property
    def bytes(self) -> int:
        """Return the memory that the tensor takes."""
        return math.prod(self.shape) * self.kind.itemsize


def text(message: Message, field: int) -> str:
    """Return the text of a field, empty where it is not there."""
    return message.get(field, [""])[0]


def signed(value: int) -> int:
    """Return a number of 64 bits, as protobuf reads it, with its sign."""
    return value - 2**64 if value >= 2**63 else value


def kind_of(code: int) -> np.dtype[Any]:
    """Return the kind of numbers of a code.

    Raises:
        ValueError: it is none that bundles use.
    """
    if code not in KINDS:
        raise ValueError(f"numbers of kind {code} are not used in bundles")
    return KINDS[code]


def read_tensor(message: Message) -> Value:
    """Return a constant of a graph.

    Raises:
        ValueError: its numbers are not as many as its shape says.
    """
    shape = tuple(_whole(message.get(_DIMS, [])))
    kind = kind_of(message.get(_KIND, [0])[0])
    if len(shape) > MAX_AXES or min(shape, default=1) < 0:
        raise ValueError(f"a shape of {len(shape)} axes, or with negative sizes, makes no tensor")
    given = [field for field in (_FLOATS, _INT32S, _INT64S, _RAW) if field in message]
    wanted = math.prod(shape)
    if given not in ([], [_RAW], [_FIELD_OF.get(kind.name)]):
        raise ValueError(f"numbers of a tensor of {kind} stand in another field")
    if _count(message, given, kind) != wanted:
        raise ValueError(f"its numbers are not those of a tensor {list(shape)} of {kind}")
    few = kind == np.int64 and len(shape) < 2 and wanted <= MAX_AXES
    return Value(shape, kind, _content(message, given, shape) if few else None)


def read_settings(messages: Sequence[Message]) -> dict[str, Any]:
    """Return the settings of an operator by name.

    Raises:
        ValueError: one is there twice, or has not one value of its own kind.
    """
    result: dict[str, Any] = {}
    for message in messages:
        name, code = text(message, 1), message.get(20, [0])[0]
        field = _SETTINGS.get(code)
        if name in result or field is None or {*message} - {1, 20, field}:
            raise ValueError(f"its setting '{name}' can be read in two ways")
        values = message.get(field, [])
        if code == 2:
            result[name] = signed(values[0]) if values else 0
        elif code == 7:
            result[name] = [*_whole(values)]
        else:
            result[name] = values[0] if code in _EMPTY and values else _EMPTY.get(code, values)
    return result


def _whole(values: Sequence[Any]) -> Iterator[int]:
    """Yield whole numbers, packed or not."""
    for value in values:
        for one in (value,) if isinstance(value, int) else numbers(value):
            yield signed(one)


def _count(message: Message, given: Sequence[int], kind: np.dtype[Any]) -> float:
    """Return how many numbers a constant brings."""
    if not given:
        return 0
    values = message[given[0]]
    if given[0] in (_RAW, _FLOATS):
        return sum(map(len, values)) / kind.itemsize
    ends = (1 if isinstance(one, int) else sum(byte < 0x80 for byte in one) for one in values)
    return sum(ends)


def _content(message: Message, given: list[int], shape: tuple[int, ...]) -> np.ndarray:
    if given == [_RAW]:
        return np.frombuffer(message[_RAW][0], "<i8").reshape(shape)
    return np.array([*_whole(message.get(_INT64S, []))], np.int64).reshape(shape)
