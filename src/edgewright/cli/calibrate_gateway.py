"""``edgewright calibrate``: measure the back ends of a gateway, and write a scenario."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from edgewright.cli.options import json_option, out_option, print_json, whole
from edgewright.core.errors import InputError


@click.command(name="calibrate")
@click.argument("config", metavar="GATEWAY.toml")
@out_option(metavar="FILE", help="The scenario to write, e.g. mine.toml.", required=True)
@click.option("--repeats", default="6", show_default=True, help="Images of each level; half test.")
@click.option("--sizes", default="256x256", show_default=True, help="Of images, with commas.")
@click.option("--gap-s", type=float, help="Mean time between requests; default: 70 % load.")
@click.option("--slo-s", type=float, help="Delay to keep; default: 3 services of a server.")
@click.option("--digits", is_flag=True, help="Answers are sheets of digits; measure their quality.")
@click.option("--renders", is_flag=True, help="Answers are rendered; measure their quality.")
@json_option
def command(
    config: str,
    out: str,
    repeats: str,
    sizes: str,
    gap_s: float | None,
    slo_s: float | None,
    as_json: bool,
    **answers: bool,
) -> None:
    """Measure work, quality, bytes and the link of a gateway's back ends.

    The scenario extends aigc: train on it, and the gateway can use the policy.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a back end is one core, if it is paced
    count = whole(repeats, "--repeats", 2, 1000) or 2
    for name, value in (("--gap-s", gap_s), ("--slo-s", slo_s)):
        if value is not None and not 0.0 < value < 1e6:
            message = f"`{name}` must be a number above 0; got {value:g}"
            raise InputError(message, where=name, hint="leave it out for the default")
    from edgewright.cli.terminal import counting_bar
    from edgewright.scenarios.load import load
    from edgewright.testbed.calibrate import calibrate
    from edgewright.testbed.calibration import Budget, steps_of
    from edgewright.testbed.scenario_file import Traffic

    budget = Budget(repeats=count, sizes=[_size(one) for one in sizes.split(",")])
    with counting_bar(
        "calibrate", steps_of(Path(config), answers["renders"] or None)
    ) as on_progress:
        result = calibrate(
            Path(config),
            Path(out),
            budget=budget,
            traffic=Traffic(gap_s=gap_s, slo_s=slo_s),
            digits=answers["digits"] or None,
            renders=answers["renders"] or None,
            on_progress=on_progress,
        )
    load(out)  # what was written is a scenario
    facts = result.facts()
    if as_json:
        print_json({"scenario": out, **facts})
        return
    for line in _lines(out, facts):
        click.echo(line)


def _size(text: str) -> tuple[int, int]:
    """Return one of ``--sizes``."""
    from edgewright.gateway.config import MULTIPLE, parse_size

    size = parse_size(text.strip())
    if size is None or any(side % MULTIPLE for side in size):
        message = f"`--sizes` must be sizes such as 256x256; got {text}"
        raise InputError(message, where="--sizes", hint=f"write multiples of {MULTIPLE}")
    return size


def _lines(out: str, facts: dict[str, Any]) -> list[str]:
    """Return what is printed."""
    lines = [f"{out}: {facts['images']} images measured, quality: {facts['quality_source']}"]
    lines.append(f"{'level':>6}{'work':>9}{'quality':>9}{'assumed':>9}{'kB':>9}")
    assumed = facts["quality_assumed"] or [None] * len(facts["quality_score"])
    for level, score in enumerate(facts["quality_score"]):
        before = "" if assumed[level] is None else f"{assumed[level]:.2f}"
        work, size = facts["quality_multiplier"][level], 1e3 * facts["output_mb"][level]
        lines.append(f"{level:>6}{work:>9.3f}{score:>9.3f}{before:>9}{size:>9.1f}")
    speeds = ", ".join(f"{one:.3g}" for one in facts["ghz"])
    lines.append(f"speeds {speeds} GHz, delay {1e3 * facts['network_delay_s']:.1f} ms each way")
    for name, error in facts["errors"].items():
        lines.append(
            f"error of {name} on the {error['count']} images held out: "
            f"{100 * error['absolute']:.1f} %, signed {100 * error['signed']:+.1f} %"
        )
    if facts["worst_lateness"] is not None and facts["worst_lateness"] > 1.1:
        lines.append(
            f"a paced back end was {100 * (facts['worst_lateness'] - 1):.0f} % late: this machine "
            "was busy, so calibrate again, or lower the speeds"
        )
    return lines
