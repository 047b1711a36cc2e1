"""Take the gradient steps of a deterministic actor and of the critics that judge it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from edgewright.core.records import Array, Number, record, static
from edgewright.nets.actions import unit_bound
from edgewright.nets.actors import BoxActor
from edgewright.nets.critics import Critics, action_values
from edgewright.rules.actor_critic import least_target, polyak, smoothed_action
from edgewright.rules.optimiser import clipped_adam, mean_of_numbers
from edgewright.rules.transitions import Transition


@record
class Learned:
    """Everything that gradient steps change."""

    networks: tuple[Any, Any]  # actor, critics
    targets: tuple[Any, Any]
    optimisers: tuple[Any, Any]
    gradient_steps: Array


@record
class ActorCriticSteps:
    """The rule of a gradient step and its numbers; see :class:`edgewright.agents.ddpg.DDPG`."""

    actor_learning_rate: Number
    critic_learning_rate: Number
    gamma: Number
    tau: Number
    target_noise: Number
    target_noise_clip: Number
    max_grad_norm: Number
    policy_delay: int = static()

    def init(self, actor: BoxActor, critics: Critics) -> Learned:
        """Return networks before their first step, with equal targets."""
        networks = (actor, critics)
        moments = [self._optimiser().init(ravel_pytree(one)[0]) for one in networks]
        return Learned(
            networks=networks,
            targets=networks,
            optimisers=(moments[0], moments[1]),
            gradient_steps=jnp.zeros((), jnp.int32),
        )

    def __call__(
        self, key: Array, learned: Learned, parts: Transition
    ) -> tuple[Learned, dict[str, Array]]:
        """Take one step for each of ``parts`` ``[steps, minibatch, ...]``. Consumes ``key``.

        Returns:
            what was learned, and the means over the steps of both losses and of the values.
        """
        restore = [ravel_pytree(one)[1] for one in learned.networks]

        # One vector for each network: a step of Adam is then a few operations, not a few dozen.
        def flatten(pair: tuple[Any, Any]) -> tuple[Any, Any]:
            return ravel_pytree(pair[0])[0], ravel_pytree(pair[1])[0]

        def unflatten(pair: tuple[Any, Any]) -> tuple[BoxActor, Critics]:
            return restore[0](pair[0]), restore[1](pair[1])

        def step(now: Learned, row: tuple[Transition, Array]) -> tuple[Learned, dict[str, Array]]:
            now, log = self._critics_step(now, *row, unflatten)
            if self.policy_delay == 1:
                now, cost = self._actor_step(now, row[0], unflatten)
                return now, {**log, "actor_loss": cost}
            now, cost = jax.lax.cond(
                now.gradient_steps % self.policy_delay == 0,
                lambda: self._actor_step(now, row[0], unflatten),
                lambda: (now, jnp.full((), jnp.nan)),
            )
            return now, {**log, "actor_loss": cost}

        noise = self.target_noise * jax.random.normal(key, parts.action.shape)
        start = dataclasses.replace(
            learned, networks=flatten(learned.networks), targets=flatten(learned.targets)
        )
        end, logs = jax.lax.scan(step, start, (parts, noise))
        after = dataclasses.replace(
            end, networks=unflatten(end.networks), targets=unflatten(end.targets)
        )
        return after, {name: mean_of_numbers(leaf) for name, leaf in logs.items()}

    def _critics_step(
        self, now: Learned, part: Transition, noise: Array, unflatten: Callable[[Any], Any]
    ) -> tuple[Learned, dict[str, Array]]:
        """Move every critic towards the target of one minibatch."""
        target_actor, target_critics = unflatten(now.targets)
        units = target_actor(part.next_observation)
        bound = unit_bound(target_actor.space)
        units = smoothed_action(units, noise, self.target_noise_clip, bound)
        judged = action_values(target_critics, part.next_observation, units)
        goal = least_target(part.reward, judged, part.terminated, self.gamma)
        actor, critics = now.networks

        def loss(critics: Array) -> tuple[Array, Array]:
            values = action_values(unflatten((actor, critics))[1], part.observation, part.action)
            error = jnp.sum(jnp.square(values - goal[..., None]), axis=-1)
            return jnp.mean(error), jnp.mean(values)

        (cost, mean_q), grad = jax.value_and_grad(loss, has_aux=True)(critics)
        change, optimiser = self._optimiser().update(grad, now.optimisers[1])
        after = dataclasses.replace(
            now,
            networks=(actor, critics - self.critic_learning_rate * jnp.asarray(change)),
            optimisers=(now.optimisers[0], optimiser),
            gradient_steps=now.gradient_steps + 1,
        )
        return after, {"critic_loss": cost, "mean_q": mean_q}

    def _actor_step(
        self, now: Learned, part: Transition, unflatten: Callable[[Any], Any]
    ) -> tuple[Learned, Array]:
        """Move the actor up the first critic, then the targets towards both networks.

        Lillicrap et al. 2016, equation 6: the gradient of the value in the action goes on through
        the actor.
        """
        actor, critics = now.networks
        first = unflatten(now.networks)[1][:1]

        def loss(actor: Array) -> Array:
            units = unflatten((actor, critics))[0](part.observation)
            return -jnp.mean(action_values(first, part.observation, units))

        cost, grad = jax.value_and_grad(loss)(actor)
        change, optimiser = self._optimiser().update(grad, now.optimisers[0])
        networks = (actor - self.actor_learning_rate * jnp.asarray(change), critics)
        after = dataclasses.replace(
            now,
            networks=networks,
            targets=polyak(now.targets, networks, self.tau),
            optimisers=(optimiser, now.optimisers[1]),
        )
        return after, cost

    def _optimiser(self) -> optax.GradientTransformation:
        return clipped_adam(self.max_grad_norm)


__all__ = ["ActorCriticSteps", "Learned"]
