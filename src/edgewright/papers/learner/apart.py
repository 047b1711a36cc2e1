"""Tables of the learner study that take rewards apart, by charge, by user mode and by load."""

from __future__ import annotations

from typing import Any

from edgewright.papers.learner.groups import (
    BEST_LONGER,
    MEAN_LONGER,
    STUDENT,
    STUDENT_LONGER,
    STUDENT_TEN,
)
from edgewright.papers.learner.population import CHOSEN, TOGETHER
from edgewright.papers.learner.probes import LOADS, WINDOW_S
from edgewright.papers.learner.view import CHARGES, View
from edgewright.papers.learner.worlds import (
    AHEAD_ARM,
    HINDSIGHT,
    LONGER,
    OURS,
    PLANNED,
    PLANNER,
    PRICED,
    QUANTILES,
    SHIPPED,
    TEAM,
    UNGUIDED,
)
from edgewright.reporting import html
from edgewright.systems.aigc.behaviour import MODES

Pairs = tuple[tuple[str, str], ...]

_PAIRS: Pairs = ((LONGER, "greedy"), (LONGER, PRICED), (HINDSIGHT, LONGER))
FLEET_PAIRS: Pairs = ((TEAM, OURS), (TEAM, PRICED), (TEAM, PLANNER))
_ACTORS = (LONGER, PRICED, HINDSIGHT)


WORTH = {
    "all actions, not the sampled one": (UNGUIDED, "all-action-sampled"),
    "all actions, with the papers' objective": ("all-action-discounted", "se-ppo"),
    "a critic with knots": (UNGUIDED, "all-action-smooth"),
    "a guide in the first half": (OURS, UNGUIDED),
    "shadow-price as guide, not greedy": (OURS, "all-action-guided-by-greedy"),
    "discount 0.99, not 0.95": (UNGUIDED, "all-action-095"),
    "normalisation": (UNGUIDED, "all-action-raw"),
    "the scored objective, SE-PPO": ("ppo-horizon", "se-ppo"),
    "the scored objective, A2C": ("a2c-horizon", "a2c"),
    "the scored objective, DQN": ("dqn-horizon", "dqn"),
    "more steps": (LONGER, OURS),
    "a planner as guide, to the end": (PLANNED, LONGER),
    "the rates of the entry, not those of the search": (SHIPPED, PLANNED),
    "choosing one of ten seeds": (CHOSEN, LONGER),
    "ten seeds deciding together": (TOGETHER, LONGER),
    "choosing one of three seeds": (BEST_LONGER, LONGER),
    "three seeds deciding together": (MEAN_LONGER, LONGER),
    "three seeds in one network": (STUDENT_LONGER, LONGER),
    "ten seeds in one network": (STUDENT_TEN, LONGER),
    "three short seeds in one network, not one long one": (STUDENT, LONGER),
    "four steps of the policy after each action": (AHEAD_ARM, OURS),
    "a critic of quantiles": (QUANTILES, OURS),
}
"""What is worth measuring, with the policies that have it and that lack it."""


def worth(view: View) -> html.Section:
    """Return what each part of the learner is worth, as paired differences of two policies."""
    rows = [
        {
            "part": part,
            "with": ours,
            "without": other,
            "seeds": f"{len(view.reward(ours))}, {len(view.reward(other))}",
            "worth": view.difference(ours, other),
        }
        for part, (ours, other) in WORTH.items()
    ]
    columns = [
        html.Column("part", "part"),
        html.Column("with", "with it"),
        html.Column("without", "without it"),
        html.Column("seeds", "seeds"),
        html.Column("worth", "difference of rewards per slot [95 %]", format="+.4f"),
    ]
    caption = "aigc-heavy. Arms with few seeds have intervals that are too narrow."
    return html.Section("What each part is worth", table=html.Table(columns, rows, caption))


def by_charge(view: View, pairs: Pairs = _PAIRS) -> html.Section:
    """Return paired differences by the charge that episodes begin with.

    Args:
        pairs: two policies each, the first less the second.
    """
    rows: list[dict[str, Any]] = []
    for index, charge in enumerate(CHARGES):
        row: dict[str, Any] = {"charge": charge}
        row |= {f"{a}/{b}": view.difference(a, b, index) for a, b in pairs}
        rows.append(row)
    columns = [
        html.Column("charge", "charge at the beginning", "%", "d"),
        *(html.Column(f"{a}/{b}", f"{a} less {b} [95 %]", format="+.4f") for a, b in pairs),
    ]
    caption = "Differences of rewards per slot."
    if any(HINDSIGHT in pair for pair in pairs):
        caption += f" {HINDSIGHT} knows all inputs of the episode."
    title = f"aigc-{view.world} by charge"
    return html.Section(title, table=html.Table(columns, rows, caption))


def by_cell(view: View) -> html.Section:
    """Return paired differences and what is done by user mode and by the load of others."""
    cells: list[tuple[str, tuple[int | None, int | None]]] = [("all", (None, None))]
    cells += [(f"mode {name}", (k, None)) for k, name in enumerate(MODES)]
    cells += [(f"load {name}", (None, k)) for k, name in enumerate(LOADS)]
    rows: list[dict[str, Any]] = []
    for label, cell in cells:
        row: dict[str, Any] = {"slots": label}
        row |= {f"{a}/{b}": view.part_difference(a, b, cell) for a, b in _PAIRS}
        for name in _ACTORS:
            values = [view.per_slot(name, q, cell) for q in ("local", "quality", "delay_s")]
            joules = view.per_slot(name, "device_energy_j", cell)
            text = f"{100 * values[0]:.0f} %, {values[1]:.2f}, {values[2]:.2f} s, {joules:.1f} J"
            row[name] = text
        rows.append(row)
    columns = [
        html.Column("slots", "slots"),
        *(html.Column(f"{a}/{b}", f"{a} less {b} [95 %]", format="+.4f") for a, b in _PAIRS),
        *(html.Column(name, f"{name}: local, quality, delay, energy") for name in _ACTORS),
    ]
    caption = f"Load: thirds of the slots by the work of others in the last {WINDOW_S:.0f} s. "
    caption += (
        "Differences of rewards per slot of that kind. After the colon: share of slots with a "
    )
    caption += (
        "task done on the device, and means of quality, delay and energy from the battery per slot."
    )
    title = f"aigc-{view.world} by mode and load"
    return html.Section(title, table=html.Table(columns, rows, caption))


__all__ = ["FLEET_PAIRS", "WORTH", "by_cell", "by_charge", "worth"]
