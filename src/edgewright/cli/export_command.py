"""``edgewright export``: from a run, or a rule, to a bundle."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.options import (
    data_option,
    json_option,
    load_scenario,
    parity_line,
    print_json,
    set_option,
    whole,
)
from edgewright.core.errors import InputError


@click.command(name="export")
@click.argument("policy")
@click.option("--out", required=True, metavar="FILE", help="The bundle, e.g. p.edge.")
@click.option("--seed", metavar="N", help="Which seed of the run; 0 if absent.")
@click.option(
    "--hidden",
    metavar="N",
    help="Whose network, where a run (droo) learned one in each hidden scenario; 0 if absent.",
)
@click.option(
    "--device",
    metavar="N",
    help="Whose policy, where a run (se-ppo-independent) learned one for each device; from 0.",
)
@click.option(
    "--rules",
    metavar="A,B,...",
    help="Rules to pack beside a learned policy, for the service to fall back on.",
)
@click.option(
    "--lite",
    is_flag=True,
    help="Add a graph for LiteRT, which answers single observations sooner (extra: lite).",
)
@click.option("--scenario", help="The scenario of a rule; a run has its own.")
@set_option
@data_option
@json_option
def command(
    policy: str,
    out: str,
    seed: str | None,
    hidden: str | None,
    device: str | None,
    rules: str | None,
    lite: bool,
    scenario: str | None,
    overrides: tuple[str, ...],
    data: str | None,
    as_json: bool,
) -> None:
    """Write POLICY, the folder of a run or the name of a rule, as one file that decides.

    The file holds an ONNX graph with normalisation and decoding inside, named fields with units and
    ranges, where it comes from, and a record of decisions to be compared wherever it is loaded.
    """
    is_run = (Path(policy) / "run.json").exists()
    number, lived = whole(seed, "--seed", 0) or 0, whole(hidden, "--hidden", 0)
    whose = whole(device, "--device", 0)
    if is_run and (scenario or overrides):
        message = "a run has its own scenario"
        raise InputError(message, where="--scenario", hint="leave --scenario and --set out")
    if not is_run and scenario is None:
        message = f"'{policy}' is no folder of a run, and a rule needs a scenario"
        raise InputError(message, where="POLICY", hint="name a run, or add --scenario NAME")
    if not is_run and (seed or rules or hidden or device or lite):
        message = "a rule has no seeds, no scenario or device that it learned in, no graphs beside"
        options = "--seed, --hidden, --device, --rules, --lite"
        raise InputError(message, where=options, hint="leave them out")
    from edgewright.core.compilation import keep_compilations
    from edgewright.deploy.export_run import export_rule, export_run

    keep_compilations()
    if is_run:
        names = None if rules is None else [n.strip() for n in rules.split(",") if n.strip()]
        made = export_run(
            Path(policy), Path(out), seed=number, hidden=lived, device=whose, rules=names,
            lite=lite, data=data,
        )  # fmt: skip
    else:
        made = export_rule(policy, load_scenario(scenario or "", overrides), Path(out), data)
    size = Path(out).stat().st_size
    found = {
        "out": out,
        "version": made.version,
        "name": made.name,
        "bytes": size,
        "graph": {k: v for k, v in made.facts["graphs"]["policy"].items() if k != "layers"},
        "rules": made.rules,
        "runtimes_here": made.engine.runtimes,
        "parity": dict(made.parity),
    }
    if as_json:
        print_json(found)
        return
    click.echo(f"{made.name}: {out}, {size:,} bytes, version {made.version}")
    click.echo(parity_line(made.parity))
    click.echo(f"next: edgewright serve {out}")
