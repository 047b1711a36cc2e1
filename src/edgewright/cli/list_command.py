"""``edgewright list``: what there is."""

from __future__ import annotations

import click

from edgewright.cli.options import json_option, print_json


@click.command(name="list")
@click.argument("system", required=False)
@json_option
@click.option("--schema", is_flag=True, help="Print the JSON schema of scenario files.")
def command(system: str | None, as_json: bool, schema: bool) -> None:
    """List the scenarios, studies, learners and policies.

    SYSTEM, e.g. aigc: print the reference page of that system instead, as Markdown: observations,
    actions, policies, learners, metrics, and the keys of its scenario files.
    """
    if system is not None:
        from edgewright.reporting.reference import system_facts, system_page

        facts = system_facts(system)
        if as_json:
            print_json(facts)
        else:
            click.echo(system_page(facts))
        return
    from edgewright.scenarios.load import identity, json_schema, load, shipped

    if schema:
        print_json(json_schema())
        return
    from edgewright.scenarios.build import learner_names
    from edgewright.systems.registry import systems

    scenarios = []
    for name in shipped():
        scenario = load(name)
        scenarios.append(
            {
                "name": name,
                "title": scenario.title,
                "world": scenario.world.kind,
                "devices": getattr(scenario.world, "devices", 1),
                "servers": getattr(scenario.world, "servers", None),
                "identity": identity(scenario),
            }
        )
    known = systems()
    usual = {kind: list(system.default_policies) for kind, system in known.items()}
    from edgewright.papers import study_names

    result = {
        "scenarios": scenarios,
        "studies": study_names(),
        "learners": learner_names(),
        "policies": [*dict.fromkeys(name for names in usual.values() for name in names)],
        "systems": usual,
        "recommended": {kind: one.recommended for kind, one in known.items() if one.recommended},
    }
    if as_json:
        print_json(result)
        return
    from edgewright.cli.terminal import print_table

    print_table("Scenarios", [("name", "name", ""), ("title", "title", "")], scenarios)
    click.echo("Studies: " + ", ".join(result["studies"]))
    click.echo("Learners: " + ", ".join(result["learners"]))
    for kind, name in result["recommended"].items():
        click.echo(f"Recommended learner of {kind}: {name}")
    for kind, names in usual.items():
        click.echo(f"Policies of {kind}: " + ", ".join(names))
