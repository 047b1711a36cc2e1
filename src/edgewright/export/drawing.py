"""Turn an actor that draws into layers, with its denoising loop unrolled."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp

from edgewright.agents.sac import DrawingPolicy
from edgewright.bundle.interface import Interface
from edgewright.core.records import Array
from edgewright.export.layers import Dense, Layer, Program
from edgewright.export.networks import HIDDEN, dense_layers, entry_layers, layers_of
from edgewright.nets.actions import from_units
from edgewright.nets.mlp import MLP
from edgewright.nets.phased import settled, with_network
from edgewright.nets.squashed import TanhGaussianActor
from edgewright.rules.pruning import compacted


def deployed(policy: DrawingPolicy) -> DrawingPolicy:
    """Return the policy with the smallest actor that decides the same: no masked units."""
    actor = settled(policy.actor)
    return dataclasses.replace(policy, actor=with_network(actor, compacted(actor.network)))


def draws_of(policy: Any) -> int:
    """Return how many normal numbers a policy takes for one decision, 0 if it takes none."""
    if not isinstance(policy, DrawingPolicy):
        return 0
    numbers = math.prod(policy.actor.space.shape)
    return policy.candidates * policy.actor.greedy_draws * numbers


@layers_of.register
def _(policy: DrawingPolicy, params: Any, interface: Interface) -> tuple[Layer, ...]:
    small = deployed(policy)
    actor, network = small.actor, small.actor.network
    if isinstance(actor, TanhGaussianActor) and network.activation in HIDDEN:
        *hidden, last = dense_layers(network)
        assert isinstance(last, Dense)
        numbers = math.prod(actor.space.shape)
        mean = Dense(weight=last.weight[:, :numbers], bias=last.bias[:numbers])
        return (*entry_layers(small.inputs), *hidden, mean)
    return (_program(small, interface.columns),)


def _program(policy: DrawingPolicy, columns: int) -> Program:
    """Return the whole policy as one function of a row, constants computed beforehand."""
    actor = policy.actor
    shape = (policy.candidates, actor.greedy_draws, math.prod(actor.space.shape))
    features = columns - math.prod(shape)

    def act(row: Array) -> Array:
        observed = policy.inputs(row[:features])
        units = policy.best_of(observed, row[features:].reshape(shape))
        return from_units(actor.space, units)

    learned = jax.tree.leaves((actor, policy.critics))
    calls = actor.network_inputs(jnp.zeros(features), jnp.zeros((actor.draws, shape[-1]))).shape[0]
    products = policy.candidates * (
        calls * _products(actor.network) + sum(map(_products, policy.critics))
    )
    return Program(
        function=act, columns=columns, learned=sum(leaf.size for leaf in learned), products=products
    )


def _products(network: MLP) -> int:
    return sum(weight.size for weight in network.weights)


__all__ = ["deployed", "draws_of"]
