"""Write and read grey images as PNG (ISO/IEC 15948) with the standard library."""

from __future__ import annotations

import struct
import zlib

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def encode(image: np.ndarray, level: int = 1) -> bytes:
    """Return a PNG file of a grey image ``[height, width]`` uint8.

    Args:
        level: of compression, 0 to 9.
    """
    height, width = image.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = np.zeros((height, width + 1), np.uint8)  # each row after its filter, 0
    rows[:, 1:] = image
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), level)), (b"IEND", b"")
    return _SIGNATURE + b"".join(_chunk(kind, content) for kind, content in parts)


def decode(content: bytes) -> np.ndarray:
    """Return the image ``[height, width]`` uint8 of a file that :func:`encode` wrote.

    Raises:
        ValueError: it is another kind of file, or its rows are filtered.
    """
    if not content.startswith(_SIGNATURE):
        raise ValueError("must be a PNG file")
    width, height, depth, colour, *_, interlaced = struct.unpack(">IIBBBBB", content[16:29])
    if (depth, colour, interlaced) != (8, 0, 0):
        raise ValueError("must have 8 bits of grey")
    data, at = b"", len(_SIGNATURE)
    while at + 8 <= len(content):
        length, kind = struct.unpack(">I4s", content[at : at + 8])
        if kind == b"IDAT":
            data += content[at + 8 : at + 8 + length]
        at += 12 + length
    rows = np.frombuffer(zlib.decompressobj().decompress(data, height * (width + 1)), np.uint8)
    if rows.size != height * (width + 1):
        raise ValueError("must have all of its rows")
    rows = rows.reshape(height, width + 1)
    if rows[:, 0].any():
        raise ValueError("must have rows without a filter")
    return rows[:, 1:]


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)
