"""Order the blocks of a randomised comparison."""

from __future__ import annotations

import random
from collections.abc import Callable

from edgewright.gateway.clock import now
from edgewright.gateway.settings import BlocksTable


class Blocks:
    """The order of a randomised comparison, with a fresh permutation of all arms in every round.

    Attributes:
        first: number of the first block; a comparison that follows another one counts on.
    """

    def __init__(
        self, table: BlocksTable, first: int = 0, clock: Callable[[], float] = now
    ) -> None:
        self.table, self.first, self._clock = table, first, clock
        self._began = clock()
        self._rng = random.Random(table.seed)
        self._order: list[str] = []

    @property
    def number(self) -> int:
        """Return the number of the block now."""
        return self.first + int((self._clock() - self._began) / self.table.seconds)

    def now(self) -> tuple[int, str]:
        """Return the number of the block and its arm."""
        number = self.number
        return number, self.arm(number)

    def arm(self, number: int) -> str:
        """Return the arm of a block."""
        arms = sorted(self.table.arms)
        while len(self._order) <= number - self.first:
            self._order += self._rng.sample(arms, len(arms))
        return self._order[number - self.first]

    def arm_if_over(self, number: int) -> str | None:
        """Return the arm of a block that is over; None before that."""
        return self.arm(number) if number < self.number else None
