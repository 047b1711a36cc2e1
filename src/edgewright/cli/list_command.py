"""``edgewright list``: what there is."""

from __future__ import annotations

import click

from edgewright.cli.options import json_option, print_json


@click.command(name="list")
@json_option
@click.option("--schema", is_flag=True, help="Print the JSON schema of scenario files.")
def command(as_json: bool, schema: bool) -> None:
    """List the scenarios, learners and policies, or print the schema of scenario files."""
    from edgewright.scenarios.load import identity, json_schema, load, shipped

    if schema:
        print_json(json_schema())
        return
    from edgewright.scenarios.build import learner_names
    from edgewright.scenarios.policies import BASELINE_NAMES

    scenarios = []
    for name in shipped():
        scenario = load(name)
        scenarios.append(
            {
                "name": name,
                "title": scenario.title,
                "world": scenario.world.kind,
                "devices": scenario.world.devices,
                "servers": scenario.world.servers,
                "identity": identity(scenario),
            }
        )
    found = {"scenarios": scenarios, "learners": learner_names(), "policies": BASELINE_NAMES}
    if as_json:
        print_json(found)
        return
    from edgewright.cli.terminal import print_table

    print_table("Scenarios", [("name", "name", ""), ("title", "title", "")], scenarios)
    click.echo("Learners: " + ", ".join(found["learners"]))
    click.echo("Policies: " + ", ".join(found["policies"]))
