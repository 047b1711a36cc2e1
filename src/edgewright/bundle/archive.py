"""Read and write the container of a bundle, a zip in which every byte follows from the members.

Members are stored, not packed, in the order given, with a fixed date and no extra fields. So the
same members make the same file, and a reader makes the file again from what it found and compares:
a byte that was flipped anywhere, even where a zip reader would not look, does not pass.
"""

from __future__ import annotations

import io
import math
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgewright.core.errors import InputError

MAX_BYTES = 256 * 2**20
"""Larger files are refused before they are read."""

MAX_ARRAY_BYTES = 64 * 2**20
"""Larger collections of arrays are refused."""

_LOCAL = struct.Struct("<IHHHHHIIIHH")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_END = struct.Struct("<IHHHHIIH")
_VERSION, _DATE = 20, 33  # 2.0; 1980-01-01


def read_file(path: str | Path) -> bytes:
    """Return the bytes of a file that may be a bundle.

    Raises:
        InputError: it is missing, no regular file (a pipe would never end), or too large.
    """
    where, hint = (
        str(path),
        "name a file written by edgewright export; edgewright inspect takes recordings too",
    )
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            facts = os.fstat(file.fileno())
            regular = stat.S_ISREG(facts.st_mode)
            # A read asks for memory for all that it may return, so ask for what is there.
            content = file.read(min(facts.st_size, MAX_BYTES) + 1) if regular else b""
    except (OSError, ValueError) as error:
        message = f"cannot be read: {getattr(error, 'strerror', None) or error}"
        raise InputError(message, where=where, hint=hint) from None
    if not regular:
        raise InputError("cannot be read: it must be a regular file", where=where, hint=hint)
    if len(content) > MAX_BYTES:
        message = f"the file is larger than {MAX_BYTES // 2**20} MB"
        raise InputError(message, where=where, hint=hint)
    return content


def _without_waiting(path: str, flags: int) -> int:
    """Open a file; one that nobody writes into, as a pipe may be, is not waited for."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def pack(members: Mapping[str, bytes]) -> bytes:
    """Return the zip of the members, stored, in their order."""
    body, directory = bytearray(), bytearray()
    for name, content in members.items():
        label, offset = name.encode("ascii"), len(body)
        facts = (0, 0, 0, _DATE, zlib.crc32(content), len(content), len(content), len(label), 0)
        body += _LOCAL.pack(0x04034B50, _VERSION, *facts) + label + content
        directory += _CENTRAL.pack(
            0x02014B50, _VERSION, _VERSION, *facts, 0, 0, 0, 0, offset
        ) + label  # fmt: skip
    count, start = len(members), len(body)
    end = _END.pack(0x06054B50, 0, 0, count, count, len(directory), start, 0)
    return bytes(body + directory + end)


def unpack(content: bytes, where: str) -> dict[str, bytes]:
    """Return the members of what :func:`pack` made.

    Raises:
        InputError: the file is cut, altered, or something else.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if any(entry.compress_type or entry.file_size > len(content) for entry in entries):
                raise zipfile.BadZipFile("a member is not stored as it is")
            members = {entry.filename: archive.read(entry) for entry in entries}
        intact = pack(members) == content
    except Exception as error:
        # Whatever a zip reader trips over in foreign bytes, the answer is the same.
        message = f"the file is cut, altered, or no bundle ({error})"
        raise InputError(message, where=where, hint=AGAIN) from None
    if not intact:
        message = "the file was altered: its bytes are not those of its members"
        raise InputError(message, where=where, hint=AGAIN)
    return members


def pack_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return the arrays as an ``.npz`` whose bytes depend on nothing else."""
    members = {}
    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
        members[f"{name}.npy"] = buffer.getvalue()
    return pack(members)


def unpack_arrays(content: bytes, where: str) -> dict[str, np.ndarray]:
    """Return the arrays of :func:`pack_arrays`; nothing is ever unpickled or unpacked.

    Raises:
        InputError: the bytes are others, or more than :data:`MAX_ARRAY_BYTES`.
    """
    if len(content) > MAX_ARRAY_BYTES:
        message = f"the arrays take more than {MAX_ARRAY_BYTES // 2**20} MB"
        raise InputError(message, where=where, hint=AGAIN)
    members = unpack(content, where)
    try:
        return {name.removesuffix(".npy"): _array(member) for name, member in members.items()}
    except Exception as error:
        raise InputError(f"arrays cannot be read ({error})", where=where, hint=AGAIN) from None


def _array(member: bytes) -> np.ndarray:
    """Return the numbers of an ``.npy`` file, after its size was compared with what it says."""
    file = io.BytesIO(member)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("another version of the format")
    shape, columns_first, kind = np.lib.format.read_array_header_1_0(file)
    content = member[file.tell() :]
    if columns_first or kind.kind not in "biuf":
        raise ValueError(f"an array of {kind} is none of plain numbers")
    if math.prod(shape) * kind.itemsize != len(content):
        raise ValueError(f"{len(content)} bytes do not make an array {shape} of {kind}")
    return np.frombuffer(content, kind).reshape(shape)


AGAIN = "take the file again from where it was made, or export it again"
