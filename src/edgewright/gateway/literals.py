"""Map the quality literals of OpenAI's interface to the levels of a gateway."""

from __future__ import annotations

from edgewright.core.errors import nearest
from edgewright.gateway.errors import APIError
from edgewright.gateway.settings import QualityTable

FREE = "auto"
"""The literal that leaves the level to the policy, as does none."""

LOW, MIDDLE, HIGH = ("low",), ("medium", "standard"), ("high", "hd", "xhigh", "max")


def literal_levels(table: QualityTable) -> dict[str, int]:
    """Return the level of every literal: the usual ones, the names of levels, and the map.

    A level is always meant by its own name, also where that is a usual literal of another one.
    """
    top = len(table.levels) - 1
    usual = {**dict.fromkeys(LOW, 0), **dict.fromkeys(HIGH, top)}
    usual |= dict.fromkeys(MIDDLE, len(table.levels) // 2 if top else 0)
    named = {name: level for level, name in enumerate(table.levels)}
    return {**usual, **named, **table.map}


def level_of(literal: str | None, levels: dict[str, int]) -> int | None:
    """Return the level that a literal fixes; None where it leaves the choice to the policy.

    Raises:
        APIError: the literal is unknown.
    """
    if literal is None or literal == FREE:
        return None
    if literal not in levels:
        hint = nearest(literal[:60], [FREE, *levels])
        message = f"unknown quality '{literal[:60]}': {hint}"
        raise APIError(400, message, param="quality", code="invalid_value")
    return levels[literal]


def shown_literal(level: int, levels: dict[str, int]) -> str:
    """Return what an answer says of its level: a literal of the interface, else its name."""
    for literal in ("low", "medium", "high", "xhigh", "max", "standard", "hd"):
        if levels.get(literal) == level:
            return literal
    return next(name for name, number in levels.items() if number == level)
