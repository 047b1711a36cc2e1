"""Judge an action of real numbers by one or more networks of observation and action."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from edgewright.nets.mlp import MLP, Activation, init_mlp

Array = jax.Array
Critics = tuple[MLP, ...]


def init_critics(
    keys: Sequence[Array],
    inputs: int,
    hidden_sizes: tuple[int, ...],
    activation: Activation = "tanh",
) -> Critics:
    """Return one network for each of ``keys``, which are consumed.

    With a last layer of gain 1 the first values are noise as large as a return, and learning begins
    by forgetting it; so its gain is 0.01.

    Args:
        inputs: entries of an observation and of an action together.
    """
    sizes = (inputs, *hidden_sizes, 1)
    return tuple(init_mlp(one, sizes, last_gain=0.01, activation=activation) for one in keys)


def action_values(critics: Critics, observation: Array, units: Array) -> Array:
    """Return ``Q_i(s, a)`` ``[..., critics]`` of an action ``[..., numbers]`` in units."""
    both = jnp.concatenate([observation, units], axis=-1)
    return jnp.concatenate([critic(both) for critic in critics], axis=-1)


__all__ = ["Critics", "action_values", "init_critics"]
