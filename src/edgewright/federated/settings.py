"""Define the settings of a federated construction, with units; every default is (R), our choice."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal

from edgewright.core.errors import InputError

Aggregation = Literal["mean", "clipped", "median", "secure"]
AGGREGATIONS: tuple[Aggregation, ...] = ("mean", "clipped", "median", "secure")
Mode = Literal["full", "split"]
MODES: tuple[Mode, ...] = ("full", "split")
MODULES = ("perception", "memory", "planning", "action")
"""The four modules of an agent, in the order in which it uses them."""
AVERAGED = ("perception", "action")
"""Modules whose parameters are averaged; the other two are sums of statistics."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of a construction.

    Attributes:
        servers: number of edge servers.
        rounds: federated rounds in each of the two periods.
        epochs: passes of a server over its samples of the period in one round.
        learning_rate: of stochastic gradient descent on perception and action.
        batch_size: samples of one gradient step.
        samples_per_unit: fresh samples that one unit of contribution buys (section F.2).
        skew: concentration of the Dirichlet law of a server's classes; smaller is more skewed.
        image_noise: standard deviation of the noise on an image, in shares of the brightest pixel.
        mode: whether each server trains all modules or one of them.
        aggregation: how uploads become one model; ``secure`` is the mean by SecAgg+ of Flower,
            whose cloud sees sums alone.
        clip_factor: the largest update, in medians of the updates' norms, with ``clipped``.
        episodes: episodes that measure an agent.
        max_moves: moves after which an episode has failed.
        cost_limit: the most that the moves of a success cost, in costs of the cheapest path.
        value_of_quality: what the cloud earns in one period from an agent that always succeeds,
            beyond what an untrained one earns, in the currency of the contract.
        round_trip_ms: modelled round trip from an edge server to the cloud.
        uplink_mbps: modelled uplink of an edge server.
    """

    servers: int = 10
    rounds: int = 5
    epochs: int = 5
    learning_rate: float = 0.5
    batch_size: int = 16
    samples_per_unit: float = 3.0
    skew: float = 0.5
    image_noise: float = 0.15
    mode: Mode = "full"
    aggregation: Aggregation = "mean"
    clip_factor: float = 2.0
    episodes: int = 200
    max_moves: int = 20
    cost_limit: float = 1.5
    value_of_quality: float = 150.0
    round_trip_ms: float = 40.0
    uplink_mbps: float = 20.0

    def __post_init__(self) -> None:
        """Check every number.

        Raises:
            InputError: a setting is out of range.
        """
        for name, least, most in RANGES:
            value = getattr(self, name)
            if not (math.isfinite(value) and least <= value <= most):
                message = f"`{name}` must be from {least:g} to {most:g}; got {value:g}"
                raise InputError(message, where="--setting", hint=f"set {name} within that range")
        for name, values in (("mode", MODES), ("aggregation", AGGREGATIONS)):
            value = getattr(self, name)
            if value not in values:
                message = f"`{name}` must be one of {', '.join(values)}; got {value!r}"
                raise InputError(message, where="--setting", hint=f"use {values[0]}")

    def facts(self) -> dict[str, Any]:
        """Return the settings as plain data."""
        return dataclasses.asdict(self)


RANGES: tuple[tuple[str, float, float], ...] = (
    ("servers", 1, 50),
    ("rounds", 1, 1000),
    ("epochs", 1, 1000),
    ("learning_rate", 1e-6, 100.0),
    ("batch_size", 1, 4096),
    ("samples_per_unit", 1e-3, 1000.0),
    ("skew", 1e-2, 1e3),
    ("image_noise", 0.0, 10.0),
    ("clip_factor", 1e-3, 1e3),
    ("episodes", 1, 100_000),
    ("max_moves", 1, 10_000),
    ("cost_limit", 1.0, 1e3),
    ("value_of_quality", 0.0, 1e9),
    ("round_trip_ms", 0.0, 1e5),
    ("uplink_mbps", 1e-3, 1e6),
)
"""Setting, least and greatest value."""

__all__ = ["AGGREGATIONS", "AVERAGED", "MODES", "MODULES", "Mode", "Settings"]
