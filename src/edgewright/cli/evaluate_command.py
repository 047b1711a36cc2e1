"""``edgewright evaluate``: score a trained run on a scenario."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgewright.cli.options import (
    data_option,
    episodes_option,
    existing_run,
    json_option,
    load_scenario,
    print_json,
    set_option,
    tasks_option,
    whole,
)
from edgewright.core.errors import InputError


@click.command(name="evaluate")
@click.argument("run")
@click.option("--scenario", help="Score it on this scenario; the run's own if absent.")
@click.option(
    "--adapt-steps",
    metavar="N,N,...",
    help="Gradient steps in each new scenario after which to score a run that adapts.",
)
@click.option(
    "--shots",
    metavar="N",
    help="With --adapt-steps: slots observed once and reused; new ones in every step if absent.",
)
@tasks_option
@episodes_option
@data_option
@set_option
@json_option
def command(run: str, scenario: str | None, as_json: bool, **options: Any) -> None:
    """Play the evaluation episodes of a scenario with the policies of RUN (a folder of train).

    The anchors of the score (random, the reference planner) and the baseline play them too.
    """
    existing_run(run)
    steps, shots = _adaptation(options["adapt_steps"], options["shots"])
    count, data = whole(options["episodes"], "--episodes", 2), options["data"]
    tasks = Path(options["tasks"]) if options["tasks"] else None
    from edgewright.core.compilation import keep_compilations

    keep_compilations()
    chosen = _scenario(run, scenario, options["overrides"])
    if steps and tasks:
        message = "--tasks must go without --adapt-steps, which plays no episodes"
        raise InputError(message, where="--tasks", hint="leave one of them out")
    if steps:
        from edgewright.evaluation.adaptation import evaluate_run

        content = evaluate_run(run, chosen, steps, shots, data, count)
        print_json(content) if as_json else _show(content)
        return
    from edgewright.cli.terminal import counting_bar
    from edgewright.evaluation.compare import compare
    from edgewright.evaluation.comparison_table import table

    with counting_bar(f"evaluate on {chosen.name}", 5) as on_progress:
        result = compare(
            chosen, [run], data=data, episodes=count, tasks=tasks, on_progress=on_progress
        )
    summary = table(result)
    row = next(row for row in summary["policies"] if row["group"] == "learned")
    source = result.result(row["policy"]).source
    others = [other for other in summary["policies"] if other["group"] != "learned"]
    content = {
        "run": run,
        "scenario": chosen.name,
        **row,
        "reference": summary["reference"],
        "baseline": summary["baseline"],
        "bound": summary["bound"],
        "warnings": summary["warnings"],
        **_actor(source.entries[0] if source else None, result.problem),
        "anchors": {other["policy"]: other["reward"] for other in others},
    }
    if as_json:
        print_json(content)
        return
    from edgewright.cli.comparison import show

    show(summary)
    _show_actor(content)


def _actor(entry: Any, problem: Any) -> dict[str, Any]:
    """Return how long a decision takes, and size and duration of an actor that draws."""
    if entry is None:
        return {"decision_ms": None}
    from edgewright.evaluation.actor_facts import actor_facts
    from edgewright.evaluation.decision_time import decision_ms

    features = problem.world.observation_space(problem.params).shape[-1]
    return {"decision_ms": decision_ms(entry, problem), **actor_facts(entry, features)}


def _show_actor(content: dict[str, Any]) -> None:
    """Print how long a decision takes, and size and duration of an actor that draws."""
    if content["decision_ms"] is not None:
        click.echo(f"one decision takes {content['decision_ms']:.3f} ms on this machine, measured")
    if "denoise_ms" not in content:
        return
    durations = ", ".join(
        f"{ms:.3f} ms for {name.removeprefix('batch_')}"
        for name, ms in content["denoise_ms"].items()
    )
    click.echo(
        f"actor: {content['parameters']:,} parameters, {100 * content['sparsity']:.0f} % of its "
        f"hidden units pruned, {durations} at once"
    )


def _adaptation(adapt_steps: str | None, shots: str | None) -> tuple[list[int], int]:
    """Return the gradient steps after which to score, and the slots that are reused; 0 for none.

    Raises:
        InputError: a number is wrong, or there are shots and no steps.
    """
    parts = [] if adapt_steps is None else adapt_steps.split(",")
    steps = [whole(part.strip(), "--adapt-steps", 0) or 0 for part in parts]
    reused = whole(shots, "--shots", 1) or 0
    if reused and not steps:
        message = "--shots must go with --adapt-steps; got --shots alone"
        raise InputError(message, where="--shots", hint="e.g. --adapt-steps 0,1,5 --shots 10")
    return steps, reused


def _scenario(run: str, scenario: str | None, overrides: tuple[str, ...]) -> Any:
    """Return the scenario that is named, or the run's own."""
    from edgewright.core.sealed import read_json
    from edgewright.scenarios.load import check

    if scenario is not None:
        return load_scenario(scenario, overrides)
    if overrides:
        raise InputError(
            "--set changes a scenario, and none is named",
            where="--set",
            hint="name one with --scenario, e.g. the one the run was trained on",
        )
    facts = read_json(Path(run) / "run.json", "run")
    return check(facts.get("scenario", {}), f"{run}/run.json")


def _show(content: dict[str, Any]) -> None:
    """Print the scores of an adaptation."""
    from edgewright.cli.terminal import print_table

    columns = [
        ("steps", "steps", ""),
        ("slots", "slots", ",d"),
        ("calls", "critic\ncalls", ",d"),
        ("priced", f"Q-hat, {content['proposals']} priced", ""),
        ("rounded", "Q-hat, rounded", ""),
        ("p5", "5th\npercentile", ".4f"),
        ("optimal_fraction", "optimal", ".3f"),
    ]
    shown = [
        {
            "steps": row["steps"],
            "slots": row["slots"],
            "calls": row["world_evaluations"],
            "priced": _between(row["q_hat"]),
            "rounded": _between(row["q_hat_rounded"]),
            "p5": row["q_hat_p05"],
            "optimal_fraction": row["optimal_fraction"],
        }
        for row in content["adaptation"]
    ]
    title = f"{content['learner']} on {content['scenario']}: {content['scenarios']} new scenarios"
    print_table(title, columns, shown)
    click.echo(f"Q-hat: {content['optimum']} / achieved, mean of per-slot ratios, 95 % intervals")


def _between(value: dict[str, float]) -> str:
    return f"{value['mean']:.4f} [{value['low']:.4f}, {value['high']:.4f}]"
