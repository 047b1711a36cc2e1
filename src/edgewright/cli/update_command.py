"""``edgewright update``: retrain a bundle from its log, and write what passes the gate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgewright.cli.options import (
    data_option,
    episodes_option,
    json_option,
    out_option,
    print_json,
    real,
    whole,
)

VALUES = [
    ("method", "estimate", ""),
    ("candidate", "candidate", ""),
    ("running", "running", ""),
    ("difference", "difference", ""),
]
CONDITIONS = [
    ("name", "condition", ""),
    ("value", "value", ".4g"),
    ("rule", "must be", ""),
    ("state", "", ""),
]


@click.command(name="update")
@click.argument("bundle")
@click.option("--log", required=True, metavar="FILE", help="The log of decisions and outcomes.")
@click.option(
    "--run",
    required=True,
    metavar="FOLDER",
    help="The run that BUNDLE was exported from: a bundle holds the actor alone.",
)
@out_option(required=True, metavar="FILE", help="The new bundle; BUNDLE itself to replace it.")
@click.option("--work", metavar="FOLDER", help="Where the retraining goes; NEW-run if absent.")
@click.option(
    "--steps",
    help="Steps of the retraining; as many as those of --run if absent. For binary: gradient "
    "steps on the log, each slot once if absent.",
)
@click.option("--newest", metavar="N", help="Only the newest N decisions count; all if absent.")
@click.option(
    "--max-loss",
    default="0.1",
    show_default=True,
    help="Loss on the held-out log that the interval may leave open, in deviations of a reward.",
)
@episodes_option
@data_option
@json_option
def command(bundle: str, log: str, run: str, out: str, as_json: bool, **options: Any) -> None:
    """Calibrate the scenario of BUNDLE to a log, retrain from the old weights, and judge.

    The new bundle is written only if it passes the gate: outcomes that can be, a simulator that
    agrees with the log, no loss on the newest part of the log, and a gain in simulation. Logs of
    binary and caching are played again, because what arrives there does not depend on decisions.
    """
    from edgewright.cli.terminal import share_bar
    from edgewright.core.compilation import keep_compilations
    from edgewright.update.update import GateClosed, UpdatePlan, update

    target = Path(out)
    plan = UpdatePlan(
        bundle=Path(bundle),
        log=Path(log),
        run=Path(run),
        out=target,
        work=Path(options["work"] or target.with_name(f"{target.stem}-run")),
        steps=whole(options["steps"], "--steps", 1),
        newest=whole(options["newest"], "--newest", 1),
        max_loss=real(options["max_loss"], "--max-loss"),
        episodes=whole(options["episodes"], "--episodes", 2),
        data=options["data"],
    )
    keep_compilations()
    try:
        with share_bar(f"update {bundle}") as on_share:
            result = update(plan, on_share)
    except GateClosed as error:
        facts = {"out": None, "version": None, **error.evidence.facts()}
        _print(facts, as_json)
        raise
    _print(result, as_json)
    if not as_json:
        click.echo(f"{out}: {result['version']} after {result['from']}; run in {plan.work}")


def _print(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(result)
        return
    from edgewright.cli.terminal import print_table

    if result["held_out"] is not None:
        _print_values(result["held_out"])
    if (gap := result["simulation"]) is not None:
        low, high = gap["difference_low"], gap["difference_high"]
        click.echo(f"in simulation {gap['difference']:+.4f} [{low:+.4f}, {high:+.4f}] a slot")
    conditions = [
        {**one, "state": "passed" if one["passed"] else "failed"}
        for one in result["gate"]["conditions"]
    ]
    print_table("gate", CONDITIONS, conditions)


def _print_values(held_out: dict[str, Any]) -> None:
    """Print the estimates of candidate and running policy on the held-out log."""
    from edgewright.cli.terminal import print_table

    parts = {key: held_out[key] for key in ("candidate", "running", "difference")}
    rows = [
        {
            "method": name.replace("_", " "),
            **{key: _interval(values[name]) for key, values in parts.items()},
        }
        for name in held_out["difference"]
    ]
    size = held_out["candidate"]["effective_sample_size"]
    title = f"{held_out['decisions']:,} held-out decisions, {size:.0f} effective for the candidate"
    print_table(title, VALUES, rows)


def _interval(value: dict[str, float]) -> str:
    return f"{value['estimate']:+.4f} [{value['low']:+.4f}, {value['high']:+.4f}]"
