"""Name the worlds and the learners of the EDMSAC study, and what is changed in each."""

from __future__ import annotations

from typing import Any

WORLDS: dict[str, tuple[str, dict[str, Any]]] = {
    "d2": ("contract-d2", {}),
    "d3": ("contract-d3", {}),
    "k3": ("contract-k3", {}),
    "d2-raw": ("contract-d2", {"world.actions": "raw"}),
    "d3-raw": ("contract-d3", {"world.actions": "raw"}),
    "d3-raw-harsh": ("contract-d3", {"world.actions": "raw", "params.violation_weight": 5.0}),
    "d3-raw-floor": ("contract-d3", {"world.actions": "raw", "params.reward_floor": 50.0}),
}
"""Fixed markets of two and three types, random markets of three, and raw menus whose constraints
count by the reward alone: with the exact penalty, with a harsh one, and with rewards that are cut
at a floor above which few random menus are."""

TITLES = {
    "d2": "d2: one market, 2 types, structured menus",
    "d3": "d3: one market, 3 types, structured menus",
    "k3": "k3: random markets, 3 types, structured menus",
    "d2-raw": "d2-raw: raw menus, 2 types",
    "d3-raw": "d3-raw: raw menus, 3 types",
    "d3-raw-harsh": "d3-raw-harsh: raw menus, lambda = 5",
    "d3-raw-floor": "d3-raw-floor: raw menus, rewards of at least -50",
}

STRUCTURED, RAW = ("d2", "d3", "k3"), ("d2-raw", "d3-raw", "d3-raw-harsh", "d3-raw-floor")
MAIN = "k3"
"""The world of all learners, sweeps and ablations: its markets are random."""

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "edmsac-kept-90": ("edmsac", {"learner.kept_percent": 90}),
    "edmsac-kept-70": ("edmsac", {"learner.kept_percent": 70}),
    "edmsac-kept-30": ("edmsac", {"learner.kept_percent": 30}),
    "edmsac-kept-10": ("edmsac", {"learner.kept_percent": 10}),
    "edmsac-2": ("edmsac", {"learner.denoising_steps": 2}),
    "dmsac-2": ("dmsac", {"learner.denoising_steps": 2}),
    "dmsac-3": ("dmsac", {"learner.denoising_steps": 3}),
    "dmsac-8": ("dmsac", {"learner.denoising_steps": 8}),
    "dmsac-no-entropy": ("dmsac", {"learner.entropy": "none"}),
    "dmsac-same-rates": ("dmsac", {}),
}
"""Names of learners with other settings: the learner, and the settings."""

CONTROLS = (
    "dmsac-small",
    "dmsac-random",
    "dmsac-one-shot",
    "dmsac-group",
    "edmsac-group",
    "edmsac-rate",
)
"""What separates pruning by importance, while learning, from everything else that comes with it."""

SAME_RATES = "dmsac-same-rates"
"""DMSAC with the rates that the search chose for EDMSAC: what is left of a difference is pruning
alone. Added after the full study had shown that the search chose other rates for either."""

BASIC = ("edmsac", "dmsac", "sac", "td3", "se-ppo")
KEPT = {90: "edmsac-kept-90", 70: "edmsac-kept-70", 50: "edmsac", 30: "edmsac-kept-30",
        10: "edmsac-kept-10"}  # fmt: skip
DENOISING = {2: "dmsac-2", 3: "dmsac-3", 5: "dmsac", 8: "dmsac-8"}
ABLATED = ("dmsac-eps", "dmsac-paper", "dmsac-no-entropy")
SWEPT = (*(n for n in KEPT.values() if n != "edmsac"), *(n for n in DENOISING.values()
         if n != "dmsac"), "edmsac-2", *ABLATED)  # fmt: skip
"""Learners of the sweeps and ablations, which are trained in :data:`MAIN` alone."""

RULES = ("random", "best-of-1000", "linear", "uniform", "frozen", "static", "per-period")
PAIRS = (
    *((world, "edmsac", "dmsac") for world in WORLDS),
    (MAIN, "edmsac-kept-90", "dmsac"),
    (MAIN, "edmsac-kept-70", "dmsac"),
    (MAIN, "edmsac-kept-30", "dmsac"),
    (MAIN, "edmsac-kept-10", "dmsac"),
    (MAIN, "edmsac-2", "dmsac-2"),
)
"""The grid over which "up to" is taken, fixed before the full study ran: types, decoding, the
weight and the floor of violations, the share of units that stays, denoising steps. A cell is a
world, EDMSAC, DMSAC."""

RHOS = (0.0, 0.25, 0.5, 0.75, 0.95)
"""Persistence of types in figure M1; 0 is drawn anew, 1 would be fixed."""


def scenario_of(world: str) -> tuple[str, dict[str, Any]]:
    """Return the scenario of a world and what is changed in it."""
    name, changes = WORLDS[world]
    return name, dict(changes)
