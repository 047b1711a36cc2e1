"""Turn the scores of an actor into decisions: one of ``n`` choices, or numbers within bounds.

Both kinds answer the same calls, so a learner with policy gradients is written once. A plain
network chooses, a :class:`GaussianActor` has numbers.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.records import Array, Decision, Trajectory, record, static
from edgewright.core.spaces import Box, Discrete
from edgewright.nets.actions import bounded, bounds_agree, part_action
from edgewright.nets.heads import categorical_entropy, log_probability, sample_categorical
from edgewright.nets.mlp import MLP, init_mlp

Actor = Any
"""An :class:`MLP` whose scores are logits, or a :class:`GaussianActor`."""


@record
class GaussianActor:
    """Means from a network and one deviation for each number, whatever is observed.

    The normal law is that of the number before ``tanh`` scales it to its bounds; without bounds it
    is that of the number. The factor of the change of variables cancels in ratios of probabilities.
    """

    mean: MLP
    log_deviation: Array  # [numbers]
    space: Box = static()  # of one agent

    def __call__(self, observation: Array) -> Array:
        """Return means and logarithms of deviations ``[..., 2 numbers]``."""
        mean = self.mean(observation)
        spread = jnp.broadcast_to(self.log_deviation, mean.shape)
        return jnp.concatenate([mean, spread], axis=-1)


def network_of(actor: Actor) -> Any:
    """Return the network of an actor that draws from its scores."""
    return actor.mean if isinstance(actor, GaussianActor) else actor


def with_own_network(actor: Actor, network: Any) -> Actor:
    """Return an actor with another network, see :func:`network_of`."""
    return dataclasses.replace(actor, mean=network) if isinstance(actor, GaussianActor) else network


@record
class BoxActor:
    """Numbers from a network, without chance.

    Its scores become numbers by ``tanh`` scaled to the bounds, see :mod:`edgewright.nets.actions`.
    """

    network: MLP
    space: Box = static()  # of one agent

    def __call__(self, observation: Array) -> Array:
        """Return the units ``[..., numbers]`` of the action, from -1 to 1 where it has bounds."""
        scores = self.network(observation)
        return jnp.tanh(scores) if bounded(self.space) else scores


class Categorical:
    """Decisions among ``n`` choices from logits ``[..., n]``."""

    def likeliest(self, scores: Array) -> Array:
        """Return the likeliest choice ``[...]``."""
        return jnp.argmax(scores, axis=-1).astype(jnp.int32)

    def drawn(self, key: Array, scores: Array) -> Decision:
        """Draw a choice; ``aux`` is its log-probability. Consumes ``key``."""
        action = sample_categorical(key, scores)
        return Decision(action=action, aux=log_probability(scores, action))

    axes = 0
    """Axes of what was drawn beyond those of its log-probability."""

    def recorded(self, batch: Trajectory) -> tuple[Array, Array]:
        """Return what was drawn and its log-probability, both ``[T, N, *agents]``."""
        return batch.action, batch.aux

    def log_probability(self, scores: Array, drawn: Array) -> Array:
        """Return the log-probability of what was drawn."""
        return log_probability(scores, drawn)

    def entropy(self, scores: Array) -> Array:
        """Return the entropy in nats."""
        return categorical_entropy(scores)


class Gaussian:
    """Numbers in a box from scores ``[..., 2 numbers]``, see :class:`GaussianActor`."""

    def __init__(self, space: Box) -> None:
        self.space = space

    def likeliest(self, scores: Array) -> Array:
        """Return the numbers of the means."""
        return self._within(jnp.split(scores, 2, axis=-1)[0])

    def drawn(self, key: Array, scores: Array) -> Decision:
        """Draw numbers; ``aux`` is their log-probability, and themselves before the bounds."""
        mean, spread = jnp.split(scores, 2, axis=-1)
        free = mean + jnp.exp(spread) * jax.random.normal(key, mean.shape)
        return Decision(action=self._within(free), aux=(self.log_probability(scores, free), free))

    axes = 1
    """Axes of what was drawn beyond those of its log-probability."""

    def recorded(self, batch: Trajectory) -> tuple[Array, Array]:
        """Return the numbers before the bounds ``[..., numbers]``, and log-probabilities."""
        log_p, free = batch.aux
        return free, log_p

    def log_probability(self, scores: Array, drawn: Array) -> Array:
        """Return the log-density before the bounds, summed over the numbers."""
        mean, spread = jnp.split(scores, 2, axis=-1)
        distance = (drawn - mean) * jnp.exp(-spread)
        density = -0.5 * jnp.square(distance) - spread - 0.5 * math.log(2 * math.pi)
        return jnp.sum(density, axis=-1)

    def entropy(self, scores: Array) -> Array:
        """Return the entropy before the bounds, in nats."""
        spread = jnp.split(scores, 2, axis=-1)[1]
        return jnp.sum(spread + 0.5 * math.log(2 * math.pi * math.e), axis=-1)

    def _within(self, free: Array) -> Array:
        return part_action(self.space, free.reshape(*free.shape[:-1], *self.space.shape))


def init_actor(
    key: Array, observations: Box, actions: Discrete | Box, hidden_sizes: tuple[int, ...]
) -> Actor:
    """Return the actor of one agent that the space of actions asks for. Consumes ``key``."""
    features = observations.shape[-1]
    if isinstance(actions, Discrete):
        return init_mlp(key, (features, *hidden_sizes, actions.n), last_gain=0.01)
    actor = init_box_actor(key, observations, actions, hidden_sizes)
    spread = jnp.zeros(math.prod(actor.space.shape))
    return GaussianActor(mean=actor.network, log_deviation=spread, space=actor.space)


def init_box_actor(
    key: Array, observations: Box, actions: Box, hidden_sizes: tuple[int, ...]
) -> BoxActor:
    """Return the actor of one agent whose numbers start in the middle. Consumes ``key``."""
    *agents, features = observations.shape
    own = Box(actions.low, actions.high, actions.shape[len(agents) :], unit=actions.unit)
    sizes = (features, *hidden_sizes, math.prod(own.shape))
    return BoxActor(network=init_mlp(key, sizes, last_gain=0.01), space=own)


def box_misfit(observations: Box, actions: Box) -> str:
    """Return why no actor can choose the numbers of a box; empty if one can."""
    agents = observations.shape[:-1]
    own = actions.shape[len(agents) :]
    if actions.shape[: len(agents)] != agents:
        return f"its actions {actions.shape} must begin with the axes of its agents {agents}"
    if not math.prod(own):
        return f"its actions must have at least one number; their shape is {own}"
    if not bounds_agree(actions):
        return "the bounds of its actions must be all finite or all infinite"
    if not own and np.ndim(actions.low) + np.ndim(actions.high):
        return "agents that share a network must have the same bounds"
    return ""


def distribution_of(actor: Actor) -> Categorical | Gaussian:
    """Return what an actor's scores mean."""
    return Gaussian(actor.space) if isinstance(actor, GaussianActor) else Categorical()


__all__ = [
    "Actor",
    "BoxActor",
    "Categorical",
    "Gaussian",
    "GaussianActor",
    "box_misfit",
    "distribution_of",
    "init_actor",
    "init_box_actor",
    "network_of",
    "with_own_network",
]
