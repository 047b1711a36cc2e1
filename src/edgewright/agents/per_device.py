"""Treat agents that share a world as devices, each with a policy and with data of its own."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax

from edgewright.core.errors import InputError
from edgewright.core.records import Array, Decision, Trajectory, record, static
from edgewright.core.spaces import Box, Discrete, Space
from edgewright.rules.pruning import compacted


@record
class EachPolicy:
    """A policy of its own for each device; every leaf of ``policies`` is ``[M, ...]``.

    Where networks are ``padded``, those of narrower ones have units that are zero.
    """

    policies: Any
    padded: bool = static(default=False)

    def init_carry(self, key: Array) -> Any:
        """Return the memories ``[M, ...]``. Consumes ``key``."""
        return jax.vmap(lambda policy, one: policy.init_carry(one))(*self._keyed(key))

    def act(self, key: Array, carry: Any, observation: Array) -> tuple[Any, Decision]:
        """Return the decision of every device from its own row of ``[M, F]``."""
        policies, keys = self._keyed(key)
        return jax.vmap(lambda policy, *row: policy.act(*row))(policies, keys, carry, observation)

    @property
    def devices(self) -> int:
        """Number of devices, and of policies."""
        return jax.tree.leaves(self.policies)[0].shape[0]

    def alone(self, device: int) -> Any:
        """Return the policy of one device, counted from 0, without units that are zero.

        Raises:
            InputError: the number of the device is out of range.
        """
        if not 0 <= device < self.devices:
            message = f"the device must be from 0 to {self.devices - 1}; got {device}"
            raise InputError(message, where="--device", hint="devices are counted from 0")
        policy = jax.tree.map(lambda leaf: leaf[device], self.policies)
        if not self.padded:
            return policy
        return dataclasses.replace(policy, network=compacted(policy.network))

    def _keyed(self, key: Array) -> tuple[Any, Array]:
        return self.policies, jax.random.split(key, self.devices)


def of_one(observations: Box, actions: Discrete) -> tuple[Box, Discrete]:
    """Return the spaces of one agent."""
    own = dataclasses.replace(observations, shape=observations.shape[1:])
    return own, dataclasses.replace(actions, shape=actions.shape[1:])


def by_device(batch: Trajectory) -> tuple[Trajectory, Trajectory]:
    """Return a batch without metrics, and where its device axis is: ends are shared by all."""
    parts = dataclasses.replace(batch, metrics=())
    axes = jax.tree.map(lambda _: 2, parts)
    shared = jax.tree.map(lambda _: None, (batch.terminated, batch.truncated))
    return parts, dataclasses.replace(axes, terminated=shared[0], truncated=shared[1])


def misfit_of_devices(observations: Box, actions: Space) -> str:
    """Return why a world has no devices with one choice each; empty if it has."""
    if len(observations.shape) != 2 or not isinstance(actions, Discrete):
        return "its world must have an axis of agents, with one discrete action each"
    return ""


__all__ = ["EachPolicy", "by_device", "misfit_of_devices", "of_one"]
