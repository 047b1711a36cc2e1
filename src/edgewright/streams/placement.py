"""Read or draw the positions of devices and servers, and find which servers are near.

No JAX here. The recorded form is that of the EUA data set (Lai et al., ICSOC 2018): one CSV of
sites, one of users, with latitude and longitude in degrees.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import InputError, nearest
from edgewright.streams.traces import PathLike, check_positive

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius (IUGG)."""

SITES_FILE, USERS_FILE = "eua_melbourne_cbd_sites.csv", "eua_melbourne_cbd_users.csv"
WIDEST_DEGREES = 2.0
"""An equirectangular projection of more than this would be far from true distances."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Placement:
    """Positions on a plane, x to the east and y to the north.

    Attributes:
        devices_m: ``[M, 2]`` metres.
        servers_m: ``[N, 2]`` metres.
    """

    devices_m: NDArray[np.float64]
    servers_m: NDArray[np.float64]


def load_positions(path: PathLike) -> NDArray[np.float64]:
    """Return ``[n, 2]`` latitudes and longitudes [degrees] of a CSV with such columns.

    Columns are found by name, in any case of letters; others are ignored.

    Raises:
        InputError: no such file or column, or a value that is not a latitude or longitude.
    """
    file = Path(path)
    try:
        lines = list(csv.reader(file.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot be read: {error}", where=str(file)) from None
    rows = [(number, line) for number, line in enumerate(lines, 1) if any(line)]
    header = [name.strip().lower() for name in rows[0][1]] if rows else []
    columns = []
    for name in ("latitude", "longitude"):
        if name not in header:
            message = f"the column '{name}' is missing; the header is '{','.join(header)}'"
            raise InputError(message, where=str(file), hint=nearest(name, header or ["latitude"]))
        columns.append(header.index(name))
    if len(rows) < 2:
        raise InputError("it holds no position", where=str(file), hint="give one row for each")
    return np.array([_degrees(line, columns, f"{file}: line {n}") for n, line in rows[1:]])


def _degrees(line: list[str], columns: list[int], where: str) -> list[float]:
    result = []
    for column, name, most in zip(columns, ("latitude", "longitude"), (90.0, 180.0), strict=True):
        text = line[column] if column < len(line) else ""
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not abs(value) <= most:
            hint = f"give degrees from {-most:g} to {most:g}"
            raise InputError(f"{name} = '{text}' is none", where=where, hint=hint)
        result.append(value)
    return result


def project_m(degrees: NDArray[np.float64], centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return metres east and north of ``centre``: the equirectangular projection.

    ``x = R cos(lat_0) (lon - lon_0)``, ``y = R (lat - lat_0)``; over a few kilometres its error is
    below a thousandth.
    """
    offset = np.radians(degrees - centre)
    east = EARTH_RADIUS_M * math.cos(math.radians(float(centre[0]))) * offset[:, 1]
    return np.stack([east, EARTH_RADIUS_M * offset[:, 0]], axis=1)


def load_placement(folder: PathLike, devices: int, servers: int) -> Placement:
    """Return the first ``devices`` users and the first ``servers`` sites of a folder.

    The origin is the mean of all sites, however many are taken.

    Raises:
        InputError: a file is missing, broken or too short, or covers more than a city.
    """
    sites, users = (load_positions(Path(folder) / name) for name in (SITES_FILE, USERS_FILE))
    for table, wanted, what, name in (
        (users, devices, "devices", USERS_FILE),
        (sites, servers, "servers", SITES_FILE),
    ):
        if len(table) < wanted:
            message = f"it holds {len(table)} positions, and the scenario has {wanted} {what}"
            hint = f"lower world.{what} to {len(table)} or less"
            raise InputError(message, where=str(Path(folder) / name), hint=hint)
    spread = float(np.max(np.ptp(np.concatenate([sites, users]), axis=0)))
    if spread > WIDEST_DEGREES:
        message = f"the positions spread over {spread:.1f} degrees"
        raise InputError(message, where=str(folder), hint="give the sites and users of one city")
    centre = sites.mean(axis=0)
    return Placement(
        devices_m=project_m(users[:devices], centre), servers_m=project_m(sites[:servers], centre)
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
