"""Train independent learners, with one network for each device, on that device's data only."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from edgewright.core.errors import InputError
from edgewright.core.protocols import Learner, Policy
from edgewright.core.records import Array, Decision, Trajectory, record
from edgewright.core.spaces import Box, Discrete, Space


@record
class EachPolicy:
    """A policy of its own for each device; every leaf of ``policies`` is ``[M, ...]``."""

    policies: Any

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
        """Return the policy of one device, which are counted from 0.

        Raises:
            InputError: the number of the device is out of range.
        """
        if not 0 <= device < self.devices:
            message = f"the device must be from 0 to {self.devices - 1}; got {device}"
            raise InputError(message, where="--device", hint="devices are counted from 0")
        return jax.tree.map(lambda leaf: leaf[device], self.policies)

    def _keyed(self, key: Array) -> tuple[Any, Array]:
        return self.policies, jax.random.split(key, self.devices)


@record
class Independent:
    """Run a learner for each device side by side (independent learners: Tan, ICML 1993).

    Each sees its own observation, action and reward; the others are part of its world. Every leaf
    of the state is ``[M, ...]``, and what the inner learner counts as an environment step is one.
    """

    inner: Learner

    def misfit(self, observations: Box, actions: Space) -> str:
        """Return why it cannot learn with these spaces; empty if it can."""
        if len(observations.shape) != 2 or not isinstance(actions, Discrete):
            return "its world must have an axis of agents, with one discrete action each"
        return ""

    def check_sizes(self, observations: Box, actions: Space) -> None:
        """Check the sizes of the inner learner for the samples of one agent.

        Raises:
            InputError: they do not fit each other.
        """
        assert isinstance(actions, Discrete)
        check = getattr(self.inner, "check_sizes", None)
        if check is not None:
            check(*_of_one(observations, actions))

    @property
    def all_actions(self) -> bool:
        """Return whether the inner learner is given the outcomes of all actions."""
        return getattr(self.inner, "all_actions", False)

    @property
    def staggered(self) -> bool:
        """Return whether a training begins with copies at all parts of an episode."""
        return getattr(self.inner, "staggered", False)

    @property
    def num_envs(self) -> int:
        """Number of copies of the world played side by side between two updates."""
        return self.inner.num_envs

    @property
    def rollout_steps(self) -> int:
        """Number of steps of each copy between two updates."""
        return self.inner.rollout_steps

    def init(self, key: Array, observations: Box, actions: Discrete) -> Any:
        """Return one fresh state for each of the ``M`` devices. Consumes ``key``."""
        spaces = _of_one(observations, actions)
        keys = jax.random.split(key, observations.shape[0])
        return jax.vmap(lambda one: self.inner.init(one, *spaces))(keys)

    def policy(self, state: Any, explore: bool) -> Policy:
        """Return the policies of all devices."""
        return EachPolicy(policies=jax.vmap(lambda one: self.inner.policy(one, explore))(state))

    def update(self, key: Array, state: Any, batch: Trajectory) -> tuple[Any, dict[str, Array]]:
        """Let every device learn from its part of ``[T, N, M, ...]``; logs are means over them."""
        parts, axes = _by_device(batch)
        keys = jax.random.split(key, batch.reward.shape[2])
        update = jax.vmap(self.inner.update, in_axes=(0, 0, axes))
        after, logs = update(keys, state, parts)
        return after, jax.tree.map(jnp.mean, logs)


def _of_one(observations: Box, actions: Discrete) -> tuple[Box, Discrete]:
    """Return the spaces of one agent."""
    own = dataclasses.replace(observations, shape=observations.shape[1:])
    return own, dataclasses.replace(actions, shape=actions.shape[1:])


def _by_device(batch: Trajectory) -> tuple[Trajectory, Trajectory]:
    """Return a batch without metrics, and where its device axis is: ends are shared by all."""
    parts = dataclasses.replace(batch, metrics=())
    axes = jax.tree.map(lambda _: 2, parts)
    shared = jax.tree.map(lambda _: None, (batch.terminated, batch.truncated))
    return parts, dataclasses.replace(axes, terminated=shared[0], truncated=shared[1])
