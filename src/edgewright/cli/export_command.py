"""``edgewright export``: from a run, or a rule, to a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgewright.cli.bundle_facts import bundle_facts, show_amortised, show_bundle
from edgewright.cli.export_seeds import BEST, chosen_seed, show_distilled
from edgewright.cli.gain_gate import min_gain_option
from edgewright.cli.options import (
    data_option,
    json_option,
    load_scenario,
    out_option,
    print_json,
    set_option,
    whole,
)
from edgewright.core.errors import InputError


@click.command(name="export")
@click.argument("policy")
@out_option(required=True, metavar="FILE", help="The bundle, e.g. p.edge.")
@click.option(
    "--seed",
    metavar="N",
    help="Which seed of the run; 0 if absent; best: the one that earns most on training inputs.",
)
@click.option(
    "--task",
    metavar="N",
    help="Index of the task whose network is exported, for learners that train one network per "
    "task (droo); default: 0.",
)
@click.option(
    "--device",
    metavar="N",
    help="Index of the device whose policy is exported, for learners that train one per device "
    "(se-ppo-independent).",
)
@click.option(
    "--level",
    type=click.Choice(["upper", "lower"]),
    help="One level of a policy of two time scales (hadrl), with its own fields and its own parts "
    "of the action; default: both in one file.",
)
@click.option(
    "--rules",
    metavar="A,B,...",
    help="Rules to pack beside a learned policy, for the service to fall back on.",
)
@click.option(
    "--litert",
    is_flag=True,
    help="Add a graph for LiteRT, which answers single observations sooner (extra: lite).",
)
@click.option(
    "--amortise",
    is_flag=True,
    help="Train a network to decide like the planner of a run (hadrl), on states that the planner "
    "and the network get into, and export that.",
)
@click.option(
    "--decisions",
    metavar="N",
    help="Decisions of the planner that --amortise learns from; default: 8192.",
)
@click.option(
    "--distil",
    metavar="WIDTHS",
    help="Train one network with these hidden layers (64x64) to decide like the mean of all seeds "
    "of the run, on states that it gets into, and export that.",
)
@min_gain_option("With --amortise or --distil: refuse")
@click.option("--scenario", help="The scenario of a rule; a run has its own.")
@set_option
@data_option
@json_option
def command(policy: str, out: str, as_json: bool, **options: Any) -> None:
    """Write POLICY, the folder of a run or the name of a rule, as one file that decides.

    The file holds an ONNX graph with normalisation and decoding inside, and named fields with units
    and ranges. It also holds its origin, and parity rows that are compared wherever it is loaded.
    """
    is_run = (Path(policy) / "run.json").exists()
    _check(policy, is_run, options)
    from edgewright.core.compilation import keep_compilations
    from edgewright.deploy.export_run import export_rule, export_run
    from edgewright.deploy.subject import Part

    keep_compilations()
    if options["amortise"]:
        show_amortised(policy, out, as_json, options)
        return
    if options["distil"]:
        show_distilled(policy, out, as_json, options)
        return
    chosen: dict[str, Any] = {}
    if is_run:
        rules = options["rules"]
        chosen = chosen_seed(policy, options)
        made = export_run(
            Path(policy),
            Path(out),
            seed=chosen["seed"],
            part=Part(
                task=whole(options["task"], "--task", 0),
                device=whole(options["device"], "--device", 0),
                level=options["level"],
            ),
            rules=None if rules is None else [n.strip() for n in rules.split(",") if n.strip()],
            litert=options["litert"],
            data=options["data"],
        )
    else:
        scenario = load_scenario(options["scenario"], options["overrides"])
        made = export_rule(policy, scenario, Path(out), options["data"])
    if as_json:
        print_json({**bundle_facts(made, out), **chosen})
    else:
        show_bundle(made, out, chosen.get("training_rewards"))


def _check(policy: str, is_run: bool, options: dict[str, Any]) -> None:
    """Refuse options that do not go with a run, or with a rule."""
    if is_run and (options["scenario"] or options["overrides"]):
        message = "a run has its own scenario"
        raise InputError(message, where="--scenario", hint="leave --scenario and --set out")
    if not is_run and options["scenario"] is None:
        message = f"'{policy}' must be the folder of a run, or a rule with its scenario"
        raise InputError(message, where="POLICY", hint="name a run, or add --scenario NAME")
    of_a_run = ("seed", "rules", "task", "device", "level", "litert", "amortise", "distil")
    if not is_run and any(options[name] for name in of_a_run):
        message = "a rule has no seeds, tasks, devices, levels or graphs"
        names = ", ".join(f"--{name}" for name in of_a_run)
        raise InputError(message, where=names, hint="leave them out")
    if options["decisions"] is not None and not options["amortise"]:
        message = "only --amortise learns from decisions"
        hint = "add --amortise, or leave --decisions out"
        raise InputError(message, where="--decisions", hint=hint)
    making = [name for name in ("amortise", "distil") if options[name]]
    if options["min_gain_kept"] is not None and not making:
        message = "only --amortise and --distil are judged by the gain"
        hint = "add one of them, or leave --min-gain-kept out"
        raise InputError(message, where="--min-gain-kept", hint=hint)
    if not making:
        return
    excluded = [name for name in BESIDE[making[0]] if options[name]]
    if making == ["amortise"] and options["seed"] == BEST:
        excluded.append("seed")
    if excluded:
        message = f"must go without --{making[0]}, which writes one network"
        raise InputError(message, where=f"--{excluded[0]}", hint="leave one of them out")


BESIDE = {
    "amortise": ("rules", "litert", "distil"),
    "distil": ("rules", "litert", "seed", "task", "device", "level"),
}
"""Options that exclude each other."""
