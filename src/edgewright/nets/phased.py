"""Hold an actor before and after it was made smaller, so that one compiled program plays both."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax

from edgewright.core.records import Array, record
from edgewright.core.spaces import Box
from edgewright.nets.mlp import MLP


@record
class Gated:
    """A network whose hidden units are multiplied by factors, e.g. to see what depends on them.

    Attributes:
        gates: ``[..., width]`` for each hidden layer.
    """

    inner: MLP
    gates: tuple[Array, ...]

    def __call__(self, x: Array) -> Array:
        """Return the outputs ``[..., out]``."""
        return self.inner(x, self.gates)


@record
class PhasedActor:
    """Two actors that draw alike, of which one plays.

    Attributes:
        dense: with all units, some of which may hand nothing on.
        small: with those that stayed.
        use_small: bool.
    """

    dense: Any
    small: Any
    use_small: Array

    @property
    def space(self) -> Box:
        """The box of one agent."""
        return self.dense.space

    @property
    def draws(self) -> int:
        """Normal numbers that a sample takes for each number of the action."""
        return self.dense.draws

    @property
    def greedy_draws(self) -> int:
        """Normal numbers that the greedy action takes."""
        return self.dense.greedy_draws

    def sample(self, observation: Array, noise: Array) -> tuple[Array, Array]:
        """Return units ``[..., numbers]`` and their log-density ``[...]``."""
        return jax.lax.cond(
            self.use_small,
            lambda: self.small.sample(observation, noise),
            lambda: self.dense.sample(observation, noise),
        )

    def greedy(self, observation: Array, noise: Array) -> Array:
        """Return units ``[..., numbers]``, the last step without chance."""
        return jax.lax.cond(
            self.use_small,
            lambda: self.small.greedy(observation, noise),
            lambda: self.dense.greedy(observation, noise),
        )


def settled(actor: Any) -> Any:
    """Return the actor that plays of a :class:`PhasedActor`, any other as it is.

    Not for compiled code: which one it is must be known.
    """
    if not isinstance(actor, PhasedActor):
        return actor
    return actor.small if bool(actor.use_small) else actor.dense


def with_network(actor: Any, network: Any) -> Any:
    """Return an actor with another network."""
    return dataclasses.replace(actor, network=network)


__all__ = ["Gated", "PhasedActor", "settled", "with_network"]
