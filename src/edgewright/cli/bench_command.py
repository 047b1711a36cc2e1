"""``edgewright bench``: how fast this is, here and now."""

from __future__ import annotations

from typing import Any

import click

from edgewright.cli.options import json_option, print_json


@click.command(name="bench")
@click.option("--scenario", default="aigc-heavy", show_default=True, help="What to measure on.")
@click.option(
    "--peer",
    metavar="FILE",
    help="A program that measures the same with another library, e.g. benchmarks/mrl_torch.py.",
)
@json_option
def command(scenario: str, peer: str | None, as_json: bool) -> None:
    """Measure what a scenario's training needs, on this machine in this run.

    Compiling, the world alone and training; where scenarios are hidden (binary-hard), rounds of
    meta-training, gradient steps of fine-tuning and the enumeration of all actions.
    """
    from edgewright.cli.terminal import counting_bar
    from edgewright.core.compilation import keep_compilations
    from edgewright.studies.bench import bench

    keep_compilations()
    with counting_bar("bench", 3) as tell:
        found = bench(scenario, tell, peer)
    if as_json:
        print_json(found)
        return
    if "meta_training" in found:
        _show_hidden(found)
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


def _show_hidden(found: dict[str, Any]) -> None:
    """Print what was measured where scenarios are hidden."""
    meta, tuning, exact = found["meta_training"], found["fine_tuning"], found["enumeration"]
    rows = [
        (
            f"meta-training, {meta['tasks_per_round']} devices",
            f"{meta['rounds_per_s']:,.0f} rounds/s",
        ),
        ("  moved in a round", f"{meta['traffic_bytes_per_round'] / 1e6:.2f} MB"),
        (f"fine-tuning, {tuning['devices']} devices", f"{tuning['steps_per_s']:,} steps/s"),
        (f"{exact['actions']:,} actions in {exact['slots']} slots", f"{exact['seconds']:.2f} s"),
    ]
    peer = found.get("peer")
    if peer:
        rows += [
            (f"meta-training to {peer['library']}", f"{peer['ratio_meta_training']:.0f} x"),
            (f"fine-tuning to {peer['library']}", f"{peer['ratio_fine_tuning']:.0f} x"),
        ]
    click.echo(f"{found['scenario']} on {found['machine']['cores']} cores")
    for name, value in rows:
        click.echo(f"{name:<44}{value:>20}")
