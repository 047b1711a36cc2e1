"""From a policy to layers: one function for each kind of policy that can be deployed.

:func:`layers_of` is open: a policy of another kind registers how it becomes layers.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from typing import Any

import jax.numpy as jnp
import numpy as np

from edgewright.agents.dqn import ValuePolicy
from edgewright.agents.droo import RelaxedPolicy
from edgewright.agents.ppo import ActorPolicy
from edgewright.bundle.interface import Interface
from edgewright.core.errors import InputError
from edgewright.core.records import Array
from edgewright.export.bits import BinaryVectorHead, check_quantiser
from edgewright.export.heads import Head, head_for
from edgewright.export.layers import (
    Dense,
    Dueling,
    Gate,
    Layer,
    Program,
    Relu,
    Scale,
    Shift,
    Standardise,
    Tanh,
)
from edgewright.export.observation import row_insight
from edgewright.nets.mlp import MLP
from edgewright.rules import normalise
from edgewright.systems.aigc.baselines import AigcHeuristic, Greedy, Random, Rollout, Rule
from edgewright.systems.binary import baselines as binary_baselines

HIDDEN = {"tanh": Tanh, "relu": Relu}


@functools.singledispatch
def layers_of(policy: Any, params: Any, interface: Interface) -> tuple[Layer, ...]:
    """Return the layers from a row to the scores (or, for a rule, to the action).

    Raises:
        InputError: policies of this kind cannot be deployed.
    """
    message = f"a {type(policy).__name__} cannot be exported"
    hint = "register how it becomes layers with edgewright.export.networks.layers_of"
    raise InputError(message, where="export", hint=hint)


@layers_of.register
def _(policy: ActorPolicy, params: Any, interface: Interface) -> tuple[Layer, ...]:
    seen = _entry(policy.observations if policy.normalize_observations else None, interface)
    return (*seen, *_dense(policy.actor))


@layers_of.register
def _(policy: ValuePolicy, params: Any, interface: Interface) -> tuple[Layer, ...]:
    seen = _entry(policy.observations if policy.normalize_observations else None, interface)
    return (*seen, *_dense(policy.network), *([Dueling()] if policy.dueling else []))


@layers_of.register
def _(policy: RelaxedPolicy, params: Any, interface: Interface) -> tuple[Layer, ...]:
    offset = jnp.asarray(interface.offsets, jnp.float32)
    gates = [_gate(interface)] if policy.masked else []
    return (Shift(offset=offset), *_entry(None, interface), *gates, *_dense(policy.network))


@head_for.register
def _(policy: RelaxedPolicy, usual: Head) -> Head:
    if not isinstance(usual, BinaryVectorHead):
        message = "a network of one bit for each device is exported from worlds with such actions"
        hint = "register a vocabulary with the head Bits for this world"
        raise InputError(message, where="export", hint=hint)
    kind = check_quantiser(policy.quantiser, usual.devices)
    return dataclasses.replace(usual, proposals=policy.num_candidates, quantiser=kind)


@layers_of.register
def _(policy: Rollout, params: Any, interface: Interface) -> tuple[Layer, ...]:
    message = "a planner plays the simulator to decide, so it cannot be exported"
    hint = "export a trained run, or a rule such as greedy or heuristic-fair"
    raise InputError(message, where="export", hint=hint)


@layers_of.register
def _(policy: Random, params: Any, interface: Interface) -> tuple[Layer, ...]:
    message = "a bundle decides the same way twice, so chance cannot be exported"
    raise InputError(message, where="export", hint="export a rule such as local-1 or shortest-1")


@layers_of.register
def _(policy: binary_baselines.Fixed, params: Any, interface: Interface) -> tuple[Layer, ...]:
    bits = jnp.full(policy.world.devices, policy.bit, jnp.int32)
    return (Program(function=lambda row: bits, columns=interface.columns),)


@layers_of.register(binary_baselines.Greedy)
@layers_of.register(binary_baselines.OneFlip)
@layers_of.register(binary_baselines.Optimum)
@layers_of.register(binary_baselines.Prefix)
@layers_of.register(binary_baselines.RandomActions)
def _(policy: Any, params: Any, interface: Interface) -> tuple[Layer, ...]:
    message = "it is told the hidden numbers of the scenario, which no observation tells"
    raise InputError(message, where="export", hint="export a trained run, all-local or all-offload")


@layers_of.register(Rule)
@layers_of.register(Greedy)
@layers_of.register(AigcHeuristic)
def _(
    policy: Rule | Greedy | AigcHeuristic, params: Any, interface: Interface
) -> tuple[Layer, ...]:
    alone = dataclasses.replace(policy, world=dataclasses.replace(policy.world, devices=1))
    row_insight(alone.world, params, jnp.zeros(interface.columns))  # refuses what cannot be told

    def decide(row: Array) -> Array:
        key = jnp.zeros(2, jnp.uint32)  # rules draw nothing
        insight = row_insight(alone.world, params, row)
        return alone.act(key, (), insight)[1].action[0]

    return (Program(function=decide, columns=interface.columns),)


def _entry(moments: normalise.Moments | None, interface: Interface) -> tuple[Layer, ...]:
    """Return what comes before the network: from units to what it was trained on."""
    scales = jnp.asarray(interface.scales, jnp.float32)
    if moments is None:
        plain = bool(np.all(np.asarray(scales) == 1.0))
        return () if plain else (Scale(scale=scales),)
    deviation = jnp.sqrt(moments.variance + normalise.EPSILON)
    return (Standardise(mean=moments.mean * scales, deviation=deviation * scales),)


def _gate(interface: Interface) -> Gate:
    """Return what makes the gain of an empty place 0, as the world shows it."""
    pick, base = np.zeros((interface.columns, interface.columns)), np.ones(interface.columns)
    features = len(interface.features)
    for first in range(0, interface.columns, features):
        pick[first + features - 1, first], base[first] = 1.0, 0.0
    return Gate(pick=jnp.asarray(pick, jnp.float32), base=jnp.asarray(base, jnp.float32))


def _dense(network: MLP) -> tuple[Layer, ...]:
    dense = [Dense(weight=w, bias=b) for w, b in zip(network.weights, network.biases, strict=True)]
    between = [HIDDEN[network.activation]() for _ in dense[1:]]
    chained = itertools.zip_longest(dense, between)
    return tuple(layer for pair in chained for layer in pair if layer is not None)
