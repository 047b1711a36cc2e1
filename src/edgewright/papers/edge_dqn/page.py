"""Figures and words of the edge-dqn study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgewright.papers.edge_dqn.jobs import ARMS, RULES
from edgewright.papers.edge_dqn.measures import View
from edgewright.reporting import html
from edgewright.reporting.panels import curve_grid, dot_grid
from edgewright.reporting.plot_data import Curve, Line, Row
from edgewright.studies.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = {"own": "score, own devices (%)", "new": "score, held-out devices (%)"}
MODES = tuple(ARMS)[:5]
"""Arms that differ in what travels alone."""

BARRIERS = ("centralised", "synchronous", "federated")
"""Arms whose server waits for all devices."""


def drawings(table: Table) -> dict[str, tuple[str, Figure]]:
    """Return two figures: scores on own and held-out devices, and curves of the modes."""
    view = View(table)
    order = sorted(ARMS, key=lambda arm: -view.score(f"own/{arm}").estimate)
    cells = {
        ("", column): [Row.of(arm, "learned", view.score(f"{of}/{arm}")) for arm in order]
        for of, column in COLUMNS.items()
    }
    caption = (
        "Sixteen devices share three servers. Scores of the greedy policies on identical episodes: "
        "0 is random, 100 greedy in turn, which needs a dispatcher."
    )
    rewards = dot_grid([""], list(COLUMNS.values()), cells)
    column = "reward per slot"
    curves = [Curve(arm, *view.curve(arm)) for arm in MODES]
    levels = [Line(name, view.level(f"own/{name}").estimate) for name in RULES]
    drawn = curve_grid([""], [column], {("", column): (curves, levels)}, xlabel="slots")
    figures = {"rewards": (caption, rewards), "curves": ("Rewards during the training.", drawn)}
    return figures | _waiting(view)


def _waiting(view: View) -> dict[str, tuple[str, Figure]]:
    """Return the figure of who waits for whom; none without recorded links."""
    shares = {arm: view.links(arm).get("waiting_share") for arm in BARRIERS}
    known = {arm: share for arm, share in shares.items() if share}
    if len(known) < len(BARRIERS):
        return {}
    rates = view.links(BARRIERS[0])["mean_mbps"]
    order = sorted(range(len(rates)), key=lambda device: rates[device])
    cells = {
        ("", arm): [
            Row(f"device {n}, {rates[n]:.1f} Mbit/s", "learned", *[100.0 * share[n]] * 3)
            for n in order
        ]
        for arm, share in known.items()
    }
    caption = (
        "Who waits for whom: the share of the time of its exchanges that each device waits for "
        "others, simulated on recorded links. Devices are ordered by the means of their links."
    )
    title = "time spent waiting for other devices (%)"
    return {"waiting": (caption, dot_grid([""], list(known), cells, title=title))}


def notes(table: Table) -> list[str]:
    """Return what a reader must know."""
    paragraphs = [
        "All arms have the same devices, inputs, networks and numbers of slots. `centralised` has "
        "sixteen times the minibatch and the replay of one device, so that every gradient is "
        "computed from as many samples as those of all devices together.",
        f"{table.plan.seeds} seeds of {table.plan.steps:.0f} slots; a slot is a sample for each "
        "device. Learners of every arm have the same settings; none was tuned.",
        "Bytes are those of numbers without framing, of all devices together. Devices are an axis "
        "of one program, so seconds of exchange are simulated: device i has the i-th recording of "
        "bandwidth, and the server waits for all devices, except in `asynchronous`. Without "
        "recordings (`--data`) there are none. A thousand steps are a thousand slots of the world, "
        "which take 1000 s themselves.",
        "Networks of `independent` are used on held-out devices by their numbers, which means "
        "nothing there.",
    ]
    if table.plan.quick:
        paragraphs.append("This is the quick plan, with short trainings: a preview.")
    return paragraphs


def sections(table: Table) -> list[html.Section]:
    """Return scores, bytes and steps of every arm."""
    view = View(table)
    rows: list[dict[str, Any]] = []
    for arm in ARMS:
        result = table[f"own/{arm}"]
        privacy = result.facts["exchange"].get("privacy") or {}
        rows.append(
            {
                "arm": arm,
                "own": view.score(f"own/{arm}"),
                "new": view.score(f"new/{arm}"),
                "steps": view.steps_to_centralised(arm),
                "up": float(result.arrays["exchange/up"][0, 0]),
                "down": float(result.arrays["exchange/down"][0, 0]),
                "epsilon": privacy.get("epsilon"),
                "exchange_s": view.seconds_per_thousand(arm),
                "seconds": view.seconds_to_centralised(arm),
            }
        )
    columns = [
        html.Column("arm", "arm"),
        html.Column("own", "score, own devices [95 %]", "%", ".1f"),
        html.Column("new", "score, held-out devices [95 %]", "%", ".1f"),
        html.Column("steps", "steps to 95 % of centralised", "", ".0f"),
        html.Column("up", "bytes up per thousand steps", "", ".0f"),
        html.Column("down", "bytes down per thousand steps", "", ".0f"),
        html.Column(
            "exchange_s", "exchange on recorded links, seconds per thousand steps", "", ".1f"
        ),
        html.Column("seconds", "exchange, seconds to 95 % of centralised", "", ".0f"),
        html.Column("epsilon", "epsilon", "", ".2f"),
    ]
    caption = "An arm without a number of steps does not reach 95 % of the centralised score."
    return [html.Section("Scores and traffic", table=html.Table(columns, rows, caption))]


__all__ = ["drawings", "notes", "sections"]
