"""``edgewright federate``: let edge servers build an agent under a contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgewright.cli.options import (
    json_option,
    load_scenario,
    out_option,
    print_json,
    set_option,
    whole,
)
from edgewright.core.errors import InputError, nearest

MAX_SEEDS = 1000


@click.command(name="federate")
@click.argument("scenario")
@click.option(
    "--mechanism",
    "mechanisms",
    metavar="A,B,...",
    default="per_period",
    show_default=True,
    help="Contracts to compare, or the learner of --policy.",
)
@click.option("--policy", metavar="RUN", help="Post the menus of a trained run (folder of train).")
@click.option("--seeds", default="1", show_default=True, help="How many seeds: 0, 1, ...")
@click.option("--engine", default="local", show_default=True, help="local, flower or processes.")
@click.option("--workers", default="2", show_default=True, help="Client processes of --engine.")
@click.option(
    "--setting",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="A setting of the construction, e.g. rounds=3 or aggregation=clipped; repeatable.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="SERVER:KIND",
    help="Let a server send nan, a wrong shape, or its update times 100 (scale); repeatable.",
)
@out_option(metavar="FOLDER", help="Where result.json and the figures F1 to F3 go.")
@set_option
@json_option
def command(scenario: str, out: str | None, as_json: bool, **options: Any) -> None:
    """Let edge servers train an agent's modules on their own data, as SCENARIO's contract buys.

    Servers have private types and choose from the menu as rational servers do. After both periods
    the agent is measured on pictures that no server has, and the accounts are settled.
    """
    seeds = whole(options["seeds"], "--seeds", 1, MAX_SEEDS) or 1
    workers = whole(options["workers"], "--workers", 1) or 1
    names = [name.strip() for name in options["mechanisms"].split(",") if name.strip()]
    if not names or (options["policy"] and len(names) > 1):
        message = f"`--mechanism` must name a contract; got '{options['mechanisms']}'"
        raise InputError(message, where="--mechanism", hint="e.g. --mechanism per_period")
    chosen = load_scenario(scenario, options["overrides"])
    from edgewright.cli.terminal import counting_bar
    from edgewright.core.compilation import keep_compilations
    from edgewright.federated.campaign import campaign
    from edgewright.federated.construction import Request
    from edgewright.federated.contracts import check_scenario, mechanism
    from edgewright.federated.engines import engine_of
    from edgewright.federated.rounds import check_faults

    keep_compilations()
    settings = _settings(options["settings"])
    faults = dict(_fault(text) for text in options["faults"])
    check_faults(settings, faults)
    check_scenario(chosen)
    run = options["policy"]
    names = [name if run else mechanism(name) for name in names]
    requests = [Request(chosen, name, settings, run, faults) for name in names]
    engine = engine_of(options["engine"], workers, settings)
    with counting_bar(f"federate {chosen.name}", len(names) * seeds) as on_progress:
        result = campaign(requests, seeds, engine, options["engine"], on_progress)
    figures = _write(result, Path(out), seeds) if out else []
    if as_json:
        print_json({**result, "figures": figures})
        return
    _show(result, figures)


def _settings(texts: tuple[str, ...]) -> Any:
    """Return the settings with values from the command line.

    Raises:
        InputError: a setting is unknown, or its value is of another type or out of range.
    """
    import dataclasses

    from edgewright.core.text import parse_override
    from edgewright.federated.settings import Settings

    defaults = Settings().facts()
    given = dict(parse_override(text) for text in texts)
    for name, value in given.items():
        if name not in defaults:
            message = f"the setting '{name}' is unknown"
            raise InputError(message, where="--setting", hint=nearest(name, defaults))
        kind = type(defaults[name])
        if isinstance(value, bool) or not isinstance(value, (int, kind) if kind is float else kind):
            message = f"`{name}` must be of type {kind.__name__}; got {value!r}"
            raise InputError(message, where="--setting", hint=f"e.g. {name}={defaults[name]}")
    return dataclasses.replace(Settings(), **given)


def _fault(text: str) -> tuple[int, str]:
    """Return (server, kind) of ``"3:nan"``.

    Raises:
        InputError: the text is of another form.
    """
    server, sign, kind = text.partition(":")
    if not sign or not server.isdecimal():
        message = f"`--fault` must be SERVER:KIND; got '{text}'"
        raise InputError(message, where="--fault", hint="e.g. --fault 3:nan")
    return int(server), kind


def _write(result: dict[str, Any], out: Path, seeds: int) -> list[str]:
    """Write result.json, and the figures where there are seeds for intervals."""
    from edgewright.core.sealed import write_json
    from edgewright.federated.figures import MIN_SEEDS, draw

    write_json(out / "result.json", result)
    return draw(result, out) if seeds >= MIN_SEEDS else []


def _show(result: dict[str, Any], figures: list[str]) -> None:
    """Print a row for each mechanism, and what was set aside."""
    from edgewright.cli.terminal import print_table

    columns = [
        ("mechanism", "mechanism", ""),
        ("success", "success", ".3f"),
        ("cost_ratio", "path\ncost", ".3f"),
        ("accuracy", "accuracy", ".3f"),
        ("predicted_accuracy", "predicted", ".3f"),
        ("samples_period_1", "samples,\nfirst", ".0f"),
        ("samples_period_2", "second", ".0f"),
        ("payments", "paid", ".2f"),
        ("modelled_profit", "profit,\nmodelled", ".2f"),
        ("measured_profit", "measured", ".2f"),
        ("set_aside", "set\naside", ".1f"),
    ]
    rows = [
        {"mechanism": one["mechanism"], **{k: v["mean"] for k, v in one["summary"].items()}}
        for one in result["mechanisms"]
    ]
    count = len(result["mechanisms"][0]["seeds"])
    title = f"{result['scenario']}, engine {result['engine']}: means over {count} seeds"
    print_table(title, columns, rows)
    last = result["mechanisms"][0]["seeds"][-1]
    exchange, times = last["exchange"], last["latency"]
    click.echo(
        f"{result['mechanisms'][0]['mechanism']}: {exchange['uplink_bytes']:,} bytes sent up in "
        f"{exchange['rounds']} rounds; the pictures would be {exchange['bytes_of_raw_images']:,}"
    )
    click.echo(
        f"a decision takes {times['edge_ms']:.3f} ms at the edge, measured, and "
        f"{times['cloud_ms_modelled']:.1f} ms by the cloud, modelled"
    )
    for server, why in last["set_aside"]["reasons"].items():
        click.echo(f"server {server} was set aside: {why}")
    click.echo(f"scope: {result['scope']}")
    for name in figures:
        if name.endswith(".svg"):
            click.echo(f"figure: {name}")
