"""What a world's observations and actions are called outside: fields, units, outputs.

:func:`vocabulary` is open: another world registers its own. A world without one gets its own
feature names, without units, and the index of the action.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from edgewright.bundle.interface import Field, Interface, Output
from edgewright.core.errors import InputError
from edgewright.core.spaces import Discrete
from edgewright.export.bits import BinaryVectorHead
from edgewright.export.heads import CategoricalHead, Head
from edgewright.loops.evaluate import PrivilegedObservation
from edgewright.systems.aigc import AigcInputs, AigcState, AigcWorld
from edgewright.systems.aigc.records import OF_A_DEVICE
from edgewright.systems.aigc.world import (
    BANDWIDTH_MBPS_RANGE,
    BATTERY_J_RANGE,
    CHARGE_PCT_RANGE,
    DEVICE_GHZ_RANGE,
    DEVICE_J_PER_GCYCLE_RANGE,
    INPUT_MB_RANGE,
    LOCAL_GCYCLES_RANGE,
    SERVER_GCYCLES_RANGE,
    TRANSMIT_W_RANGE,
    WORK_GCYCLES_RANGE,
)
from edgewright.systems.binary import BinaryWorld
from edgewright.systems.binary.world import (
    BANDWIDTH_MHZ_RANGE,
    EDGE_GHZ_RANGE,
    INPUT_MBIT_RANGE,
    WEIGHT_RANGE,
)
from edgewright.systems.binary.world import WORK_GCYCLES_RANGE as BINARY_WORK_GCYCLES_RANGE

MODES = ("preview", "balanced", "best")
ABSENT_OR_NOT = ("no", "yes")


@dataclasses.dataclass(frozen=True)
class FeatureSpec:
    """One field before its range is known: the world's feature is ``(field - offset) / scale``."""

    name: str
    unit: str = ""
    meaning: str = ""
    scale: float = 1.0
    choices: tuple[str, ...] = ()
    one_hot: bool = False
    offset: float = 0.0


@dataclasses.dataclass(frozen=True)
class ObservationSchema:
    """Fields in the order of the features, and the head of policies that have no own."""

    quantities: tuple[FeatureSpec, ...]
    head: Head

    @property
    def columns(self) -> int:
        """Return how many features one decision takes."""
        return sum(len(one.choices) if one.one_hot else 1 for one in self.quantities)


def interface_of(
    words: ObservationSchema, head: Head, features: tuple[str, ...], seen: np.ndarray
) -> Interface:
    """Return the contract of a policy that was trained on the features ``seen`` ``[n, columns]``.

    The range of a number is what was seen, in its unit, rounded outwards.
    """
    fields, scales, offsets, place = [], [], [], 0
    for one in words.quantities:
        width = len(one.choices) if one.one_hot else 1
        column = seen[:, place].astype(np.float64) * one.scale + one.offset
        low, high = (0.0, 0.0) if one.choices else _rounded(column.min(), column.max())
        encoding = "one-hot" if one.one_hot else "index" if one.choices else "number"
        fields.append(Field(one.name, one.unit, one.meaning, low, high, one.choices, encoding))
        scales += [one.scale] * width
        offsets += [one.offset] * width
        place += width
    return Interface(tuple(fields), head.outputs, tuple(scales), tuple(offsets), features)


def seen_as(words: ObservationSchema, interface: Interface) -> Interface:
    """Return an interface with the scales and offsets of a world's own words."""
    widths = [len(one.choices) if one.one_hot else 1 for one in words.quantities]
    pairs = list(zip(words.quantities, widths, strict=True))
    return dataclasses.replace(
        interface,
        scales=tuple(one.scale for one, width in pairs for _ in range(width)),
        offsets=tuple(one.offset for one, width in pairs for _ in range(width)),
    )


def _rounded(low: float, high: float) -> tuple[float, float]:
    """Return a range that holds both ends, on a grid of about a hundredth of it.

    A number that is always the same is given as a person would write it, without the rounding of 32
    bits.
    """
    if high <= low:
        return float(f"{low:.6g}"), float(f"{high:.6g}")
    digits = 2 - math.floor(math.log10(high - low))
    down, up = math.floor(low * 10.0**digits), math.ceil(high * 10.0**digits)
    return round(down / 10.0**digits, max(digits, 0)), round(up / 10.0**digits, max(digits, 0))


@functools.singledispatch
def vocabulary(world: Any, params: Any) -> ObservationSchema:
    """Return the words of a world whose policies take one index of ``n``."""
    space, actions = world.observation_space(params), world.action_space(params)
    if not isinstance(actions, Discrete):
        message = f"actions of kind {type(actions).__name__} cannot be exported yet"
        hint = "register a vocabulary for this world in deploy/observation.py"
        raise InputError(message, where="export", hint=hint)
    names = space.names or tuple(f"feature_{n}" for n in range(space.shape[-1]))
    quantities = tuple(FeatureSpec(name, meaning="as the world observes it") for name in names)
    return ObservationSchema(
        quantities, CategoricalHead((Output("action", "index of the action"),))
    )


@vocabulary.register
def _(world: AigcWorld, params: Any) -> ObservationSchema:
    places = ("device", *(name.replace("_", " ") for name in _places(world)))
    decoded = world.decode(jnp.arange(world.actions))
    location, level = (np.asarray(part) for part in decoded)
    names = [f"{places[a]}, level {b}" for a, b in zip(location, level, strict=True)]
    outputs = (
        Output("action", "location times levels plus level", tuple(names)),
        Output("location", "where the task runs", places),
        Output("level", "quality level, 0 is the lowest", tuple(map(str, range(world.qualities)))),
    )
    tables = {"location": location, "level": level}
    quantities = _seed(world) if world.obs == "paper" else _full(world)
    return ObservationSchema(quantities, CategoricalHead(outputs, tables))


@vocabulary.register
def _(world: BinaryWorld, params: Any) -> ObservationSchema:
    """Return the fields of all devices, one device after the other: a row serves them together."""
    names = world.observation_space(params).names
    spread = 10.0 * float(params.gain_log10_std), 10.0 * float(params.gain_log10_mean)
    told = {
        "gain": ("gain_{}_db", "dB", "power gain of its channel to the edge", *spread),
        "weight": ("weight_{}", "", "of its delay in the sum", WEIGHT_RANGE, 0.0),
        "input": ("input_{}_mbit", "Mbit", "size of its task's input", INPUT_MBIT_RANGE, 0.0),
        "work": ("work_{}_gcycles", "Gcycles", "of its task", BINARY_WORK_GCYCLES_RANGE, 0.0),
        "bandwidth": ("bandwidth_{}_mhz", "MHz", "shared by all", BANDWIDTH_MHZ_RANGE, 0.0),
        "edge": ("edge_{}_ghz", "GHz", "shared by all", EDGE_GHZ_RANGE, 0.0),
    }
    quantities: list[FeatureSpec] = []
    for device in range(1, world.devices + 1):
        for name in names:
            if name == "present":
                meaning = "whether there is a device in this place"
                quantities.append(
                    FeatureSpec(f"present_{device}", "", meaning, choices=ABSENT_OR_NOT)
                )
                continue
            field, unit, meaning, scale, offset = told[name]
            field = field.format(device)
            quantities.append(FeatureSpec(field, unit, meaning, scale, offset=offset))
    last = [n for n, one in enumerate(quantities) if one.choices]
    return ObservationSchema(
        tuple(quantities), BinaryVectorHead(world.devices, world.devices, present=tuple(last))
    )


def _full(world: AigcWorld) -> tuple[FeatureSpec, ...]:
    """Return the fields of ``obs = "full"`` or ``"device"``: features times their fixed ranges."""
    return (
        FeatureSpec("input_mb", "MB", "size of the task's input", INPUT_MB_RANGE),
        FeatureSpec("work_gcycles", "Gcycles", "work at multiplier 1", WORK_GCYCLES_RANGE),
        FeatureSpec("mode", "", "what the user asked for", 1.0, MODES, True),
        FeatureSpec("charge_pct", "%", "battery of the device", CHARGE_PCT_RANGE),
        FeatureSpec("bandwidth_mbps", "Mbit/s", "rate to the servers", BANDWIDTH_MBPS_RANGE),
        FeatureSpec("local_backlog_gcycles", "Gcycles", "work ahead here", LOCAL_GCYCLES_RANGE),
        FeatureSpec("phase", "", "share of the episode that has gone by"),
        *(_own() if world.obs == "device" else ()),
        *(
            FeatureSpec(name, "Gcycles", "work ahead there", SERVER_GCYCLES_RANGE)
            for name in _backlogs(world)
        ),
    )


def _own() -> tuple[FeatureSpec, ...]:
    """Return the fields that ``obs = "device"`` adds: a device's own numbers."""
    return (
        FeatureSpec("device_ghz", "GHz", "speed of the device", DEVICE_GHZ_RANGE),
        FeatureSpec(
            "device_j_per_gcycle", "J", "of the device for a Gcycle", DEVICE_J_PER_GCYCLE_RANGE
        ),
        FeatureSpec("battery_j", "J", "capacity of its battery", BATTERY_J_RANGE),
        FeatureSpec("transmit_w", "W", "power of its radio", TRANSMIT_W_RANGE),
    )


def _seed(world: AigcWorld) -> tuple[FeatureSpec, ...]:
    """Return the fields of ``obs = "paper"``, equation (18): raw units."""
    return (
        FeatureSpec("task_number", "", "tasks since the start of the episode"),
        FeatureSpec("input_mb", "MB", "size of the task's input"),
        FeatureSpec("work_gcycles", "Gcycles", "work at multiplier 1"),
        FeatureSpec("mode", "", "what the user asked for", 1.0, MODES),
        FeatureSpec("charge_pct", "%", "battery of the device"),
        FeatureSpec("device_ghz", "GHz", "speed of the device"),
        FeatureSpec("bandwidth_mbps", "Mbit/s", "rate to the servers"),
        *(FeatureSpec(f"{name}_ghz", "GHz", "speed of the server") for name in _places(world)),
        *(FeatureSpec(name, "Gcycles", "work ahead there") for name in _backlogs(world)),
    )


def _places(world: AigcWorld) -> list[str]:
    """Return the servers that one device may use: by number, or the nearest first."""
    place = "near" if world.reach else "server"
    return [f"{place}_{n + 1}" for n in range(world.choices)]


def _backlogs(world: AigcWorld) -> list[str]:
    return [f"{place}_backlog_gcycles" for place in _places(world)]


def row_insight(world: AigcWorld, params: Any, row: Any) -> Any:
    """Return the state and inputs that one row of ``obs = "full"`` tells, for one device.

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
    names = [one.name for one in _full(world)]
    column = {name: n + 2 * (n > names.index("mode")) for n, name in enumerate(names)}

    def value(name: str) -> Any:
        return row[column[name] : column[name] + 1]

    mode = jnp.argmax(row[column["mode"] : column["mode"] + len(MODES)])[None]
    first = column["server_1_backlog_gcycles"]
    none, servers = jnp.zeros(1), jnp.zeros(world.servers)
    state = AigcState(
        charge_pct=value("charge_pct"),
        local_backlog_gcycles=value("local_backlog_gcycles"),
        server_backlog_gcycles=row[first : first + world.servers],
        local_idle_slots=none,
        server_idle_slots=servers,
        slot=jnp.zeros((), jnp.int32),
    )
    x = AigcInputs(
        input_mb=value("input_mb"),
        work_gcycles=value("work_gcycles"),
        mode=mode.astype(jnp.int32),
        bandwidth_mbps=value("bandwidth_mbps"),
        background_gcps=servers,
        initial_charge_pct=value("charge_pct"),
        gap_s=params.slot_s,
    )
    return PrivilegedObservation(params=params, state=state, x=x)
