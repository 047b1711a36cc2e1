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
from edgewright.core.errors import InputError, nearest

ENGINES = ("local", "ray")
FLEETS = {"dqn": "dqn-fleet", "se-ppo": "se-ppo-fleet"}
"""Learners that a fleet trains, and the names of those fleets."""


@click.command(name="train")
@click.argument("scenario")
@click.option("--learner", help="Which learner; the scenario's own if absent.")
@click.option(
    "--mode",
    metavar="MODE",
    help="Train a learner on each device: centralised, synchronous, federated, asynchronous, "
    "independent or distilled.",
)
@click.option(
    "--engine",
    help="Where devices are trained: local, as an axis of one program, or ray, on processes.",
)
@click.option("--workers", help="With --engine ray: how many processes; 2 if absent.")
@click.option("--address", help="With --engine ray: HOST:PORT of a cluster; a new one if absent.")
@click.option("--steps", help="Environment steps for each seed, e.g. 1e6.")
@click.option("--seeds", default="1", show_default=True, help="How many seeds: 0, 1, ...")
@out_option(required=True, metavar="FOLDER", help="Where the run goes; resumes there.")
@data_option
@set_option
@json_option
def command(scenario: str, out: str, data: str | None, as_json: bool, **options: Any) -> None:
    """Train a learner on SCENARIO (a shipped name or a TOML file) and score it.

    Interrupted, or killed, the same command goes on from the last checkpoint and ends with the same
    weights as an uninterrupted run.
    """
    count = whole(options["seeds"], "--seeds", 1, MAX_SEEDS) or 1
    asked = whole(options["steps"], "--steps", 1)
    learner, extra = _of_mode(options["learner"], options["mode"], options["engine"])
    workers = _workers(options["engine"], options["workers"], options["address"], options["mode"])
    overrides = (*options["overrides"], *extra)
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
    engine = None
    if workers:
        from edgewright.cluster.engine import RayEngine

        engine = RayEngine(workers, options["address"])
    title = f"{request.learner} on {chosen.name}, {count} seed{'s' if count > 1 else ''}"
    with training_bar(title, round(request.steps * count)) as on_progress:
        timing = train(request, Path(out), on_progress, engine=engine)
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
    if result.get("exchange"):
        click.echo(_exchanged(result["exchange"]))
    if result.get("cross_check"):
        click.echo(f"recorded optimum: {_verdict(result['cross_check'])}")
    policies = f"{result['baseline']},{out}"
    following = command_line("compare", scenario, "--policies", policies, overrides=overrides)
    click.echo(f"run in {out}; next: {following}")


def _exchanged(facts: dict[str, Any]) -> str:
    """Return a sentence on what devices exchanged."""
    up, down = (facts[f"{name}link_bytes_per_thousand_steps"] for name in ("up", "down"))
    text = f"{facts['mode']}: {up:,.0f} bytes up and {down:,.0f} down per thousand steps"
    privacy = facts.get("privacy")
    if privacy is None:
        return text
    if privacy["epsilon"] is None:
        return f"{text}; {privacy['why']}"
    return f"{text}; epsilon {privacy['epsilon']:.2f} at delta {privacy['delta']:g}"


def _of_mode(
    learner: str | None, mode: str | None, engine: str | None
) -> tuple[str | None, tuple[str, ...]]:
    """Return the learner and the values of the scenario that a mode stands for.

    Raises:
        InputError: the mode or the engine is unknown, or the learner cannot be trained by a fleet.
    """
    if engine not in (None, *ENGINES) or (engine == "local" and not mode):
        message = f"`--engine` must be {' or '.join(ENGINES)}, local beside --mode; got '{engine}'"
        raise InputError(message, where="--engine", hint="e.g. --mode federated --engine local")
    if mode is None:
        return learner, ()
    from edgewright.agents.fleet import MODES

    if mode not in MODES:
        message = f"`--mode` must be one of {', '.join(MODES)}; got '{mode}'"
        raise InputError(message, where="--mode", hint=nearest(mode, MODES))
    if learner not in FLEETS:
        message = f"`--learner` must be one of {', '.join(FLEETS)} with --mode; got '{learner}'"
        raise InputError(message, where="--learner", hint="e.g. --learner dqn")
    return FLEETS[learner], (f"learner.mode={mode}",)


def _workers(engine: str | None, workers: str | None, address: str | None, mode: str | None) -> int:
    """Return the number of worker processes; 0 to train in this process.

    Raises:
        InputError: processes or an address are asked for without the engine that has them.
    """
    for name, value in (("--workers", workers), ("--address", address)):
        if value is not None and engine != "ray":
            message = f"`{name}` must stand beside --engine ray; got '{value}' without it"
            raise InputError(message, where=name, hint="add --engine ray, or leave it out")
    if engine != "ray":
        return 0
    return whole(workers, "--workers", 1) or (1 if mode == "centralised" else 2)


def _verdict(check: dict[str, Any]) -> str:
    """Return what the cross-check against the optimum of a recording came to, in words."""
    error = f"our cost of it is off by {check['price_error']:.1e} at most"
    if check["verdict"] != "agrees":
        return f"{check['verdict']}, {error}; {check['why']}"
    last = check["scores"][-1]
    return f"agrees, {error}; DROO reaches {last['q_hat']:.4f} of it after {last['slots']:,} slots"
