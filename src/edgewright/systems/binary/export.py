"""Name the actions of the binary world in bundles, and turn its rules into graphs."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from edgewright.bundle.interface import Interface
from edgewright.core.errors import InputError
from edgewright.export.bits import BinaryVectorHead
from edgewright.export.layers import Layer, Program
from edgewright.export.networks import layers_of
from edgewright.export.observation import head_of
from edgewright.systems.binary import BinaryWorld, baselines


@head_of.register
def _(world: BinaryWorld, params: Any) -> BinaryVectorHead:
    """Return one bit for each device; with a mask the last column of each says who is there."""
    width = world.observation_space(params).shape[-1]
    last = tuple(range(width - 1, width * world.devices, width)) if world.masked else ()
    return BinaryVectorHead(world.devices, world.devices, present=last)


@layers_of.register
def _(policy: baselines.Fixed, params: Any, interface: Interface) -> tuple[Layer, ...]:
    bits = jnp.full(policy.world.devices, policy.bit, jnp.int32)
    return (Program(function=lambda row: bits, columns=interface.columns),)


@layers_of.register(baselines.Greedy)
@layers_of.register(baselines.OneFlip)
@layers_of.register(baselines.Optimum)
@layers_of.register(baselines.Prefix)
@layers_of.register(baselines.RandomActions)
def _(policy: Any, params: Any, interface: Interface) -> tuple[Layer, ...]:
    message = "it decides by the hidden numbers of the task, which no observation shows"
    raise InputError(message, where="export", hint="export a trained run, all-local or all-offload")
