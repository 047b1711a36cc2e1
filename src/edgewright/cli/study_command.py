"""``edgewright study``: test what a paper claims."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import click

from edgewright.cli.options import (
    data_option,
    engine_options,
    json_option,
    out_option,
    print_json,
    whole,
    workers_of,
)


@click.command(name="study")
@click.argument("name")
@click.option("--quick", is_flag=True, help="The same claims with few seeds and steps: minutes.")
@out_option(
    metavar="FOLDER", help="Where it goes, and resumes; study-NAME in this folder if absent."
)
@click.option("--seeds", help="Seeds of every training that is judged, at least 2.")
@click.option("--steps", help="Steps of the main trainings; the others are in proportion.")
@click.option("--processes", help="How many at a time; one for each core if absent.")
@engine_options
@data_option
@json_option
def command(
    name: str, quick: bool, out: str | None, data: str | None, as_json: bool, **options: str | None
) -> None:
    """Train and measure what the study NAME needs, and judge every claim of its paper.

    Verdicts are findings: the exit code is 0 whatever they say. Interrupted, or killed, the same
    command does only what is missing.
    """
    count, budget = whole(options["seeds"], "--seeds", 2), whole(options["steps"], "--steps", 1)
    processes = whole(options["processes"], "--processes", 1)
    workers = workers_of(options["engine"], options["address"], processes)
    from edgewright.cli.terminal import share_bar
    from edgewright.cli.verdicts import show
    from edgewright.core.compilation import keep_compilations
    from edgewright.papers import study_named
    from edgewright.studies.runner import run_study
    from edgewright.studies.study_output import occasion, write_outcome

    study = study_named(name)
    keep_compilations()
    plan = study.quick if quick else study.full
    plan = dataclasses.replace(
        plan,
        seeds=count or plan.seeds,
        steps=float(budget or plan.steps),
        data=data if study.data else None,
    )
    folder = Path(out or f"study-{name}")
    started = time.perf_counter()
    with share_bar(f"study {name}{' --quick' if quick else ''}") as on_progress:
        table = run_study(study, plan, folder, processes=workers, on_progress=on_progress)
        on_progress(1.0, "judging and drawing")
        verdicts = study.judge(table)
        given = [("--quick", quick), (f"--seeds {count}", count), (f"--steps {budget}", budget)]
        words = [word for word, wanted in given if wanted]
        words += ["--data FOLDER"] if plan.data else []
        usage = " ".join(["edgewright study", name, *words])
        when = occasion(study, table, usage, time.perf_counter() - started)
        result = write_outcome(study, table, verdicts, when, folder)
    if as_json:
        print_json(result)
        return
    show(study.title, verdicts)
    click.echo(f"report: {result['report']}   verdict page: {folder / 'outcome.md'}")
    click.echo(f"took {result['seconds']} s")
