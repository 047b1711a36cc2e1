"""Units of rates and times, the units in column names, and times as text."""

from __future__ import annotations

import re

import numpy as np

RATE_UNITS = {
    "bit/s": 1e-6,
    "kbit/s": 1e-3,
    "Mbit/s": 1.0,
    "Gbit/s": 1e3,
    "B/s": 8e-6,
    "kB/s": 8e-3,
    "MB/s": 8.0,
}
"""Mbit/s in each unit of a rate."""

TIME_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
"""Seconds in each unit of time."""

EPOCHS = {"s": (1e9, 1e10), "ms": (1e12, 1e13), "us": (1e15, 1e16), "ns": (1e18, 1e19)}
"""Range of the times since 1970 in each unit, for the years 2001 to 2286."""

_RATE_SUFFIX = re.compile(
    r"[\s_(\[]+(?P<prefix>[gmk]?)(?P<what>b(?:it|its)?(?:ps|/s|_s|psec)|B(?:ps|/s|_s))[)\]]?$"
)
_TIME_SUFFIX = re.compile(
    r"[\s_(\[]+(?P<unit>ns|us|ms|s|sec|secs|second|seconds|millis|milliseconds|min|h)[)\]]?$"
)
_TIME_WORDS = {"sec": "s", "secs": "s", "second": "s", "seconds": "s", "millis": "ms",
               "milliseconds": "ms"}  # fmt: skip
_CLOCK = re.compile(
    r"(?P<date>\d{4}[-./]\d\d[-./]\d\d)[ T_](?P<hour>\d\d)[:.](?P<minute>\d\d)[:.]"
    r"(?P<second>\d\d(?:\.\d{1,9})?) ?(?P<zone>Z|UTC|[+-]\d\d:?\d\d)?"
)


def plain(name: str) -> str:
    """Return a column's name in lower case, with ``_`` for everything but letters and digits."""
    return re.sub(r"[^0-9a-z]+", "_", name.strip().lower()).strip("_")


def rate_in_name(name: str) -> tuple[str, str | None]:
    """Return the plain name of a column without its unit, and the unit of a rate or None.

    ``throughput_mbps`` is ``("throughput", "Mbit/s")``. A capital B is bytes, except in ``MBPS``,
    which may be both and is none.
    """
    match = _RATE_SUFFIX.search(re.sub(r"([GMK])(?=[bB])", lambda m: m[1].lower(), name.strip()))
    if match is None:
        return plain(name), None
    prefix = match["prefix"] if match["prefix"] in ("", "k") else match["prefix"].upper()
    unit = f"{prefix}{'B' if match['what'].startswith('B') else 'bit'}/s"
    return plain(name.strip()[: match.start()]), unit if unit in RATE_UNITS else None


def time_in_name(name: str) -> tuple[str, str | None]:
    """Return the plain name of a column without its unit, and the unit of time or None."""
    match = _TIME_SUFFIX.search(name.strip().lower())
    if match is None:
        return plain(name), None
    return plain(name.strip()[: match.start()]), _TIME_WORDS.get(match["unit"], match["unit"])


def epoch_unit(number: float) -> str | None:
    """Return the unit in which a number is a time since 1970, or None if it is in no unit."""
    return next((unit for unit, (low, high) in EPOCHS.items() if low <= number < high), None)


def clock(text: object) -> np.datetime64 | None:
    """Return the time that a text names (ISO 8601, G-NetTrack), in UTC where it has a zone."""
    match = _CLOCK.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        return None
    date = match["date"].replace(".", "-").replace("/", "-")
    try:
        time = np.datetime64(f"{date}T{match['hour']}:{match['minute']}:{match['second']}", "ns")
    except ValueError:  # a month 13 has the right form
        return None
    zone = match["zone"]
    if zone in (None, "Z", "UTC"):
        return time
    ahead = 60 * int(zone[1:3]) + int(zone[-2:])
    return time - np.timedelta64(ahead if zone[0] == "+" else -ahead, "m")
