"""Figures and words of the edge-dqn study."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from edgewright.papers.edge_dqn.jobs import ARMS, PRIVACY, RECORDED, RULES, WIDTHS
from edgewright.papers.edge_dqn.measures import View
from edgewright.reporting import html
from edgewright.reporting.panels import Sweep, curve_grid, dot_grid, sweep_grid
from edgewright.reporting.plot_data import Curve, Line, Row
from edgewright.studies.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = {"own": "score, own devices (%)", "new": "score, held-out devices (%)"}
MODES = tuple(ARMS)[:5]
"""Arms that differ in what travels alone."""

BARRIERS = ("centralised", "synchronous", "federated", *RECORDED)
"""Arms whose server waits for devices, the last ones until a deadline."""

REACHED = {
    "drop-outs": (
        "federated", "federated-missing", "synchronous", "synchronous-missing", *RECORDED,
    ),
    "widths": ("federated", "independent", "distilled", "widths-independent", "widths-distilled"),
}  # fmt: skip
"""Arms of two further panels of curves."""


def arms_in(table: Table) -> list[str]:
    """Return the arms of a table, in the order of the jobs."""
    return [arm for arm in (*ARMS, *RECORDED) if f"own/{arm}" in table.results]


def drawings(table: Table) -> dict[str, tuple[str, Figure]]:
    """Return scores on own and held-out devices, curves, who waits, and scores by epsilon."""
    view = View(table)
    order = sorted(arms_in(table), key=lambda arm: -view.score(f"own/{arm}").estimate)
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
    levels = [Line(name, view.level(f"own/{name}").estimate) for name in RULES]
    panels = {"modes": MODES, **REACHED}
    curves = {
        (name, column): ([Curve(a, *view.curve(a)) for a in arms if a in order], levels)
        for name, arms in panels.items()
    }
    drawn = curve_grid(list(panels), [column], curves, xlabel="slots")
    figures = {"rewards": (caption, rewards), "curves": ("Rewards during the training.", drawn)}
    return figures | _waiting(view) | _private(view)


def _private(view: View) -> dict[str, tuple[str, Figure]]:
    """Return the figure of scores by epsilon; none without the accountant."""
    points = [
        (math.log10(epsilon), clip, view.score(f"own/{arm}"))
        for arm, (clip, _) in PRIVACY.items()
        if (epsilon := view.epsilon(arm)) is not None
    ]
    if len(points) < len(PRIVACY):
        return {}
    sweeps = []
    for clip in sorted({clip for _, clip, _ in points}):
        rows = sorted(((x, s) for x, c, s in points if c == clip), key=lambda row: row[0])
        scores = [score for _, score in rows]
        estimate = [s.estimate for s in scores]
        ends = [s.low for s in scores], [s.high for s in scores]
        label = f"changes of a norm up to {clip:g}"
        sweeps.append(Sweep(label, [x for x, _ in rows], estimate, *ends))
    ends = [min(x for x, _, _ in points), max(x for x, _, _ in points)]
    free = view.score("own/federated-plain")
    level = [[value] * 2 for value in (free.estimate, free.low, free.high)]
    sweeps.append(Sweep("without clipping and noise", ends, *level, is_reference=True))
    caption = (
        "Score on own devices against the epsilon of all rounds at delta 1e-5, which protects all "
        "that a device contributed. A smaller epsilon is more privacy."
    )
    column = COLUMNS["own"]
    drawn = sweep_grid([""], [column], {("", column): sweeps}, xlabel="log10 of epsilon")
    return {"privacy": (caption, drawn)}


def _waiting(view: View) -> dict[str, tuple[str, Figure]]:
    """Return the figure of who waits for whom; none without recorded links."""
    shares = {
        arm: view.links(arm).get("waiting_share")
        for arm in BARRIERS
        if f"own/{arm}" in view.table.results
    }
    known = {arm: share for arm, share in shares.items() if share}
    if not known:
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
        "others, simulated on recorded links. Devices are ordered by the means of their links. "
        "With a deadline, those that are late do not wait."
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
        "Networks of `independent` and `distilled` are used on held-out devices by their numbers, "
        "which means nothing in `independent`.",
        "With `-missing` half of the devices miss each round by chance, and the means are those of "
        "the others. With `-deadline` the server waits 0.25 s for uploads on recorded links. What "
        "a device learned in a round that it missed is lost, except in `synchronous`, where it "
        "gets the mean gradients.",
        f"With `widths-` devices have hidden layers of {', '.join(map(str, WIDTHS))} units in "
        "turn, elsewhere of 64. Devices of `distilled` exchange action values of 128 probe "
        "observations, drawn once from the first inputs of the training.",
        "Arms named `private-C-Z` clip each change to a norm of C and add noise of Z times that to "
        "the sum. `federated-plain` has no statistics, clipping and noise, for comparison.",
        "All arms take a gradient step of 64 samples for every 16 slots: an eighth of the samples "
        "of the learner's default.",
    ]
    if table.plan.quick:
        paragraphs.append("This is the quick plan, with short trainings: a preview.")
    return paragraphs


def sections(table: Table) -> list[html.Section]:
    """Return scores, bytes and steps of every arm."""
    view = View(table)
    rows: list[dict[str, Any]] = []
    for arm in arms_in(table):
        result = table[f"own/{arm}"]
        rows.append(
            {
                "arm": arm,
                "own": view.score(f"own/{arm}"),
                "new": view.score(f"new/{arm}"),
                "steps": view.steps_to_centralised(arm),
                "up": float(result.arrays["exchange/up"][0, 0]),
                "down": float(result.arrays["exchange/down"][0, 0]),
                "missed": 100.0 * result.facts["exchange"].get("missed_share", 0.0),
                "epsilon": view.epsilon(arm),
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
        html.Column("missed", "rounds that a device missed", "%", ".0f"),
        html.Column("epsilon", "epsilon", "", ".2f"),
    ]
    caption = "An arm without a number of steps does not reach 95 % of the centralised score."
    return [html.Section("Scores and traffic", table=html.Table(columns, rows, caption))]


__all__ = ["drawings", "notes", "sections"]
