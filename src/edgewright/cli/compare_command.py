"""``edgewright compare``: all policies on identical inputs."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.options import (
    data_option,
    episodes_option,
    json_option,
    load_scenario,
    out_option,
    print_json,
    recordings_read,
    set_option,
    tasks_option,
    whole,
)
from edgewright.cli.usage import command_line


@click.command(name="compare")
@click.argument("scenario")
@click.option(
    "--policies",
    metavar="A,B,...",
    help="Names of policies, folders of runs, bundles, mine.py:Calm, sb3:model.zip+stats.pkl; each "
    "with a label, NAME=runs/a, if you like. All policies that need no training if absent.",
)
@out_option(metavar="FOLDER", help="Write the figure, a page and result.json there.")
@tasks_option
@episodes_option
@data_option
@set_option
@json_option
def command(
    scenario: str,
    policies: str | None,
    out: str | None,
    tasks: str | None,
    episodes: str | None,
    data: str | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Play the same episodes of SCENARIO with every policy, and bound what any could earn."""
    count = whole(episodes, "--episodes", 2)
    chosen = load_scenario(scenario, overrides)
    names = [name.strip() for name in (policies or "").split(",") if name.strip()]
    from edgewright.cli.comparison import show
    from edgewright.cli.terminal import counting_bar
    from edgewright.core.compilation import keep_compilations
    from edgewright.evaluation.compare import compare
    from edgewright.evaluation.comparison_table import table

    keep_compilations()
    recordings = recordings_read(chosen, data)
    with counting_bar(f"compare on {chosen.name}", (len(names) or 12) + 1) as on_progress:
        result = compare(
            chosen,
            names,
            data=data,
            episodes=count,
            tasks=Path(tasks) if tasks else None,
            on_progress=on_progress,
        )
    summary = table(result) | ({"recordings": recordings} if recordings else {})
    if out:
        from edgewright.reporting.comparison_page import write_page

        named = ["--policies", policies] if policies else []
        named += ["--tasks", tasks] if tasks else []
        words = ["compare", scenario, *named, "--out", out]
        usage = command_line(*words, overrides=overrides, episodes=count)
        summary["report"] = str(write_page(Path(out), result, summary, usage))
    if as_json:
        print_json(summary)
        return
    show(summary)
    if out:
        click.echo(f"report: {summary['report']}   figures: {Path(out) / 'figures'}")
