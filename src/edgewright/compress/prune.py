"""Prune whole neurons, which leaves smaller dense layers, or single weights, which saves disk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from edgewright.core.errors import InputError
from edgewright.core.records import Array
from edgewright.export.layers import Dense, Nested
from edgewright.rules.importance import Score, score_units


def prune(
    layers: Sequence[Any], share: float, rows: Array, importance: Score = "spread"
) -> tuple[Any, ...]:
    """Return the layers without the least important ``share`` of every hidden layer's neurons.

    Importance is a score of :mod:`edgewright.rules.importance` over ``rows``, as in a pruned
    training; by ``"spread"``, the default, a constant neuron has none. The mean activation of a
    removed neuron goes into the next bias, so that removing a constant neuron loses nothing (mean
    replacement, Evci et al., AAAI 2018).

    Raises:
        InputError: nothing would be left of a layer.
    """
    result: list[Any] = list(layers)
    dense = [index for index, layer in enumerate(result) if isinstance(layer, Dense)]
    x = rows
    for index, layer in enumerate(result):
        if isinstance(layer, Nested):
            result[index] = _pruned(layer, share, x, importance)
        elif index in dense[1:]:
            before = dense[dense.index(index) - 1]
            first = result[before]
            score = score_units(importance, first.weight, layer.weight, x)
            keep, bias = _kept(layer, x, score, share)
            result[before] = Dense(weight=first.weight[:, keep], bias=first.bias[keep])
            result[index] = Dense(weight=layer.weight[keep], bias=bias)
        x = layer(x)
    return tuple(result)


def _pruned(layer: Nested, share: float, x: Array, importance: Score) -> Nested:
    """Return a nested layer whose chains are pruned by what each of them is given."""
    pairs = zip(layer.chains, layer.chain_inputs(x), strict=True)
    return layer.with_chains(tuple(prune(chain, share, own, importance) for chain, own in pairs))


def sparsify(layers: Sequence[Any], share: float) -> tuple[Any, ...]:
    """Return the layers with the smallest ``share`` of every layer's weights set to zero."""

    def thinned(layer: Any) -> Any:
        if isinstance(layer, Nested):
            return layer.with_chains(tuple(sparsify(chain, share) for chain in layer.chains))
        if not isinstance(layer, Dense):
            return layer
        size = jnp.abs(layer.weight)
        return Dense(
            weight=jnp.where(size > jnp.quantile(size, share), layer.weight, 0.0), bias=layer.bias
        )

    return tuple(thinned(layer) for layer in layers)


def _kept(layer: Dense, activation: Array, score: Array, share: float) -> tuple[np.ndarray, Array]:
    """Return which inputs of a layer to keep, and its bias with the mean of the others in it."""
    width = layer.weight.shape[0]
    count = width - round(share * width)
    if count < 1:
        message = f"of {width} neurons none would be left"
        raise InputError(message, where="--stages", hint="remove a smaller share")
    order = np.argsort(-np.asarray(score), kind="stable")
    keep, drop = np.sort(order[:count]), order[count:]
    mean = jnp.mean(activation, axis=0)[drop]
    return keep, layer.bias + mean @ layer.weight[drop]
