"""Find the files of recordings in folders, by pattern, or one by one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from edgewright.core.errors import InputError
from edgewright.streams.traces.lines import PathLike
from edgewright.streams.traces.reading import Reading

SUFFIXES = ("", ".txt", ".log", ".csv", ".tsv", ".dat", ".jsonl", ".up", ".down", ".trace")
"""Suffixes of the files of a folder that are taken where no pattern is given."""

ABOUT = ("readme", "license", "licence", "notice", "copying", "citation", "makefile", "sources")
"""Names of files in a folder that are about the recordings."""


def recording_files(
    given: PathLike | Sequence[PathLike], reading: Reading | None = None
) -> list[Path]:
    """Return the files of recordings.

    Args:
        given: a folder, a file, or several of them.
        reading: its ``files`` says which files of a folder; without it, those whose suffix is one
            of :data:`SUFFIXES`.

    Raises:
        InputError: the folder does not exist, or holds none of the files.
    """
    several = [given] if isinstance(given, str | os.PathLike) else list(given)
    files: dict[Path, None] = {}
    for one in several:
        path = Path(one).expanduser().absolute()
        if path.is_dir():
            files |= dict.fromkeys(_in_folder(path, reading or Reading()))
        elif path.exists():
            files[path] = None
        else:
            message = "no such folder or file"
            hint = "name the folder that holds the recordings"
            raise InputError(message, where=str(path), hint=hint)
    return list(files)


def _in_folder(folder: Path, reading: Reading) -> list[Path]:
    pattern = reading.files
    try:
        listed = sorted(folder.glob(pattern or "*"))
    except (ValueError, NotImplementedError) as error:  # the latter: an absolute pattern
        message = f"'{pattern}' cannot be a pattern of file names: {error}"
        hint = reading.assignment("files", "*.log")
        raise InputError(message, where=f"{reading.prefix}files", hint=hint) from None
    files = [path for path in listed if path.is_file() and not path.name.startswith(".")]
    if not pattern:
        files = [path for path in files if _is_recording(path)]
    if files:
        return files
    suffixes = sorted({path.suffix for path in folder.rglob("*") if path.is_file() and path.suffix})
    hint = "name a folder that holds recordings"
    if suffixes:
        example = reading.assignment("files", f"**/*{suffixes[0]}")
        hint += f", or say which of its files are some: {example}"
    raise InputError(
        f"the folder holds no {f'file {pattern}' if pattern else 'recording'}",
        where=str(folder),
        hint=hint,
    )


def _is_recording(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.stem.lower() not in ABOUT
