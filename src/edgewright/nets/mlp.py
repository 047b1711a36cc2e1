"""Multilayer perceptrons as pytrees whose leaves are arrays only."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

Array = jax.Array
Activation = Literal["tanh", "relu", "mish"]

MISH_LINEAR = 20.0
"""Above this, mish is the identity in 32 bits; the exponential is cut there."""


def mish(x: Array) -> Array:
    """Return ``x tanh(ln(1 + exp(x)))`` elementwise (Misra, BMVC 2020, equation 1).

    With ``e = exp(x)`` the tangent is ``(e^2 + 2 e) / (e^2 + 2 e + 2)``: one exponential.
    """
    grown = jnp.exp(jnp.minimum(x, MISH_LINEAR))
    ratio = grown * (grown + 2.0)
    return x * (ratio / (ratio + 2.0))


ACTIVATIONS = {"tanh": jnp.tanh, "relu": jax.nn.relu, "mish": mish}


class MLP(eqx.Module):
    """``x -> W_L act(... act(W_1 x + b_1) ...) + b_L`` on the last axis.

    Attributes:
        weights: ``[in, out]`` for each layer.
        biases: ``[out]`` for each layer.
        activation: name of the hidden activation; static, so plain ``jax.jit`` and optimisers work.
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    activation: Activation = eqx.field(static=True)

    def __call__(self, x: Array, gates: Sequence[Array] = ()) -> Array:
        """Return the outputs ``[..., out]`` for inputs ``[..., in]``; see :meth:`hidden`."""
        hidden = self.hidden(x, gates)
        return (hidden[-1] if hidden else x) @ self.weights[-1] + self.biases[-1]

    def hidden(self, x: Array, gates: Sequence[Array] = ()) -> tuple[Array, ...]:
        """Return what every hidden layer hands on, ``[..., width]``.

        Args:
            gates: a factor ``[..., width]`` for each hidden layer, after its activation: a unit
                with the factor 0 is not there, whatever its bias. None if empty.
        """
        act, result = ACTIVATIONS[self.activation], []
        for index, (weight, bias) in enumerate(
            zip(self.weights[:-1], self.biases[:-1], strict=True)
        ):
            x = act(x @ weight + bias)
            if gates:
                x = x * gates[index]
            result.append(x)
        return tuple(result)


def orthogonal(key: Array, size: int) -> Array:
    """Return a random orthogonal matrix ``[size, size]`` (Saxe, McClelland, Ganguli, ICLR 2014).

    Gram-Schmidt, twice for each column, on a Gaussian matrix. Consumes ``key``.
    """
    start = jax.random.normal(key, (size, size))

    def settle(index: Array, basis: Array) -> Array:
        before = jnp.arange(size) < index
        vector = basis[:, index]
        for _ in range(2):
            vector = vector - basis @ jnp.where(before, basis.T @ vector, 0.0)
        return basis.at[:, index].set(vector / jnp.linalg.norm(vector))

    return jax.lax.fori_loop(0, size, settle, start)


def init_mlp(
    key: Array, sizes: Sequence[int], *, last_gain: float = 1.0, activation: Activation = "tanh"
) -> MLP:
    """Return an MLP with orthogonal weights (gain sqrt 2, last layer ``last_gain``), zero biases.

    Args:
        key: consumed.
        sizes: widths from input to output, e.g. ``(11, 64, 64, 9)``.
    """
    shapes = list(itertools.pairwise(sizes))
    gains = [2**0.5] * (len(shapes) - 1) + [last_gain]
    # Rows, or columns, cut from an orthogonal matrix are orthonormal (not both at once: a layer
    # needs a square of its longer side). Layers with equal sides share one compiled loop.
    keys = jax.random.split(key, len(shapes))
    sides = np.array([max(shape) for shape in shapes])
    square: dict[int, Array] = {}
    for side in sorted(set(sides.tolist())):
        layers = np.flatnonzero(sides == side)
        drawn = jax.vmap(lambda one, size=side: orthogonal(one, size))(keys[layers])
        square.update(zip(layers.tolist(), drawn, strict=True))
    return MLP(
        weights=tuple(
            gain * square[layer][:rows, :columns]
            for layer, ((rows, columns), gain) in enumerate(zip(shapes, gains, strict=True))
        ),
        biases=tuple(jnp.zeros(columns) for _, columns in shapes),
        activation=activation,
    )
