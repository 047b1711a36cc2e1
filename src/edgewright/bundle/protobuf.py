"""Walk a protobuf message byte by byte, as strictly as no reader of protobuf could read otherwise.

A reader that is more lenient than the runtime's, or less, would let a graph mean two things: one
that is checked and one that runs. So everything that readers treat differently is refused: keys
beyond 32 bits, numbers beyond 64, numbers written longer than they are, groups.
"""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, DATA, FIXED32 = 0, 1, 2, 5
"""Wire types: how the value of a field is written."""

_FIXED = {FIXED64: 8, FIXED32: 4}
_KEY_BITS, _NUMBER_BITS = 32, 64


def fields(message: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Yield (field number, wire type, value) of a message; fixed-width values as bytes.

    Raises:
        ValueError: the bytes are not a message, or readers may read it differently.
    """
    index, size = 0, len(message)
    while index < size:
        key, index = _varint(message, index, _KEY_BITS)
        field, wire = key >> 3, key & 7
        if field == 0:
            raise ValueError("a field has number 0")
        if wire == VARINT:
            value, index = _varint(message, index, _NUMBER_BITS)
            yield field, wire, value
            continue
        if wire == DATA:
            length, index = _varint(message, index, _NUMBER_BITS)
        elif wire in _FIXED:
            length = _FIXED[wire]
        else:
            raise ValueError(f"wire type {wire}")
        if length > size - index:
            raise ValueError("a field reaches beyond the end")
        yield field, wire, message[index : index + length]
        index += length


def numbers(content: bytes) -> Iterator[int]:
    """Yield whole numbers that stand packed one behind the other."""
    index = 0
    while index < len(content):
        value, index = _varint(content, index, _NUMBER_BITS)
        yield value


def _varint(message: bytes, index: int, bits: int) -> tuple[int, int]:
    """Return a number that fits ``bits`` and is written no longer than it is, and what follows."""
    value, shift = 0, 0
    while shift < bits:
        if index >= len(message):
            raise ValueError("a number is cut")
        byte = message[index]
        value |= (byte & 0x7F) << shift
        index, shift = index + 1, shift + 7
        if byte >= 0x80:
            continue
        if value >> bits or (byte == 0 and shift > 7):
            break
        return value, index
    raise ValueError("a number is longer than it may be")
