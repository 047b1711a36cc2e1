"""``edgewright testbed``: measure how far a simulation is from real processes."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgewright.cli.options import (
    data_option,
    json_option,
    json_text,
    out_option,
    print_json,
    whole,
)
from edgewright.core.errors import CheckFailed

if TYPE_CHECKING:
    from edgewright.testbed.plan import Setup


@click.command(name="testbed")
@click.option("--quick", "size", flag_value="quick", default="quick", help="Minutes; the default.")
@click.option("--full", "size", flag_value="full", help="An hour, for narrow intervals.")
@click.option(
    "--closed-loop",
    "size",
    flag_value="closed-loop",
    help="Minutes: a worker becomes slower, and the policy is updated from the gateway's log.",
)
@click.option("--rounds", metavar="N", help="Blocks of each policy; 2 or 4 if absent.")
@click.option("--seed", default="1", show_default=True, help="Of arrivals, sizes and images.")
@out_option(metavar="FOLDER", help="Where report.json and report.html go; default: only printed.")
@data_option
@json_option
def command(
    size: str, rounds: str | None, seed: str, out: str | None, data: str | None, as_json: bool
) -> None:
    """Let policies decide on real processes, and in simulations of the same requests.

    It calibrates a scenario on paced workers behind a link, trains on it, and plays every policy in
    blocks of their own. The report has five figures of the gap, with intervals. The exit code is 1
    where the machine was too busy to keep the pace of the workers, or where the calibration does
    not hold in the blocks; of a closed loop, also where its update is refused or a request fails.
    """
    number = whole(seed, "--seed", 0, 2**20) or 0
    count = whole(rounds, "--rounds", 1, 1000)
    run = _closed_loop if size == "closed-loop" else _policies
    run((size, count, number), out, data, as_json)


def _closed_loop(
    given: tuple[str, int | None, int], out: str | None, data: str | None, as_json: bool
) -> None:
    """Run the closed loop; print and check its report."""
    from edgewright.cli.testbed_loop import check_loop, loop_lines, measured_loop
    from edgewright.testbed.loop_plan import LOOP

    _, count, number = given
    site = dataclasses.replace(LOOP.site, seed=number)
    if count is not None:
        site = dataclasses.replace(site, rounds=count)
    setup = dataclasses.replace(LOOP, site=site)
    command = f"edgewright testbed --closed-loop --rounds {site.rounds} --seed {number}"
    with _folder(out) as (folder, ending):
        facts = measured_loop(setup, folder, data, command + ending)
    _print(facts, loop_lines(facts, out), as_json)
    check_loop(facts)


def _policies(
    given: tuple[str, int | None, int], out: str | None, data: str | None, as_json: bool
) -> None:
    """Compare policies on real processes and in simulations; print and check the report."""
    from edgewright.testbed.plan import FULL, QUICK

    size, count, number = given
    setup = dataclasses.replace(FULL if size == "full" else QUICK, seed=number)
    if count is not None:
        setup = dataclasses.replace(setup, rounds=count)
    option = "--full" if size == "full" else "--quick"
    command = f"edgewright testbed {option} --rounds {setup.rounds} --seed {number}"
    with _folder(out) as (folder, ending):
        facts = _measured(setup, folder, data, command + ending)
    _print(facts, _lines(facts, out), as_json)
    _check(facts)


@contextlib.contextmanager
def _folder(out: str | None) -> Iterator[tuple[Path, str]]:
    """Yield the folder of the results, temporary without ``--out``, and its option as typed."""
    if out is not None:
        yield Path(out), f" --out {out}"
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder), ""


def _print(facts: dict[str, Any], lines: list[str], as_json: bool) -> None:
    if as_json:
        print_json(facts)
    else:
        for line in lines:
            click.echo(line)


def _check(facts: dict[str, Any]) -> None:
    """Refuse a run on a machine that was too busy, or whose calibration does not hold."""
    valid = facts["validity"]
    if not valid["valid"]:
        share = 100 * valid["late_share"]
        message = f"{share:.0f} % of the paced services were late: the machine was too busy"
        raise CheckFailed(f"{message}; run it again on an idle one")
    if not valid["calibrated"]:
        services = facts["gap"]["1_calibration"].get("service_in_blocks")
        message = "no service was measured in the blocks"
        if services is not None:
            error = 100 * services["absolute"]
            message = f"services in the blocks were {error:.0f} % off the calibration"
        raise CheckFailed(f"{message}; run it again, with nothing else on the machine")


def _measured(setup: Setup, folder: Path, data: str | None, given: str) -> dict[str, Any]:
    """Return the report of a run, which is written into its folder too."""
    from edgewright.cli.terminal import counting_bar
    from edgewright.core.files import write_bytes
    from edgewright.core.machine import machine_facts
    from edgewright.reporting import html
    from edgewright.testbed.page import page
    from edgewright.testbed.report import report
    from edgewright.testbed.run import progress_steps, run

    with counting_bar("testbed", progress_steps(setup)) as on_progress:
        finished = run(setup, folder, Path(data) if data else None, on_progress)
    facts = report(finished, machine_facts())
    write_bytes(folder / "report.json", json_text(facts).encode())
    html.write(folder / "report.html", page(facts, given))
    return facts


def _lines(facts: dict[str, Any], out: str | None) -> list[str]:
    """Return what is printed."""
    lines = [f"{'policy':<14}{'reward':>9}{'simulated':>11}{'violations':>12}{'quality':>9}"]
    for one in facts["policies"]:
        real, world = one["testbed"], one["world"]
        lines.append(
            f"{one['name']:<14}{real['reward']['value']:>+9.3f}{world['reward']['value']:>+11.3f}"
            f"{100 * real['violations']['value']:>10.0f} %{real['quality_in_time']['value']:>9.3f}"
        )
    gap = facts["gap"]
    tau, regret = gap["3_ranks"]["tau"], gap["4_regret"]
    pairs = gap["3_ranks"]["pairs"]
    lines += [
        "",
        *(
            f"1. error of {name.replace('_', ' ')}: {100 * one['absolute']:.1f} %, "
            f"signed {100 * one['signed']:+.1f} %"
            for name, one in gap["1_calibration"].items()
        ),
        *(
            f"2. delays of {name}: {_shown(one['relative'])} of the mean"
            for name, one in gap["2_delays"].items()
            if one["relative"] is not None
        ),
        f"3. Kendall's tau of {gap['3_ranks']['policies']} policies: {_shown(tau)}; "
        f"{pairs['alike']} of {pairs['settled']} settled pairs alike",
        f"4. regret of the simulator's choice, {regret['chosen']}: {_shown(regret)} of reward",
        *(_cause("5.", one) for one in gap["5_causes"]),
        f"A/A, twice {facts['twins']['of']}: {_shown(facts['twins']['reward'])} of reward",
        *_more(facts),
    ]
    if out is not None:
        lines.append(f"{out}/report.html, {out}/report.json")
    return lines


def _cause(lead: str, one: dict[str, Any]) -> str:
    text = f"{lead} {one['rung']}: {_shown(one)} from the testbed"
    return f"{text}, change {_shown(one['change'])}" if one["change"] else text


def _more(facts: dict[str, Any]) -> list[str]:
    """Return what is printed of loads, uploads, the curve of quality and the control."""
    lines = []
    for row in facts["loads"]:
        lines += [
            f"load {100 * row['load']:.0f} %, {one['name']}: "
            f"{100 * one['testbed']['violations']['value']:.0f} % violations, "
            f"quality in time {one['testbed']['quality_in_time']['value']:.3f}"
            for one in row["policies"]
        ]
    if edits := facts["edits"]:
        lines += [_cause("uploads:", one) for one in edits["5_causes"]]
    if curve := facts["curve"]:
        cost = curve["testbed"]["reward"]
        lines.append(f"assumed curve of quality, on the testbed: costs {_shown(cost)} of reward")
        lines += [
            f"assumed curve of quality, {one['policy']} in the world: costs {_shown(one['cost'])}"
            for one in curve["world"]
        ]
    control = facts["control"]
    verdict = "detected" if control["detected"] else "not detected"
    raised = "raised" if control["raises_distance"] else "not raised"
    lines.append(
        f"work times {control['work_times']:g} on purpose: {verdict} by figure 1, figure 2 {raised}"
    )
    return lines


def _shown(one: dict[str, Any]) -> str:
    return f"{one['value']:.3f} [{one['low']:.3f}, {one['high']:.3f}]"
