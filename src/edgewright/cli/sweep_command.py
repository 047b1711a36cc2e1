"""``edgewright sweep``: train learners with every combination of settings."""

from __future__ import annotations

from typing import Any

import click

from edgewright.cli.options import (
    data_option,
    engine_options,
    json_option,
    out_option,
    print_json,
    set_option,
    whole,
    workers_of,
)
from edgewright.core.errors import InputError


@click.command(name="sweep")
@click.argument("scenario")
@click.option("--learner", "learners", metavar="A,B,...", help="Learners; default: the scenario's.")
@click.option(
    "--grid",
    multiple=True,
    metavar="KEY=V1,V2,...",
    help="Values of a setting or number, e.g. learner.clip_eps=0.1,0.2; repeatable.",
)
@click.option("--seeds", default="3", show_default=True, help="Seeds of each training: 0, 1, ...")
@click.option("--steps", help="Environment steps of each seed; default: the scenario's.")
@click.option("--processes", help="Trainings at a time; default: one for each core.")
@engine_options
@out_option(required=True, metavar="FOLDER", help="Folder of the sweep; resumes there.")
@data_option
@set_option
@json_option
def command(scenario: str, out: str, as_json: bool, **options: Any) -> None:
    """Train learners on SCENARIO with every combination of the grid, for several seeds.

    All are scored on the same episodes. OUT gets sweep.csv, sweep.json and the learning curves.
    Interrupted, or killed, the same command does only what is missing.
    """
    seeds, steps = whole(options["seeds"], "--seeds", 1), whole(options["steps"], "--steps", 1)
    processes = whole(options["processes"], "--processes", 0)
    workers = workers_of(options["engine"], options["address"], processes)
    from edgewright.api.problem import make
    from edgewright.api.sweep import sweep
    from edgewright.cli.terminal import share_bar
    from edgewright.core.compilation import keep_compilations
    from edgewright.core.text import parse_override

    keep_compilations()
    overrides = dict(parse_override(text) for text in options["overrides"])
    problem = make(scenario, overrides, data=options["data"])
    names = (options["learners"] or problem.scenario.training.learner).split(",")
    grid = dict(_values(text) for text in options["grid"])
    with share_bar(f"sweep on {problem.name}") as on_progress:
        table = sweep(
            problem,
            [name.strip() for name in names if name.strip()],
            out,
            grid=grid,
            seeds=seeds or 3,
            steps=steps,
            processes=workers,
            on_progress=on_progress,
        )
    if as_json:
        print_json({"scenario": table.scenario, "rows": table.rows, "out": out})
        return
    click.echo(repr(table))
    click.echo(f"table: {out}/sweep.csv   figure: {out}/curves.svg")


def _values(text: str) -> tuple[str, list[Any]]:
    """Return (dotted key, values) of ``"learner.clip_eps=0.1,0.2"``.

    Raises:
        InputError: the text has no key or no value.
    """
    from edgewright.core.text import parse_override

    key, sign, values = text.partition("=")
    parts = [part for part in values.split(",") if part.strip()]
    if not sign or not key.strip() or not parts:
        hint = "e.g. --grid learner.clip_eps=0.1,0.2"
        raise InputError(f"'{text}' must be KEY=V1,V2,...", where="--grid", hint=hint)
    return key.strip(), [parse_override(f"{key}={part.strip()}")[1] for part in parts]
