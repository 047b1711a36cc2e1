"""``edgewright bench``: how fast this is, here and now."""

from __future__ import annotations

import click

from edgewright.cli.options import json_option, print_json, whole
from edgewright.core.errors import InputError


@click.command(name="bench")
@click.option("--scenario", default="aigc-heavy", show_default=True, help="What to measure on.")
@click.option("--peers", is_flag=True, help="Measure ours beside other libraries instead.")
@click.option("--steps", metavar="N", help="With --peers: steps of each scored training.  [1e5]")
@click.option("--seeds", metavar="N", help="With --peers: scored trainings on each side.  [10]")
@click.option(
    "--scaling",
    is_flag=True,
    help="Measure decisions per second and memory from 1 to 1,000,000 devices instead.",
)
@click.option("--out", metavar="FOLDER", help="Where the figure of --scaling goes; none if absent.")
@click.option(
    "--peer",
    metavar="FILE",
    help="A program that measures the same with another library, e.g. benchmarks/mrl_torch.py.",
)
@json_option
def command(
    scenario: str,
    peers: bool,
    steps: str | None,
    seeds: str | None,
    scaling: bool,
    out: str | None,
    peer: str | None,
    as_json: bool,
) -> None:
    """Measure what a scenario's training needs, on this machine in this run.

    Compiling, the world alone and training; where scenarios are hidden (binary-hard), rounds of
    meta-training, gradient steps of fine-tuning and the enumeration of all actions.
    """
    _belongs("--scaling", scaling, {"--out": out})
    _belongs("--peers", peers, {"--steps": steps, "--seeds": seeds})
    if peers and scaling:
        raise InputError("each is a measurement of its own", where="--peers --scaling",
                         hint="give one of them")  # fmt: skip
    if peers:
        _peers(scenario, whole(steps, "--steps", 1), whole(seeds, "--seeds", 2), as_json)
        return
    if scaling:
        _scaling(out, as_json)
        return
    from edgewright.bench.training import bench
    from edgewright.cli.terminal import counting_bar
    from edgewright.core.compilation import keep_compilations

    keep_compilations()
    with counting_bar("bench", 3) as on_progress:
        found = bench(scenario, on_progress, peer)
    if as_json:
        print_json(found)
        return
    from edgewright.cli import bench_rows

    click.echo(f"{found['scenario']} on {found['machine']['cores']} cores")
    rows = bench_rows.hidden(found) if "meta_training" in found else bench_rows.training(found)
    _print(rows)


def _print(rows: list[tuple[str, str]]) -> None:
    for name, value in rows:
        click.echo(f"{name:<52}{value:>26}")


def _belongs(owner: str, given: bool, options: dict[str, str | None]) -> None:
    """Refuse an option that changes nothing because its owner is absent."""
    for name, value in options.items():
        if value is not None and not given:
            hint = f"add {owner}, or leave it out"
            raise InputError(f"it belongs to {owner}", where=name, hint=hint)


def _scaling(out: str | None, as_json: bool) -> None:
    """Measure, draw and print how time and memory grow with the number of devices."""
    from edgewright.bench import scaling
    from edgewright.cli.terminal import counting_bar
    from edgewright.reporting.style import save

    with counting_bar("scaling", len(scaling.SIZES)) as on_progress:
        found = scaling.scaling(on_progress=on_progress)
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


def _peers(scenario: str, steps: int | None, seeds: int | None, as_json: bool) -> None:
    from edgewright.bench.peers import require
    from edgewright.cli import bench_rows
    from edgewright.cli.terminal import counting_bar
    from edgewright.core.compilation import keep_compilations

    require()
    from edgewright.bench.peers.bench import STAGES, bench

    keep_compilations()
    with counting_bar("peers", STAGES) as on_progress:
        found = bench(scenario, steps or 100_000, seeds or 10, on_progress)
    if as_json:
        print_json(found)
        return
    click.echo(
        f"{found['scenario']} on {found['machine']['cores']} cores, {found['seconds']:.0f} s"
    )
    _print(
        [*bench_rows.world_beside_peers(found["world"]), *bench_rows.learners_beside_peers(found)]
    )
