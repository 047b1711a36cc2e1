"""The placement of a scenario: recorded where its files are, else what the scenario says."""

from __future__ import annotations

import os
from pathlib import Path

from edgewright.core.errors import InputError
from edgewright.scenarios.schema import Scenario, UniformPlacement
from edgewright.streams.placement import Placement, load_placement, uniform_placement


def find_placement(scenario: Scenario, data: str | None) -> tuple[Placement, bool]:
    """Return where devices and servers stand, and whether that was read from a recording.

    Args:
        data: folder of recordings; left out, the environment variable ``EDGEWRIGHT_DATA``.

    Raises:
        InputError: the scenario has none; or its recording is absent and nothing stands in for it;
            or the recording is broken, whether or not something could stand in for it.
    """
    spec, world = scenario.placement, scenario.world
    if spec is None:
        raise InputError("has no placement", where=scenario.name, hint="add a [placement]")
    if not isinstance(spec, UniformPlacement):
        root = data or os.environ.get("EDGEWRIGHT_DATA")
        folder = Path(root or ".") / spec.folder
        if folder.is_dir() and (root or Path(spec.folder).is_absolute()):
            return load_placement(folder, world.devices, world.servers), True
        if spec.absent is None:
            problem = f"'{scenario.name}' is placed by recordings, and there is no '{spec.folder}'"
            hint = "give the folder that holds it with --data FOLDER or EDGEWRIGHT_DATA"
            raise InputError(problem, where=root or "", hint=hint)
        spec = spec.absent
    drawn = uniform_placement(
        world.devices, world.servers, width_m=spec.width_m, height_m=spec.height_m, seed=spec.seed
    )
    return drawn, False
