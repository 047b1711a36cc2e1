"""Predict the next state and the reward with ensembles that are learned from transitions."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import optax

from edgewright.core.records import Array, Number, record
from edgewright.nets.ensemble import Ensemble, negative_log_likelihood, normal_law
from edgewright.rules import normalise
from edgewright.rules.replay import Replay, draw
from edgewright.rules.scaling import InputScaler

MIN_STD = 1e-8
"""Least deviation that a difference is divided by."""

DEAD = 1e-12
"""A column whose change has less than this share of its mean square never changes."""


@record
class Step:
    """The samples of the replay, leaves ``[samples, ...]``, raw but for actions in [-1, 1]."""

    observation: Array
    action: Array
    reward: Array
    next_observation: Array


@record
class Prediction:
    """The outcome of one step as ``E`` members predict it for ``J`` candidates.

    Attributes:
        change_mean, change_variance: ``[E, J, S]`` of the standardised change of the state; 0 and 1
            in columns that never changed, so that they bear on no measure of the epistemic value.
        state_mean, state_variance: ``[E, J, S]`` of the next state, in scaled units.
        reward_mean, reward_variance: ``[E, J]`` of the standardised reward.
    """

    change_mean: Array
    change_variance: Array
    state_mean: Array
    state_variance: Array
    reward_mean: Array
    reward_variance: Array


@record
class WorldModel:
    """A law of the next state and of the reward, learned from transitions.

    States are in the units of the observation space's scales. Actions are in ``[-1, 1]``.

    Attributes:
        transition: gives the law of the standardised change of the state.
        reward: gives the law of the standardised reward of the same state and action.
        inputs: scales observations, and standardises states for the networks.
        changes, rewards: statistics of changes and rewards.
        min_variance, max_variance: bounds of the networks' variances, in standardised units.
    """

    transition: Ensemble
    reward: Ensemble
    inputs: InputScaler
    changes: normalise.Moments
    rewards: normalise.Moments
    min_variance: Array | float
    max_variance: Array | float

    def features(self, state: Array, action: Array) -> Array:
        """Return what the networks take ``[..., S + A]``."""
        inputs = self.inputs
        scaled = normalise.standardise(inputs.moments, state, inputs.clip, inputs.epsilon)
        action = jnp.broadcast_to(action, (*state.shape[:-1], action.shape[-1]))
        return jnp.concatenate([scaled, action], axis=-1)

    def laws(self, features: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """Return means and variances of standardised changes and of standardised rewards."""
        bounds = (self.min_variance, self.max_variance)
        mean, variance = normal_law(self.reward(features), *bounds)
        return normal_law(self.transition(features), *bounds), (mean[..., 0], variance[..., 0])

    @property
    def live(self) -> Array:
        """Return which columns of the state ever changed, ``[S]``."""
        moments = self.inputs.moments
        square = jnp.square(moments.mean) + moments.variance
        return self.changes.variance > DEAD * square

    def predict(self, state: Array, action: Array) -> Prediction:
        """Return the laws after states ``[E, J, S]`` and actions ``[J, A]``."""
        (mean, variance), reward = self.laws(self.features(state, action))
        spread = jnp.where(self.live, self.changes.variance, 0.0)
        return Prediction(
            change_mean=jnp.where(self.live, mean, 0.0),
            change_variance=jnp.where(self.live, variance, 1.0),
            state_mean=state + self.changes.mean + jnp.sqrt(spread) * mean,
            state_variance=spread * variance,
            reward_mean=reward[0],
            reward_variance=reward[1],
        )

    def loss(self, step: Step) -> tuple[Array, dict[str, Array]]:
        """Return the loss of samples ``[E, B, ...]``, summed over the members, and what to log.

        It is the negative log-likelihood in standardised units, its mean over samples and columns.
        """
        state = self.inputs.scaled(step.observation)
        change = self.inputs.scaled(step.next_observation) - state
        change = standardised(self.changes, change)
        (mean, variance), (reward_mean, reward_variance) = self.laws(
            self.features(state, step.action)
        )
        costs = jnp.where(self.live, negative_log_likelihood(mean, variance, change), 0.0)
        state_loss = jnp.mean(costs) * self.live.size / jnp.maximum(jnp.sum(self.live), 1)
        reward = standardised(self.rewards, step.reward)
        reward_loss = jnp.mean(negative_log_likelihood(reward_mean, reward_variance, reward))
        log = {"state_loss": state_loss, "reward_loss": reward_loss}
        return (state_loss + reward_loss) * self.transition.members, log


def standardised(moments: normalise.Moments, value: Array) -> Array:
    """Return ``(value - mean) / max(std, 1e-8)``, without clipping."""
    return (value - moments.mean) / jnp.maximum(jnp.sqrt(moments.variance), MIN_STD)


def fit(
    key: Array,
    model: WorldModel,
    optimiser: tuple[optax.GradientTransformation, Any],
    replay: Replay,
    *,
    rate: Number,
    steps: Array | int,
    batch_size: int,
) -> tuple[WorldModel, Any, dict[str, Array]]:
    """Take gradient steps with samples of the replay, other ones for each member.

    Args:
        key: consumed.
        model: to begin with.
        optimiser: with its state.
        replay: of :class:`Step`; drawn from with replacement.
        rate: learning rate.
        steps: number of steps.
        batch_size: samples of each member in a step.

    Returns:
        the model, the state of the optimiser, and means over the steps.
    """
    rule, memory = optimiser
    shape = (model.transition.members, batch_size)

    def loss(networks: Any, step: Step) -> tuple[Array, dict[str, Array]]:
        return with_networks(model, networks).loss(step)

    def once(index: Array, carry: Any) -> Any:
        networks, memory, total = carry
        part = draw(jax.random.fold_in(key, index), replay, shape)
        gradient, log = jax.grad(loss, has_aux=True)(networks, part)
        change, memory = rule.update(gradient, memory)
        networks = jax.tree.map(lambda old, new: old - rate * new, networks, change)
        return networks, memory, jax.tree.map(jnp.add, total, log)

    blank = {"state_loss": jnp.zeros(()), "reward_loss": jnp.zeros(())}
    start = ((model.transition, model.reward), memory, blank)
    networks, memory, total = jax.lax.fori_loop(0, steps, once, start)
    log = jax.tree.map(lambda leaf: leaf / jnp.maximum(steps, 1), total)
    return with_networks(model, networks), memory, log


def with_networks(model: WorldModel, networks: tuple[Ensemble, Ensemble]) -> WorldModel:
    """Return the model with other networks, those of the transition and of the reward."""
    return dataclasses.replace(model, transition=networks[0], reward=networks[1])


__all__ = ["Prediction", "Step", "WorldModel", "fit", "standardised", "with_networks"]
