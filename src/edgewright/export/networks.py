"""Turn a policy into layers, with one function for each kind of policy that can be deployed.

:func:`layers_of` is open: a policy of another kind registers how it becomes layers.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from typing import Any

import jax.numpy as jnp
import numpy as np

from edgewright.agents.ddpg import BoxPolicy
from edgewright.agents.dqn import ValuePolicy
from edgewright.agents.droo import RelaxedPolicy
from edgewright.agents.ppo import ActorPolicy
from edgewright.bundle.interface import Interface
from edgewright.core.errors import InputError
from edgewright.export.bits import BinaryVectorHead, check_quantiser
from edgewright.export.heads import Head, head_for
from edgewright.export.layers import (
    Dense,
    Dueling,
    Gate,
    Layer,
    Relu,
    Scale,
    Shift,
    Standardise,
    Tanh,
)
from edgewright.nets.actors import GaussianActor
from edgewright.nets.mlp import MLP
from edgewright.rules import normalise
from edgewright.rules.scaling import InputScaler

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
    actor = policy.actor.mean if isinstance(policy.actor, GaussianActor) else policy.actor
    return (*_entry(policy.inputs), *_dense(actor))


@layers_of.register
def _(policy: BoxPolicy, params: Any, interface: Interface) -> tuple[Layer, ...]:
    return (*_entry(policy.inputs), *_dense(policy.actor.network))


@layers_of.register
def _(policy: ValuePolicy, params: Any, interface: Interface) -> tuple[Layer, ...]:
    dueling = [Dueling()] if policy.dueling else []
    return (*_entry(policy.inputs), *_dense(policy.network), *dueling)


@layers_of.register
def _(policy: RelaxedPolicy, params: Any, interface: Interface) -> tuple[Layer, ...]:
    columns = 1 if policy.inputs is None else policy.inputs.scale.size
    gates = [_gate(interface.columns, columns)] if policy.masked else []
    entry = () if policy.inputs is None else _entry(policy.inputs, interface.columns // columns)
    return (*entry, *gates, *_dense(policy.network))


@head_for.register
def _(policy: RelaxedPolicy, usual: Head) -> Head:
    if not isinstance(usual, BinaryVectorHead):
        message = "a network of one bit for each device is exported from worlds with such actions"
        hint = "register a BinaryVectorHead for this world with head_of"
        raise InputError(message, where="export", hint=hint)
    kind = check_quantiser(policy.quantiser, usual.devices)
    return dataclasses.replace(usual, proposals=policy.num_candidates, quantiser=kind)


def _entry(inputs: InputScaler, agents: int = 1) -> tuple[Layer, ...]:
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


def _dense(network: MLP) -> tuple[Layer, ...]:
    dense = [Dense(weight=w, bias=b) for w, b in zip(network.weights, network.biases, strict=True)]
    between = [HIDDEN[network.activation]() for _ in dense[1:]]
    chained = itertools.zip_longest(dense, between)
    return tuple(layer for pair in chained for layer in pair if layer is not None)
