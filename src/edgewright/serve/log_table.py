"""Arrange the decisions of a log as columns, and find which of them follow one another."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from edgewright.serve.log_reader import LoggedDecision


@dataclasses.dataclass(frozen=True)
class LogTable:
    """Decisions as columns, the oldest first; numbers that a row lacks are NaN."""

    rows: Sequence[LoggedDecision]

    def __len__(self) -> int:
        return len(self.rows)

    @functools.cached_property
    def reward(self) -> np.ndarray:
        """Return the rewards ``[n]``; NaN without an outcome."""
        return np.array([np.nan if r.reward is None else r.reward for r in self.rows], float)

    @functools.cached_property
    def propensity(self) -> np.ndarray:
        """Return the propensities ``[n]``; NaN where unknown."""
        return np.array(
            [np.nan if r.propensity is None else r.propensity for r in self.rows], float
        )

    @functools.cached_property
    def at_s(self) -> np.ndarray:
        """Return the times of the decisions ``[n]`` in seconds since 1970."""
        return np.array([r.at for r in self.rows], float)

    def field(self, name: str) -> np.ndarray:
        """Return a field of numbers of the observations ``[n]``."""
        return _numbers(r.observation.get(name) for r in self.rows)

    def choice(self, name: str) -> np.ndarray:
        """Return a field of choices of the observations ``[n]`` as texts."""
        return np.array([str(r.observation.get(name, "")) for r in self.rows])

    def output(self, name: str) -> np.ndarray:
        """Return an output of one number of the decisions ``[n]``."""
        return _numbers(r.decision.get(name) for r in self.rows)

    def vector(self, name: str, size: int) -> np.ndarray:
        """Return an output of several numbers of the decisions ``[n, size]``; NaN where absent."""
        empty = [np.nan] * size
        values = (r.decision.get(name) for r in self.rows)
        rows = [one if isinstance(one, list) and len(one) == size else empty for one in values]
        return np.array(rows, float).reshape(len(self.rows), size)

    def metric(self, name: str) -> np.ndarray:
        """Return a metric of the outcomes ``[n]``."""
        return _numbers(r.metrics.get(name) for r in self.rows)

    @functools.cached_property
    def pairs(self) -> np.ndarray:
        """Return index pairs ``[m, 2]`` of decisions that one client asked for in a row."""
        last: dict[str, int] = {}
        result = []
        for index, row in enumerate(self.rows):
            if row.client in last:
                result.append((last[row.client], index))
            last[row.client] = index
        return np.array(result, int).reshape(-1, 2)

    def only(self, keep: np.ndarray) -> LogTable:
        """Return the table of the rows where ``keep`` ``[n]`` is true."""
        return LogTable([row for row, wanted in zip(self.rows, keep, strict=True) if wanted])


def _numbers(values: Iterable[Any]) -> np.ndarray:
    plain = (value if type(value) in (int, float) else np.nan for value in values)
    return np.array([*plain], float)


__all__ = ["LogTable"]
