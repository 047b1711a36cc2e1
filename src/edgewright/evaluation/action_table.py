"""Arrange the shares of actions as a table, with one row for each policy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

MAX_ENTRIES = 8
"""A part with more bits or numbers has one column, for all of them together."""

MAX_CHOICES = 4
"""A part with more choices of one kind, as the server of each user, has columns for all of them."""

Columns = list[tuple[str, str, str]]
"""(key of a row, heading, name of the part)."""


def columns(policies: Sequence[dict[str, Any]], most: int, derived: bool = False) -> Columns:
    """Return the columns of the shares of actions.

    Args:
        policies: rows of a comparison.
        most: how many columns there may be; a part that does not fit any more is left out.
        derived: leave out ``action`` where its parts, such as location and level, say the same.
    """
    parts: dict[str, dict[str, Any]] = {}
    for row in policies:
        for part in _gathered(row):
            parts.setdefault(part["name"], part)
    entire = parts.pop("action", None)
    if entire and not (derived and parts):  # what follows from the action is read first
        parts["action"] = entire
    shown: Columns = []
    for name, part in parts.items():
        part = _together(part)
        own = [(f"{name}: {one['entry']}", _heading(part, one), name) for one in part["entries"]]
        if len(shown) + len(own) <= most:
            shown += own
    return shown


def _gathered(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the parts of a policy's actions, with one for many choices among the same values."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for part in row.get("actions", ()):
        stem, _, number = part["name"].rpartition(" ")
        labels = tuple(one["entry"] for one in part["entries"])
        several = part["kind"] == "choice" and stem and number.isdecimal()
        groups.setdefault((stem, *labels) if several else (part["name"],), []).append(part)
    result: list[dict[str, Any]] = []
    for (stem, *labels), parts in groups.items():
        if len(parts) <= MAX_CHOICES:
            result += parts
            continue
        shares = [
            sum(part["entries"][index]["share"] for part in parts) / len(parts)
            for index in range(len(labels))
        ]
        entries = [{"entry": e, "share": x} for e, x in zip(labels, shares, strict=True)]
        result.append({"name": stem, "kind": "choice", "entries": entries})
    return result


def _together(part: dict[str, Any]) -> dict[str, Any]:
    """Return a part; if it has many bits or numbers, with one entry for all of them."""
    entries = part["entries"]
    if part["kind"] == "choice" or len(entries) <= MAX_ENTRIES:
        return part
    count = len(entries)
    if part["kind"] == "bits":
        merged: dict[str, Any] = {"share": sum(one["share"] for one in entries) / count}
    else:
        merged = {
            "mean": sum(one["mean"] for one in entries) / count,
            "min": min(one["min"] for one in entries),
            "max": max(one["max"] for one in entries),
        }
    return {**part, "entries": [{"entry": f"all {count}", **merged}]}


def _heading(part: dict[str, Any], entry: dict[str, Any]) -> str:
    if part["kind"] == "choice":
        return f"{part['name']}: {entry['entry']}"
    name = part["name"] if len(part["entries"]) == 1 else f"{part['name']} {entry['entry']}"
    return f"{name} = 1" if part["kind"] == "bits" else f"{name}, mean"


def cells(row: dict[str, Any]) -> dict[str, float | str]:
    """Return the cells of one policy by column: shares in per cent, means of numbers as text."""
    return {
        f"{part['name']}: {one['entry']}": (100 * one["share"] if "share" in one else _range(one))
        for part in map(_together, _gathered(row))
        for one in part["entries"]
    }


def _range(entry: dict[str, Any]) -> str:
    """Return mean and range in words, rounded to a thousandth or so of the largest of them."""
    numbers = [entry[name] for name in ("mean", "min", "max")]
    largest = max(map(abs, numbers))
    digits = 2 - math.floor(math.log10(largest)) if largest > 0 else 0
    mean, low, high = (f"{round(number, digits) + 0.0:.4g}" for number in numbers)
    return f"{mean} ({low} to {high})"


__all__ = ["cells", "columns"]
