"""Step ``N`` copies of a world from Python, one call a step, with inputs drawn in blocks.

Results equal those of :func:`edgewright.loops.unroll.unroll` on the same inputs. Where an episode
ends, the row that its last observation showed is the first row of the next one. Inputs are
drawn in blocks of :data:`ROWS` rows; a copy's inputs depend on its own number only.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.adapters.packing import Layout
from edgewright.core.process import check_process
from edgewright.core.protocols import Stream, World
from edgewright.core.records import Array, record
from edgewright.loops.unroll import next_rows, step_and_reset

ROWS = 128
"""Rows of inputs drawn at a time. Another number is another random sequence."""

NUMBERS = 2**31
"""A copy is numbered from 0 to this; its inputs follow from the number."""


@record
class StepResult:
    """The result of one step. Leaves ``[N, ...]`` on the host; copy them before keeping them."""

    observation: Any  # what to decide on next: of a new episode where the old one ended
    final_observation: Any  # what the step led to, before any reset
    reward: Any
    terminated: Any
    truncated: Any
    metrics: Any


@dataclass(frozen=True)
class _Layouts:
    """The packing of all records that cross the border."""

    params: Layout
    state: Layout
    x: Layout
    observation: Layout


class VectorStepper:
    """``N`` copies of a world, in lockstep, each with inputs of its own."""

    def __init__(self, world: World, params: Any, stream: Stream[Any], count: int) -> None:
        check_process()
        self.world, self.count, self._stream = world, count, stream
        self._layouts = _layouts(world, params, stream)
        self._params = jax.jit(self._layouts.params.pack)(params)
        self._carry: Any = None  # of the streams
        self._state = self._rows = jnp.zeros(0)
        self._row = 0  # the present one
        self._played = False  # has anybody acted since the last reset?

    @property
    def started(self) -> bool:
        """Return whether :meth:`start` was called."""
        return self._carry is not None

    def reset(self, numbers: Sequence[int]) -> np.ndarray:
        """Start all copies afresh and return their observations ``[N, *agents, features]``."""
        seeds = np.asarray(numbers, np.uint32)
        self._carry, self._rows = _first_rows(self._stream, self._layouts, seeds)
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
        self._state, words = _advance(
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
        return self._layouts.observation.read(np.asarray(words))

    def _reset(self) -> np.ndarray:
        self._played = False
        self._state, result = _fresh(
            self.world, self._layouts, self._params, self._rows, np.int32(self._row)
        )
        return np.array(result)

    def _next_row(self) -> None:
        self._row += 1
        if self._row == ROWS:
            self._carry, self._rows = _more_rows(
                self._stream, self._layouts, self._carry, self._rows
            )
            self._row = 0


def _layouts(world: World, params: Any, stream: Stream[Any]) -> _Layouts:
    """Return the layouts, found without computing anything."""
    key = jax.eval_shape(lambda: jax.random.key(0))
    row = jax.eval_shape(lambda k: stream.next_rows(stream.init_carry(k), 1)[1], key)
    x = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), row)
    state = jax.eval_shape(world.reset, params, x)
    space = world.action_space(params)
    action = jax.eval_shape(space.sample, key)
    result = jax.eval_shape(functools.partial(_play, world), params, state, action, x, x)[1]
    return _Layouts(Layout.of(params), Layout.of(state), Layout.of(x), Layout.of(result))


def _play(
    world: World, params: Any, state: Any, action: Any, x: Any, x_next: Any
) -> tuple[Any, StepResult]:
    """Step one copy; return the state to go on from, and what is shown."""
    outcome, following = step_and_reset(world, params, state, action, x, x_next)
    return following, StepResult(
        observation=world.observe(params, following, x_next),
        final_observation=world.observe(params, outcome.state, x_next),
        reward=outcome.reward,
        terminated=outcome.terminated,
        truncated=outcome.truncated,
        metrics=outcome.metrics,
    )


@functools.partial(jax.jit, static_argnames=("world", "layouts"))
def _advance(
    world: World,
    layouts: _Layouts,
    params: Array,
    state: Array,
    rows: Array,
    row: Array,
    actions: Array,
) -> tuple[Array, Array]:
    numbers = layouts.params.unpack(params)

    def one(state: Array, action: Array, x: Array, x_next: Array) -> tuple[Array, Array]:
        before, now, later = (
            layouts.state.unpack(state),
            layouts.x.unpack(x),
            layouts.x.unpack(x_next),
        )
        after, result = _play(world, numbers, before, action, now, later)
        return layouts.state.pack(after), layouts.observation.pack(result)

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


def _packed_rows(layout: Layout, rows: Any) -> Array:
    return jax.vmap(jax.vmap(layout.pack))(rows)


@functools.partial(jax.jit, static_argnames="layouts")
def _first_rows(stream: Stream[Any], layouts: _Layouts, seeds: Array) -> tuple[Any, Array]:
    """Return the carries of new streams and a first block ``[ROWS + 1, N, words]``."""
    carry = jax.vmap(lambda seed: stream.init_carry(jax.random.key(seed)))(seeds)
    carry, rows = next_rows(stream, carry, ROWS)
    words = _packed_rows(layouts.x, rows)
    return carry, jnp.concatenate([words[:1], words])


@functools.partial(jax.jit, static_argnames="layouts")
def _more_rows(
    stream: Stream[Any], layouts: _Layouts, carry: Any, before: Array
) -> tuple[Any, Array]:
    """Return the next carries and a block whose row 0 is the last one of the block before."""
    carry, rows = next_rows(stream, carry, ROWS)
    return carry, jnp.concatenate([before[-1:], _packed_rows(layouts.x, rows)])
