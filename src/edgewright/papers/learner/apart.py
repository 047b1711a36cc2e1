"""Tables of the learner study that take rewards apart, by charge, by user mode and by load."""

from __future__ import annotations

from typing import Any

from edgewright.papers.learner.probes import LOADS, WINDOW_S
from edgewright.papers.learner.view import CHARGES, View
from edgewright.papers.learner.worlds import HINDSIGHT, LONGER, PRICED
from edgewright.reporting import html
from edgewright.systems.aigc.behaviour import MODES

_PAIRS = ((LONGER, "greedy"), (LONGER, PRICED), (HINDSIGHT, LONGER))
_ACTORS = (LONGER, PRICED, HINDSIGHT)


def by_charge(view: View) -> html.Section:
    """Return paired differences by the charge that episodes begin with."""
    rows: list[dict[str, Any]] = []
    for index, charge in enumerate(CHARGES):
        row: dict[str, Any] = {"charge": charge}
        row |= {f"{a}/{b}": view.difference(a, b, index) for a, b in _PAIRS}
        rows.append(row)
    columns = [
        html.Column("charge", "charge at the beginning", "%", "d"),
        *(html.Column(f"{a}/{b}", f"{a} less {b} [95 %]", format="+.4f") for a, b in _PAIRS),
    ]
    caption = f"Differences of rewards per slot; {HINDSIGHT} knows all inputs of the episode."
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
    caption += "Differences of rewards per slot of that kind. After the colon: share of tasks done "
    caption += "on the device, and means of quality, delay and energy from the battery per slot."
    title = f"aigc-{view.world} by mode and load"
    return html.Section(title, table=html.Table(columns, rows, caption))


__all__ = ["by_cell", "by_charge"]
