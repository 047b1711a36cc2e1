"""``edgewright compress``: prune, distil and quantise a bundle, and say what that cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgewright.cli.gain_gate import min_gain_option, share, too_little_gain
from edgewright.cli.options import (
    data_option,
    episodes_option,
    json_option,
    out_option,
    print_json,
    whole,
)
from edgewright.evaluation.gap import percent

COLUMNS = [
    ("stage", "stage", ""),
    ("parameters", "para-\nmeters", ","),
    ("multiply_adds", "multiply-\nadds", ","),
    ("bytes", "bytes", ","),
    ("p50_us", "p50\n[us]", ".1f"),
    ("p99_us", "p99\n[us]", ".1f"),
    ("batch_rows_per_s", "rows/s\nof 256", ",.0f"),
    ("gain", "gain kept [%]", ""),
    ("gain_priced", "gain kept [%],\nproposals priced", ""),
    ("gap", "gap to bound\nclosed [%]", ""),
    ("agreement", "agree-\nment", ".3f"),
]


@click.command(name="compress")
@click.argument("bundle")
@click.option(
    "--stages",
    required=True,
    metavar="A,B,...",
    help="In this order: prune:SHARE[:SCORE], distil:WIDTHS[:plain], sparse:SHARE, int8.",
)
@out_option(metavar="FILE", help="The compressed bundle; BUNDLE with -small if absent.")
@min_gain_option("Refuse")
@click.option("--seed", default="0", show_default=True, help="Of everything drawn.")
@click.option("--figure", metavar="FOLDER", help="Draw the Pareto figure into this folder.")
@episodes_option
@data_option
@json_option
def command(bundle: str, stages: str, out: str | None, as_json: bool, **options: Any) -> None:
    """Make the policy of BUNDLE smaller, stage by stage, and write it as a bundle of its own.

    Every stage is scored on the evaluation episodes of the bundle's scenario, the same for all, by
    the graph that would be deployed.
    """
    from edgewright.compress.stages import parse_stages

    wanted, least = parse_stages(stages), share(options["min_gain_kept"])
    count = whole(options["episodes"], "--episodes", 2)
    drawn = whole(options["seed"], "--seed", 0) or 0
    target = Path(out) if out else Path(bundle).with_name(f"{Path(bundle).stem}-small.edge")
    from edgewright.bundle import load
    from edgewright.bundle.bundle import save
    from edgewright.cli.terminal import counting_bar, print_table
    from edgewright.core.compilation import keep_compilations
    from edgewright.deploy import compression
    from edgewright.deploy.gain import check_gain, check_gain_kept, gains, ways

    keep_compilations()
    parent = load(bundle)
    with counting_bar(f"compress {bundle}", len(wanted) + 2) as on_progress:
        setting = compression.setting_of(parent, options["data"], count)
        if least is not None:
            check_gain((policy(parent) for policy in ways(parent).values()), setting)
        done = compression.compress(parent, wanted, setting, seed=drawn, on_progress=on_progress)
    gate = None if least is None else check_gain_kept(done.rows, least)
    passed = gate is None or gate["passed"]
    if passed:
        save(target, done.content)
    files = _draw(done.rows, options["figure"])
    verdicts = compression.verdicts(done.rows)
    result = {
        "bundle": bundle,
        "out": str(target) if passed else None,
        "version": done.candidates[-1].bundle.version,
        "scenario": setting.scenario.name,
        "episodes": setting.episodes,
        "stages": done.rows,
        "verdicts": verdicts,
        "gate": gate,
        "figure": files,
    }
    if as_json:
        print_json(result)
    else:
        rows = [{**row, **_shares(row)} for row in done.rows]
        title = f"{parent.name}: {setting.episodes} identical episodes, 95 % intervals"
        print_table(title, [column for column in COLUMNS if column[0] in rows[0]], rows)
        base = setting.scenario.evaluation.baseline
        click.echo(f"gain kept: share of what the parent earns beyond {base}")
        if not gains(done.rows):
            click.echo(f"the parent earns at most what {base} earns here, so nothing is to keep")
        for line in verdicts:
            click.echo(line)
        if passed:
            click.echo(f"{target}, {target.stat().st_size:,} bytes")
    if gate is not None and not passed:
        remedy = "remove less, add a distil stage, or judge it on more episodes with --episodes"
        raise too_little_gain(gate, remedy)


def _shares(row: dict[str, Any]) -> dict[str, str | None]:
    """Return the shares of the gain and of the gap in per cent, as the table shows them."""
    shown: dict[str, str | None] = {}
    for way in (way for way in ("", "_priced") if f"gain_kept{way}" in row):
        ends = {end: row[f"gain_kept{way}_{end}"] for end in ("low", "high")}
        share = row[f"gain_kept{way}"]
        shown[f"gain{way}"] = percent(None if share != share else {"share": share, **ends})
        shown["gap"] = percent(row[f"gap_closed{way}"])
    return shown


def _draw(rows: list[dict[str, float]], folder: str | None) -> list[str]:
    if folder is None:
        return []
    from edgewright.deploy.pareto import pareto
    from edgewright.reporting.style import save

    return [str(path) for path in save(pareto(rows), folder, "pareto").values()]
