"""Let devices with networks of different width learn from each other's predictions.

Federated distillation (FedMD: Li and Wang, arXiv:1910.03581). All devices predict action values
of the same probe observations, the server averages them, and every device takes gradient steps
towards the mean (policy distillation by squared errors: Rusu et al., ICLR 2016, arXiv:1511.06295).
Parameters never travel, so widths may differ.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from edgewright.agents.fleet_exchange import (
    BYTES,
    Shared,
    chosen_rows,
    statistics_bytes,
    with_statistics,
)
from edgewright.agents.fleet_state import FleetState, published
from edgewright.core.records import Array
from edgewright.rules.normalise import Moments

PROBES = 78
"""What a key is folded with to draw the probe observations."""


def states_of_widths(
    inner: Any, key: Array, spaces: tuple[Any, Any], widths: tuple[int, ...], count: int
) -> Any:
    """Return fresh states of ``count`` devices, of which device i has width ``widths[i % len]``.

    A narrower network lies in one of the largest width whose other units are zero. Their gradients
    are zero too, since an activation of zero is zero and nothing follows from it: so they stay
    zero, and the network computes and learns what the narrower one would.

    Args:
        inner: the learner, whose ``hidden_sizes`` are the largest width in every layer.
        key: consumed; networks of one width are equal.
        spaces: of one device.
        widths: units of every hidden layer.
        count: number of devices.

    Returns:
        leaves ``[count, ...]``.
    """
    layers = len(inner.hidden_sizes)
    wide = inner.init(key, *spaces)

    def padded(leaf: Array, like: Array) -> Array:
        if leaf.shape == like.shape:
            return leaf
        gaps = [(0, b - a) for a, b in zip(leaf.shape, like.shape, strict=True)]
        return jnp.pad(leaf, gaps)

    made = {
        width: jax.tree.map(
            padded, dataclasses.replace(inner, hidden_sizes=(width,) * layers).init(key, *spaces),
            wide,
        )
        for width in sorted(set(widths))
    }  # fmt: skip
    each = [made[widths[number % len(widths)]] for number in range(count)]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *each)


def with_probe(key: Array, state: FleetState, observations: Array) -> FleetState:
    """Return the fleet with its probe observations, which are drawn in the first update.

    Args:
        key: may be used for something else beside this.
        state: its ``updates`` count this update.
        observations: of all devices in this update, ``[T, N, M, F]``.
    """
    rows = observations.reshape(-1, observations.shape[-1])
    size = state.probe.shape[0]
    chosen = jax.random.randint(jax.random.fold_in(key, PROBES), (size,), 0, rows.shape[0])
    probe = jnp.where(state.updates == 1, rows[chosen], state.probe)
    return dataclasses.replace(state, probe=probe)


@dataclasses.dataclass(frozen=True)
class Distillation:
    """A round of predictions.

    Attributes:
        inner: the learner, which has a method ``predictions``.
        statistics: whether running statistics are exchanged.
        steps: gradient steps of a device in a round.
        learning_rate: of these steps, with Adam.
    """

    inner: Any
    statistics: bool
    steps: int
    learning_rate: Any

    def round(self, state: FleetState, arrived: Array) -> tuple[FleetState, dict[str, Array]]:
        """Return the fleet after those devices that arrived learned from the mean prediction.

        Args:
            state: after all devices trained.
            arrived: ``[M]`` bool; the others change nothing and are not counted.

        Returns:
            the fleet, and scalars to log: ``distil_loss`` is the mean squared distance of the
            predictions from their mean before the steps.
        """
        devices = state.devices.state
        each = jax.vmap(lambda one: self.inner.predictions(one, state.probe))(devices)
        finite = jnp.all(jnp.isfinite(each.reshape(each.shape[0], -1)), axis=1)
        right = arrived & finite
        column = right[:, None, None]
        count = jnp.maximum(jnp.sum(right), 1)
        goal = jnp.sum(jnp.where(column, each, 0.0), axis=0) / count
        apart = jnp.where(column, jnp.square(each - goal), 0.0)
        logs = {
            "set_aside": jnp.sum(arrived & ~finite).astype(jnp.float32),
            "missed_share": jnp.mean(~arrived, dtype=jnp.float32),
            "distil_loss": jnp.sum(jnp.mean(apart, axis=(1, 2))) / count,
        }
        taught = jax.vmap(lambda one: self.taught(one, state.probe, goal))(devices)
        own = chosen_rows(right, taught, getattr(devices, self.inner.PARAMETERS))
        after = dataclasses.replace(devices, **{self.inner.PARAMETERS: own})
        state = published(state, self._pooled(state, right))
        if self.statistics:
            moments = chosen_rows(
                right,
                (state.based.inputs, state.based.rewards),
                (after.inputs.moments, after.rewards.moments),
            )
            after = _with_moments(after, *moments)
        on_device = dataclasses.replace(state.devices, state=after)
        return dataclasses.replace(state, devices=on_device), logs

    def taught(self, device: Any, probe: Array, goal: Array) -> Any:
        """Return a device's networks after steps towards predictions ``[P, n]`` of a probe."""
        name = self.inner.PARAMETERS
        flat, restore = ravel_pytree(getattr(device, name))
        adam = optax.scale_by_adam()

        def loss(flat: Array) -> Array:
            own = dataclasses.replace(device, **{name: restore(flat)})
            return jnp.mean(jnp.square(self.inner.predictions(own, probe) - goal))

        def step(carry: Any, _: None) -> tuple[Any, None]:
            flat, moments = carry
            change, moments = adam.update(jax.grad(loss)(flat), moments)
            return (flat - jnp.asarray(change) * self.learning_rate, moments), None

        (flat, _), _ = jax.lax.scan(step, (flat, adam.init(flat)), None, self.steps)
        return restore(flat)

    def _pooled(self, state: FleetState, right: Array) -> Shared:
        """Return what the server has after the statistics of the right devices arrived."""
        if not self.statistics:
            return state.shared
        now = state.devices.state
        fresh = now.inputs.moments, now.rewards.moments
        own = chosen_rows(right, fresh, (state.based.inputs, state.based.rewards))
        return with_statistics(state.shared, state.shared, *own)


def _with_moments(devices: Any, inputs: Moments, rewards: Moments) -> Any:
    """Return devices with these running statistics of observations and returns."""
    return dataclasses.replace(
        devices,
        inputs=dataclasses.replace(devices.inputs, moments=inputs),
        rewards=dataclasses.replace(devices.rewards, moments=rewards),
    )


def distilled_traffic(
    state: FleetState, actions: int, statistics: bool, due: Array, missed: Array
) -> dict[str, Array]:
    """Return bytes up and down of one update of all devices, and exchanges of each of them.

    The probe goes up once in parts and comes down once to every device, in the first update.

    Args:
        state: its ``updates`` count this update.
        actions: predictions for each probe observation.
        statistics: whether running statistics travel.
        due: whether there was a round.
        missed: share of the devices that missed it.
    """
    count, probe = state.versions.size, BYTES * state.probe.size
    each = BYTES * state.probe.shape[0] * actions
    each += statistics_bytes(state.shared) if statistics else 0
    first = (state.updates == 1).astype(jnp.float32)
    there = jnp.float32(due) * (1.0 - missed)
    return {
        "uplink_bytes": count * there * each + first * probe,
        "downlink_bytes": count * (there * each + first * probe),
        "exchanges": there,
    }


def predictions_exchanged(
    fleet: Any, key: Array, state: FleetState, observations: Array
) -> tuple[FleetState, dict[str, Array]]:
    """Return a fleet after a round of predictions, if one is due, and scalars to log.

    Args:
        fleet: an ``agents.fleet.Fleet``.
        key: of the server; consumed.
        state: after all devices trained.
        observations: of all devices in this update, ``[T, N, M, F]``.
    """
    state = with_probe(key, state, observations)
    arrived = fleet.arrivals(key, state.versions.shape)
    method = Distillation(
        inner=fleet.inner,
        statistics=fleet.statistics,
        steps=fleet.distil_steps,
        learning_rate=fleet.distil_learning_rate,
    )
    due, shapes = fleet.due(state), jax.eval_shape(method.round, state, arrived)[1]
    nothing = {name: jnp.zeros((), leaf.dtype) for name, leaf in shapes.items()}
    after, logs = jax.lax.cond(due, lambda: method.round(state, arrived), lambda: (state, nothing))
    first = jax.tree.map(lambda leaf: leaf[0], state.devices.state)
    actions = jax.eval_shape(fleet.inner.predictions, first, state.probe).shape[-1]
    missed = logs["missed_share"]
    traffic = distilled_traffic(state, actions, fleet.statistics, due, missed)
    return after, {**logs, **traffic}


__all__ = [
    "Distillation",
    "distilled_traffic",
    "predictions_exchanged",
    "states_of_widths",
    "with_probe",
]
