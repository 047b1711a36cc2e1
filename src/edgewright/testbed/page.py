"""Write a testbed's report as one HTML page."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from edgewright.evaluation.statistics import Interval
from edgewright.reporting import html
from edgewright.reporting.html_table import Column, Table
from edgewright.reporting.style import to_svg
from edgewright.testbed.blocks import TESTBED, WORLD
from edgewright.testbed.gap import CONFIDENCE
from edgewright.testbed.page_figures import (
    calibration_figure,
    delay_figure,
    difference_figure,
    rank_figure,
)


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
        "calibration holds": "yes" if valid["calibrated"] else "no: see figure 1",
    }
    subtitle = "Policies on real processes, and what simulations of the same requests say"
    sections = [_policies(facts), *_gap(facts), *_more(facts), _quality(facts), _validity(facts)]
    return html.render("Testbed", subtitle, shown, sections)


def _interval(value: Mapping[str, float] | None) -> Interval | None:
    if value is None or not all(np.isfinite([value["value"], value["low"], value["high"]])):
        return None
    return Interval(value["value"], value["low"], value["high"], CONFIDENCE)


POLICY = (
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


def _policy_rows(policies: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for one in policies:
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
    return rows


def _policies(facts: dict[str, Any]) -> html.Section:
    twins = facts["twins"]
    verdict = "holds 0" if twins["holds_zero"] else "does not hold 0"
    paragraphs = [
        "A violation is an answer later than the objective, or none. Quality in time is the mean "
        "score of the answers that were not. Intervals are 95 % bootstraps over parts of blocks.",
        f"The arm `twin` is `{twins['of']}` again: its difference of rewards {verdict}.",
    ]
    paragraphs += [f"`{name}` was left out: {why}." for name, why in facts["left_out"].items()]
    return html.Section("Policies", paragraphs, Table(POLICY, _policy_rows(facts["policies"])))


def _gap(facts: dict[str, Any]) -> list[html.Section]:
    gap = facts["gap"]
    causes = _causes(gap["5_causes"], "5. Causes")
    caption = "Delays of each policy on both sides; the dotted line is the objective"
    items = [html.FigureItem(caption, delay_figure(facts, facts["drawn"]["delays"]))]
    delays = dataclasses.replace(_delays(gap["2_delays"]), figures=items)
    return [_calibration(facts), delays, *_choice(gap), causes]


def _calibration(facts: dict[str, Any]) -> html.Section:
    errors, control = facts["gap"]["1_calibration"], facts["control"]
    rows = [{"what": name.replace("_", " "), **one} for name, one in errors.items()]
    if control["service"]:
        what = f"service in blocks, work times {control['work_times']:g} on purpose"
        rows.append({"what": what, **control["service"]})
    columns = (
        Column("what", "error of"),
        Column("absolute", "mean absolute", format=".3f"),
        Column("signed", "mean signed", format="+.3f"),
        Column("count", "samples"),
    )
    text = "Errors on what the fit did not use, as shares of what was; of quality, as differences."
    verdict = "detects" if control["detected"] else "does not detect"
    more = "is beyond" if control["raises_distance"] else "is not beyond"
    wrong, right = control["distance"], control["distance_of_the_right_one"]
    check = (
        f"This figure {verdict} the calibration that is wrong on purpose. Its distance of delays, "
        f"{wrong['value']:.3f} [{wrong['low']:.3f}, {wrong['high']:.3f}], {more} that of the right "
        f"one, {right['value']:.3f} [{right['low']:.3f}, {right['high']:.3f}]."
    )
    caption = (
        "Left: services in the blocks against the calibrated ones, on the line where they are "
        "alike. Right: bandwidth as transfers measured it, and as the link had it meanwhile."
    )
    items = [html.FigureItem(caption, calibration_figure(facts))]
    return html.Section("1. Calibration error", [text, check], Table(columns, rows), items)


def _delays(delays: dict[str, Any], title: str = "2. Distribution of delays") -> html.Section:
    rows = [
        {"policy": name, **{key: _interval(value) for key, value in one.items()}}
        for name, one in delays.items()
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
    return html.Section(title, [text], Table(columns, rows))


def _choice(gap: dict[str, Any]) -> list[html.Section]:
    ranks, regret = gap["3_ranks"], gap["4_regret"]
    tau, pairs = ranks["tau"], ranks["pairs"]
    paragraphs = [
        f"Kendall's tau of {ranks['policies']} policies: {tau['value']:.2f} "
        f"[{tau['low']:.2f}, {tau['high']:.2f}]. The testbed orders {pairs['settled']} of "
        f"{pairs['all']} pairs beyond chance, and the simulator {pairs['alike']} of those alike. "
        f"In {100 * ranks['same_best']:.0f} % of the draws both have the same best policy.",
    ]
    columns = (
        Column("policy", "policy"),
        Column("real", "rank on the testbed", format=".0f", best="min"),
        Column("world", "rank in the simulator", format=".0f", best="min"),
    )
    rows = [
        {"policy": name, "real": _interval(one[TESTBED]), "world": _interval(one[WORLD])}
        for name, one in ranks["ranks"].items()
    ]
    rows.sort(key=lambda row: row["real"].estimate)
    items = [
        html.FigureItem("Ranks on both sides, with their intervals", rank_figure(ranks["ranks"]))
    ]
    caption = "Paired differences of rewards on both sides; right of 0 a policy earns less"
    behind = [html.FigureItem(caption, difference_figure(regret))]
    title = "4. Regret of the simulator's choice"
    return [
        html.Section("3. Ranks", paragraphs, Table(columns, rows), items),
        html.Section(title, [_regret(regret)], figures=behind),
    ]


def _regret(regret: dict[str, Any]) -> str:
    paired = regret["paired"]
    verdict = "no policy is shown to be better" if regret["right"] else "that is a wrong choice"
    return (
        f"The simulator ranks `{regret['chosen']}` first, the testbed `{regret['best']}`: "
        f"{verdict}. The choice costs {regret['value']:.4f} [{regret['low']:.4f}, "
        f"{regret['high']:.4f}] of reward a request; the paired difference of the two is "
        f"{paired['value']:+.4f} [{paired['low']:+.4f}, {paired['high']:+.4f}]. Not shown to be "
        f"worse than the best: {', '.join(f'`{name}`' for name in regret['not_worse'])}."
    )


def _causes(causes: Sequence[dict[str, Any]], title: str) -> html.Section:
    rows = [
        {**one, "distance": _interval(one), "change": _interval(one["change"])} for one in causes
    ]
    columns = (
        Column("rung", "rung"),
        Column("adds", "what it adds", wrap=True),
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
    text = "Each rung adds one cause; a change below 0 is what it takes off the distance."
    return html.Section(title, [text], Table(columns, rows), [item])


def _more(facts: dict[str, Any]) -> list[html.Section]:
    sections = [_loads(facts["loads"])] if facts["loads"] else []
    if edits := facts["edits"]:
        text = (
            f"{edits['requests']} requests for each policy upload images to be edited, of "
            f"{edits['upload_mb']:.2f} MB on average. {_regret(edits['4_regret'])}"
        )
        table = Table(POLICY, _policy_rows(edits["policies"]))
        sections.append(html.Section("Uploads", [text], table))
        sections.append(_delays(edits["2_delays"], "Uploads: distribution of delays"))
        sections.append(_causes(edits["5_causes"], "Uploads: causes"))
    return sections


def _loads(loads: Sequence[dict[str, Any]]) -> html.Section:
    rows = [
        {
            "load": 100 * one["load"],
            "requests": one["requests"],
            "policy": policy["name"],
            "violations": _interval(policy["testbed"]["violations"]),
            "world": policy["world"]["violations"]["value"],
            "quality": _interval(policy["testbed"]["quality_in_time"]),
            "answered": policy["testbed"]["answered"],
        }
        for one in loads
        for policy in one["policies"]
    ]
    columns = (
        Column("load", "load", "%", ".0f"),
        Column("requests", "requests"),
        Column("policy", "policy"),
        Column("violations", "violations", format=".2f"),
        Column("world", "in the simulator", format=".2f"),
        Column("quality", "quality in time", format=".3f"),
        Column("answered", "answered", format=".2f"),
    )
    figure = Figure(figsize=(7.0, 3.0), layout="constrained")
    panels = figure.subplots(1, 2)
    labels = (("violations", "violations of the objective"), ("quality_in_time", "quality in time"))
    for axes, (key, label) in zip(panels, labels, strict=True):
        _draw_loads(axes, loads, key)
        axes.set_xlabel("offered load, share of the middle level")
        axes.set_ylabel(label)
    panels[0].legend(fontsize="small")
    caption = "Violations and mean quality of answers in time against the offered load"
    item = html.FigureItem(caption, to_svg(figure))
    text = "The load is the share of the capacity of all workers at the middle level."
    return html.Section("Load", [text], Table(columns, rows), [item])


def _draw_loads(axes: Any, loads: Sequence[dict[str, Any]], key: str) -> None:
    """Draw one number of every policy over the load, with its intervals."""
    names = [policy["name"] for policy in loads[0]["policies"]]
    for name in names:
        points = []
        for one in loads:
            policy = next((p for p in one["policies"] if p["name"] == name), None)
            if policy is not None and _interval(policy["testbed"][key]) is not None:
                points.append((one["load"], policy["testbed"][key]))
        values = [one["value"] for _, one in points]
        spread = [
            [max(0.0, one["value"] - one["low"]) for _, one in points],
            [max(0.0, one["high"] - one["value"]) for _, one in points],
        ]
        at = [load for load, _ in points]
        axes.errorbar(at, values, yerr=spread, marker="o", capsize=3, label=name)


def _quality(facts: dict[str, Any]) -> html.Section:
    columns = (
        Column("level", "level"),
        Column("work", "work", format=".3f"),
        Column("output_kb", "answer", "kB", ".1f"),
        Column("measured", "measured quality", format=".3f"),
        Column("assumed", "assumed", format=".2f"),
    )
    paragraphs = ["The measured curve beside the one that the scenario `aigc` assumes."]
    if curve := facts["curve"]:
        real = curve["testbed"]["reward"]
        paragraphs.append(
            f"On the testbed, `{curve['learned']}` trained on the measured curve earns "
            f"{real['value']:+.4f} [{real['low']:+.4f}, {real['high']:+.4f}] of reward a request "
            "more than trained on the assumed one."
        )
        paragraphs += [
            f"In the world of the measured curve, `{one['policy']}` with the assumed curve loses "
            f"{one['cost']['value']:.4f} [{one['cost']['low']:.4f}, {one['cost']['high']:.4f}] of "
            f"{one['measured']:.4f}; shares of the levels are {_shares(one['assumed_levels'])} "
            f"instead of {_shares(one['measured_levels'])}."
            for one in curve["world"]
        ]
    return html.Section("Quality of the levels", paragraphs, Table(columns, facts["quality"]))


def _shares(values: Sequence[float]) -> str:
    return ", ".join(f"{100 * one:.0f} %" for one in values)


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
