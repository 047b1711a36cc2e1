"""The feature table of the contract world, a market scaled to [-1, 1] over its usual range."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax.numpy as jnp

from edgewright.core.features import Feature
from edgewright.core.records import Array
from edgewright.systems.contract.records import ContractInputs

Get = Callable[[ContractInputs], Array]

RANGES: dict[str, tuple[float, float]] = {
    "servers": (5.0, 15.0),
    "discount": (0.8, 1.0),
    "sigma_1": (6.0, 10.0),
    "sigma_2": (6.0, 12.0),
    "eta": (0.2, 0.4),
    "linear_effort": (0.8, 1.2),
    "quadratic_effort": (0.01, 0.04),
}
"""Usual range of each single number, which a network sees as -1 to 1."""

ABOUT = {
    "servers": "edge servers",
    "discount": "worth of period 2 today",
    "sigma_1": "value of contributions in period 1",
    "sigma_2": "value of contributions in period 2",
    "eta": "saturation of that value",
    "linear_effort": "effort of a first unit of work",
    "quadratic_effort": "growth of that effort with each unit",
}

FIRST_THETA, THETA_GAP = (0.8, 1.2), (0.5, 1.5)
"""Usual ranges of the willingness of the first type, and of the gap to each next one."""


def _feature(name: str, about: str, ends: tuple[float, float], high: float) -> Feature:
    middle, half = (ends[0] + ends[1]) / 2, (ends[1] - ends[0]) / 2
    return Feature(name, "", about, half, middle, low=0.0, high=high)


def features(types: int) -> tuple[Feature, ...]:
    """Return the columns: single numbers, willingness, prior, and the rows of the transition."""
    table = [_feature(name, ABOUT[name], ends, float("inf")) for name, ends in RANGES.items()]
    for k in range(types):
        low = FIRST_THETA[0] + k * THETA_GAP[0]
        high = FIRST_THETA[1] + k * THETA_GAP[1]
        about = "willingness of the type" + (", raised above the type before" if k else "")
        table.append(_feature(f"theta_{k + 1}", about, (low, high), float("inf")))
    unit = (0.0, 1.0)
    for k in range(types):
        about = "probability in period 1, divided by the sum of all"
        table.append(_feature(f"prior_{k + 1}", about, unit, 1.0))
    for i in range(types):
        for j in range(types):
            about = "probability of the second type in period 2 after the first one"
            about += ", divided by the sum of its row"
            table.append(_feature(f"transition_{i + 1}_{j + 1}", about, unit, 1.0))
    return tuple(table)


def observed(x: ContractInputs) -> Array:
    """Return the observation ``[7 + 2 K + K^2]`` of a market."""
    single = jnp.stack([getattr(x, name) for name in RANGES])
    shares = [jnp.clip(part, 0.0, 1.0) for part in (x.prior, x.transition.ravel())]
    return jnp.concatenate([single, x.theta, *shares]).astype(jnp.float32)


INPUTS = tuple(field.name for field in dataclasses.fields(ContractInputs))  # pyright: ignore[reportArgumentType]

__all__ = ["ABOUT", "INPUTS", "RANGES", "features", "observed"]
