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


def cascade(options: Sequence[Option], levels: int, target_s: float) -> Option:
    """Return the highest level whose least predicted delay keeps a target, else the fastest.

    A cascade by threshold escalates an answer to a heavier model while there is time for it, as
    DiffServe does (arXiv 2411.15381). Here the load alone decides: no discriminator looks at the
    light answer, and it is not generated first.
    """
    within = [one for one in options if one.delay_s <= target_s]
    return finest(within, levels) if within else nearest_delay(options)


RULES: Mapping[str, Callable[[Sequence[Option], int], Option]] = {
    "least-delay": least_delay,
    "min-backlog": min_backlog,
    "local": local,
    "fastest": fastest,
    "finest": finest,
}

CASCADE, SHARES = "cascade", "shares"
NAMES = (*RULES, CASCADE, SHARES)
"""All rules, the last two of which have settings of their own in ``[policy]``."""


@dataclasses.dataclass(frozen=True)
class Rule:
    """A rule of :data:`RULES` for a number of levels."""

    name: str
    levels: int
    target_s: float = 1.0

    @property
    def label(self) -> str:
        """Return who decided."""
        return f"rule:{self.name}"

    def rank(
        self, options: Sequence[Option], observation: dict[str, Any] | None
    ) -> Sequence[Option]:
        """Return two options; see :class:`~edgewright.gateway.options.Chooser`."""
        first = self.best(options)
        others = [one for one in options if one is not first]
        return [first, self.best(others)] if others else [first]

    def best(self, options: Sequence[Option]) -> Option:
        """Return the choice of the rule among at least one option."""
        if self.name == CASCADE:
            return cascade(options, self.levels, self.target_s)
        return RULES[self.name](options, self.levels)


class Shares:
    """The rule that divides requests among locations and levels by weights.

    Each pair is owed its share of every decision, and the one that is owed most is chosen. So the
    division holds over any stretch of requests, and not on average only. What is not allowed is
    owed on, and the rest is divided among the others.

    Args:
        weights: for each location one for each level, at least 0 and one of them above it.
    """

    name = label = f"rule:{SHARES}"

    def __init__(self, weights: Sequence[Sequence[float]]) -> None:
        total = sum(map(sum, weights))
        self._shares = {
            (location, level): weight / total
            for location, row in enumerate(weights)
            for level, weight in enumerate(row)
        }
        self._owed = dict.fromkeys(self._shares, 0.0)

    def rank(
        self, options: Sequence[Option], observation: dict[str, Any] | None
    ) -> Sequence[Option]:
        """Return the options, the one that is owed most first."""
        for pair, share in self._shares.items():
            self._owed[pair] += share
        owed = {one: self._owed.get((one.location, one.level), -1.0) for one in options}
        ranked = sorted(options, key=lambda one: (-owed[one], one.delay_s))
        first = ranked[0].location, ranked[0].level
        if first in self._owed:
            self._owed[first] -= 1.0
        return ranked
