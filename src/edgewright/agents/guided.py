"""Train a learner beside a rule that it imitates at first and may leave behind.

Schmitt et al., "Kickstarting deep reinforcement learning", arXiv:1803.03835, 2018: the
cross-entropy to a teacher is added to the loss, with a weight that falls to zero. Here the teacher
is a rule of the world, which may look at the state. It says in every step what it would do; the
learner plays.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from edgewright.agents.around import Around
from edgewright.core.protocols import Learner, Policy
from edgewright.core.records import Array, Decision, Guidance, Trajectory, record, static
from edgewright.core.settings import Share
from edgewright.core.spaces import Box, Discrete, Space
from edgewright.loops.evaluate import Informed, plain_observation


@record
class GuidedPolicy:
    """A policy that explores, and beside it what the guide would do."""

    policy: Policy
    guide: Policy

    @property
    def needs_state(self) -> bool:
        """Return that the guide may look at the state."""
        return True

    def init_carry(self, key: Array) -> tuple[Any, Any]:
        """Return both memories. Consumes ``key``."""
        own_key, guide_key = jax.random.split(key)
        return self.policy.init_carry(own_key), self.guide.init_carry(guide_key)

    def act(self, key: Array, carry: tuple[Any, Any], shown: Informed) -> tuple[Any, Decision]:
        """Return the policy's decision; ``aux`` is its own and the guide's action."""
        own_key, guide_key = jax.random.split(key)
        own, decision = self.policy.act(own_key, carry[0], shown.observation)
        other, guided = self.guide.act(guide_key, carry[1], shown.known)
        aux = (decision.aux, guided.action)
        return (own, other), dataclasses.replace(decision, aux=aux)


@record
class GuidedState:
    """The state of the learner, and the environment steps so far."""

    inner: Any
    steps: Array


@record
class Guided(Around):
    """Put a guide beside a learner, whose actions it imitates with a weight that falls to zero.

    Attributes:
        guide_coef: weight of the cross-entropy to the guide at the beginning.
        guide_fraction: share of the training in which that weight falls to zero.
        total_steps: environment steps of the training.
        guide: name of the rule.
        rule: the rule itself, set where the learner is built.
    """

    inner: Learner
    guide_coef: Array | float = 1.0
    guide_fraction: Share = 0.5
    total_steps: Array | float = 1e6
    guide: str = static(default="greedy")
    rule: Any = dataclasses.field(default=None, metadata={"setting": False})

    def misfit(self, observations: Box, actions: Space) -> str:
        """Return why it cannot learn with these spaces; empty if it can."""
        if not isinstance(actions, Discrete):
            return "it imitates choices, so its actions must be Discrete"
        misfit = getattr(self.inner, "misfit", None)
        return misfit(observations, actions) if misfit else ""

    def check_sizes(self, observations: Box, actions: Space) -> None:
        """Check the sizes of the inner learner.

        Raises:
            InputError: they do not fit each other.
        """
        check = getattr(self.inner, "check_sizes", None)
        if check is not None:
            check(observations, actions)

    def with_guide(self, policy_of: Callable[[str], Policy]) -> Guided:
        """Return the learner with the rule that it names."""
        return dataclasses.replace(self, rule=policy_of(self.guide))

    @property
    def gamma(self) -> Any:
        """Discount of the inner learner."""
        return getattr(self.inner, "gamma", None)

    def init(self, key: Array, observations: Box, actions: Space) -> GuidedState:
        """Return a fresh state. Consumes ``key``."""
        return GuidedState(inner=self.inner.init(key, observations, actions), steps=jnp.zeros(()))

    def policy(self, state: GuidedState, explore: bool) -> Any:
        """Return the inner policy; while it explores, with the guide beside it."""
        policy = self.inner.policy(state.inner, explore)
        return GuidedPolicy(policy=policy, guide=self.rule) if explore else policy

    def update(
        self, key: Array, state: GuidedState, batch: Trajectory
    ) -> tuple[GuidedState, dict[str, Array]]:
        """Let the inner learner learn from what was played and what the guide would have done."""
        aux, advised = batch.aux
        left = 1.0 - state.steps / (self.guide_fraction * self.total_steps)
        weight = self.guide_coef * jnp.maximum(left, 0.0)
        plain = dataclasses.replace(
            batch,
            observation=plain_observation(batch.observation),
            next_observation=plain_observation(batch.next_observation),
            aux=aux,
            guidance=Guidance(action=advised, weight=weight),
        )
        inner, log = self.inner.update(key, state.inner, plain)
        steps = state.steps + batch.terminated.size
        return GuidedState(inner=inner, steps=steps), {**log, "guide_weight": weight}


__all__ = ["Guided", "GuidedPolicy", "GuidedState"]
