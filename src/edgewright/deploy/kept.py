"""What a compressed policy kept of the score, in the way in which it is judged."""

from __future__ import annotations

from typing import Any

ANSWERED, PRICED = "", "_priced"
"""How a bundle is scored, by the ending of its columns: by what it answers, and, where it proposes
several actions, by the best of them."""


def judged(row: dict[str, Any]) -> dict[str, float]:
    """Return ``estimate``, ``low`` and ``high`` of the score kept, in the way that kept less.

    Args:
        row: of the table of a compression.
    """
    ways = [way for way in (ANSWERED, PRICED) if f"score_ratio{way}" in row]
    worst = min(ways, key=lambda way: row[f"score_ratio{way}_low"])
    ends = {name: row[f"score_ratio{worst}_{name}"] for name in ("low", "high")}
    return {"estimate": row[f"score_ratio{worst}"], **ends}


__all__ = ["ANSWERED", "PRICED", "judged"]
