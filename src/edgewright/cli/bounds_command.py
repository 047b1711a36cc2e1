"""``edgewright bounds``: how near to the optimum anything is known to be."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.options import (
    data_option,
    episodes_option,
    json_option,
    out_option,
    print_json,
    whole,
)

COLUMNS = [
    ("name", "policy, plan or bound", ""),
    ("kind", "kind", ""),
    ("mean", "reward per slot", ".4f"),
    ("low", "low", ".4f"),
    ("high", "high", ".4f"),
]


@click.command(name="bounds")
@click.argument("scenarios", nargs=-1, metavar="[SCENARIOS]...")
@out_option(metavar="FOLDER", help="Write the figure and result.json there.")
@episodes_option
@data_option
@click.option("--remake", is_flag=True, help="Compute the stored optima of SCENARIOS again.")
@click.option("--processes", metavar="N", help="Processes of --remake; one for each core.")
@json_option
def command(
    scenarios: tuple[str, ...],
    out: str | None,
    episodes: str | None,
    data: str | None,
    remake: bool,
    processes: str | None,
    as_json: bool,
) -> None:
    """Bound the optimum of each of SCENARIOS from both sides, on the same episodes.

    Policies, plans made with the whole episode known, and bounds, all on the same episodes; the
    presets of one device if no scenario is named. Plans take minutes for each scenario.

    With --remake, the optima that the package keeps for SCENARIOS are computed again by the exact
    program, compared, and written to FOLDER if it is named.
    """
    count = whole(episodes, "--episodes", 2)
    if remake:
        from edgewright.cli.stored_optima import remake_all

        remake_all(scenarios, out, whole(processes, "--processes", 0, 256), as_json)
        return
    from edgewright.cli.terminal import counting_bar, print_table
    from edgewright.core.compilation import keep_compilations
    from edgewright.core.sealed import write_json
    from edgewright.evaluation.bounds import summary
    from edgewright.papers.bounds import PRESETS, entry_count, load_bounded, scenario_bounds
    from edgewright.reporting.bounds_figure import bounds_figure
    from edgewright.reporting.style import save

    keep_compilations()
    names = scenarios or PRESETS
    chosen = [load_bounded(name, data) for name in names]  # refuses before minutes of work
    if out:
        Path(out).mkdir(parents=True, exist_ok=True)
    rows = []
    with counting_bar("bounds", sum(entry_count(one) for _, one in chosen)) as on_progress:
        for scenario, problem in chosen:
            rows.append(scenario_bounds(scenario, problem, episodes=count, on_progress=on_progress))
            if out:  # after each scenario, so that what is done is not lost
                save(bounds_figure(rows), Path(out), "bounds")
                write_json(Path(out) / "result.json", summary(rows))
    result = summary(rows)
    if as_json:
        print_json(result)
        return
    for row in result["scenarios"]:
        title = f"{row['scenario']}: from {row['reached']:.4f} to {row['limit']:.4f}"
        print_table(title, COLUMNS, row["entries"])
    if out:
        click.echo(f"figure: {Path(out) / 'bounds.png'}")
