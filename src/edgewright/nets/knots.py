"""Encode each feature piecewise linearly before a network, so that it can bend where it must.

A value of a battery is flat where the charge suffices and steep where it does not. A small network
of smooth units blurs such a bend, and the slope it shows on the flat side is as wrong as large.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from edgewright.core.records import Array, record
from edgewright.nets.mlp import MLP, init_mlp

SPAN = 2.0
"""Knots lie from minus to plus this many deviations of a standardised feature."""


def piecewise_linear(x: Array, knots: int) -> Array:
    """Return how far each feature ``[..., F]`` is through each of ``knots`` intervals.

    ``e_k(x) = clip((x - b_k) / (b_{k+1} - b_k), 0, 1)`` with equal intervals on ``[-2, 2]``
    (Gorishniy, Rubachev, Babenko, "On Embeddings for Numerical Features in Tabular Deep Learning",
    NeurIPS 2022, equation 1, but for their open first and last interval).

    Returns:
        ``[..., F knots]``, the entries of one feature side by side.
    """
    width = 2.0 * SPAN / knots
    starts = -SPAN + width * jnp.arange(knots)
    encoded = jnp.clip((x[..., None] - starts) / width, 0.0, 1.0)
    return encoded.reshape(*x.shape[:-1], -1)


@record
class KnotNetwork:
    """A network of features and of their piecewise linear encoding.

    Attributes:
        network: takes ``[..., F + F knots]``.
    """

    network: MLP

    def __call__(self, x: Array) -> Array:
        """Return the outputs ``[..., out]`` for features ``[..., F]``."""
        knots = self.network.weights[0].shape[0] // x.shape[-1] - 1
        # Centred, as features are.
        return self.network(jnp.concatenate([x, piecewise_linear(x, knots) - 0.5], axis=-1))


def init_critic(
    key: jax.Array, features: int, hidden_sizes: tuple[int, ...], knots: int = 1, outputs: int = 1
) -> MLP | KnotNetwork:
    """Return a network from ``[..., features]`` to values ``[..., outputs]``. Consumes ``key``.

    Args:
        knots: intervals of the encoding of each feature; with 1 features are taken as they are.
        outputs: how many values, e.g. quantiles.
    """
    if knots == 1:
        return init_mlp(key, (features, *hidden_sizes, outputs), last_gain=1.0)
    sizes = (features * (1 + knots), *hidden_sizes, outputs)
    return KnotNetwork(network=init_mlp(key, sizes, last_gain=1.0))


__all__ = ["KnotNetwork", "init_critic", "piecewise_linear"]
