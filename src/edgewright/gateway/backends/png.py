"""Write and read grey and coloured images as PNG (ISO/IEC 15948) with the standard library."""

from __future__ import annotations

import struct
import zlib

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _COLOUR = 0, 2


def encode(image: np.ndarray, level: int = 1) -> bytes:
    """Return a PNG file of an image uint8, ``[height, width]`` grey or ``[height, width, 3]``.

    Args:
        level: of compression, 0 to 9.
    """
    height, width = image.shape[:2]
    colour = _GREY if image.ndim == 2 else _COLOUR
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    row_bytes = image[0].size
    rows = np.zeros((height, row_bytes + 1), np.uint8)  # each row after its filter, 0
    rows[:, 1:] = image.reshape(height, row_bytes)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), level)), (b"IEND", b"")
    return _SIGNATURE + b"".join(_chunk(kind, content) for kind, content in parts)


def decode(content: bytes) -> np.ndarray:
    """Return the image uint8 of a file that :func:`encode` wrote, grey or coloured as it is.

    Raises:
        ValueError: it is another kind of file, or its rows are filtered.
    """
    if not content.startswith(_SIGNATURE):
        raise ValueError("must be a PNG file")
    width, height, depth, colour, *_, interlaced = struct.unpack(">IIBBBBB", content[16:29])
    if depth != 8 or colour not in (_GREY, _COLOUR) or interlaced:
        raise ValueError("must have 8 bits of grey, or of red, green and blue")
    row_bytes = width if colour == _GREY else 3 * width
    size, data, at = height * (row_bytes + 1), b"", len(_SIGNATURE)
    while at + 8 <= len(content):
        length, kind = struct.unpack(">I4s", content[at : at + 8])
        if kind == b"IDAT":
            data += content[at + 8 : at + 8 + length]
        at += 12 + length
    rows = np.frombuffer(zlib.decompressobj().decompress(data, size), np.uint8)
    if rows.size != size:
        raise ValueError("must have all of its rows")
    rows = rows.reshape(height, row_bytes + 1)
    if rows[:, 0].any():
        raise ValueError("must have rows without a filter")
    return rows[:, 1:] if colour == _GREY else rows[:, 1:].reshape(height, width, 3)


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)
