"""Take the gradient steps of an actor that draws, of its critics and of its temperature."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from edgewright.core.records import Array, Number, record, static
from edgewright.nets.critics import Critics, action_values
from edgewright.nets.squashed import DrawingActor
from edgewright.rules.actor_critic import polyak, soft_target, temperature_loss
from edgewright.rules.optimiser import clipped_adam
from edgewright.rules.transitions import Transition
from edgewright.rules.value import huber

Restrict = Callable[[Any], Any]
"""From an actor to the actor as it plays, e.g. with some of its units masked."""


def unrestricted(actor: Any) -> Any:
    """Return the actor itself."""
    return actor


@record
class Learned:
    """Everything that gradient steps change.

    Attributes:
        log_temperature: ``log alpha``.
        optimisers: of the actor, the critics and the temperature.
        gradient_steps: of the critics, and of the actor.
    """

    actor: Any
    critics: Any
    target_critics: Any
    log_temperature: Array
    optimisers: tuple[Any, Any, Any]
    gradient_steps: Array


@record
class SACSteps:
    """The rule of a gradient step and its numbers; see :class:`edgewright.agents.sac.SAC`."""

    actor_learning_rate: Number
    critic_learning_rate: Number
    temperature_learning_rate: Number
    gamma: Number
    tau: Number
    target_entropy_scale: Number
    bc_coef: Number
    bc_quantile: Number
    weight_decay: Number
    max_grad_norm: Number
    entropy: str = static()
    temperature: str = static()
    huber: bool = static()
    normalize_q: bool = static()

    def init(self, actor: DrawingActor, critics: Critics, temperature: Number) -> Learned:
        """Return networks before their first step, with equal targets."""
        log_temperature = jnp.log(jnp.asarray(temperature, jnp.float32))
        parts = (actor, critics, log_temperature)
        return Learned(
            actor=actor,
            critics=critics,
            target_critics=critics,
            log_temperature=log_temperature,
            optimisers=tuple(self._optimiser().init(ravel_pytree(one)[0]) for one in parts),  # pyright: ignore[reportArgumentType]
            gradient_steps=jnp.zeros((), jnp.int32),
        )

    def __call__(
        self,
        key: Array,
        learned: Learned,
        parts: Transition,
        restrict: Restrict = unrestricted,
        penalty: Callable[[Any], Array] | None = None,
        live: Array | float = 1.0,
    ) -> tuple[Learned, dict[str, Array]]:
        """Take one step for each of ``parts`` ``[steps, minibatch, ...]``. Consumes ``key``.

        Args:
            restrict: how the learned actor becomes the one that is judged.
            penalty: of the actor as it plays, added to its loss.
            live: 1 for the actor's parameters that decay, as one vector; 0 for others.

        Returns:
            what was learned, and means over the steps of the losses, values and the entropy.
        """
        actor, restore_actor = ravel_pytree(learned.actor)
        critics, restore_critics = ravel_pytree(learned.critics)
        flat = dataclasses.replace(
            learned,
            actor=actor,
            critics=critics,
            target_critics=ravel_pytree(learned.target_critics)[0],
        )

        def play(flat: Array) -> DrawingActor:
            return restrict(restore_actor(flat))

        def step(now: Learned, row: tuple[Transition, Array]) -> tuple[Learned, dict[str, Array]]:
            part, key = row
            next_key, own_key = jax.random.split(key)
            before = now.actor
            goal = self._goal(next_key, now, part, play, restore_critics)
            now, log = self._critics_step(now, part, goal, restore_critics)
            judge = restore_critics(now.critics)
            now, more = self._actor_step(own_key, now, part, play, judge, penalty)
            decay = self.actor_learning_rate * self.weight_decay * live * before
            now = dataclasses.replace(now, actor=now.actor - decay)
            return now, log | more

        keys = jax.random.split(key, parts.reward.shape[0])
        end, logs = jax.lax.scan(step, flat, (parts, keys))
        after = dataclasses.replace(
            end,
            actor=restore_actor(end.actor),
            critics=restore_critics(end.critics),
            target_critics=restore_critics(end.target_critics),
        )
        return after, {name: jnp.mean(leaf) for name, leaf in logs.items()}

    def _goal(self, key: Array, now: Learned, part: Transition, play: Any, restore: Any) -> Array:
        """Return the target of the critics ``[minibatch]``; a bandit looks no step ahead."""

        def ahead() -> Array:
            actor = play(now.actor)
            noise = _noise(key, actor, part.reward.shape)
            units, log_density = actor.sample(part.next_observation, noise)
            critics = restore(now.target_critics)
            judged = action_values(critics, part.next_observation, units)
            temperature = jnp.exp(now.log_temperature)
            return soft_target(
                part.reward, judged, log_density, part.terminated, self.gamma, temperature
            )

        return jax.lax.cond(jnp.asarray(self.gamma) > 0, ahead, lambda: part.reward)

    def _critics_step(
        self, now: Learned, part: Transition, goal: Array, restore: Any
    ) -> tuple[Learned, dict[str, Array]]:
        """Move every critic towards the target of one minibatch, then the targets to them."""

        def loss(critics: Array) -> tuple[Array, Array]:
            values = action_values(restore(critics), part.observation, part.action)
            error = values - goal[..., None]
            each = huber(error) if self.huber else jnp.square(error)
            return jnp.mean(jnp.sum(each, axis=-1)), jnp.mean(values)

        (cost, mean_q), grad = jax.value_and_grad(loss, has_aux=True)(now.critics)
        change, optimiser = self._optimiser().update(grad, now.optimisers[1])
        critics = now.critics - self.critic_learning_rate * jnp.asarray(change)
        after = dataclasses.replace(
            now,
            critics=critics,
            target_critics=polyak(now.target_critics, critics, self.tau),
            optimisers=(now.optimisers[0], optimiser, now.optimisers[2]),
            gradient_steps=now.gradient_steps + 1,
        )
        return after, {"critic_loss": cost, "mean_q": mean_q}

    def _actor_step(
        self,
        key: Array,
        now: Learned,
        part: Transition,
        play: Callable[[Array], DrawingActor],
        critics: Critics,
        penalty: Callable[[Any], Array] | None,
    ) -> tuple[Learned, dict[str, Array]]:
        """Move the actor up the least critic, and the temperature towards the wanted entropy.

        ``J = mean(alpha log pi - min_i Q_i / scale) + mu BC`` (Haarnoja et al. 2018, equation 9).
        """
        temperature = jnp.exp(now.log_temperature)

        def loss(flat: Array) -> tuple[Array, Array]:
            actor = play(flat)
            noise = _noise(key, actor, part.reward.shape)
            units, log_density = actor.sample(part.observation, noise)
            least = jnp.min(action_values(critics, part.observation, units), axis=-1)
            size = jnp.mean(jnp.abs(least)) if self.normalize_q else jnp.ones(())
            scale = jax.lax.stop_gradient(jnp.maximum(size, 1e-6))
            cost = jnp.mean(temperature * log_density - least / scale)
            cost += self._imitation(actor, part, noise)
            return cost if penalty is None else cost + penalty(actor), log_density

        (cost, log_density), grad = jax.value_and_grad(loss, has_aux=True)(now.actor)
        change, optimiser = self._optimiser().update(grad, now.optimisers[0])
        now = dataclasses.replace(
            now,
            actor=now.actor - self.actor_learning_rate * jnp.asarray(change),
            optimisers=(optimiser, *now.optimisers[1:]),
        )
        log = {"actor_loss": cost, "entropy": -jnp.mean(log_density), "temperature": temperature}
        return self._temperature_step(now, log_density, part.action.shape[-1]), log

    def _imitation(self, actor: DrawingActor, part: Transition, noise: Array) -> Array:
        """Return ``mu`` times the mean loss on the best replay actions; nothing where mu is 0."""

        def loss() -> Array:
            each = actor.imitation_loss(part.observation, part.action, noise)
            chosen = part.reward >= jnp.quantile(part.reward, self.bc_quantile)
            return self.bc_coef * jnp.sum(jnp.where(chosen, each, 0.0)) / jnp.sum(chosen)

        return jax.lax.cond(jnp.asarray(self.bc_coef) > 0, loss, lambda: jnp.zeros(()))

    def _temperature_step(self, now: Learned, log_density: Array, numbers: int) -> Learned:
        if self.temperature == "fixed" or self.entropy == "none":
            return now
        target = -self.target_entropy_scale * numbers
        grad = jax.grad(temperature_loss)(now.log_temperature, log_density, target)
        change, optimiser = self._optimiser().update(grad[None], now.optimisers[2])
        step = self.temperature_learning_rate * jnp.asarray(change)[0]
        return dataclasses.replace(
            now,
            log_temperature=now.log_temperature - step,
            optimisers=(*now.optimisers[:2], optimiser),
        )

    def _optimiser(self) -> optax.GradientTransformation:
        return clipped_adam(self.max_grad_norm)


def _noise(key: Array, actor: DrawingActor, shape: tuple[int, ...]) -> Array:
    """Return the normal numbers of one sample for each of ``shape``. Consumes ``key``."""
    return jax.random.normal(key, (*shape, actor.draws, math.prod(actor.space.shape)))


__all__ = ["Learned", "Restrict", "SACSteps", "unrestricted"]
