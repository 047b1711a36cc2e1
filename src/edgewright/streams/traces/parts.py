"""Split traces into those for training and those held out."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from edgewright.core.errors import InputError, nearest
from edgewright.streams.traces.lines import PathLike

Part = Literal["train", "test"]


def split_by_file(
    paths: Iterable[PathLike], part: Part, test_share: float = 0.3
) -> tuple[Path, ...]:
    """Return the files of one part: no recording is ever in both.

    Files are ordered by the SHA-256 of their names, and the first ``ceil(test_share * files)`` (but
    never all) are the test part. So the split is the same on every machine and in whatever order
    the files are given, and adding a file moves at most one other between the parts.

    Args:
        paths: at least two files.
        part: ``"train"`` or ``"test"``.
        test_share: share of the files that is held out, in (0, 1).
    """
    check_part(part)
    if not 0.0 < test_share < 1.0:
        raise InputError(f"test_share = {test_share} is not in (0, 1)", where="test_share")
    files = sorted({Path(path) for path in paths}, key=_split_order)
    if len(files) < 2:
        given = f"only '{files[0].name}'" if files else "no file"
        raise InputError(
            f"{given} was given: with fewer than two files one part would be empty, or both parts "
            "would hold the same recording",
            where="split_by_file",
            hint="give two or more files, e.g. cut the recording in two",
        )
    count = math.ceil(test_share * len(files) - 1e-9)
    count = min(max(count, 1), len(files) - 1)
    return tuple(files[:count] if part == "test" else files[count:])


def check_part(part: str) -> None:
    """Refuse anything but ``"train"`` and ``"test"``."""
    if part not in ("train", "test"):
        raise InputError(
            f"'{part}' is not a part", where="part", hint=nearest(str(part), ("train", "test"))
        )


def _split_order(path: Path) -> tuple[str, str]:
    return hashlib.sha256(path.name.encode()).hexdigest(), str(path)
