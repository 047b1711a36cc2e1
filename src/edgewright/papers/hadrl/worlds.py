"""Name the worlds of the HADRL study, which are compared, swept, or published."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np

from edgewright.studies.job import Plan

USERS = 30
"""Users in every sweep but that of users, as published for two to four servers."""

MAIN = {
    "es2": "caching-es2",
    "dynamic": "caching-dynamic",
    "trace": "caching-trace",
    "trace-code": "caching-trace",
    "trace-mooncake": "caching-trace",
}
"""The scenarios in which learners are compared."""

RECORDED = ("trace", "trace-code", "trace-mooncake")
"""Those of recorded requests: Azure's log of conversation, its log of code, Mooncake's log."""


def _log(file: str) -> dict[str, Any]:
    return {"streams.service": {"kind": "recorded_services", "file": f"requests/{file}"}}


LOGS = {
    "trace-code": _log("azure_llm_2023_code.csv"),
    "trace-mooncake": {
        **_log("mooncake_conversation_3000.jsonl"),
        "world.users": 6,
        "params.bandwidth_mhz": 100.0,
        "params.server_ghz": 10.0,
    },
}
"""What differs from ``caching-trace``. Mooncake's log is short: with half of the users, and of the
bands and speeds, its held-out part is longer than an episode."""


def cells(servers: int, users: int) -> list[int]:
    """Return the cell of every user, from 1, in groups that differ by one user at most."""
    groups = np.array_split(np.arange(users), servers)
    return [cell + 1 for cell, group in enumerate(groups) for _ in group]


THIRD = {"world.users": 10, "params.bandwidth_mhz": 200.0 / 3}
SMALL = {
    "es2-third": ("caching-es2", {**THIRD, "params.server_ghz": 20.0 / 3}),
    "dynamic-third": (
        "caching-dynamic",
        {**THIRD, "params.server_ghz": 14.0 / 3, "params.cells": cells(3, 10)},
    ),
}
"""Two of them with a third of the users, bands and speeds, for ablations: what a user meets is
alike, and a plan has a third of the numbers."""

PUBLISHED = {
    "published": {},
    "small-caches": {"params.cache_gib": 40.0},
    "projected": {"params.cache_gib": 40.0, "world.capacity": "projected"},
    "budget": {"world.zero_share": "budget"},
    "repaired": {
        "params.cache_gib": 40.0,
        "world.capacity": "projected",
        "world.zero_share": "budget",
    },
}
"""The published presets with each loophole open or closed. Caches of 200 GiB hold all services, so
the rule of capacity is compared with caches of 40 GiB."""


@dataclasses.dataclass(frozen=True)
class Sweep:
    """Worlds that differ in one number.

    Attributes:
        words: the number in words, with its unit: the label of the axis.
        values, few: its values in the full and in the quick plan.
        same_as: the value whose world is another sweep's, and that world.
    """

    words: str
    values: tuple[float, ...]
    few: tuple[float, ...]
    same_as: tuple[float, str] = (-1.0, "")

    def chosen(self, plan: Plan) -> tuple[float, ...]:
        """Return the values of a plan."""
        return self.few if plan.quick else self.values


SWEEPS = {
    "servers": Sweep("servers M", (2, 3, 4, 5), (2, 5)),
    "users": Sweep("users U", (10, 20, 30, 40, 60), (10, 30), (30, "servers-2")),
    "cache": Sweep("cache of a server (GiB)", (10, 20, 30, 40, 50), (10, 20), (20, "servers-2")),
    "drift": Sweep("popularity drift (1/slot)", (0.0, 0.1, 0.5), (0.0, 0.5)),
}
"""Of servers, users and cache in ``caching-es2``; of drift in ``caching-dynamic``."""

SERVERS = {True: (2,), False: (2, 3, 4, 5)}
"""Numbers of servers of the published presets, by whether the plan is quick."""


def swept(kind: str, value: float) -> str:
    """Return the name of a world of a sweep; one world has one name in all sweeps."""
    same, other = SWEEPS[kind].same_as if kind in SWEEPS else (-1.0, "")
    return other if value == same else f"{kind}-{value:g}"


def scenario_of(world: str) -> tuple[str, dict[str, Any]]:
    """Return the scenario of a world and what is changed in it."""
    if world in MAIN:
        return MAIN[world], dict(LOGS.get(world, {}))
    if world in SMALL:
        return SMALL[world][0], dict(SMALL[world][1])
    kind, _, text = world.rpartition("-")
    value = float(text)
    if kind in PUBLISHED:
        return f"caching-paper-es{value:g}", dict(PUBLISHED[kind])
    if kind == "servers":
        size = int(value)
        return "caching-es2", {"world.servers": size, "params.cells": cells(size, USERS)}
    if kind == "users":
        return "caching-es2", {"world.users": int(value)}
    if kind == "cache":
        return "caching-es2", {"params.cache_gib": value}
    # Without drift, too, the first ranking is drawn, so that nothing else changes along the sweep.
    law = {"kind": "zipf", "exponent": 0.8, "drift": value, "random_start": True}
    return "caching-dynamic", {"streams.service": law}


def worlds_in(kind: str, measured: Iterable[str]) -> list[tuple[float, str]]:
    """Return value and name of every world of a sweep or variant that has a result, in order.

    Args:
        measured: keys of results, ``"world/policy"``.
    """
    present = {key.split("/")[0] for key in measured}
    values = SWEEPS[kind].values if kind in SWEEPS else SERVERS[False]
    named = [(float(value), swept(kind, value)) for value in values]
    return [(value, name) for value, name in named if name in present]
