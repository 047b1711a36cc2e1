"""Normalise observations and rewards before learning."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp

from edgewright.core import features
from edgewright.core.records import Array, record, static
from edgewright.core.spaces import Box
from edgewright.rules import normalise
from edgewright.rules.returns import running_returns


@record
class InputScaler:
    """From an observation in physical units to what a network takes.

    ``(observation - offset) / scale`` by the constants of the observation space, and where
    ``standardise`` is set the running standardisation of SE-PPO equation (21) on top. ``clip`` and
    ``epsilon`` are those of that equation; a network of another library brings its own.
    """

    offset: Array  # [F]
    scale: Array  # [F]
    moments: normalise.Moments  # of scaled observations
    standardise: bool = static(default=False)
    clip: float = static(default=normalise.CLIP)
    epsilon: float = static(default=normalise.EPSILON)

    @classmethod
    def of(cls, space: Box, standardise: bool = False) -> InputScaler:
        """Return the scaler of a space before anything was seen."""
        columns = space.shape[-1:]
        offset, scale = jnp.zeros(columns), jnp.ones(columns)
        if space.features:
            offset, scale = features.scaling(space.features)
        moments = normalise.no_moments(columns)
        return cls(offset=offset, scale=scale, moments=moments, standardise=standardise)

    def __call__(self, observation: Array) -> Array:
        """Return what a network takes, of the observation's shape ``[..., F]``."""
        scaled = self.scaled(observation)
        if not self.standardise:
            return scaled
        return normalise.standardise(self.moments, scaled, self.clip, self.epsilon)

    def scaled(self, observation: Array) -> Array:
        """Return ``(observation - offset) / scale``."""
        return (observation - self.offset) / self.scale

    def merged(self, observations: Array) -> InputScaler:
        """Return the scaler after a batch ``[..., F]`` was seen."""
        moments = normalise.merge(self.moments, self.scaled(observations))
        return dataclasses.replace(self, moments=moments)


@record
class RewardScaler:
    """Rewards divided by the deviation of running returns, SE-PPO equation (22), if ``enabled``."""

    moments: normalise.Moments
    running: Array  # [envs, *agents]
    enabled: bool = static(default=True)

    @classmethod
    def of(cls, shape: tuple[int, ...], enabled: bool) -> RewardScaler:
        """Return the scaler for rewards ``[envs, *agents]`` before anything was seen."""
        return cls(moments=normalise.no_moments(()), running=jnp.zeros(shape), enabled=enabled)

    def __call__(self, reward: Array) -> Array:
        """Return scaled rewards of the same shape."""
        return normalise.scale(self.moments, reward) if self.enabled else reward

    def merged(self, reward: Array, done: Array, gamma: Array | float) -> RewardScaler:
        """Return the scaler after rewards ``[T, envs, *agents]`` with their ends were seen."""
        running, totals = running_returns(reward, done, self.running, gamma)
        moments = normalise.merge(self.moments, totals)
        return dataclasses.replace(self, moments=moments, running=running)


__all__ = ["InputScaler", "RewardScaler"]
