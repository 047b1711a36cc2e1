"""Write a testbed's report as one HTML page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from edgewright.evaluation.statistics import Interval
from edgewright.reporting import html
from edgewright.reporting.html_table import Column, Table
from edgewright.reporting.style import to_svg
from edgewright.testbed.gap import CONFIDENCE


def page(facts: dict[str, Any], command: str) -> str:
    """Return the page of a report.

    Args:
        facts: of :func:`~edgewright.testbed.report.report`.
        command: which made it.
    """
    given, valid = facts["conditions"], facts["validity"]
    shown = {
        "command": command,
        "requests": f"{sum(given['requests'])} for each policy in {given['rounds']} rounds",
        "objective": f"{given['slo_s']:.2f} s",
        "load": f"{100 * given['offered_load']:.0f} % of the middle level",
        "arrivals": given["arrivals"],
        "link": f"{given['bandwidth']} times {given['bandwidth_factor']:.3g}",
        "workers": "paced: " + ", ".join(f"{w['name']} {w['speed']:g}" for w in given["workers"]),
        "valid": "yes" if valid["valid"] else "no: the machine was busy",
    }
    subtitle = "Policies on real processes, and what simulations of the same requests say"
    sections = [_policies(facts), *_gap(facts), _quality(facts), _validity(facts)]
    return html.render("Testbed", subtitle, shown, sections)


def _interval(value: Mapping[str, float] | None) -> Interval | None:
    if value is None or not all(np.isfinite([value["value"], value["low"], value["high"]])):
        return None
    return Interval(value["value"], value["low"], value["high"], CONFIDENCE)


def _policies(facts: dict[str, Any]) -> html.Section:
    rows = []
    for one in facts["policies"]:
        real = one["testbed"]
        rows.append(
            {
                "policy": one["name"],
                "reward": _interval(real["reward"]),
                "world": one["world"]["reward"]["value"],
                "violations": _interval(real["violations"]),
                "quality": _interval(real["quality_in_time"]),
                "delay": _interval(real["delay_s"]),
                "answered": real["answered"],
                "locations": " ".join(map(str, one["locations"])),
                "levels": " ".join(map(str, one["levels"])),
            }
        )
    columns = (
        Column("policy", "policy"),
        Column("reward", "reward", format="+.3f", best="max"),
        Column("world", "in the simulator", format="+.3f"),
        Column("violations", "violations", format=".2f", best="min"),
        Column("quality", "quality in time", format=".3f", best="max"),
        Column("delay", "delay", "s", ".2f"),
        Column("answered", "answered", format=".2f"),
        Column("locations", "requests by location"),
        Column("levels", "by level"),
    )
    twins = facts["twins"]
    verdict = "holds 0" if twins["holds_zero"] else "does not hold 0"
    paragraphs = [
        "A violation is an answer later than the objective, or none. Quality in time is the mean "
        "score of the answers that were not. Intervals are 95 % bootstraps over parts of blocks.",
        f"The arm `twin` is `{twins['of']}` again: its difference of rewards {verdict}.",
    ]
    paragraphs += [f"`{name}` was left out: {why}." for name, why in facts["left_out"].items()]
    return html.Section("Policies", paragraphs, Table(columns, rows))


def _gap(facts: dict[str, Any]) -> list[html.Section]:
    gap = facts["gap"]
    return [_calibration(gap), _delays(gap), _choice(gap), _causes(gap)]


def _calibration(gap: dict[str, Any]) -> html.Section:
    rows = [{"what": name.replace("_", " "), **one} for name, one in gap["1_calibration"].items()]
    columns = (
        Column("what", "error of"),
        Column("absolute", "mean absolute", format=".3f"),
        Column("signed", "mean signed", format="+.3f"),
        Column("count", "samples"),
    )
    text = "Errors on what the fit did not use, as shares of what was; of quality, as differences."
    return html.Section("1. Calibration error", [text], Table(columns, rows))


def _delays(gap: dict[str, Any]) -> html.Section:
    rows = [
        {"policy": name, **{key: _interval(value) for key, value in one.items()}}
        for name, one in gap["2_delays"].items()
    ]
    columns = (
        Column("policy", "policy"),
        Column("wasserstein_s", "Wasserstein-1", "s", ".3f"),
        Column("relative", "over the mean", format=".2f"),
        Column("ks", "Kolmogorov-Smirnov", format=".2f"),
        Column("p50", "median ratio", format=".2f"),
        Column("p95", "p95 ratio", format=".2f"),
        Column("p99", "p99 ratio", format=".2f"),
    )
    text = "Delays of the simulator against those of the testbed, on the same requests."
    return html.Section("2. Distribution of delays", [text], Table(columns, rows))


def _choice(gap: dict[str, Any]) -> html.Section:
    ranks, regret = gap["3_ranks"], gap["4_regret"]
    tau, paired = ranks["tau"], regret["paired"]
    paragraphs = [
        f"Kendall's tau of {ranks['policies']} policies: {tau['value']:.2f} "
        f"[{tau['low']:.2f}, {tau['high']:.2f}]. In {100 * ranks['same_best']:.0f} % of the "
        "draws simulator and testbed have the same best policy.",
        f"The simulator ranks `{regret['chosen']}` first, the testbed `{regret['best']}`. The "
        f"choice costs {regret['value']:.4f} [{regret['low']:.4f}, {regret['high']:.4f}] of reward "
        f"a request; the paired difference of the two is {paired['value']:+.4f} "
        f"[{paired['low']:+.4f}, {paired['high']:+.4f}].",
    ]
    return html.Section("3. and 4. Ranks, and regret of the simulator's choice", paragraphs)


def _causes(gap: dict[str, Any]) -> html.Section:
    rows = [{**one, "distance": _interval(one)} for one in gap["5_causes"]]
    columns = (
        Column("rung", "rung"),
        Column("adds", "what it has", wrap=True),
        Column("distance", "distance to the testbed", format=".3f"),
        Column("change", "change", format="+.3f"),
    )
    figure = Figure(figsize=(6.0, 2.6), layout="constrained")
    axes = figure.subplots()
    values = [one["value"] for one in rows]
    spread = [
        [max(0.0, one["value"] - one["low"]) for one in rows],
        [max(0.0, one["high"] - one["value"]) for one in rows],
    ]
    axes.errorbar(values, range(len(rows)), xerr=spread, fmt="o", capsize=3)
    axes.set_yticks(range(len(rows)), [one["rung"] for one in rows])
    axes.invert_yaxis()
    axes.set_xlabel("Wasserstein-1 over the mean delay, mean over policies")
    caption = "Distance of delays to those of the testbed, on every rung"
    item = html.FigureItem(caption, to_svg(figure))
    text = "Each rung adds one cause; its change is what that cause takes off the distance."
    return html.Section("5. Causes", [text], Table(columns, rows), [item])


def _quality(facts: dict[str, Any]) -> html.Section:
    columns = (
        Column("level", "level"),
        Column("work", "work", format=".3f"),
        Column("output_kb", "answer", "kB", ".1f"),
        Column("measured", "measured quality", format=".3f"),
        Column("assumed", "assumed", format=".2f"),
    )
    text = "The measured curve beside the one that the scenario `aigc` assumes."
    return html.Section("Quality of the levels", [text], Table(columns, facts["quality"]))


def _validity(facts: dict[str, Any]) -> html.Section:
    valid, loads = facts["validity"], [one["load_average"] for one in facts["blocks"]]
    worst = valid["worst_lateness"]
    lines = [
        f"{valid['paced_services']} paced services, of which {100 * valid['late_share']:.1f} % "
        "took longer than 1.1 times their pace"
        + (f"; the worst {worst:.2f} times." if worst is not None else "."),
        f"Load of the machine between {min(map(min, loads)):.1f} and {max(map(max, loads)):.1f}, "
        f"on {facts['machine'].get('cores')} cores.",
        "Workers do the real work and sleep until a machine of their stated speed would have done "
        "it. Where the machine is too busy for that, the blocks say more of it than of policies.",
    ]
    return html.Section("Validity", lines)
