"""``edgewright bench``: how fast this is, here and now."""

from __future__ import annotations

from typing import Any

import click

from edgewright.cli.options import json_option, print_json, whole
from edgewright.core.errors import InputError


@click.command(name="bench")
@click.option("--scenario", default="aigc-heavy", show_default=True, help="What to measure on.")
@click.option("--peers", is_flag=True, help="Measure ours beside other libraries instead.")
@click.option("--steps", metavar="N", help="With --peers: steps of each scored training.  [1e5]")
@click.option("--seeds", metavar="N", help="With --peers: scored trainings on each side.  [5]")
@click.option(
    "--scaling",
    is_flag=True,
    help="Measure decisions per second and memory from 1 to 1,000,000 devices instead.",
)
@click.option("--out", metavar="FOLDER", help="Where the figure of --scaling goes; none if absent.")
@json_option
def command(
    scenario: str,
    peers: bool,
    steps: str | None,
    seeds: str | None,
    scaling: bool,
    out: str | None,
    as_json: bool,
) -> None:
    """Measure compiling, the world alone, and training, on this machine in this run."""
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


def _belongs(owner: str, given: bool, options: dict[str, str | None]) -> None:
    """Refuse an option that changes nothing because its owner is absent."""
    for name, value in options.items():
        if value is not None and not given:
            hint = f"add {owner}, or leave it out"
            raise InputError(f"it belongs to {owner}", where=name, hint=hint)


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


def _peers(scenario: str, steps: int | None, seeds: int | None, as_json: bool) -> None:
    from edgewright.cli.terminal import counting_bar
    from edgewright.core.compilation import keep_compilations
    from edgewright.studies.peers import require

    require()
    from edgewright.studies.peers.bench import STAGES, bench

    keep_compilations()
    with counting_bar("peers", STAGES) as tell:
        found = bench(scenario, steps or 100_000, seeds or 5, tell)
    if as_json:
        print_json(found)
        return
    click.echo(
        f"{found['scenario']} on {found['machine']['cores']} cores, {found['seconds']:.0f} s"
    )
    for name, value in [*_world_rows(found["world"]), *_training_rows(found)]:
        click.echo(f"{name:<52}{value:>26}")


def _world_rows(world: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [
        ("world, compiled", f"{world['compiled_steps_per_s'] / 1e6:.2f} M steps/s"),
        ("  to plain Python", f"{world['ratio_compiled_to_plain_python']:.0f} x"),
        ("plain Python, one copy", f"{world['plain_python_steps_per_s']:,} steps/s"),
        ("Gymnasium adapter, one copy", f"{world['gymnasium_steps_per_s']:,} steps/s"),
        ("  to plain Python", f"{world['ratio_gymnasium_to_plain_python']:.2f} x"),
    ]
    for row in world["vector"]:
        copies = row["copies"]
        sync, ours = row["plain_python_sync_steps_per_s"], row["gymnasium_steps_per_s"]
        rows += [
            (f"SyncVectorEnv of plain Python, {copies} copies", f"{sync:,} steps/s"),
            (f"vector adapter, {copies} copies", f"{ours:,} steps/s"),
            ("  to SyncVectorEnv", f"{row['ratio']:.1f} x"),
        ]
    return rows


def _training_rows(found: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for kind in ("ppo", "dqn"):
        speed, score = found[kind]["speed"], found[kind]["score"]
        name = kind.upper()
        rows.append((f"{name}, ours", f"{speed['ours_steps_per_s']:,} steps/s"))
        for how, rate in speed["stable_baselines3_steps_per_s"].items():
            rows.append(
                (f"{name}, Stable-Baselines3, {how.replace('_', ' ')}", f"{rate:,} steps/s")
            )
        rows.append(("  to its fastest", f"{speed['ratio_to_stable_baselines3']:.1f} x"))
        if speed.get("sbx_steps_per_s"):
            rows.append((f"{name}, sbx", f"{speed['sbx_steps_per_s']:,} steps/s"))
            rows.append(("  to it", f"{speed['ratio_to_sbx']:.1f} x"))
        if speed.get("rejax"):
            rows.append((f"{name}, rejax", f"{speed['rejax']['steps_per_s']:,} steps/s"))
            rows.append(("  to it", f"{speed['ratio_to_rejax']:.2f} x"))
        for side, label in (("ours", "ours"), ("stable_baselines3", "Stable-Baselines3")):
            part = score[side]
            value = f"{part['reward']:+.4f} [{part['low']:+.4f}, {part['high']:+.4f}]"
            rows.append((f"{name} after {score['steps']:,} steps, {label}", value))
        part = score["difference"]
        value = f"{part['mean']:+.4f} [{part['low']:+.4f}, {part['high']:+.4f}]"
        rows.append(("  difference" + ("" if score["agree"] else ", zero excluded"), value))
    return rows
