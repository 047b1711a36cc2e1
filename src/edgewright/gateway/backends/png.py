"""Write grey images as PNG (ISO/IEC 15948) with the standard library."""

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


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)
