"""Write the report of a closed loop on the testbed as one HTML page with its figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgewright.evaluation.statistics import Interval
from edgewright.reporting import html
from edgewright.reporting.html_table import Column, Table
from edgewright.reporting.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    SMALL,
    VERMILION,
    WIDE,
    canvas,
    style,
    to_svg,
)
from edgewright.testbed.gap import CONFIDENCE
from edgewright.testbed.loop import BEFORE, KNOWN, NEW, OLD

COLOURS = {OLD: BLUE, NEW: GREEN, KNOWN: ORANGE}


def loop_page(facts: dict[str, Any], command: str, svg: str) -> str:
    """Return the page of a closed loop.

    Args:
        facts: of :func:`~edgewright.testbed.loop_report.loop_report`.
        command: which made it.
        svg: the figure, see :func:`loop_figure`.
    """
    given, valid = facts["conditions"], facts["validity"]
    shown = {
        "command": command,
        "requests": f"{sum(given['requests'])} for each policy, {given['rate_hz']:.0f} a second",
        "objective": f"{given['slo_s']:.2f} s",
        "workers": "paced: " + ", ".join(f"{w['name']} {w['speed']:g}" for w in given["workers"]),
        "change": f"{given['slow']} becomes {given['slower']:g} times slower",
        "valid": "yes" if valid["valid"] else "no: the machine was busy",
    }
    item = html.FigureItem(_caption(facts), svg)
    sections = [
        html.Section("Scores", _score_text(facts), _score_table(facts), [item]),
        html.Section("Differences on the same requests", (), _difference_table(facts)),
        html.Section("Steps", step_sentences(facts)),
        html.Section("Gate", _gate_text(facts), _gate_table(facts)),
    ]
    subtitle = "A worker becomes slower, and the policy is updated from the log of the gateway"
    return html.render("Closed loop on the testbed", subtitle, shown, sections)


def loop_figure(facts: dict[str, Any]) -> str:
    """Return the figure as SVG: rewards over the run, and the scores on the same requests."""
    with style():
        figure, (left, right) = canvas(WIDE, 2.8, 2)
        left.set_position((0.08, 0.16, 0.55, 0.72))
        right.set_position((0.76, 0.16, 0.22, 0.72))
        figure.set_layout_engine("none")
        _draw_timeline(left, facts)
        _draw_scores(right, facts)
        return to_svg(figure)


def _draw_timeline(axes: Any, facts: dict[str, Any]) -> None:
    for name, colour in COLOURS.items():
        for explored in (True, False):
            rows = [
                row
                for row in facts["timeline"]
                if row["policy"] == name and row["explored"] is explored
            ]
            if rows:
                label = f"{name}, exploring" if explored else name
                colour_of = GREY if explored else colour
                at, reward = ([row[key] for row in rows] for key in ("at_s", "reward"))
                axes.plot(at, reward, "." if explored else "o", ms=3, color=colour_of, label=label)
    for mark in facts["marks"]:
        axes.axvline(mark["at_s"], color=VERMILION, linewidth=0.8)
        axes.annotate(
            mark["what"], (mark["at_s"], 0.02), xycoords=("data", "axes fraction"), rotation=90,
            ha="right", va="bottom", fontsize=SMALL,
        )  # fmt: skip
    axes.set(xlabel="time (s)", ylabel="reward, mean of 2 s")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, borderaxespad=0.2)


def _draw_scores(axes: Any, facts: dict[str, Any]) -> None:
    rows = facts["scores"]
    for height, row in enumerate(rows):
        one = row["reward"]
        spread = [[one["value"] - one["low"]], [one["high"] - one["value"]]]
        axes.errorbar(
            [one["value"]], [height], xerr=spread, fmt="o", capsize=3, color=COLOURS[row["policy"]]
        )
    labels = [
        "old policy,\nbefore" if row["workers"] == BEFORE else _broken(row["policy"])
        for row in rows
    ]
    axes.set_yticks(range(len(rows)), labels)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("reward")


def _broken(name: str) -> str:
    return name.replace("trained on the ", "trained on\nthe ")


def _caption(facts: dict[str, Any]) -> str:
    low_high = f"{100 * CONFIDENCE:.0f} % intervals"
    return (
        "Left: mean reward of the requests of 2 s; grey while the gateway explores. Right: means "
        f"over the same requests with {low_high}; all but the first with the slow worker."
    )


def _interval(value: Mapping[str, float] | None) -> Interval | None:
    if value is None:
        return None
    return Interval(value["value"], value["low"], value["high"], CONFIDENCE)


def _score_text(facts: dict[str, Any]) -> list[str]:
    share = facts["recovered"]
    text = [
        "Every policy decides about the same requests, without exploring. A violation is an answer "
        "later than the objective, or none.",
    ]
    if share is not None:
        text.append(
            f"The update recovers {100 * share:.0f} % of what a policy that was trained on the "
            "slow worker gains on the old one."
        )
    return text


def _score_table(facts: dict[str, Any]) -> Table:
    columns = (
        Column("workers", "workers"),
        Column("policy", "policy"),
        Column("reward", "reward", format="+.3f"),
        Column("violations", "violations", format=".2f"),
        Column("quality", "quality in time", format=".3f"),
        Column("delay", "delay", "s", ".3f"),
        Column("answered", "answered", format=".2f"),
    )
    rows = [
        {
            "workers": one["workers"],
            "policy": one["policy"],
            "reward": _interval(one["reward"]),
            "violations": _interval(one["violations"]),
            "quality": _interval(one["quality_in_time"]),
            "delay": _interval(one["delay_s"]),
            "answered": one["answered"],
        }
        for one in facts["scores"]
    ]
    return Table(columns, rows)


def _difference_table(facts: dict[str, Any]) -> Table:
    columns = (
        Column("what", "difference", wrap=True),
        Column("reward", "reward", format="+.3f"),
        Column("delay", "delay", "s", "+.3f"),
    )
    rows = [
        {"what": name, "reward": _interval(one["reward"]), "delay": _interval(one["delay_s"])}
        for name, one in facts["differences"].items()
    ]
    return Table(columns, rows)


def step_sentences(facts: dict[str, Any]) -> list[str]:
    """Return sentences on drift, calibration and the swap."""
    drift, swap, fit = facts["drift"], facts["swap"], facts["calibration"]
    fields = [one["name"] for one in drift["fields"] if one["alarm"]]
    fields += ["the reward"] if drift["reward"] and drift["reward"]["alarm"] else []
    noticed = (
        f"Drift is noticed {drift['decisions']} decisions after the change, by {', '.join(fields)}."
        if drift["decisions"] is not None
        else "Drift is not noticed."
    )
    by_log = fit["server_ghz_by_the_log"]
    fitted = f"{_ghz(by_log)} by the log" if by_log else "not fitted to the log"
    versions = ", ".join(f"{count} by {name}" for name, count in _versions(swap).items())
    return [
        noticed,
        f"Speeds of the servers in GHz: {_ghz(fit['server_ghz_before'])} measured before, "
        f"{fitted}, {_ghz(fit['server_ghz_true'])} if the change is exact.",
        f"{swap['requests']} requests came while the update worked and the gateway took the new "
        f"bundle up: {swap['answered']} were answered and {swap['failed']} failed.",
        f"The log holds {versions}.",
    ]


def _versions(swap: dict[str, Any]) -> dict[str, int]:
    return {f"bundle {name[:8]}": count for name, count in swap["decisions_by_version"].items()}


def _ghz(values: Any) -> str:
    return ", ".join(f"{one:.2f}" for one in values)


def _gate_text(facts: dict[str, Any]) -> list[str]:
    update = facts["update"]
    return [] if update["passed"] else [f"There was no update: {update['refused']}"]


def _gate_table(facts: dict[str, Any]) -> Table:
    columns = (
        Column("name", "condition"),
        Column("value", "value", format=".4f"),
        Column("rule", "must be", wrap=True),
        Column("passed", "holds"),
    )
    rows = [
        {**one, "passed": "yes" if one["passed"] else "no"}
        for one in facts["update"].get("gate", {}).get("conditions", [])
    ]
    return Table(columns, rows)


__all__ = ["loop_figure", "loop_page", "step_sentences"]
