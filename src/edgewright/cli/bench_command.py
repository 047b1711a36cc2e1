"""``edgewright bench``: how fast this is, here and now."""

from __future__ import annotations

import click

from edgewright.cli.options import json_option, print_json
from edgewright.core.errors import InputError


@click.command(name="bench")
@click.option("--scenario", default="aigc-heavy", show_default=True, help="What to measure on.")
@click.option(
    "--scaling",
    is_flag=True,
    help="Measure decisions per second and memory from 1 to 1,000,000 devices instead.",
)
@click.option("--out", metavar="FOLDER", help="Where the figure of --scaling goes; none if absent.")
@json_option
def command(scenario: str, scaling: bool, out: str | None, as_json: bool) -> None:
    """Measure compiling, the world alone, and training, on this machine in this run."""
    if scaling:
        _scaling(out, as_json)
        return
    if out is not None:
        hint = "add --scaling, or leave it out"
        raise InputError("only --scaling draws a figure", where="--out", hint=hint)
    from edgewright.cli.terminal import counting_bar
    from edgewright.core.compilation import keep_compilations
    from edgewright.studies.bench import bench

    keep_compilations()
    with counting_bar("bench", 3) as tell:
        found = bench(scenario, tell)
    if as_json:
        print_json(found)
        return
    compiling, world, training = found["compile"], found["world"], found["training"]
    rows = [
        ("training ready, cold", f"{compiling['cold']['total_s']:.1f} s"),
        ("  of which compiling", f"{compiling['cold']['compile_s']:.1f} s"),
        ("training ready, from the cache", f"{compiling['cached']['total_s']:.1f} s"),
        ("  of which compiling", f"{compiling['cached']['compile_s']:.2f} s"),
        ("world, inputs given", f"{world['inputs_given_steps_per_s'] / 1e6:.2f} M steps/s"),
        ("world, inputs drawn", f"{world['inputs_drawn_steps_per_s'] / 1e6:.2f} M steps/s"),
        ("  to one call a step from Python", f"{world['ratio_drawn_to_stepped']:.0f} x"),
        (f"{training['learner']}, one seed", f"{training['one_seed_steps_per_s']:,} steps/s"),
        ("  a million steps", f"{training['seconds_per_million_steps']:.1f} s"),
        ("  share of the world in that time", f"{100 * training['world_share']:.0f} %"),
        (
            f"{training['learner']}, {training['seeds_together']} seeds together",
            f"{training['seeds_together_steps_per_s']:,} steps/s",
        ),
        ("  to one seed", f"{training['ratio_together_to_one']:.2f} x"),
    ]
    click.echo(f"{found['scenario']} on {found['machine']['cores']} cores")
    for name, value in rows:
        click.echo(f"{name:<36}{value:>20}")


def _scaling(out: str | None, as_json: bool) -> None:
    """Measure, draw and print how time and memory grow with the number of devices."""
    from edgewright.cli.terminal import counting_bar
    from edgewright.studies import scaling
    from edgewright.studies.style import save

    with counting_bar("scaling", len(scaling.SIZES)) as tell:
        found = scaling.scaling(tell=tell)
    if out is not None:
        save(scaling.draw(found), out, "scaling")
    if as_json:
        print_json(found)
        return
    click.echo(f"{found['servers']:,} servers, {found['reach']} in reach of a device")
    click.echo(f"{'devices':>12}{'decisions/s':>16}{'peak memory':>16}")
    for row in found["rows"]:
        memory = f"{row['peak_memory_mb']:,.0f} MB"
        click.echo(f"{row['devices']:>12,}{row['decisions_per_s']:>16,}{memory:>16}")
    for name in ("time", "memory"):
        fit = found[f"{name}_exponent"]
        if fit:
            click.echo(f"{name} ~ devices^{fit['exponent']:.2f} from {fit['from']:,} devices")
