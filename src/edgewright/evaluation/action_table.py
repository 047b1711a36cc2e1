"""Arrange the shares of actions as a table, with one row for each policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

MAX_ENTRIES = 8
"""A part with more bits or numbers has one column, for all of them together."""

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
        for part in row.get("actions", ()):
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
        f"{part['name']}: {one['entry']}": (
            100 * one["share"]
            if "share" in one
            else f"{one['mean']:.3g} ({one['min']:.3g} to {one['max']:.3g})"
        )
        for part in map(_together, row.get("actions", ()))
        for one in part["entries"]
    }


__all__ = ["cells", "columns"]
