"""``edgewright evaluate``: score a trained run on a scenario."""

from __future__ import annotations

import click

from edgewright.cli.options import (
    data_option,
    episodes_option,
    existing_run,
    json_option,
    load_scenario,
    print_json,
    set_option,
    whole,
)
from edgewright.core.errors import InputError


@click.command(name="evaluate")
@click.argument("run")
@click.option("--scenario", help="Score it on this scenario; the run's own if absent.")
@episodes_option
@data_option
@set_option
@json_option
def command(
    run: str,
    scenario: str | None,
    episodes: str | None,
    data: str | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Play the evaluation episodes of a scenario with the policies of RUN (a folder of train).

    The anchors of the score (random, the reference planner) and the baseline play them too.
    """
    folder = existing_run(run)
    count = whole(episodes, "--episodes", 2)
    from edgewright.cli.terminal import counting_bar
    from edgewright.core.compilation import keep_compilations
    from edgewright.scenarios.load import check
    from edgewright.studies.compare import compare, table
    from edgewright.studies.store import read_json

    keep_compilations()
    if scenario is None and overrides:
        raise InputError(
            "--set changes a scenario, and none is named",
            where="--set",
            hint="name one with --scenario, e.g. the one the run was trained on",
        )
    if scenario is None:
        facts = read_json(folder / "run.json", "run")
        chosen = check(facts.get("scenario", {}), f"{run}/run.json")
    else:
        chosen = load_scenario(scenario, overrides)
    with counting_bar(f"evaluate on {chosen.name}", 5) as report:
        result = compare(chosen, [run], data=data, episodes=count, report=report)
    found = table(result)
    row = next(row for row in found["policies"] if row["group"] == "learned")
    others = [other for other in found["policies"] if other["group"] != "learned"]
    content = {
        "run": run,
        "scenario": chosen.name,
        **row,
        "reference": found["reference"],
        "baseline": found["baseline"],
        "bound": found["bound"],
        "anchors": {other["policy"]: other["reward"] for other in others},
    }
    if as_json:
        print_json(content)
        return
    from edgewright.cli.comparison import show

    show(found)
