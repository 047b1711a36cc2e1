"""Read positions of devices and servers from two CSV files with latitude and longitude.

No JAX here. The form is that of the EUA data set (Lai et al., ICSOC 2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import InputError
from edgewright.streams.traces import PathLike
from edgewright.streams.traces.lines import is_number
from edgewright.streams.traces.tables import Table, read_table
from edgewright.streams.traces.units import plain

SITES_FILE, USERS_FILE = "eua_melbourne_cbd_sites.csv", "eua_melbourne_cbd_users.csv"

WIDEST_DEGREES = 2.0
"""An equirectangular projection of more than this would be far from true distances."""

NAMES = {"latitude": ("latitude", "lat"), "longitude": ("longitude", "lon", "lng", "long")}
"""What the two columns may be called, in any case of letters."""

ENDS = {"latitude": 90.0, "longitude": 180.0}

MIN_FAR_SHARE = 0.5
"""Share of positions beyond a city from which the whole file is the mistake, not a few lines."""


@dataclass(frozen=True, kw_only=True)
class Positions:
    """Latitudes and longitudes [degrees], ``[n, 2]``, with the file and line of each."""

    degrees: NDArray[np.float64]
    where: list[str]


def load_positions(path: PathLike) -> NDArray[np.float64]:
    """Return ``[n, 2]`` latitudes and longitudes [degrees] of a CSV with such columns.

    Columns are found by name, in any case of letters; others are ignored.

    Raises:
        InputError: no such file or column, or a value that is not a latitude or longitude.
    """
    return read_positions(path).degrees


def read_positions(path: PathLike) -> Positions:
    """Return the positions of a CSV with the line of each; see :func:`load_positions`."""
    table = read_table(Path(path), "positions")
    columns = [_column(table, name) for name in NAMES]
    if not table.rows:
        raise InputError("it holds no position", where=str(path), hint="give one row for each")
    texts = [[row[column] for column in columns] for row in table.rows]
    where = [table.where(n) for n in range(len(texts))]
    _check_not_swapped(texts, str(path))
    degrees = [_degrees(pair, at) for pair, at in zip(texts, where, strict=True)]
    return Positions(degrees=np.array(degrees), where=where)


def _column(table: Table, name: str) -> int:
    matching = [n for n, own in enumerate(table.names) if plain(own) in NAMES[name]]
    if len(matching) == 1:
        return matching[0]
    what = "is missing" if not matching else "is there more than once"
    shown = ",".join(table.names)[:200] if table.has_header else "missing"
    message = f"the column '{name}' {what}; the header is {shown}"
    hint = f"name one column {' or '.join(NAMES[name])} in the header"
    raise InputError(message, where=str(table.file), hint=hint)


def _check_not_swapped(texts: list[list[str]], where: str) -> None:
    """Refuse latitudes that can only be longitudes."""
    numbers = np.array(
        [[float(word) if is_number(word) else np.nan for word in pair] for pair in texts]
    )
    latitude, longitude = np.abs(numbers).T
    known = np.isfinite(latitude) & np.isfinite(longitude)
    if (
        known.any()
        and np.all(latitude[known] > ENDS["latitude"])
        and np.all(longitude[known] <= 90)
    ):
        value = numbers[known][0][0]
        message = f"the latitudes are beyond 90 degrees, e.g. {value:g}"
        raise InputError(message, where=where, hint=SWAP)


SWAP = "latitude and longitude are swapped: exchange their names in the header"


def _degrees(pair: list[str], where: str) -> list[float]:
    result = []
    for text, (name, most) in zip(pair, ENDS.items(), strict=True):
        value = float(text) if is_number(text) else np.nan
        if not abs(value) <= most:
            hint = f"remove the line, or give degrees from {-most:g} to {most:g}"
            raise InputError(f"{name} = '{text[:60]}' is none", where=where, hint=hint)
        result.append(value)
    if result == [0.0, 0.0]:
        message = "latitude and longitude are 0, which stands for an unknown position"
        raise InputError(message, where=where, hint="remove the line")
    return result


def check_city(sites: Positions, users: Positions) -> None:
    """Refuse positions that spread over more than a city.

    Raises:
        InputError: it names the lines that are far away, or that a file has its columns swapped.
    """
    spread = float(np.max(np.ptp(np.concatenate([sites.degrees, users.degrees]), axis=0)))
    if spread <= WIDEST_DEGREES:
        return
    centre = np.median(sites.degrees, axis=0)
    offsets = [np.max(np.abs(one.degrees - centre), axis=1) for one in (sites, users)]
    turned = np.max(np.abs(users.degrees[:, ::-1] - centre), axis=1)
    message = f"the positions spread over {spread:.1f} degrees"
    file = users.where[0].rsplit(": line", 1)[0]
    if np.max(turned) <= WIDEST_DEGREES < np.max(offsets[1]):
        raise InputError(message, where=file, hint=SWAP)
    for one, offset in zip((sites, users), offsets, strict=True):
        far = np.flatnonzero(offset > WIDEST_DEGREES / 2)
        if far.size == 0:
            continue
        file = one.where[0].rsplit(": line", 1)[0]
        example = one.where[int(far[0])]
        hint = "give the sites and users of one city"
        if far.size < MIN_FAR_SHARE * offset.size:
            hint = f"remove them; the first is {example}"
        text = f"{message}: {far.size} of {offset.size} are more than {WIDEST_DEGREES / 2:g} degree"
        raise InputError(f"{text} from the middle of the sites", where=file, hint=hint)
