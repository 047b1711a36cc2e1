"""``edgewright testbed --closed-loop``: update a policy where a worker becomes slower."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgewright.cli.options import json_text
from edgewright.core.errors import CheckFailed

if TYPE_CHECKING:
    from edgewright.testbed.loop_plan import LoopSetup


def measured_loop(setup: LoopSetup, folder: Path, data: str | None, given: str) -> dict[str, Any]:
    """Return the report of a closed loop, which is written into its folder too."""
    from edgewright.cli.terminal import counting_bar
    from edgewright.core.files import write_bytes
    from edgewright.core.machine import machine_facts
    from edgewright.reporting import html
    from edgewright.testbed.loop import loop_steps, run_loop
    from edgewright.testbed.loop_page import loop_figure, loop_page
    from edgewright.testbed.loop_report import loop_report

    with counting_bar("closed loop", loop_steps(setup)) as on_progress:
        run = run_loop(setup, folder, Path(data) if data else None, on_progress)
    facts = loop_report(run, machine_facts())
    svg = loop_figure(facts)
    write_bytes(folder / "report.json", json_text(facts).encode())
    write_bytes(folder / "closed-loop.svg", svg.encode())
    html.write(folder / "report.html", loop_page(facts, given, svg))
    return facts


def loop_lines(facts: dict[str, Any], out: str | None) -> list[str]:
    """Return what is printed of a closed loop."""
    from edgewright.testbed.loop_page import step_sentences

    lines = [f"{'workers':<13}{'policy':<27}{'reward':>28}{'violations':>12}"]
    lines += [
        f"{one['workers']:<13}{one['policy']:<27}{_shown(one['reward']):>28}"
        f"{100 * one['violations']['value']:>10.0f} %"
        for one in facts["scores"]
    ]
    lines += ["", *step_sentences(facts)]
    lines += [f"{name}: {_shown(one['reward'])}" for name, one in facts["differences"].items()]
    if facts["recovered"] is not None:
        lines.append(f"recovered: {100 * facts['recovered']:.0f} %")
    if out is not None:
        lines.append(f"{out}/report.html, {out}/report.json, {out}/closed-loop.svg")
    return lines


def check_loop(facts: dict[str, Any]) -> None:
    """Check that a closed loop was closed, without a lost request, on a machine that kept up.

    Raises:
        CheckFailed: one of these does not hold.
    """
    update, swap, valid = facts["update"], facts["swap"], facts["validity"]
    if facts["drift"]["decisions"] is None:
        message = f"{facts['drift']['current']} decisions after the change raised no alarm of drift"
        raise CheckFailed(f"{message}; run it again, or look at `drift` in the report")
    if not update["passed"]:
        raise CheckFailed(f"there was no update: {update['refused']}")
    if swap["failed"]:
        message = f"{swap['failed']} of {swap['requests']} requests failed around the swap"
        raise CheckFailed(f"{message}; see gateway.log in --out FOLDER")
    if not valid["valid"]:
        share = 100 * valid["late_share"]
        message = f"{share:.0f} % of the paced services were late: the machine was too busy"
        raise CheckFailed(f"{message}; run it again on an idle one")


def _shown(one: dict[str, Any]) -> str:
    return f"{one['value']:+.3f} [{one['low']:+.3f}, {one['high']:+.3f}]"
