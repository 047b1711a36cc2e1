"""Ensembles of networks as one network with batched weights, with normal laws as outputs.

Lakshminarayanan, Pritzel, Blundell (NeurIPS 2017); as a model of a world: Chua et al. (PETS,
NeurIPS 2018). The members share nothing but their sizes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from edgewright.core.records import Array, Number, record


@record
class Ensemble:
    """``E`` multilayer perceptrons with ``x sigmoid(x)`` (silu) between their layers.

    Attributes:
        weights: ``[E, in, out]`` for each layer.
        biases: ``[E, 1, out]`` for each layer.
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]

    @property
    def members(self) -> int:
        """Number of members."""
        return self.weights[0].shape[0]

    def __call__(self, x: Array) -> Array:
        """Return ``[E, B, out]`` of inputs ``[E, B, in]``, or of ``[B, in]`` for all members."""
        if x.ndim == 2:
            x = jnp.broadcast_to(x, (self.members, *x.shape))
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = jax.nn.silu(jnp.einsum("ebi,eio->ebo", x, weight) + bias)
        return jnp.einsum("ebi,eio->ebo", x, self.weights[-1]) + self.biases[-1]


def init_ensemble(key: Array, members: int, sizes: Sequence[int]) -> Ensemble:
    """Return members with weights of their own, biases 0.

    Weights of hidden layers are uniform, those of the last layer normal, both with the variance
    ``2 / (in + out)`` (Glorot, Bengio, AISTATS 2010), as in the published planner.

    Args:
        key: consumed.
        sizes: widths from input to output; a normal law of ``D`` numbers has ``2 D`` outputs.
    """
    shapes = list(itertools.pairwise(sizes))
    keys = jax.random.split(key, len(shapes))
    laws = [jax.nn.initializers.glorot_uniform] * (len(shapes) - 1)
    laws = [*laws, jax.nn.initializers.glorot_normal]
    return Ensemble(
        weights=tuple(
            law(in_axis=-2, out_axis=-1, batch_axis=0)(one, (members, *shape), jnp.float32)
            for one, law, shape in zip(keys, laws, shapes, strict=True)
        ),
        biases=tuple(jnp.zeros((members, 1, out)) for _, out in shapes),
    )


def normal_law(output: Array, min_variance: Number, max_variance: Number) -> tuple[Array, Array]:
    """Return mean and variance ``[..., D]`` of outputs ``[..., 2 D]``.

    The logarithm of the variance is squashed between its bounds by a sigmoid, so it can neither
    vanish nor run away where there was no data.
    """
    mean, free = jnp.split(output, 2, axis=-1)
    low, high = jnp.log(min_variance), jnp.log(max_variance)
    return mean, jnp.exp(low + (high - low) * jax.nn.sigmoid(free))


def negative_log_likelihood(mean: Array, variance: Array, target: Array) -> Array:
    """Return ``((y - mu)^2 / sigma^2 + log sigma^2) / 2`` elementwise, without its constant."""
    return 0.5 * (jnp.square(target - mean) / variance + jnp.log(variance))


__all__ = ["Ensemble", "init_ensemble", "negative_log_likelihood", "normal_law"]
