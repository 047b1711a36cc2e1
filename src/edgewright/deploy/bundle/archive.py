"""The container of a bundle: a zip in which every byte follows from the members.

Members are stored, not packed, in the order given, with a fixed date and no extra fields. So the
same members make the same file, and a reader makes the file again from what it found and compares:
a byte that was flipped anywhere, even where a zip reader would not look, does not pass.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping

import numpy as np

from edgewright.core.errors import InputError

MOST_BYTES = 256 * 2**20
"""Larger files are refused before they are read."""

_LOCAL = struct.Struct("<IHHHHHIIIHH")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_END = struct.Struct("<IHHHHIIH")
_VERSION, _DATE = 20, 33  # 2.0; 1980-01-01


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
        whole = pack(members) == content
    except Exception as error:
        # Whatever a zip reader trips over in foreign bytes, the answer is the same.
        problem = f"the file is cut, altered, or no bundle ({error})"
        raise InputError(problem, where=where, hint=AGAIN) from None
    if not whole:
        problem = "the file was altered: its bytes are not those of its members"
        raise InputError(problem, where=where, hint=AGAIN)
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
    """Return the arrays of :func:`pack_arrays`; nothing is ever unpickled."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except Exception as error:
        raise InputError(f"arrays cannot be read ({error})", where=where, hint=AGAIN) from None


AGAIN = "take the file again from where it was made, or export it again"
