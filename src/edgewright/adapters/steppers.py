"""Choose between Python, NumPy and the compiled program to step the copies of a world."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import jax
import numpy as np

from edgewright.adapters import spaces
from edgewright.adapters.compiled import CompiledStepper
from edgewright.adapters.host.program import host_world
from edgewright.adapters.host.steppers import HostSingle, HostVector
from edgewright.adapters.results import SingleResult, StepResult
from edgewright.core.errors import InputError
from edgewright.core.process import check_process
from edgewright.core.protocols import Stream, World

NUMBERS = 2**31
"""A copy is numbered from 0 to this; its inputs follow from the number."""

MAX_HOST_COPIES = 256
"""The largest number of copies that NumPy steps; see docs/decisions/0078 for the measurement."""

MAX_COLUMN_OPERATIONS = 1000
"""The largest number of operations of a step that NumPy runs, some 0.3 us each."""

Backend = Literal["auto", "host", "compiled"]
"""``auto`` is the host for a small world that can be translated, up to :data:`MAX_HOST_COPIES`."""


class SingleStepper(Protocol):
    """One copy of a world. It is not reset where its episode ends."""

    @property
    def started(self) -> bool:
        """Return whether :meth:`reset` was called."""
        ...

    def reset(self, number: int) -> np.ndarray:
        """Start inputs of this number and an episode; return ``[*agents, features]``."""
        ...

    def restart(self) -> np.ndarray:
        """Start a new episode; the inputs go on where they are."""
        ...

    def step(self, action: Any) -> SingleResult:
        """Serve one slot with an action ``[*agents, ...]`` or a record of that."""
        ...


class VectorStepper(Protocol):
    """``N`` copies of a world in lockstep, each reset where its episode ends."""

    @property
    def started(self) -> bool:
        """Return whether :meth:`reset` was called."""
        ...

    def reset(self, numbers: Sequence[int]) -> np.ndarray:
        """Start all copies afresh and return their observations ``[N, *agents, features]``."""
        ...

    def restart(self) -> np.ndarray:
        """Start a new episode in every copy; the inputs go on where they are."""
        ...

    def step(self, actions: Any) -> StepResult:
        """Step every copy with ``[N, *agents, ...]``, or a record of that."""
        ...


def single_stepper(
    world: World, params: Any, stream: Stream[Any], backend: Backend = "auto"
) -> SingleStepper:
    """Return what steps one copy of a world.

    Raises:
        InputError: the process cannot compute, or ``backend`` is unknown or cannot run the world.
    """
    check_process()
    if _tries_host(backend, 1):
        host = host_world(world, params, stream)
        if host is not None:
            return HostSingle(host, stream)
        _check_not_asked(backend)
    return _CompiledSingle(CompiledStepper(world, params, stream, 1), spaces.agents(world, params))


def vector_stepper(
    world: World, params: Any, stream: Stream[Any], count: int, backend: Backend = "auto"
) -> VectorStepper:
    """Return what steps ``count`` copies of a world; see :func:`single_stepper`."""
    check_process()
    if _tries_host(backend, count):
        host = host_world(world, params, stream, count)
        if host is not None and (backend == "host" or host.operations <= MAX_COLUMN_OPERATIONS):
            return HostVector(host, stream, count)
        _check_not_asked(backend)
    return CompiledStepper(world, params, stream, count)


def _tries_host(backend: str, count: int) -> bool:
    if backend not in ("auto", "host", "compiled"):
        message = f"must be 'auto', 'host' or 'compiled'; got {backend!r}"
        raise InputError(message, where="backend", hint="leave it out, which is 'auto'")
    return backend == "host" or (backend == "auto" and count <= MAX_HOST_COPIES)


def _check_not_asked(backend: str) -> None:
    if backend == "host":
        message = "must be 'auto' or 'compiled' for this world; got 'host'"
        hint = "leave it out: the world has an operation that only the compiled step knows"
        raise InputError(message, where="backend", hint=hint)


class _CompiledSingle:
    """One copy behind the compiled program of many."""

    def __init__(self, copies: CompiledStepper, agents: tuple[int, ...]) -> None:
        self._copies, self._agents = copies, agents

    @property
    def started(self) -> bool:
        return self._copies.started

    def reset(self, number: int) -> np.ndarray:
        return self._copies.reset([number])[0]

    def restart(self) -> np.ndarray:
        return self._copies.restart()[0]

    def step(self, action: Any) -> SingleResult:
        if type(action) is int:
            action = np.full(self._agents, action, np.int32)
        result = self._copies.step(jax.tree.map(lambda leaf: np.asarray(leaf)[None], action))
        return (
            result.final_observation[0].copy(),
            result.reward[0].reshape(-1),
            bool(result.terminated[0]),
            bool(result.truncated[0]),
            lambda: jax.tree.map(lambda leaf: leaf[0], result.metrics()),
        )
