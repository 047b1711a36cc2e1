"""Turn a policy into layers, with one function for each kind of policy that can be deployed.

:func:`layers_of` is open: a policy of another kind registers how it becomes layers.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from scipy.linalg import block_diag

from edgewright.agents.ddpg import BoxPolicy
from edgewright.agents.dqn import ValuePolicy
from edgewright.agents.droo import RelaxedPolicy
from edgewright.agents.planning import PlannerPolicy
from edgewright.agents.ppo import ActorPolicy
from edgewright.agents.rule_level import RulePolicy
from edgewright.agents.two_time_scale import LEVELS, TwoLevelPolicy, levels
from edgewright.agents.unit_pruning import plain_network
from edgewright.bundle.interface import Interface
from edgewright.core.errors import InputError
from edgewright.core.records import Array
from edgewright.core.spaces import Discrete, Record
from edgewright.export.bits import BinaryVectorHead, check_quantiser
from edgewright.export.heads import Head, head_for
from edgewright.export.layers import (
    Branches,
    Dense,
    Dueling,
    Gate,
    Layer,
    Mish,
    Relu,
    Scale,
    Shift,
    Standardise,
    Tanh,
)
from edgewright.export.policy import LayerPolicy, NumbersPolicy
from edgewright.export.record_head import RecordHead
from edgewright.nets.actors import network_of
from edgewright.nets.mlp import MLP
from edgewright.rules import normalise
from edgewright.rules.scaling import InputScaler

HIDDEN = {"tanh": Tanh, "relu": Relu, "mish": Mish}


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
    network = plain_network(network_of(policy.actor))
    return (*entry_layers(policy.inputs), *dense_layers(network))


@layers_of.register
def _(policy: BoxPolicy, params: Any, interface: Interface) -> tuple[Layer, ...]:
    return (*entry_layers(policy.inputs), *dense_layers(policy.actor.network))


@layers_of.register
def _(policy: ValuePolicy, params: Any, interface: Interface) -> tuple[Layer, ...]:
    dueling = [Dueling()] if policy.dueling else []
    return (*entry_layers(policy.inputs), *dense_layers(policy.network), *dueling)


@layers_of.register
def _(policy: RelaxedPolicy, params: Any, interface: Interface) -> tuple[Layer, ...]:
    columns = 1 if policy.inputs is None else policy.inputs.scale.size
    gates = [_gate(interface.columns, columns)] if policy.masked else []
    entry = (
        () if policy.inputs is None else entry_layers(policy.inputs, interface.columns // columns)
    )
    return (*entry, *gates, *dense_layers(policy.network))


@layers_of.register
def _(policy: LayerPolicy, params: Any, interface: Interface) -> tuple[Layer, ...]:
    return policy.layers


@layers_of.register
def _(policy: NumbersPolicy, params: Any, interface: Interface) -> tuple[Layer, ...]:
    return policy.layers


@layers_of.register
def _(policy: PlannerPolicy, params: Any, interface: Interface) -> tuple[Layer, ...]:
    message = "a planner searches before every decision, so it cannot be exported"
    hint = "add --amortise to edgewright export: it trains a network to decide like the planner"
    raise InputError(message, where="export", hint=hint)


@layers_of.register
def _(policy: RulePolicy, params: Any, interface: Interface) -> tuple[Layer, ...]:
    message = "a rule of one level looks at the state of the world, so it cannot be exported"
    raise InputError(message, where="export", hint="add --level with the name of the other level")


@layers_of.register
def _(policy: TwoLevelPolicy, params: Any, interface: Interface) -> tuple[Layer, ...]:
    parts = tuple(level_layers(policy, level, params, interface) for level in LEVELS)
    return (Branches(parts=parts, columns=(policy.upper_columns, policy.lower_columns)),)


def level_layers(
    policy: TwoLevelPolicy, level: str, params: Any, interface: Interface
) -> tuple[Layer, ...]:
    """Return the layers from the columns of one level to the scores of its parts."""
    layers = layers_of(getattr(policy, level), params, interface)
    if not policy.by_threshold:
        return layers
    last = layers[-1]
    assert isinstance(last, Dense), "a policy of numbers ends in a dense layer"
    weight, bias = _logits(level_space(policy, level))
    return (*layers[:-1], Dense(weight=last.weight @ weight, bias=last.bias @ weight + bias))


def level_space(policy: TwoLevelPolicy, level: str) -> Record:
    """Return the parts of the action that one level decides."""
    return Record(tuple(levels(policy.actions, policy.slow)[LEVELS.index(level)]))


def _logits(space: Record) -> tuple[Array, Array]:
    """Return weight and bias from one number for each entry to the scores of a record.

    A choice lies in interval ``i`` of ``n``. It is the largest of ``i x - (e_1 + ... + e_i)``,
    where ``e_i`` are the ends of the intervals before ``tanh``.
    """
    pairs = []
    for _, part in space.parts:
        count = math.prod(part.shape)
        if isinstance(part, Discrete):
            ends = np.arctanh(np.linspace(-1.0, 1.0, part.n + 1)[1:-1])
            slope, shift = np.arange(part.n), -np.concatenate([[0.0], np.cumsum(ends)])
        else:
            slope, shift = np.ones(1), np.zeros(1)
        pairs.append((np.kron(np.eye(count), slope), np.tile(shift, count)))
    weight = block_diag(*(weight for weight, _ in pairs))
    bias = np.concatenate([bias for _, bias in pairs])
    return jnp.asarray(weight, jnp.float32), jnp.asarray(bias, jnp.float32)


@head_for.register
def _(policy: TwoLevelPolicy, usual: Head) -> Head:
    """Return the usual head with the parts of the upper level first, as its layers give them."""
    assert isinstance(usual, RecordHead), "a policy of two levels decides a record"
    parts = tuple(part for level in LEVELS for part in level_space(policy, level).parts)
    return dataclasses.replace(usual, space=Record(parts))


@head_for.register
def _(policy: RelaxedPolicy, usual: Head) -> Head:
    if not isinstance(usual, BinaryVectorHead):
        message = "a network of one bit for each device is exported from worlds with such actions"
        hint = "register a BinaryVectorHead for this world with head_of"
        raise InputError(message, where="export", hint=hint)
    kind = check_quantiser(policy.quantiser, usual.devices)
    return dataclasses.replace(usual, proposals=policy.num_candidates, quantiser=kind)


def entry_layers(inputs: InputScaler, agents: int = 1) -> tuple[Layer, ...]:
    """Return what comes before the network: from units to what it was trained on."""
    offset, scale = (jnp.tile(part, agents) for part in (inputs.offset, inputs.scale))
    if inputs.standardise:
        if (inputs.clip, inputs.epsilon) != (normalise.CLIP, normalise.EPSILON):
            message = f"clip must be {normalise.CLIP} and epsilon {normalise.EPSILON}; got "
            message += f"{inputs.clip} and {inputs.epsilon}"
            raise InputError(message, where="export", hint="train with VecNormalize's defaults")
        deviation = jnp.sqrt(inputs.moments.variance + normalise.EPSILON)
        mean = inputs.moments.mean * inputs.scale + inputs.offset
        return (Standardise(mean=mean, deviation=deviation * inputs.scale),)
    shift = (Shift(offset=offset),) if np.any(np.asarray(offset)) else ()
    return (*shift, Scale(scale=scale)) if np.any(np.asarray(scale) != 1.0) else shift


def _gate(columns: int, features: int) -> Gate:
    """Return what makes the gain of an empty place 0, as the world shows it.

    Args:
        features: columns of one agent; the last says whether it is there.
    """
    pick, base = np.zeros((columns, columns)), np.ones(columns)
    for first in range(0, columns, features):
        pick[first + features - 1, first], base[first] = 1.0, 0.0
    return Gate(pick=jnp.asarray(pick, jnp.float32), base=jnp.asarray(base, jnp.float32))


def dense_layers(network: MLP) -> tuple[Layer, ...]:
    """Return the dense layers of a network, with its activations between them."""
    dense = [Dense(weight=w, bias=b) for w, b in zip(network.weights, network.biases, strict=True)]
    between = [HIDDEN[network.activation]() for _ in dense[1:]]
    chained = itertools.zip_longest(dense, between)
    return tuple(layer for pair in chained for layer in pair if layer is not None)
