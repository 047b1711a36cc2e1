"""Solve a small AIGC world exactly, by backward induction over all its states.

With one device, one server, a constant task and constant bandwidth and background, backlogs and
charge move on a lattice; only the user's mode is drawn. The tables are made by *stepping the world
itself* in every state, so the solution is that of the world and not of a copy. A world that leaves
its lattice is refused.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.errors import InputError
from edgewright.core.records import Array, Decision, Memoryless, record
from edgewright.loops.evaluate import PrivilegedObservation
from edgewright.systems.aigc import AigcInputs, AigcParams, AigcState, AigcWorld, price_list

MODES = 3
OFF_LATTICE = 1e-2
"""Largest distance of a state from its lattice, in units of it."""


COARSER = "choose work, speeds, background and energies with a common unit"

MAX_STATES = 1_000_000
"""States that are tabulated at most: beyond, the units of the world are too fine."""


@record
class Lattice:
    """The states of the small world, with axes local backlog, server backlog and charge."""

    unit: Array  # [3] G-cycles, G-cycles, per cent
    origin: Array  # [3] the lowest of each
    count: Array  # [3] int32

    def index(self, state: AigcState) -> Array:
        """Return the number of the nearest state, ``[]``."""
        index = jnp.round((_coordinates(state) - self.origin) / self.unit).astype(jnp.int32)
        index = jnp.clip(index, 0, self.count - 1)
        return (index[0] * self.count[1] + index[1]) * self.count[2] + index[2]


@record
class Model:
    """The small world as tables; ``S`` states, ``A`` actions."""

    lattice: Lattice
    modes: Array  # [3] probabilities
    objective: Array  # [S, 3, A] what an evaluation counts
    following: Array  # [S, A] int32
    ended: Array  # [S, A] bool
    outside: Array  # [S, A] bool: leads to a local backlog beyond the tables, not to be taken


@record
class Solution:
    """Values of all states before the mode is known, and the best action in each slot."""

    value: Array  # [S]
    action: Array  # [T, S, 3] int8


@record
class TablePolicy(Memoryless):
    """A policy that looks up its action by the state, which it must know (``full_information``)."""

    lattice: Lattice
    action: Array  # [T, S, 3]

    def act(
        self, key: Array, carry: tuple[()], insight: PrivilegedObservation
    ) -> tuple[tuple[()], Decision]:
        """Return the action of the device."""
        slot = jnp.minimum(insight.state.slot, self.action.shape[0] - 1)
        row = self.action[slot, self.lattice.index(insight.state)]
        return carry, Decision(action=row[insight.x.mode].astype(jnp.int32), aux=())


def tabulate(
    world: AigcWorld,
    params: AigcParams,
    x: AigcInputs,
    modes: Any,
    *,
    deepest_gcycles: float,
) -> Model:
    """Return the tables of a world whose inputs are ``x`` in every slot, but for the mode.

    Args:
        x: one row of inputs; episodes begin at its initial charge, or lower on the lattice.
        modes: ``[3]``, how likely each mode is, independently in each slot.
        deepest_gcycles: the deepest local queue in the tables. What would pass it is not allowed,
            so the optimum found is exact if a deeper one does not change it.

    Raises:
        InputError: the world has more than one device or server, leaves the lattice, or has too
            many states.
    """
    if world.devices != 1 or world.servers != 1 or world.reading != "ours":
        message = "the dynamic program needs one device, one server and reading = 'ours'"
        raise InputError(message, where="world", hint="use the scenario aigc-toy")
    lattice = _lattice(world, params, x, deepest_gcycles)
    size = math.prod(int(count) for count in lattice.count)
    if size > MAX_STATES:
        message = f"backlogs and charge take {size:,} values, more than {MAX_STATES:,}"
        raise InputError(message, where="params", hint=COARSER)
    states = _states(lattice)
    objective, following, ended, outside, off = _tables(world, params, x, lattice, states)
    if float(off) > OFF_LATTICE:
        message = f"backlogs or charge leave the lattice by {float(off):.3f} of its unit"
        raise InputError(message, where="params", hint=COARSER)
    return Model(
        lattice=lattice,
        modes=jnp.asarray(modes, jnp.float32),
        objective=objective,
        following=following,
        ended=ended,
        outside=outside,
    )


def best_mean(model: Model, slots: int, post_termination_reward: float) -> Solution:
    """Return the optimum of what an evaluation measures: the *sum* over ``slots``, missed ones too.

    An evaluation counts a missed slot like the worst slot before, where that is below
    ``post_termination_reward``; here it counts that. So the value is never below the optimum,
    and it *is* the optimum where playing the policy earns it.
    """
    left = jnp.arange(slots - 1, -1, -1, dtype=jnp.float32)
    return _backward(model, left * post_termination_reward)


@jax.jit
def _backward(model: Model, after_end: Array) -> Solution:
    def sweep(value: Array, missed: Array) -> tuple[Array, Array]:
        later = jnp.where(model.ended, missed, value[model.following])
        total = model.objective + later[:, None]
        total = jnp.where(model.outside[:, None], -jnp.inf, total)
        best = jnp.max(total, axis=-1) @ model.modes
        return best, jnp.argmax(total, axis=-1).astype(jnp.int8)

    start = jnp.zeros(model.objective.shape[0])
    value, action = jax.lax.scan(sweep, start, after_end[::-1])
    return Solution(value=value, action=action[::-1])


def _coordinates(state: AigcState) -> Array:
    return jnp.stack(
        [state.local_backlog_gcycles[0], state.server_backlog_gcycles[0], state.charge_pct[0]]
    )


def _states(lattice: Lattice) -> AigcState:
    axes = [
        float(lattice.origin[i]) + float(lattice.unit[i]) * np.arange(int(lattice.count[i]))
        for i in range(3)
    ]
    local, server, charge = (
        jnp.asarray(grid.reshape(-1, 1), jnp.float32) for grid in np.meshgrid(*axes, indexing="ij")
    )
    return AigcState(
        charge_pct=charge,
        local_backlog_gcycles=local,
        server_backlog_gcycles=server,
        local_idle_slots=jnp.zeros_like(local),
        server_idle_slots=jnp.zeros_like(local),
        slot=jnp.zeros(local.shape[0], jnp.int32),
    )


@functools.partial(jax.jit, static_argnames=("world",))
def _tables(
    world: AigcWorld, params: AigcParams, x: AigcInputs, lattice: Lattice, states: AigcState
) -> tuple[Array, ...]:
    def of(state: AigcState, mode: Array, action: Array) -> tuple[Array, ...]:
        row = dataclasses.replace(x, mode=mode[None])
        outcome = world.step(params, state, action[None], row)
        index = (_coordinates(outcome.state) - lattice.origin) / lattice.unit
        outside = index[0] > lattice.count[0] - 0.5
        off = jnp.where(
            outcome.terminated | outside, 0.0, jnp.max(jnp.abs(index - jnp.round(index)))
        )
        following = lattice.index(outcome.state)
        return outcome.metrics.reward[0], following, outcome.terminated, outside, off

    actions, modes = jnp.arange(world.actions), jnp.arange(MODES)
    each = jax.vmap(lambda s: jax.vmap(lambda m: jax.vmap(lambda a: of(s, m, a))(actions))(modes))
    objective, following, ended, outside, off = each(states)
    return objective, following[:, 0], ended[:, 0], outside[:, 0], jnp.max(off)


def _lattice(world: AigcWorld, params: AigcParams, x: AigcInputs, deepest: float) -> Lattice:
    state = world.reset(params, x)
    prices = price_list(world, params, state, x)
    gap = float(x.gap_s)
    work = np.asarray(prices.work_gcycles).ravel().tolist()
    limit = float(params.load_limit_gcycles)
    cap = float(params.background_cap) * limit
    local = _common([*work, float(jnp.ravel(params.device_ghz)[0]) * gap])
    others = [float(params.server_ghz[0]) * gap, float(x.background_gcps[0]) * gap, cap]
    server = _common([*work, *others])
    drawn = np.asarray(prices.device_energy_j).ravel() + float(params.idle_w) * gap
    charge = _common((100.0 * drawn / float(params.battery_j)).tolist())
    top, floor = float(x.initial_charge_pct[0]), float(params.charge_floor_pct)
    levels = int((top - floor) / charge + OFF_LATTICE) + 1
    return Lattice(
        unit=jnp.asarray([local, server, charge], jnp.float32),
        origin=jnp.asarray([0.0, 0.0, top - charge * (levels - 1)], jnp.float32),
        count=jnp.asarray([int(deepest / local) + 1, int(limit / server) + 1, levels], jnp.int32),
    )


def _common(values: list[float]) -> float:
    """Return the greatest common unit of the values that are not zero."""
    parts = [Fraction(value).limit_denominator(10_000) for value in values if value > 1e-6]
    below = math.lcm(*[part.denominator for part in parts])
    return math.gcd(*[int(part * below) for part in parts]) / below
