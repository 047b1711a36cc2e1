"""Hold the result of a step, and a dictionary that is computed when it is read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import numpy as np


class StepResult(NamedTuple):
    """The result of one step of ``N`` copies. Arrays ``[N, ...]``; copy them before keeping them.

    Attributes:
        observation: what to decide on next, of a new episode where the old one ended.
        final_observation: what the step led to, before any reset.
        reward, terminated, truncated: as a world returns them.
        metrics: computes the record of metrics, leaves ``[N, ...]``.
    """

    observation: np.ndarray
    final_observation: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    metrics: Callable[[], Any]


class LazyInfo(dict[str, Any]):
    """A dictionary whose entries are computed when somebody first reads one.

    What is written before that stays. Copies and pickles of it are ordinary dictionaries.

    Args:
        compute: returns the entries.
        names: of all entries that it may return, where they are known: to ask for another one
            computes nothing.
    """

    __slots__ = ("_compute", "_names")
    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def __init__(
        self, compute: Callable[[], dict[str, Any]], names: Collection[str] | None = None
    ) -> None:
        self._compute: Callable[[], dict[str, Any]] | None = compute
        self._names = names

    def _fill(self) -> None:
        if self._compute is not None:
            compute, self._compute = self._compute, None
            written = dict.items(self)
            entries = compute() | dict(written)
            dict.clear(self)
            dict.update(self, entries)

    def _look_up(self, name: object) -> None:
        if self._names is None or name in self._names:
            self._fill()

    def __contains__(self, name: object) -> bool:
        self._look_up(name)
        return dict.__contains__(self, name)

    def get(self, name: str, default: Any = None) -> Any:
        """Return the entry of a name, ``default`` where there is none."""
        self._look_up(name)
        return dict.get(self, name, default)

    def copy(self) -> dict[str, Any]:
        """Return an ordinary dictionary of the same entries."""
        return dict(self.items())

    def __eq__(self, other: object) -> bool:
        return self.copy() == (other.copy() if isinstance(other, LazyInfo) else other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __or__(self, other: Any) -> Any:
        return self.copy() | other

    def __ror__(self, other: Any) -> Any:
        return other | self.copy()

    def __reduce__(self) -> Any:
        return dict, (self.copy(),)


def _reading(name: str) -> Callable[..., Any]:
    """Return a method of ``dict`` that fills the dictionary first."""
    method = getattr(dict, name)

    def read(self: LazyInfo, *args: Any) -> Any:
        self._fill()
        return method(self, *args)

    read.__name__, read.__doc__ = name, method.__doc__
    return read


_READING = (
    "__delitem__ __getitem__ __iter__ __len__ __repr__ __reversed__ "
    "clear items keys pop popitem setdefault values"
)
for _name in _READING.split():
    setattr(LazyInfo, _name, _reading(_name))


SingleResult = tuple[np.ndarray, Sequence[Any], bool, bool, Callable[[], Any]]
"""The result of one step of one copy: the observation ``[*agents, features]`` that it led to, the
reward of every agent, terminated, truncated, and a function that computes the metrics."""
