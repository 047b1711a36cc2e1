"""A run plays in a scenario's world if both observe and act alike, whatever the action is."""

from __future__ import annotations

import dataclasses

import pytest

from edgewright.core.errors import InputError
from edgewright.core.spaces import Bits, Box, Discrete, Record, Space
from edgewright.systems.problem import Problem
from edgewright.systems.system import same_game


@dataclasses.dataclass(frozen=True)
class World:
    action: Space

    def observation_space(self, params):
        return Box(0.0, 1.0, (2,))

    def action_space(self, params):
        return self.action


def problem(action: Space) -> Problem:
    return Problem(
        kind="x", world=World(action), horizon=1, params=None, train_stream=None, test_stream=None
    )


RECORD = Record((("cache", Bits((3, 4))), ("server", Discrete(2))))


def test_records_are_compared_part_by_part():
    assert same_game(World(RECORD), problem(RECORD)) == World(RECORD)
    for other in (
        Record((("cache", Bits((3, 5))), ("server", Discrete(2)))),
        Record((("cache", Bits((3, 4))), ("server", Discrete(3)))),
        Record((("store", Bits((3, 4))), ("server", Discrete(2)))),
        Discrete(2),
    ):
        with pytest.raises(InputError, match="action_space"):
            same_game(World(RECORD), problem(other))
