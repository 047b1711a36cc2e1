"""Draw actions of real numbers with the tanh-Gaussian actor of SAC.

An actor that draws takes its normal numbers as an input ``[..., draws, numbers]``, so that the same
numbers give the same action, in a training, in a test and in a deployed graph.
:class:`edgewright.nets.diffusion.DiffusionActor` answers the same calls.
"""

from __future__ import annotations

import math
from typing import Protocol

import jax
import jax.numpy as jnp

from edgewright.core.records import Array, record, static
from edgewright.core.spaces import Box
from edgewright.nets.mlp import MLP, Activation, init_mlp

MIN_LOG_DEVIATION, MAX_LOG_DEVIATION = -20.0, 2.0
"""Bounds of Haarnoja et al.'s code and of Stable-Baselines3."""


class DrawingActor(Protocol):
    """An actor of numbers in a box with bounds, from an observation and normal numbers."""

    @property
    def network(self) -> MLP:
        """The network whose hidden units may be pruned."""
        ...

    @property
    def space(self) -> Box:
        """The box of one agent."""
        ...

    @property
    def draws(self) -> int:
        """Normal numbers that a sample takes for each number of the action."""
        ...

    @property
    def greedy_draws(self) -> int:
        """Normal numbers that the greedy action takes; 0 if it leaves nothing to chance."""
        ...

    def sample(self, observation: Array, noise: Array) -> tuple[Array, Array]:
        """Return units ``[..., numbers]`` and their log-density ``[...]``, or zeros without one."""
        ...

    def greedy(self, observation: Array, noise: Array) -> Array:
        """Return units ``[..., numbers]``, the last step without chance."""
        ...

    def network_inputs(self, observation: Array, noise: Array) -> Array:
        """Return what the network is given for one action ``[calls, ..., inputs]``."""
        ...

    def imitation_loss(self, observation: Array, units: Array, noise: Array) -> Array:
        """Return how far the actor is from given actions ``[...]``."""
        ...


def squashed(mean: Array, log_deviation: Array, noise: Array) -> tuple[Array, Array]:
    """Return ``a = tanh(u)``, ``u = mean + deviation * noise``, and the log-density of ``a``.

    ``log N(u) - sum_i log(1 - tanh^2 u_i)`` (Haarnoja et al., ICML 2018, equation 21), where
    ``log(1 - tanh^2 u) = 2 (log 2 - u - softplus(-2 u))`` loses no digits.
    """
    free = mean + jnp.exp(log_deviation) * noise
    normal = -0.5 * jnp.square(noise) - log_deviation - 0.5 * math.log(2 * math.pi)
    change = 2.0 * (math.log(2.0) - free - jax.nn.softplus(-2.0 * free))
    return jnp.tanh(free), jnp.sum(normal - change, axis=-1)


def mean_and_deviation(outputs: Array) -> tuple[Array, Array]:
    """Return both halves of outputs ``[..., 2 numbers]``, the logarithm within its bounds."""
    mean, log_deviation = jnp.split(outputs, 2, axis=-1)
    return mean, jnp.clip(log_deviation, MIN_LOG_DEVIATION, MAX_LOG_DEVIATION)


@record
class TanhGaussianActor:
    """Numbers drawn from a normal law and squashed by ``tanh`` (Haarnoja et al., ICML 2018).

    Attributes:
        network: observation to means and logarithms of deviations, or to means only.
        density: whether it draws; a deterministic actor has no density.
    """

    network: MLP
    space: Box = static()
    density: bool = static(default=True)

    @property
    def draws(self) -> int:
        """One normal number for each number of the action, or none."""
        return int(self.density)

    @property
    def greedy_draws(self) -> int:
        """The greedy action is that of the mean."""
        return 0

    def sample(self, observation: Array, noise: Array) -> tuple[Array, Array]:
        """Return units ``[..., numbers]`` and their log-density ``[...]``."""
        outputs = self.network(observation)
        if not self.density:
            return jnp.tanh(outputs), jnp.zeros(outputs.shape[:-1])
        return squashed(*mean_and_deviation(outputs), noise[..., 0, :])

    def greedy(self, observation: Array, noise: Array) -> Array:
        """Return the units of the mean ``[..., numbers]``."""
        outputs = self.network(observation)
        return jnp.tanh(mean_and_deviation(outputs)[0] if self.density else outputs)

    def network_inputs(self, observation: Array, noise: Array) -> Array:
        """Return the observation, of the one call ``[1, ..., F]``."""
        return observation[None]

    def imitation_loss(self, observation: Array, units: Array, noise: Array) -> Array:
        """Return the mean squared distance of the greedy units from ``units``, ``[...]``."""
        return jnp.mean(jnp.square(self.greedy(observation, noise) - units), axis=-1)


def init_tanh_gaussian(
    key: Array,
    features: int,
    space: Box,
    hidden_sizes: tuple[int, ...],
    activation: Activation,
    density: bool,
) -> TanhGaussianActor:
    """Return an actor whose means start in the middle of the box. Consumes ``key``."""
    sizes = (features, *hidden_sizes, math.prod(space.shape) * (1 + density))
    network = init_mlp(key, sizes, last_gain=0.01, activation=activation)
    return TanhGaussianActor(network=network, space=space, density=density)


__all__ = [
    "DrawingActor",
    "TanhGaussianActor",
    "init_tanh_gaussian",
    "mean_and_deviation",
    "squashed",
]
