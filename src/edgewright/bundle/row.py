"""Write a single row to the memory of an engine, and decide it."""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np


class RowDecider(Protocol):
    """An engine for a single row. Callers take turns."""

    def one(self, row: Sequence[float]) -> tuple[list[Any], float]:
        """Return the outputs for one row, and the sum of the scores."""
        ...


def row_memory(columns: int) -> tuple[np.ndarray, Callable[..., None]]:
    """Return an array ``[1, columns]`` float32, and what writes numbers into it: ``put(*row)``."""
    array = np.zeros((1, columns), np.float32)
    pack = struct.Struct(f"{columns}f").pack_into
    return array, functools.partial(pack, array.data.cast("B"), 0)
