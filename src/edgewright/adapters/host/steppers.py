"""Step one copy of a world by Python on scalars, or a few by NumPy on columns."""

from __future__ import annotations

import contextvars
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from edgewright.adapters.drawing import DrawnRows
from edgewright.adapters.host.program import HostWorld
from edgewright.adapters.packing import Layout
from edgewright.adapters.results import SingleResult, StepResult
from edgewright.core.protocols import Stream


class _Quiet:
    """Run functions where NumPy does not warn of what a ``where`` then throws away.

    Entering a context costs a twentieth of entering ``numpy.errstate``.
    """

    def __init__(self) -> None:
        self._context = contextvars.Context()
        self._context.run(np.seterr, all="ignore")
        self.run = self._context.run


class HostSingle:
    """One copy of a world, by Python on NumPy scalars."""

    def __init__(self, host: HostWorld, stream: Stream[Any]) -> None:
        self._host, self._run = host, _Quiet().run
        self._rows = DrawnRows(stream, host.x, 1, columns=False)
        self._flat = len(host.observation) == 1
        self._types = [np.dtype(name).type for name in host.action.word_dtypes]
        self._state: tuple[Any, ...] = ()
        self._x: tuple[Any, ...] | None = None
        self._played = False

    @property
    def started(self) -> bool:
        """Return whether :meth:`reset` was called."""
        return self._x is not None

    def reset(self, number: int) -> np.ndarray:
        """Start inputs of this number and an episode; return its first observation."""
        self._rows.reset([number])
        self._x = next(self._rows)
        return self._begin()

    def restart(self) -> np.ndarray:
        """Start a new episode; the inputs go on where they are."""
        if not self._played:
            self._x = next(self._rows)
        return self._begin()

    def step(self, action: Any) -> SingleResult:
        """Serve one slot.

        Args:
            action: ``[*agents, ...]``, a number where it has one entry, or a record of arrays.
        """
        host, before, x = self._host, self._state, self._x
        following = next(self._rows)
        given = (self._types[0](action),) if type(action) is int else _words(action, host.action)
        self._state, observation, reward, (terminated,), (truncated,) = self._run(
            host.step, before, given, x, following
        )
        self._x, self._played = following, True
        return (
            self._shaped(observation),
            reward,
            bool(terminated),
            bool(truncated),
            lambda: _record(self._run(host.measure, before, given, x)[0], host.metrics),
        )

    def _begin(self) -> np.ndarray:
        self._played = False
        (self._state,) = self._run(self._host.reset, self._x)
        (observation,) = self._run(self._host.observe, self._state, self._x)
        return self._shaped(observation)

    def _shaped(self, observation: tuple[Any, ...]) -> np.ndarray:
        values = np.array(observation, np.float32)
        return values if self._flat else values.reshape(self._host.observation)


def _words(action: Any, layout: Layout) -> tuple[Any, ...]:
    """Return the entries of an action as NumPy scalars of the types that the world takes."""
    leaves = zip(jax.tree.leaves(action), layout.dtypes, strict=True)
    return tuple(value for leaf, dtype in leaves for value in np.asarray(leaf, dtype).reshape(-1))


def _record(values: tuple[Any, ...], layout: Layout) -> Any:
    """Return scalars as a record of arrays."""
    leaves, begin = [], 0
    for shape, dtype in zip(layout.shapes, layout.dtypes, strict=True):
        size = int(np.prod(shape))
        leaves.append(np.array(values[begin : begin + size], dtype).reshape(shape))
        begin += size
    return jax.tree.unflatten(layout.structure, leaves)


class HostVector:
    """``N`` copies of a world in lockstep, by NumPy on columns ``[N]``."""

    def __init__(self, host: HostWorld, stream: Stream[Any], count: int) -> None:
        self._host, self._run, self.count = host, _Quiet().run, count
        self._rows = DrawnRows(stream, host.x, count, columns=True)
        self._agents = host.observation[:-1]
        self._state: tuple[Any, ...] = ()
        self._x: tuple[Any, ...] | None = None
        self._played = False

    @property
    def started(self) -> bool:
        """Return whether :meth:`reset` was called."""
        return self._x is not None

    def reset(self, numbers: Sequence[int]) -> np.ndarray:
        """Start all copies afresh and return their observations ``[N, *agents, features]``."""
        self._rows.reset(numbers)
        self._x = next(self._rows)
        return self._begin()

    def restart(self) -> np.ndarray:
        """Start a new episode in every copy; the inputs go on where they are."""
        if not self._played:
            self._x = next(self._rows)
        return self._begin()

    def step(self, actions: Any) -> StepResult:
        """Step every copy, and reset those whose episode ended.

        Args:
            actions: ``[N, *agents, ...]``, or a record of that.
        """
        host, before, x = self._host, self._state, self._x
        following = next(self._rows)
        given = _columns(actions, host.action)
        state, columns, reward, (terminated,), (truncated,) = self._run(
            host.step, before, given, x, following
        )
        done = terminated | truncated
        shown = final = self._stacked(columns)
        if np.count_nonzero(done):
            (fresh,) = self._run(host.reset, following)
            pairs = zip(fresh, state, strict=True)
            state = tuple(_replaced(old, done, new) for new, old in pairs)
            shown = self._stacked(self._run(host.observe, state, following)[0])
        self._state, self._x, self._played = state, following, True
        return StepResult(
            shown,
            final,
            self._joined(reward, self._agents),
            terminated,
            truncated,
            lambda: self._record(self._run(host.measure, before, given, x)[0]),
        )

    def _begin(self) -> np.ndarray:
        self._played = False
        (self._state,) = self._run(self._host.reset, self._x)
        (observation,) = self._run(self._host.observe, self._state, self._x)
        return self._stacked(observation)

    def _stacked(self, observation: tuple[Any, ...]) -> np.ndarray:
        return self._joined(observation, self._host.observation)

    def _joined(self, columns: tuple[Any, ...], shape: tuple[int, ...]) -> np.ndarray:
        """Return columns as a new array ``[N, *shape]`` of float32."""
        joined = np.empty((self.count, len(columns)), np.float32)
        for index, column in enumerate(columns):
            joined[:, index] = column
        return joined.reshape(self.count, *shape)

    def _record(self, columns: tuple[Any, ...]) -> Any:
        """Return columns as a record of arrays ``[N, ...]``."""
        layout, leaves, begin = self._host.metrics, [], 0
        for shape, dtype in zip(layout.shapes, layout.dtypes, strict=True):
            size = int(np.prod(shape))
            part = np.empty((self.count, size), dtype)
            for index in range(size):
                part[:, index] = columns[begin + index]
            leaves.append(part.reshape(self.count, *shape))
            begin += size
        return jax.tree.unflatten(layout.structure, leaves)


def _replaced(old: np.ndarray, where: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return ``old`` with ``new`` where the condition holds, ``[N]``."""
    result = old.copy()
    np.putmask(result, where, new)
    return result


def _columns(actions: Any, layout: Layout) -> tuple[Any, ...]:
    """Return the entries of actions as columns of the types that the world takes; copies."""
    columns: list[Any] = []
    for leaf, dtype in zip(jax.tree.leaves(actions), layout.dtypes, strict=True):
        rows = np.array(leaf, dtype)
        columns += [rows] if rows.ndim == 1 else list(rows.reshape(len(rows), -1).T)
    return tuple(columns)
