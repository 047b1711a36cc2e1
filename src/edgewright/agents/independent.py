"""Train independent learners, with one network for each device, on that device's data only."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from edgewright.agents.around import Around
from edgewright.agents.per_device import EachPolicy, by_device, misfit_of_devices, of_one
from edgewright.core.errors import InputError
from edgewright.core.protocols import Learner, Policy
from edgewright.core.records import Array, Trajectory, record
from edgewright.core.spaces import Box, Discrete, Space


@record
class Independent(Around):
    """Run a learner for each device side by side (independent learners: Tan, ICML 1993).

    Each sees its own observation, action and reward; the others are part of its world. Every leaf
    of the state is ``[M, ...]``, and what the inner learner counts as an environment step is one.
    """

    inner: Learner

    def misfit(self, observations: Box, actions: Space) -> str:
        """Return why it cannot learn with these spaces; empty if it can."""
        return misfit_of_devices(observations, actions)

    def check_sizes(self, observations: Box, actions: Space) -> None:
        """Check the sizes of the inner learner for the samples of one agent.

        Raises:
            InputError: they do not fit each other.
        """
        assert isinstance(actions, Discrete)
        if getattr(self.inner, "all_actions", False):
            message = "all_actions must be false for devices that learn each on its own"
            raise InputError(message, where="learner", hint="set learner.all_actions = false")
        check = getattr(self.inner, "check_sizes", None)
        if check is not None:
            check(*of_one(observations, actions))

    def init(self, key: Array, observations: Box, actions: Discrete) -> Any:
        """Return one fresh state for each of the ``M`` devices. Consumes ``key``."""
        spaces = of_one(observations, actions)
        keys = jax.random.split(key, observations.shape[0])
        return jax.vmap(lambda one: self.inner.init(one, *spaces))(keys)

    def policy(self, state: Any, explore: bool) -> Policy:
        """Return the policies of all devices."""
        return EachPolicy(policies=jax.vmap(lambda one: self.inner.policy(one, explore))(state))

    def update(self, key: Array, state: Any, batch: Trajectory) -> tuple[Any, dict[str, Array]]:
        """Let every device learn from its part of ``[T, N, M, ...]``; logs are means over them."""
        parts, axes = by_device(batch)
        keys = jax.random.split(key, batch.reward.shape[2])
        update = jax.vmap(self.inner.update, in_axes=(0, 0, axes))
        after, logs = update(keys, state, parts)
        return after, jax.tree.map(jnp.mean, logs)


__all__ = ["EachPolicy", "Independent"]
