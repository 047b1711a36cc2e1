"""Compute the exact values that the package keeps again, for ``edgewright bounds --remake``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgewright.cli.options import print_json


def remake_all(
    scenarios: tuple[str, ...], out: str | None, processes: int | None, as_json: bool
) -> None:
    """Compute the stored values of scenarios again, and print how they compare.

    Args:
        out: folder for the files; None to compare only.
        processes: workers; None for one a core, 0 for this process.

    Raises:
        InputError: no scenario is named, one has no stored values, or a program was not solved.
    """
    from edgewright.cli.terminal import counting_bar
    from edgewright.core.errors import InputError
    from edgewright.core.machine import cores
    from edgewright.scenarios.build import build
    from edgewright.scenarios.load import load
    from edgewright.systems.registry import system_of

    if not scenarios:
        hint = "name scenarios, e.g. edgewright bounds contract-k2 --remake"
        raise InputError("--remake needs a scenario", where="bounds", hint=hint)
    workers = cores() if processes is None else processes
    rows: list[dict[str, Any]] = []
    for name in scenarios:
        scenario = load(name)
        system = system_of(scenario.world.kind)
        if system.remake is None:
            message = "the package keeps no exact values for this system"
            raise InputError(message, where=name, hint="name contract-k2 or contract-k3")
        with counting_bar(f"optima of {name}", system.remake_count) as on_progress:
            result = system.remake(scenario, build(scenario, None), workers, on_progress)
        if out:
            Path(out).mkdir(parents=True, exist_ok=True)
            (Path(out) / result.file).write_bytes(result.content)
        rows.append(
            {
                "scenario": name,
                "optima": result.entries,
                "made_by": result.made_by,
                "same_maker": result.same_maker,
                "largest_difference": result.difference,
                "file": str(Path(out) / result.file) if out else None,
            }
        )
    if as_json:
        print_json({"stored": rows})
        return
    for row in rows:
        apart = row["largest_difference"]
        compared = "none stored before" if apart is None else f"largest difference {apart:.1e}"
        click.echo(f"{row['scenario']}: {row['optima']} optima by {row['made_by']}, {compared}")
