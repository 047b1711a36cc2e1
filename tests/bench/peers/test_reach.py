"""The time until a reward is reached: when it stops, what counts, and what is printed."""

from __future__ import annotations

import importlib.util
from typing import Any

import jax.numpy as jnp
import pytest

from edgewright.bench.peers import reach, sb3, settings
from edgewright.cli import bench_rows
from edgewright.cli.options import some_of
from edgewright.core.errors import InputError


def trained(rewards: list[float]) -> tuple[Any, Any]:
    """Return a program and a judge whose training earns these rewards, one an update."""

    def go(training: int, rounds: Any) -> tuple[int, dict[str, Any]]:
        assert int(rounds) == 1
        return training + 1, {}

    return go, lambda training: {"reward": rewards[training - 1]}


def test_it_stops_at_the_first_update_that_reaches_the_reward() -> None:
    go, judge = trained([0.0, reach.REWARD, 1.0])
    seconds, steps = reach._until(0, go, judge, updates=3, size=100)
    assert steps == 200
    assert seconds is not None
    assert seconds > 0
    assert reach._until(0, go, judge, updates=1, size=100) == (None, None)


def test_a_median_needs_every_seed() -> None:
    done = reach._median([(1.0, 100), (3.0, 300), (2.0, 200)])
    assert done == {"seconds": [1.0, 3.0, 2.0], "steps": [100, 300, 200], "median_s": 2.0}
    assert reach._median([(1.0, 100), (None, None)])["median_s"] is None


def test_rows_name_both_sides_and_what_was_not_reached() -> None:
    ours = {"learner": "a-learner", "prepare_s": 3.0, "median_s": 0.5}
    theirs: dict[str, Any] = {"median_s": 60.0}
    result = {"reward": 0.055, "ours": ours, "stable_baselines3": theirs}
    rows = bench_rows.reach({**result, "ratio": 120.0, "ratio_with_preparation": 17.1})
    assert [value for _, value in rows] == ["0.50 s", "60.00 s", "3.0 s", "120.0, 17.1 x"]
    theirs["median_s"] = None
    rows = bench_rows.reach({**result, "ratio": None, "ratio_with_preparation": None})
    assert [value for _, value in rows] == ["0.50 s", "not reached", "3.0 s"]


def test_their_stages_are_those_of_one_training() -> None:
    if importlib.util.find_spec("stable_baselines3") is None:
        pytest.skip("the extra `peers` is not installed")
    shared = settings.settings_of(settings.ppo(4096))
    first, last = sb3.history("ppo", "aigc-heavy", shared, 4096, 0)
    assert (first["steps"], last["steps"]) == (2048, 4096)
    assert 0 < first["seconds"] < last["seconds"]
    name = next(iter(first["arrays"]))
    assert not jnp.allclose(first["arrays"][name], last["arrays"][name])


def test_parts_are_taken_in_their_order_and_unknown_ones_refused() -> None:
    known = ("world", "ppo", "reach")
    assert some_of(None, "--parts", known) == known
    assert some_of("reach, world", "--parts", known) == ("world", "reach")
    with pytest.raises(InputError, match="some of world, ppo, reach; got 'reah'"):
        some_of("reah", "--parts", known)
    with pytest.raises(InputError, match="got ' ,'"):
        some_of(" ,", "--parts", known)
