"""Turn an actor that draws into layers, a denoising loop as :class:`~.denoise.Denoise`.

A policy that takes the best of several candidates by its critics becomes a program.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp

from edgewright.agents.sac import DrawingPolicy
from edgewright.bundle.interface import Interface
from edgewright.core.records import Array
from edgewright.export.denoise import Denoise
from edgewright.export.heads import Head, head_for
from edgewright.export.layers import Dense, Layer, Program
from edgewright.export.networks import dense_layers, entry_layers, layers_of
from edgewright.export.record_head import RecordHead
from edgewright.nets.actions import from_units
from edgewright.nets.diffusion import DiffusionActor
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
    actor, entry = small.actor, entry_layers(small.inputs)
    if isinstance(actor, TanhGaussianActor):
        return (*entry, *_mean_layers(actor.network, math.prod(actor.space.shape)))
    if isinstance(actor, DiffusionActor) and small.candidates == 1:
        return (denoise_layer(actor, entry, interface.columns - interface.draws),)
    return (_program(small, interface.columns),)


@head_for.register
def _(policy: DrawingPolicy, usual: Head) -> Head:
    """Return the usual head; a chain whose last step is clipped gives units, not scores."""
    actor = settled(policy.actor)
    if policy.candidates > 1 or not isinstance(actor, DiffusionActor) or actor.chain.squashes:
        return usual
    assert isinstance(usual, RecordHead), "an actor that draws decides numbers"
    return dataclasses.replace(usual, squash="clip")


def denoise_layer(actor: DiffusionActor, entry: tuple[Layer, ...], features: int) -> Denoise:
    """Return the layer of a diffusion actor, which draws nothing in its last step.

    Args:
        entry: layers before its network.
        features: entries of an observation.
    """
    return Denoise(
        entry=entry,
        network=_mean_layers(actor.network, actor.numbers),
        times=actor.times(),
        features=features,
        rule=actor.chain,
    )


def _mean_layers(network: MLP, numbers: int) -> tuple[Layer, ...]:
    """Return the layers of a network without its outputs behind the first ``numbers``."""
    *hidden, last = dense_layers(network)
    assert isinstance(last, Dense), "a network ends in a dense layer"
    return (*hidden, Dense(weight=last.weight[:, :numbers], bias=last.bias[:numbers]))


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


__all__ = ["denoise_layer", "deployed", "draws_of"]
