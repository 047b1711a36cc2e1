"""Place devices and servers, from recorded positions where present, else as the scenario says."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from edgewright.core.errors import InputError
from edgewright.specs.schema import Positive, Seed
from edgewright.streams.placement import Placement, load_placement, uniform_placement
from edgewright.streams.positions import SITES_FILE, USERS_FILE


@dataclass(frozen=True, kw_only=True)
class UniformPlacementSpec:
    """Devices and servers at independent uniform places on a rectangle."""

    kind: Literal["uniform"]
    width_m: Positive
    height_m: Positive
    seed: Seed


@dataclass(frozen=True, kw_only=True)
class RecordedPlacementSpec:
    """Users and sites of a folder; where it is absent, what stands in for it, if anything."""

    kind: Literal["recorded"]
    folder: str
    sites: str = SITES_FILE
    users: str = USERS_FILE
    absent: UniformPlacementSpec | None = None


PlacementSpec: TypeAlias = Annotated[
    UniformPlacementSpec | RecordedPlacementSpec, Field(discriminator="kind")
]


def recorded_folder(spec: object, data: str | None) -> Path | None:
    """Return the whole path of the folder that a placement is read from; None where it is drawn.

    Args:
        data: folder of recordings; left out, the environment variable ``EDGEWRIGHT_DATA``.
    """
    if not isinstance(spec, RecordedPlacementSpec):
        return None
    root = data or os.environ.get("EDGEWRIGHT_DATA")
    folder = Path(root or ".") / spec.folder
    return folder.absolute() if (root or folder.is_absolute()) and folder.is_dir() else None


def find_placement(spec: PlacementSpec, devices: int, servers: int, data: str | None) -> Placement:
    """Return where so many devices and servers stand.

    Raises:
        InputError: the recording is absent and nothing stands in for it; or it is broken, whether
            or not something could stand in for it.
    """
    folder = recorded_folder(spec, data)
    if isinstance(spec, RecordedPlacementSpec) and folder is not None:
        return load_placement(folder, devices, servers, sites=spec.sites, users=spec.users)
    if isinstance(spec, RecordedPlacementSpec):
        if spec.absent is None:
            message = f"devices are placed by recordings, and '{spec.folder}' is missing"
            hint = "give the folder that holds it with --data FOLDER or EDGEWRIGHT_DATA"
            raise InputError(message, where="params.placement", hint=hint)
        spec = spec.absent
    return uniform_placement(
        devices, servers, width_m=spec.width_m, height_m=spec.height_m, seed=spec.seed
    )
