"""Name the actions of the AIGC world in bundles, and turn its rules into graphs."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np

from edgewright.bundle.interface import Interface, Output
from edgewright.core.errors import InputError
from edgewright.core.features import column_names
from edgewright.core.records import Array
from edgewright.export.heads import CategoricalHead
from edgewright.export.layers import Layer, Program
from edgewright.export.networks import layers_of
from edgewright.export.observation import head_of
from edgewright.loops.evaluate import PrivilegedObservation
from edgewright.systems.aigc import AigcInputs, AigcState, AigcWorld
from edgewright.systems.aigc.baselines import (
    AigcHeuristic,
    BatteryPrice,
    Greedy,
    Random,
    Rollout,
    Rule,
    greedy_in_turn,
)
from edgewright.systems.aigc.baselines.shadow_prices import tariff
from edgewright.systems.aigc.features import MODES, features, server_names
from edgewright.systems.aigc.records import OF_A_DEVICE


@head_of.register
def _(world: AigcWorld, params: Any) -> CategoricalHead:
    places = ("device", *(name.replace("_", " ") for name in server_names(world)))
    decoded = world.decode(jnp.arange(world.actions))
    location, level = (np.asarray(part) for part in decoded)
    names = [f"{places[a]}, level {b}" for a, b in zip(location, level, strict=True)]
    levels = tuple(map(str, range(world.qualities)))
    outputs = (
        Output("action", "location times levels plus level", tuple(names)),
        Output("location", "where the task runs", places),
        Output("level", "quality level, 0 is the lowest", levels),
    )
    return CategoricalHead(outputs, {"location": location, "level": level})


@layers_of.register
def _(policy: Rollout, params: Any, interface: Interface) -> tuple[Layer, ...]:
    message = "a planner plays the simulator to decide, so it cannot be exported"
    hint = "export a trained run, or a rule such as greedy or heuristic-fair"
    raise InputError(message, where="export", hint=hint)


@layers_of.register
def _(policy: Random, params: Any, interface: Interface) -> tuple[Layer, ...]:
    message = "a bundle decides the same way twice, so chance cannot be exported"
    raise InputError(message, where="export", hint="export a rule such as local-1 or shortest-1")


@layers_of.register(Rule)
@layers_of.register(Greedy)
@layers_of.register(AigcHeuristic)
def _(
    policy: Rule | Greedy | AigcHeuristic, params: Any, interface: Interface
) -> tuple[Layer, ...]:
    alone = dataclasses.replace(policy, world=dataclasses.replace(policy.world, devices=1))
    row_insight(alone.world, params, jnp.zeros(interface.columns))  # refuses what is hidden

    def decide(row: Array) -> Array:
        key = jnp.zeros(2, jnp.uint32)  # rules draw nothing
        insight = row_insight(alone.world, params, row)
        return alone.act(key, (), insight)[1].action[0]

    return (Program(function=decide, columns=interface.columns),)


@layers_of.register
def _(policy: BatteryPrice, params: Any, interface: Interface) -> tuple[Layer, ...]:
    """A priced rule looks up its price with the present charge: a service has no episodes."""
    world = dataclasses.replace(policy.world, devices=1)
    row_insight(world, params, jnp.zeros(interface.columns))  # refuses what is hidden
    priced = tariff(world, params, jnp.zeros(()), policy.toll)

    def decide(row: Array) -> Array:
        insight = row_insight(world, params, row)
        joule = _joule_price(policy, insight.state.charge_pct)
        prices = dataclasses.replace(priced, joule=joule)
        return greedy_in_turn(world, params, insight.state, insight.x, prices)[0]

    return (Program(function=decide, columns=interface.columns),)


def _joule_price(policy: BatteryPrice, charge_pct: Array) -> Array:
    """Return the price of a joule at a charge, interpolated by arithmetic that a graph has."""
    charges, prices = np.asarray(policy.charge_pct), np.asarray(policy.joule)
    price = jnp.full_like(charge_pct, prices[0])
    for low, high, change in zip(charges, charges[1:], np.diff(prices), strict=False):
        share = jnp.clip((charge_pct - low) / (high - low), 0.0, 1.0)
        price = price + change * share
    return price


def row_insight(world: AigcWorld, params: Any, row: Any) -> PrivilegedObservation:
    """Return the state and inputs that one row of ``obs = "full"`` holds, for one device.

    The gap is the nominal slot and the others' work is left out: no rule of one slot needs either,
    but for the idle power of the device, which the presets have at 0.

    Raises:
        InputError: the world hides something from its observations that a rule may look at.
    """
    if world.obs != "full" or world.reading != "ours":
        message = f"with obs = '{world.obs}', reading = '{world.reading}' observations hide state"
        raise InputError(message, where="export", hint="rules need obs = 'full', reading = 'ours'")
    if world.reach or any(np.ndim(getattr(params, name)) for name in OF_A_DEVICE):
        message = "a rule uses numbers or places of its device, which differ between devices here"
        raise InputError(message, where="export", hint="export a trained run, or leave rules out")
    column = {name: n for n, name in enumerate(column_names(features(world)))}

    def value(name: str, count: int = 1) -> Any:
        return row[column[name] : column[name] + count]

    idle = jnp.zeros(world.servers)
    state = AigcState(
        charge_pct=value("charge_pct"),
        local_backlog_gcycles=value("local_backlog_gcycles"),
        server_backlog_gcycles=value("server_1_backlog_gcycles", world.servers),
        local_idle_slots=jnp.zeros(1),
        server_idle_slots=idle,
        slot=jnp.zeros((), jnp.int32),
        uplink_backlog_mb=value("uplink_backlog_mb") if world.uplink == "queue" else None,
    )
    x = AigcInputs(
        input_mb=value("input_mb"),
        work_gcycles=value("work_gcycles"),
        mode=jnp.argmax(value(f"mode_{MODES[0]}", len(MODES)))[None].astype(jnp.int32),
        bandwidth_mbps=value("bandwidth_mbps"),
        background_gcps=idle,
        initial_charge_pct=value("charge_pct"),
        gap_s=params.slot_s,
    )
    return PrivilegedObservation(params=params, state=state, x=x)
