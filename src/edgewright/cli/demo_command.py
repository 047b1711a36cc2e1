"""``edgewright demo``: the main job, in minutes."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.options import (
    MAX_SEEDS,
    data_option,
    json_option,
    out_option,
    print_json,
    whole,
)
from edgewright.cli.usage import command_line


@click.command(name="demo")
@out_option(default="demo", show_default=True, metavar="FOLDER", help="Where it goes.")
@click.option("--steps", default="5e5", show_default=True, help="Steps for each learner and seed.")
@click.option("--seeds", default="3", show_default=True, help="Seeds for each learner.")
@data_option
@json_option
def command(out: str, steps: str, seeds: str, data: str | None, as_json: bool) -> None:
    """Train SE-PPO, A2C and DQN, compare them on identical inputs, draw, and write a report.

    With --data, a second comparison runs on recorded inputs; without, on synthetic inputs that are
    calibrated to the recordings.
    """
    budget, count = whole(steps, "--steps", 1) or 1, whole(seeds, "--seeds", 2, MAX_SEEDS) or 2
    from edgewright.cli.comparison import show
    from edgewright.cli.terminal import counting_bar, training_bar
    from edgewright.core.compilation import keep_compilations
    from edgewright.papers.demo import Plan, Watch, run
    from edgewright.reporting.comparison_page import verdicts

    keep_compilations()
    usage = command_line("demo", "--out", out, "--steps", steps, "--seeds", seeds)
    plan = Plan(out=Path(out), data=data, steps=float(budget), seeds=count, command=usage)
    result = run(plan, Watch(training=training_bar, comparing=counting_bar))
    if as_json:
        print_json(result)
        return
    for name in ("main", "inputs"):
        show(result[name])
    for line in verdicts(result["main"]):
        click.echo(line)
    click.echo(f"report: {result['report']}   figures: {plan.out / 'figures'}")
    click.echo(f"took {result['seconds']} s")
