"""Train one learner on the transitions of all devices: the control without distribution."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp

from edgewright.agents.fleet_exchange import BYTES, statistics_bytes
from edgewright.agents.fleet_state import FleetState
from edgewright.core.protocols import Learner
from edgewright.core.records import Array, Trajectory


def central(inner: Learner, count: int) -> Any:
    """Return a learner with ``count`` times the minibatch and the replay of one device."""
    learner: Any = inner
    sizes = ("batch_size", "buffer_size")
    return dataclasses.replace(
        learner, **{n: count * getattr(learner, n) for n in sizes if hasattr(learner, n)}
    )


def centralised(
    inner: Learner, key: Array, state: FleetState, batch: Trajectory
) -> tuple[FleetState, dict[str, Array]]:
    """Return the one learner after all transitions arrived at it, and its logs. Consumes ``key``.

    Args:
        inner: the learner of one device.
        batch: leaves ``[T, N, M, ...]`` of ``M`` devices.
    """
    count = batch.reward.shape[2]
    one, logs = central(inner, count).update(key, state.devices.state, batch)
    devices = dataclasses.replace(state.devices, state=one)
    after = dataclasses.replace(state, devices=devices, updates=state.updates + 1)
    numbers = batch.observation.shape[-1] + 2  # observation, action and reward
    up = batch.reward.size * (BYTES * numbers + 1)  # and a flag for both ends
    down = count * (BYTES * state.shared.parameters.size + statistics_bytes(state.shared))
    traffic = {"uplink_bytes": up, "downlink_bytes": down, "exchanges": 1.0}
    return after, {**logs, **{name: jnp.float32(value) for name, value in traffic.items()}}


__all__ = ["central", "centralised"]
