"""``edgewright train``: train a learner on a scenario."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgewright.cli.options import (
    MAX_SEEDS,
    data_option,
    json_option,
    load_scenario,
    out_option,
    print_json,
    recordings_read,
    set_option,
    whole,
    with_recordings,
)
from edgewright.cli.usage import command_line


@click.command(name="train")
@click.argument("scenario")
@click.option("--learner", help="Which learner; the scenario's own if absent.")
@click.option("--steps", help="Environment steps for each seed, e.g. 1e6.")
@click.option("--seeds", default="1", show_default=True, help="How many seeds: 0, 1, ...")
@out_option(required=True, metavar="FOLDER", help="Where the run goes; resumes there.")
@data_option
@set_option
@json_option
def command(
    scenario: str,
    learner: str | None,
    steps: str | None,
    seeds: str,
    out: str,
    data: str | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Train a learner on SCENARIO (a shipped name or a TOML file) and score it.

    Interrupted, or killed, the same command goes on from the last checkpoint and ends with the same
    weights as an uninterrupted run.
    """
    count = whole(seeds, "--seeds", 1, MAX_SEEDS) or 1
    asked = whole(steps, "--steps", 1)
    chosen = with_recordings(load_scenario(scenario, overrides), scenario, overrides, data)
    from edgewright.cli.terminal import training_bar
    from edgewright.core.compilation import keep_compilations
    from edgewright.evaluation.gap import sentence
    from edgewright.evaluation.score_run import finish
    from edgewright.training.runs import Request, train

    keep_compilations()
    recordings_read(chosen, data)
    request = Request(
        scenario=chosen,
        learner=learner or chosen.training.learner,
        steps=float(asked or chosen.training.steps),
        seeds=count,
        data=data,
    )
    title = f"{request.learner} on {chosen.name}, {count} seed{'s' if count > 1 else ''}"
    with training_bar(title, round(request.steps * count)) as on_progress:
        timing = train(request, Path(out), on_progress)
    result = finish(request, Path(out), timing)
    if as_json:
        print_json(result)
        return
    reward = result["reward"]
    click.echo(
        f"{title}: {result['steps_per_s'] or 0:,} steps/s, compiled in {timing['compile_s']} s"
    )
    click.echo(
        f"reward per slot {reward['mean']:+.4f} [{reward['low']:+.4f}, {reward['high']:+.4f}]"
    )
    click.echo(sentence(result, result["baseline"]))
    if result.get("cross_check"):
        click.echo(f"recorded optimum: {_verdict(result['cross_check'])}")
    policies = f"{result['baseline']},{out}"
    following = command_line("compare", scenario, "--policies", policies, overrides=overrides)
    click.echo(f"run in {out}; next: {following}")


def _verdict(check: dict[str, Any]) -> str:
    """Return what the cross-check against the optimum of a recording came to, in words."""
    error = f"our cost of it is off by {check['price_error']:.1e} at most"
    if check["verdict"] != "agrees":
        return f"{check['verdict']}, {error}; {check['why']}"
    last = check["scores"][-1]
    return f"agrees, {error}; DROO reaches {last['q_hat']:.4f} of it after {last['slots']:,} slots"
