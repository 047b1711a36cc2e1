"""Hold an actor before and after it was made smaller, so that one compiled program plays both."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax

from edgewright.core.records import Array, record
from edgewright.core.spaces import Box
from edgewright.nets.mlp import MLP
from edgewright.rules import pruning


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
class Masked:
    """A network whose masked units hand nothing on; the masks are not learned.

    Attributes:
        masks: 1 or 0 for each unit, ``[width]`` for each hidden layer.
    """

    inner: MLP
    masks: pruning.Masks

    def __call__(self, x: Array) -> Array:
        """Return the outputs ``[..., out]``."""
        return self.plain(x)

    @property
    def plain(self) -> MLP:
        """The network with the masks written into its weights."""
        return pruning.masked(self.inner, jax.lax.stop_gradient(self.masks))


@record
class PhasedNetwork:
    """Two networks of one purpose, of which one is used, see :class:`PhasedActor`."""

    dense: Masked
    small: MLP
    use_small: Array

    def __call__(self, x: Array) -> Array:
        """Return the outputs ``[..., out]``."""
        return jax.lax.cond(self.use_small, lambda: self.small(x), lambda: self.dense(x))


def plain_network(network: Any) -> Any:
    """Return the smallest network that computes the same: no masked units, one phase.

    Not for compiled code: which phase it is must be known.
    """
    if isinstance(network, PhasedNetwork):
        return network.small if bool(network.use_small) else plain_network(network.dense)
    return pruning.compacted(network.plain) if isinstance(network, Masked) else network


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


__all__ = [
    "Gated",
    "Masked",
    "PhasedActor",
    "PhasedNetwork",
    "plain_network",
    "settled",
    "with_network",
]
