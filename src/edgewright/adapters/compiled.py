"""Step ``N`` copies of a world from Python by one compiled program, one call a step.

Where an episode ends, the row that its last observation showed is the first row of the next one.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.adapters.drawing import ROWS, first_block, next_block, row_shapes
from edgewright.adapters.packing import Layout
from edgewright.adapters.results import StepResult
from edgewright.core.protocols import Stream, World
from edgewright.core.records import Array, record
from edgewright.loops.unroll import step_and_reset


@record
class _Shown:
    """All that a step shows, packed and read as one record."""

    observation: Any
    final_observation: Any
    reward: Any
    terminated: Any
    truncated: Any


@dataclass(frozen=True)
class _Layouts:
    """The packing of all records that cross the border."""

    params: Layout
    state: Layout
    x: Layout
    shown: Layout
    metrics: Layout


class CompiledStepper:
    """``N`` copies of a world, in lockstep, each with inputs of its own."""

    def __init__(self, world: World, params: Any, stream: Stream[Any], count: int) -> None:
        self.world, self.count, self._stream = world, count, stream
        self._layouts = _layouts(world, params, stream)
        self._params = jax.jit(self._layouts.params.pack)(params)
        self._carry: Any = None  # of the streams
        self._state = self._rows = jnp.zeros(0)
        self._row = 0  # the present one
        self._played = False  # has anybody acted since the last reset?

    @property
    def started(self) -> bool:
        """Return whether :meth:`reset` was called."""
        return self._carry is not None

    def reset(self, numbers: Sequence[int]) -> np.ndarray:
        """Start all copies afresh and return their observations ``[N, *agents, features]``."""
        seeds = np.asarray(numbers, np.uint32)
        self._carry, words = first_block(self._stream, self._layouts.x, seeds)
        self._rows = jnp.concatenate([words[:1], words])
        self._row = 1  # row 0 of the first block only fills the shape
        return self._reset()

    def restart(self) -> np.ndarray:
        """Start a new episode in every copy; the inputs go on where they are."""
        if not self._played:  # nobody acted on the present row: the same episode again otherwise
            self._next_row()
        return self._reset()

    def step(self, actions: Any) -> StepResult:
        """Step every copy, and reset those whose episode ended.

        Args:
            actions: ``[N, *agents, ...]``, or a record of that.
        """
        self._state, words, metrics = _advance(
            self.world,
            self._layouts,
            self._params,
            self._state,
            self._rows,
            np.int32(self._row),
            actions,
        )
        self._next_row()
        self._played = True
        shown = self._layouts.shown.read(np.asarray(words))
        read = self._layouts.metrics.read
        return StepResult(
            shown.observation,
            shown.final_observation,
            shown.reward,
            shown.terminated,
            shown.truncated,
            lambda: read(np.asarray(metrics)),
        )

    def _reset(self) -> np.ndarray:
        self._played = False
        self._state, result = _fresh(
            self.world, self._layouts, self._params, self._rows, np.int32(self._row)
        )
        return np.array(result)

    def _next_row(self) -> None:
        self._row += 1
        if self._row == ROWS:
            self._carry, words = next_block(self._stream, self._layouts.x, self._carry)
            self._rows = jnp.concatenate([self._rows[-1:], words])
            self._row = 0


def _layouts(world: World, params: Any, stream: Stream[Any]) -> _Layouts:
    """Return the layouts, found without computing anything."""
    key = jax.eval_shape(lambda: jax.random.key(0))
    x = row_shapes(stream)
    state = jax.eval_shape(world.reset, params, x)
    action = jax.eval_shape(world.action_space(params).sample, key)
    play = functools.partial(_play, world)
    _, shown, metrics = jax.eval_shape(play, params, state, action, x, x)
    return _Layouts(*map(Layout.of, (params, state, x, shown, metrics)))


def _play(
    world: World, params: Any, state: Any, action: Any, x: Any, x_next: Any
) -> tuple[Any, _Shown, Any]:
    """Step one copy; return the state to go on from, what is shown, and the metrics."""
    outcome, following = step_and_reset(world, params, state, action, x, x_next)
    shown = _Shown(
        observation=world.observe(params, following, x_next),
        final_observation=world.observe(params, outcome.state, x_next),
        reward=outcome.reward,
        terminated=outcome.terminated,
        truncated=outcome.truncated,
    )
    return following, shown, outcome.metrics


@functools.partial(jax.jit, static_argnames=("world", "layouts"))
def _advance(
    world: World,
    layouts: _Layouts,
    params: Array,
    state: Array,
    rows: Array,
    row: Array,
    actions: Array,
) -> tuple[Array, Array, Array]:
    numbers = layouts.params.unpack(params)

    def one(state: Array, action: Array, x: Array, x_next: Array) -> tuple[Array, Array, Array]:
        before, now, later = (
            layouts.state.unpack(state),
            layouts.x.unpack(x),
            layouts.x.unpack(x_next),
        )
        after, shown, metrics = _play(world, numbers, before, action, now, later)
        packed = layouts.state.pack(after), layouts.shown.pack(shown)
        return *packed, layouts.metrics.pack(metrics)

    return jax.vmap(one)(state, actions, rows[row], rows[row + 1])


@functools.partial(jax.jit, static_argnames=("world", "layouts"))
def _fresh(
    world: World, layouts: _Layouts, params: Array, rows: Array, row: Array
) -> tuple[Array, Any]:
    numbers = layouts.params.unpack(params)

    def one(words: Array) -> tuple[Array, Any]:
        x = layouts.x.unpack(words)
        state = world.reset(numbers, x)
        return layouts.state.pack(state), world.observe(numbers, state, x)

    return jax.vmap(one)(rows[row])
