"""The feature table of the binary worlds, with the observation of each device in physical units."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from edgewright.core.features import Feature
from edgewright.core.records import Array
from edgewright.systems.binary import delay


def gain_db(params: Any) -> Feature:
    """Return the channel of a device; its scale is that of the gains of the training tasks.

    Where there is no device the gain is the mean, so that a network meets 0.
    """
    offset, scale = 10.0 * params.gain_log10_mean, 10.0 * params.gain_log10_std

    def get(world: Any, params: Any, state: Any, x: Any) -> Array:
        gain = 10.0 * jnp.log10(x.gain)
        present = getattr(params, "present", None)
        return gain if present is None else jnp.where(present > 0, gain, offset)

    about = "power gain of its channel to the edge"
    return Feature("gain_db", "dB", about, scale, offset, get=get)


def _number(name: str) -> Callable[..., Array]:
    return lambda world, params, state, x: getattr(params, name)


# fmt: off
TASK = (
    Feature("weight", about="of its delay in the sum", scale=2.0, low=0.0, get=_number("weight")),
    Feature("input_mbit", "Mbit", "size of its task's input", 8.0, low=0.0,
            get=_number("input_mbit")),
    Feature("work_gcycles", "Gcycles", "of its task", 1.32, low=0.0,  # 165 cycles per bit, 8 Mbit
            get=lambda world, params, state, x: delay.work_gcycles(params)),
    Feature("bandwidth_mhz", "MHz", "shared by all", 40.0, low=0.0, get=_number("bandwidth_mhz")),
    Feature("edge_ghz", "GHz", "shared by all", 100.0, low=0.0, get=_number("edge_ghz")),
)
"""The features that ``obs = "scenario"`` adds, which all others hide."""

PRESENT = Feature("present", about="whether there is a device in this place",
                  choices=("no", "yes"), get=_number("present"))
# fmt: on


def features(world: Any, params: Any) -> tuple[Feature, ...]:
    """Return the table of one device, by ``world.obs`` and ``world.masked``."""
    task = TASK if world.obs == "scenario" else ()
    return (gain_db(params), *task, *((PRESENT,) if world.masked else ()))
