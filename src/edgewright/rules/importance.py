"""Score the hidden units of a network by what would be lost if one were removed.

The same scores serve pruning during a training (:mod:`.pruning`) and compression of a bundle. A
unit ``j`` has incoming weights ``W(:, j)``, outgoing weights ``V(j, :)`` and activations ``h_j``.
"""

from __future__ import annotations

from typing import Literal, Protocol

import jax
import jax.numpy as jnp

from edgewright.core.records import Array

Importance = Literal["mag", "act", "spread", "taylor", "random"]
Score = Literal["mag", "act", "spread"]
"""Those that need a network and its activations only."""

LEAST_NORM = 1e-12


class Prunable(Protocol):
    """A network with hidden layers in a chain, e.g. an MLP."""

    @property
    def weights(self) -> tuple[Array, ...]:
        """``[in, out]`` for each layer."""
        ...

    @property
    def biases(self) -> tuple[Array, ...]:
        """``[out]`` for each layer."""
        ...

    def hidden(self, x: Array, gates: tuple[Array, ...] = ()) -> tuple[Array, ...]:
        """Return what every hidden layer hands on ``[..., width]``."""
        ...


def widths_of(network: Prunable) -> tuple[int, ...]:
    """Return how many units every hidden layer has."""
    return tuple(bias.shape[-1] for bias in network.biases[:-1])


def magnitude(incoming: Array, outgoing: Array) -> Array:
    """Return ``|W(:, j)|_2 |V(j, :)|_2`` ``[width]``, which needs no data (He et al., 2014)."""
    return jnp.linalg.norm(incoming, axis=0) * jnp.linalg.norm(outgoing, axis=1)


def mean_activation(outgoing: Array, activations: Array) -> Array:
    """Return ``E|h_j| |V(j, :)|_1`` ``[width]``.

    It bounds the change of the next layer's inputs, summed over them, when unit ``j`` is removed.

    Args:
        activations: ``[..., width]``, over all calls of the network that one action takes.
    """
    size = jnp.mean(jnp.abs(activations), axis=tuple(range(activations.ndim - 1)))
    return size * jnp.sum(jnp.abs(outgoing), axis=1)


def activation_spread(outgoing: Array, activations: Array) -> Array:
    """Return ``std(h_j) |V(j, :)|_2`` ``[width]``.

    What is lost where the mean of a removed unit goes into the next bias: nothing for a constant.
    """
    return jnp.std(activations, axis=tuple(range(activations.ndim - 1))) * jnp.linalg.norm(
        outgoing, axis=1
    )


def gate_slope(slopes: Array) -> Array:
    """Return ``E|h_j dJ/dh_j|`` ``[width]`` (Molchanov et al., ICLR 2017, equation 8).

    Args:
        slopes: ``[samples, width]``, of each sample's loss in a gate that multiplies ``h_j``. A
            network that is called several times for an action has the sum over its calls.
    """
    return jnp.mean(jnp.abs(slopes), axis=0)


def score_units(kind: Score, incoming: Array, outgoing: Array, activations: Array) -> Array:
    """Return a score ``[width]`` of every unit of a layer by name."""
    if kind == "mag":
        return magnitude(incoming, outgoing)
    score = mean_activation if kind == "act" else activation_spread
    return score(outgoing, activations)


def score_network(
    kind: Score, network: Prunable, activations: tuple[Array, ...]
) -> tuple[Array, ...]:
    """Return the scores ``[width]`` of every hidden layer, each divided by the layer's mean.

    Args:
        activations: of every hidden layer, ``[..., width]``.
    """
    chain = zip(network.weights[:-1], network.weights[1:], activations, strict=True)
    return tuple(over_mean(score_units(kind, *row)) for row in chain)


def random_scores(key: Array, widths: tuple[int, ...]) -> tuple[Array, ...]:
    """Return scores ``[width]`` that say nothing: a control. Consumes ``key``."""
    keys = jax.random.split(key, len(widths))
    return tuple(jax.random.uniform(*row) for row in zip(keys, ((w,) for w in widths), strict=True))


def over_mean(scores: Array) -> Array:
    """Return scores ``[width]`` divided by their mean, so that layers can be compared."""
    return scores / jnp.maximum(jnp.mean(scores), LEAST_NORM)


__all__ = [
    "Importance",
    "Prunable",
    "Score",
    "activation_spread",
    "gate_slope",
    "magnitude",
    "mean_activation",
    "over_mean",
    "random_scores",
    "score_network",
    "score_units",
    "widths_of",
]
