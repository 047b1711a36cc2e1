"""Place devices and servers on a plane, from recorded or drawn positions, and find neighbours.

No JAX here. Files of positions are read by :mod:`edgewright.streams.positions`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import InputError
from edgewright.streams.positions import SITES_FILE, USERS_FILE, check_city, read_positions
from edgewright.streams.traces import PathLike, check_positive

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius (IUGG)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Placement:
    """Positions on a plane, x to the east and y to the north.

    Attributes:
        devices_m: ``[M, 2]`` metres.
        servers_m: ``[N, 2]`` metres.
    """

    devices_m: NDArray[np.float64]
    servers_m: NDArray[np.float64]


def project_m(degrees: NDArray[np.float64], centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return metres east and north of ``centre``: the equirectangular projection.

    ``x = R cos(lat_0) (lon - lon_0)``, ``y = R (lat - lat_0)``; over a few kilometres its error is
    below a thousandth.
    """
    offset = np.radians(degrees - centre)
    east = EARTH_RADIUS_M * math.cos(math.radians(float(centre[0]))) * offset[:, 1]
    return np.stack([east, EARTH_RADIUS_M * offset[:, 0]], axis=1)


def load_placement(
    folder: PathLike,
    devices: int,
    servers: int,
    *,
    sites: str = SITES_FILE,
    users: str = USERS_FILE,
) -> Placement:
    """Return the first ``devices`` users and the first ``servers`` sites of a folder.

    The origin is the mean of all sites, however many are taken.

    Args:
        sites: name of the file of sites in the folder.
        users: name of the file of users in the folder.

    Raises:
        InputError: a file is missing, broken or too short, or covers more than a city.
    """
    places = [read_positions(Path(folder) / name) for name in (sites, users)]
    for table, wanted, what, name in (
        (places[1], devices, "devices", users),
        (places[0], servers, "servers", sites),
    ):
        count = len(table.degrees)
        if count < wanted:
            message = f"it holds {count} positions, and the scenario has {wanted} {what}"
            hint = f"set world.{what} = {count} or less"
            raise InputError(message, where=str(Path(folder) / name), hint=hint)
    check_city(*places)
    centre = places[0].degrees.mean(axis=0)
    return Placement(
        devices_m=project_m(places[1].degrees[:devices], centre),
        servers_m=project_m(places[0].degrees[:servers], centre),
    )


def uniform_placement(
    devices: int, servers: int, *, width_m: float, height_m: float, seed: int
) -> Placement:
    """Return independent uniform positions on a rectangle: a Poisson process, given its counts.

    Another number of devices leaves the servers, and the devices that remain, where they are.
    """
    check_positive("width_m", width_m)
    check_positive("height_m", height_m)
    size = np.array([width_m, height_m])
    places = [np.random.default_rng([seed, who]).random((count, 2)) for who, count in
              enumerate((devices, servers))]  # fmt: skip
    return Placement(devices_m=(places[0] - 0.5) * size, servers_m=(places[1] - 0.5) * size)


def nearest_servers(placement: Placement, reach: int) -> NDArray[np.int32]:
    """Return the ``reach`` nearest servers of each device, ``[M, reach]``, the nearest first."""
    from scipy import spatial

    tree: Any = spatial.KDTree(placement.servers_m)
    _, result = tree.query(placement.devices_m, k=list(range(1, reach + 1)))
    return np.asarray(result, np.int32)
