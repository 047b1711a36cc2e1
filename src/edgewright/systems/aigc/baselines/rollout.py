"""Plan by trying every action on imagined futures and continuing greedily (rollout).

A strong feasible policy (Bertsekas's rollout algorithm with the known-queue greedy as its base):
it needs the state, the physics and a model of the inputs, and no learning. Several devices decide
one after another, those that have not yet decided being greedy (multiagent rollout: Bertsekas,
IEEE/CAA Journal of Automatica Sinica 8(2), 2021).
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from edgewright.core.protocols import Stream
from edgewright.core.records import Array, Decision, Memoryless, Outcome, record, static
from edgewright.loops.evaluate import PrivilegedObservation
from edgewright.systems.aigc import AigcParams, AigcState, AigcWorld
from edgewright.systems.aigc.baselines.sequential_greedy import greedy_in_turn
from edgewright.systems.aigc.baselines.shadow_prices import Tariff

MAX_DEVICES = 32
"""The planner simulates ``devices * actions * futures`` futures for one decision: no more."""


@record
class Rollout(Memoryless):
    """Simulate ``futures`` futures of ``horizon`` slots after every action; take the best mean.

    All actions meet the same futures (common random numbers), so their differences are not noise.

    Attributes:
        model: where futures come from; it must continue the present (``Stream.resume``).
    """

    world: AigcWorld = static()
    model: Stream[Any]
    horizon: int = static(default=12)
    futures: int = static(default=8)

    def act(
        self, key: Array, carry: tuple[()], insight: PrivilegedObservation
    ) -> tuple[tuple[()], Decision]:
        """Return the action of every device. Consumes ``key``."""
        futures = futures_of(key, self.model, insight.x, self.futures, self.horizon - 1)
        counted = jnp.ones(self.horizon - 1, bool)
        return carry, Decision(action=look_ahead(self.world, insight, futures, counted), aux=())


def futures_of(key: Array, model: Stream[Any], x: Any, futures: int, length: int) -> Any:
    """Return rows ``[futures, length, ...]`` that may follow the present ones. Consumes ``key``.

    Args:
        model: where they come from; it must continue the present (``Stream.resume``).
        x: the present inputs.
    """

    def imagine(key: Array) -> Any:
        rows = model.next_rows(model.resume(key, x), max(length, 1))[1]
        return jax.tree.map(lambda leaf: leaf[:length], rows)

    return jax.vmap(imagine)(jax.random.split(key, futures))


def look_ahead(
    world: AigcWorld,
    insight: PrivilegedObservation,
    futures: Any,
    counted: Array,
    tariff: Tariff | None = None,
) -> Array:
    """Return each device's action ``[M]`` with the best mean over futures.

    Args:
        futures: rows ``[S, L, ...]`` that follow the present one; greedy goes on in each.
        counted: ``[L]`` bool, the rows that belong to the episode.
        tariff: prices on top of the reward, for greedy and planner; none where it is left out.
    """
    params = insight.params
    base = greedy_in_turn(world, params, insight.state, insight.x, tariff)

    def value(choice: Array) -> Array:
        first = world.step(params, insight.state, choice, insight.x)
        later = jax.vmap(
            lambda rows: greedy_from(world, params, first.state, rows, counted, tariff)
        )
        return _earned(first, tariff) + jnp.where(first.terminated, 0.0, jnp.mean(later(futures)))

    def decide(chosen: Array, device: Array) -> tuple[Array, None]:
        is_device = jnp.arange(world.devices) == device
        options = jnp.where(is_device, jnp.arange(world.actions)[:, None], chosen)
        best = jnp.argmax(jax.vmap(value)(options), axis=0).astype(jnp.int32)
        return jnp.where(is_device, best, chosen), None

    return jax.lax.scan(decide, base, jnp.arange(world.devices))[0]


def greedy_from(
    world: AigcWorld,
    params: AigcParams,
    state: AigcState,
    rows: Any,
    counted: Array,
    tariff: Tariff | None = None,
) -> Array:
    """Return what greedy earns over the counted rows until the episode ends, summed over devices.

    With a tariff, less what it charges for the joules drawn and for the backlogs left at the end,
    unless the episode ends before.
    """

    def slot(carry: tuple[AigcState, Array], row: Any) -> tuple[tuple[AigcState, Array], Array]:
        (state, alive), (x, counts) = carry, row
        outcome = world.step(params, state, greedy_in_turn(world, params, state, x, tariff), x)
        earned = jnp.where(alive & counts, _earned(outcome, tariff), 0.0)
        return (outcome.state, alive & ~outcome.terminated), earned

    start = (state, jnp.ones((), bool))
    (last, alive), earned = jax.lax.scan(slot, start, (rows, counted))
    if tariff is None:
        return jnp.sum(earned)
    goes_on = alive & jnp.all(counted)
    return jnp.sum(earned) - jnp.where(goes_on, tariff.left(world, params, last), 0.0)


def _earned(outcome: Outcome, tariff: Tariff | None) -> Array:
    if tariff is None:
        return jnp.sum(outcome.reward)
    return jnp.sum(outcome.reward - tariff.joule * outcome.metrics.device_energy_j)
