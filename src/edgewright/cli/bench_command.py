"""``edgewright bench``: how fast this is, here and now, as ratios in one run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgewright.cli.options import json_option, out_option, print_json, some_of, whole

scenario_option = click.option(
    "--scenario", default="aigc-heavy", show_default=True, help="What to measure on."
)


@click.group(name="bench")
def command() -> None:
    """Measure speed on this machine, alone, beside other libraries, or with more devices."""


@command.command(name="speed")
@scenario_option
@click.option(
    "--reference-script",
    metavar="FILE",
    help="A program that measures the same with another library, e.g. benchmarks/mrl_torch.py.",
)
@json_option
def speed(scenario: str, reference_script: str | None, as_json: bool) -> None:
    """Measure what a scenario's training needs.

    Compiling, the world alone and training; where there are tasks (binary-hard), rounds of
    meta-training, gradient steps of fine-tuning and the enumeration of all actions.
    """
    from edgewright.bench.training import bench
    from edgewright.cli import bench_rows
    from edgewright.cli.terminal import counting_bar
    from edgewright.core.compilation import keep_compilations

    keep_compilations()
    with counting_bar("bench", 3) as on_progress:
        result = bench(scenario, on_progress, reference_script)
    if as_json:
        print_json(result)
        return
    click.echo(f"{result['scenario']} on {result['machine']['cores']} cores")
    _print(bench_rows.speed(result))


@command.command(name="libraries")
@scenario_option
@click.option(
    "--steps", default="1e5", show_default=True, help="Environment steps of each scored training."
)
@click.option("--seeds", default="10", show_default=True, help="Scored trainings on each side.")
@click.option(
    "--parts",
    metavar="A,B,...",
    help="Some of world, ppo, dqn, td3, sac, reach; default: all of them.",
)
@json_option
def libraries(scenario: str, steps: str, seeds: str, parts: str | None, as_json: bool) -> None:
    """Measure ours beside Stable-Baselines3, sbx and rejax (extra: peers)."""
    budget, count = whole(steps, "--steps", 1) or 1, whole(seeds, "--seeds", 2) or 2
    from edgewright.bench.peers import require
    from edgewright.cli import bench_rows
    from edgewright.cli.terminal import counting_bar
    from edgewright.core.compilation import keep_compilations

    require()
    from edgewright.bench.peers.bench import PARTS, bench, stages

    chosen = some_of(parts, "--parts", PARTS)
    keep_compilations()
    with counting_bar("libraries", stages(chosen)) as on_progress:
        result = bench(scenario, budget, count, on_progress, chosen)
    if as_json:
        print_json(result)
        return
    click.echo(
        f"{result['scenario']} on {result['machine']['cores']} cores, {result['seconds']:.0f} s"
    )
    world = bench_rows.world_beside_peers(result["world"]) if "world" in result else []
    reach = bench_rows.reach(result["reach"]) if "reach" in result else []
    _print([*world, *bench_rows.learners_beside_peers(result), *reach])


@command.command(name="scaling")
@out_option(metavar="FOLDER", help="Where the figure goes; default: none is drawn.")
@json_option
def scaling(out: str | None, as_json: bool) -> None:
    """Measure decisions per second and memory from 1 to 1,000,000 devices."""
    from edgewright.bench import scaling as measurement
    from edgewright.cli.terminal import counting_bar
    from edgewright.reporting.style import save

    with counting_bar("scaling", len(measurement.SIZES)) as on_progress:
        result = measurement.scaling(on_progress=on_progress)
    if out is not None:
        save(measurement.draw(result), out, "scaling")
    if as_json:
        print_json(result)
        return
    _print_scaling(result)


@command.command(name="planner")
@click.option(
    "--iterations",
    metavar="N",
    help="Iterations of the search; default: all 7, or 1 where 7 would take over a minute.",
)
@json_option
def planner(iterations: str | None, as_json: bool) -> None:
    """Measure a decision of the active-inference planner, of the published and the small size.

    The published size is measured beside products of matrices and, where torch is installed, beside
    the same planner in PyTorch.
    """
    count = whole(iterations, "--iterations", 1)
    from edgewright.bench import planner as measurement
    from edgewright.cli import bench_rows
    from edgewright.cli.terminal import counting_bar

    with counting_bar("planner", measurement.STAGES) as on_progress:
        result = measurement.bench(on_progress, count)
    if as_json:
        print_json(result)
        return
    _print(bench_rows.planner(result))


@command.command(name="contracts")
@click.option(
    "--steps",
    default="2e4",
    show_default=True,
    help="Rounds of the EDMSAC training that is scored.",
)
@json_option
def contracts(steps: str, as_json: bool) -> None:
    """Measure how fast contracts are learned and written, beside PyTorch and a convex solver.

    The training of DMSAC on raw contracts is measured beside the same in PyTorch where torch is
    installed (extra: peers), the writing of contracts beside cvxpy with Clarabel (extra: exact).
    """
    rounds = whole(steps, "--steps", 2000) or 2000
    from edgewright.bench import contracts as measurement
    from edgewright.cli import bench_rows
    from edgewright.cli.terminal import counting_bar
    from edgewright.core.compilation import keep_compilations

    keep_compilations()
    with counting_bar("contracts", measurement.STAGES) as on_progress:
        result = measurement.bench(on_progress, rounds)
    if as_json:
        print_json(result)
        return
    click.echo(f"contracts on {result['machine']['cores']} cores")
    _print(bench_rows.contracts(result))


@command.command(name="gateway")
@click.option("--bundle", metavar="FILE", help="The policy that decides; default: a rule.")
@click.option("--rate", default="50", show_default=True, help="Requests a second.")
@click.option("--requests", default="1000", show_default=True, help="Requests on each way.")
@json_option
def gateway(bundle: str | None, rate: str, requests: str, as_json: bool) -> None:
    """Measure the time that a gateway adds, beside the same requests sent directly.

    The back end is a stub that answers at once. Requests take turns in blocks: directly, through a
    gateway with a rule, with the policy, and with three shadows besides.
    """
    rate_hz, count = whole(rate, "--rate", 1, 10_000) or 1, whole(requests, "--requests", 10) or 10
    from edgewright.bench import gateway as measurement
    from edgewright.cli import bench_rows
    from edgewright.cli.terminal import counting_bar

    with counting_bar("gateway", measurement.BLOCKS + 4) as on_progress:
        result = measurement.bench(on_progress, Path(bundle) if bundle else None, rate_hz, count)
    if as_json:
        print_json(result)
        return
    cores, load = result["machine"]["cores"], result["load_average"]
    click.echo(f"{count} requests at {rate_hz}/s; {cores} cores, load {load:.1f} at the start")
    _print(bench_rows.gateway(result))


def _print_scaling(result: dict[str, Any]) -> None:
    click.echo(f"{result['servers']:,} servers, {result['reach']} in reach of a device")
    click.echo(f"{'devices':>12}{'decisions/s':>16}{'peak memory':>16}")
    for row in result["rows"]:
        memory = f"{row['peak_memory_mb']:,.0f} MB"
        click.echo(f"{row['devices']:>12,}{row['decisions_per_s']:>16,}{memory:>16}")
    for name in ("time", "memory"):
        fit = result[f"{name}_exponent"]
        if fit:
            click.echo(f"{name} ~ devices^{fit['exponent']:.2f} from {fit['from']:,} devices")


def _print(rows: list[tuple[str, str]]) -> None:
    for name, value in rows:
        click.echo(f"{name:<52}{value:>26}")
