"""The courier's task and its modules, against slow or exact references."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from edgewright.core.errors import InputError
from edgewright.federated import modules, shares
from edgewright.federated.agent import measure
from edgewright.federated.courier import MOVES, NEXT, ROOMS, distances, draw_rooms, path_cost
from edgewright.federated.learning_curve import fit
from edgewright.federated.settings import MODULES, Settings

SETTINGS = Settings(servers=4, episodes=40)


def test_distances_are_those_of_all_short_paths() -> None:
    cost = draw_rooms(np.random.default_rng(3)).cost
    least = np.full((ROOMS, ROOMS), np.inf)
    for start in range(ROOMS):
        for length in range(6):  # a cheapest path of this graph has at most five edges
            for path in itertools.product(range(MOVES), repeat=length):
                at, spent = start, 0.0
                for move in path:
                    spent, at = spent + cost[at, move], NEXT[at, move]
                least[start, at] = min(least[start, at], spent)
    short = distances(cost)
    assert np.all(short <= least + 1e-9)
    assert np.mean(np.isclose(short, least)) > 0.9  # the rest needs more edges


def test_paths_of_the_true_costs_are_cheapest_and_those_of_wrong_ones_are_not() -> None:
    rooms = draw_rooms(np.random.default_rng(0))
    np.testing.assert_allclose(path_cost(rooms, rooms.cost), rooms.distance)
    wrong = path_cost(rooms, np.ones((ROOMS, MOVES)))
    assert np.all(wrong >= rooms.distance - 1e-9)
    assert wrong.sum() > rooms.distance.sum()


def test_shares_are_disjoint_equal_and_skewed() -> None:
    parts = shares.shares(SETTINGS, 0)
    images = np.concatenate([part.images for part in parts])
    test, _ = shares.test_images(0)
    rows = {row.tobytes() for row in images}
    every = {row.tobytes() for row in shares.digits()[0]}
    assert len({len(part.digits) for part in parts}) == 1
    assert len(images) + len(test) <= len(shares.digits()[1])
    assert len(rows) > 0.95 * len(images)  # the data hold a few equal pictures
    assert rows <= every
    largest = [np.bincount(part.digits, minlength=10).max() / len(part.digits) for part in parts]
    assert np.mean(largest) > 0.2  # 0.1 with equal classes


def test_fresh_samples_do_not_overlap_and_are_the_same_again() -> None:
    first = shares.fresh_samples(SETTINGS, 0, 1, 0, 5)
    second = shares.fresh_samples(SETTINGS, 0, 1, 5, 5)
    again = shares.fresh_samples(SETTINGS, 0, 1, 5, 5)
    np.testing.assert_array_equal(second.images, again.images)
    own = shares.share(SETTINGS, 0, 1)
    np.testing.assert_array_equal(np.r_[first.digits, second.digits], own.digits[:10])
    assert len(shares.fresh_samples(SETTINGS, 0, 1, len(own.digits) - 2, 9).digits) == 2


def test_gradient_of_a_module_is_that_of_finite_differences() -> None:
    """One step of one batch moves by the numerical gradient of the cross-entropy."""
    rng = np.random.default_rng(0)
    once = Settings(epochs=1, batch_size=64, learning_rate=0.1)
    samples = shares.fresh_samples(once, 0, 0, 0, 12)
    model = {name: 0.1 * rng.normal(size=shape) for name, shape in modules.SHAPES.items()}
    after = modules.trained(once, model, ("perception",), samples, [0])

    def loss(weights: np.ndarray) -> float:
        changed = {**model, "perception/weights": weights}
        chances = modules.percepts(changed, samples.images)
        picked = chances[np.arange(12), samples.digits]
        return float(-np.mean(np.log(picked)) + 0.5 * modules.DECAY * np.sum(weights**2))

    weights = model["perception/weights"]
    for index in [(3, 2), (20, 7), (60, 0)]:
        change = np.zeros_like(weights)
        change[index] = 1e-5
        slope = (loss(weights + change) - loss(weights - change)) / 2e-5
        moved = (weights - after["perception/weights"])[index] / 0.1
        assert moved == pytest.approx(slope, abs=1e-6)


def test_memory_of_parts_sums_to_memory_of_all() -> None:
    parts = [shares.fresh_samples(SETTINGS, 0, 0, n, 10) for n in (0, 10)]
    both = [modules.trained(SETTINGS, modules.init_model(), ("memory",), one, [0]) for one in parts]
    total = sum(one["memory/sums"] for one in both)
    images = np.concatenate([one.images for one in parts])
    labels = np.concatenate([one.digits for one in parts])
    np.testing.assert_allclose(total, [images[labels == d].sum(axis=0) for d in range(10)])


def test_an_agent_that_knows_all_is_nearly_perfect_and_an_untrained_one_is_not() -> None:
    easy = Settings(servers=1, epochs=60, skew=100.0, image_noise=0.0, episodes=100)
    samples = shares.fresh_samples(easy, 0, 0, 0, 1300)
    model = modules.init_model()
    untrained = measure(easy, model, 0)
    for number in range(2):  # the action module needs a plan
        learned = modules.trained(easy, model, MODULES, samples, [number])
        model |= learned
    agent = measure(easy, model, 0)
    assert agent.success > 0.9 > 0.5 > untrained.success
    assert agent.path_regret < 0.02 < untrained.path_regret
    assert agent.perception_accuracy > 0.93
    assert agent.cost_ratio >= 1.0 - 1e-9


def test_the_curve_returns_the_numbers_it_was_made_from() -> None:
    points = tuple((n, 0.95 - 2.0 * n**-0.7) for n in (20, 40, 80, 160, 320))
    curve = fit(points)
    assert (curve.a, curve.b, curve.c) == pytest.approx((0.95, 2.0, 0.7), abs=1e-6)
    assert curve.accuracy(0) is None
    assert curve.accuracy(10) == curve.accuracy(20)  # never beyond what was measured


@pytest.mark.parametrize(
    "wrong", [{"servers": 0}, {"learning_rate": float("nan")}, {"mode": "half"}]
)
def test_wrong_settings_are_refused_with_their_range(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match=f"`{next(iter(wrong))}` must be"):
        Settings(**wrong)  # pyright: ignore[reportArgumentType]
