"""Choose by rules that need no model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edgewright.gateway.options import Option, nearest_delay


def _middle(options: Sequence[Option], levels: int) -> list[Option]:
    """Return the options of the level that is nearest to the middle one, the lower of two."""
    level = min({one.level for one in options}, key=lambda one: (abs(one - levels // 2), one))
    return [one for one in options if one.level == level]


def least_delay(options: Sequence[Option], levels: int) -> Option:
    """Return the location with the least predicted delay, at the middle level."""
    return nearest_delay(_middle(options, levels))


def min_backlog(options: Sequence[Option], levels: int) -> Option:
    """Return the location with the least work ahead, at the middle level."""
    return min(_middle(options, levels), key=lambda one: (one.queue_s, one.location))


def local(options: Sequence[Option], levels: int) -> Option:
    """Return the device, at the middle level; where it is not allowed, the least delay."""
    here = [one for one in options if one.location == 0]
    return nearest_delay(_middle(here or options, levels))


def fastest(options: Sequence[Option], levels: int) -> Option:
    """Return the location and level with the least predicted delay of all."""
    return nearest_delay(options)


def finest(options: Sequence[Option], levels: int) -> Option:
    """Return the location with the least predicted delay, at the highest level."""
    level = max(one.level for one in options)
    return nearest_delay([one for one in options if one.level == level])


RULES: Mapping[str, Callable[[Sequence[Option], int], Option]] = {
    "least-delay": least_delay,
    "min-backlog": min_backlog,
    "local": local,
    "fastest": fastest,
    "finest": finest,
}


@dataclasses.dataclass(frozen=True)
class Rule:
    """A rule of :data:`RULES` for a number of levels."""

    name: str
    levels: int

    @property
    def label(self) -> str:
        """Return who decided."""
        return f"rule:{self.name}"

    def rank(
        self, options: Sequence[Option], observation: dict[str, Any] | None
    ) -> Sequence[Option]:
        """Return two options; see :class:`~edgewright.gateway.options.Chooser`."""
        rule = RULES[self.name]
        first = rule(options, self.levels)
        others = [one for one in options if one is not first]
        return [first, rule(others, self.levels)] if others else [first]
