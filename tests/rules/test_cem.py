"""The cross-entropy method: known optima, and each of its options."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.rules.cem import CEM, answer, no_plan, search, shifted

SETTINGS = CEM(
    initial_std=0.7, min_std=1e-3, num_candidates=200, num_elites=20, iterations=12
)  # fmt: skip
ONE = jnp.ones(2)


def _found(settings: CEM, target: Any, seed: int = 0, **start: Any) -> Any:
    target = jnp.asarray(target, jnp.float32)
    plan = dataclasses.replace(no_plan(settings, jnp.zeros(target.shape)), **start)
    run = jax.jit(
        lambda key: search(
            key, settings, lambda _, c: -jnp.sum(jnp.square(c - target), (1, 2)), plan, -ONE, ONE
        )
    )
    return run(jax.random.key(seed))


@pytest.mark.parametrize("give", ["mean", "best"])
def test_an_optimum_inside_the_box_is_found(give: Any) -> None:
    settings = dataclasses.replace(SETTINGS, answer=give)
    target = [[0.3, -0.6], [0.1, 0.8]]
    plan = _found(settings, target)
    np.testing.assert_allclose(answer(settings, plan), target[0], atol=0.05)
    np.testing.assert_allclose(plan.mean, target, atol=0.05)


def test_an_optimum_outside_is_sought_at_the_boundary() -> None:
    target = [[3.0, -0.2], [0.0, -5.0]]
    plan = _found(SETTINGS, target)
    np.testing.assert_allclose(plan.mean, [[1.0, -0.2], [0.0, -1.0]], atol=0.07)
    free = _found(dataclasses.replace(SETTINGS, clip=False), target)
    assert float(jnp.max(jnp.abs(free.mean))) > 2.0


def test_a_longer_horizon_draws_the_same_first_steps() -> None:
    settings = dataclasses.replace(SETTINGS, iterations=1)
    seen: dict[int, Any] = {}

    def score(steps: int) -> Any:
        def kept(_: Any, candidates: Any) -> Any:
            jax.debug.callback(lambda c: seen.update({steps: np.asarray(c)}), candidates)
            return jnp.sum(candidates[:, 0], axis=-1)

        return kept

    plans = {
        steps: search(
            jax.random.key(2), settings, score(steps), no_plan(settings, jnp.zeros((steps, 2))),
            -ONE, ONE,
        )
        for steps in (1, 5)
    }  # fmt: skip
    jax.effects_barrier()
    np.testing.assert_allclose(seen[1][:, 0], seen[5][:, 0], atol=1e-6)
    np.testing.assert_allclose(plans[1].mean[0], plans[5].mean[0], rtol=1e-6)


def test_a_warm_start_begins_with_the_rest_of_the_last_plan() -> None:
    plan = _found(SETTINGS, [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
    later = shifted(plan)
    np.testing.assert_array_equal(later.mean[:2], plan.mean[1:])
    np.testing.assert_array_equal(later.mean[2], plan.mean[2])
    short = dataclasses.replace(SETTINGS, iterations=1, initial_std=0.05)
    target = [[0.9, 0.9]]
    near = _found(short, target, mean=jnp.array(target))
    assert float(jnp.sum((near.mean - 0.9) ** 2)) < float(
        jnp.sum((_found(short, target).mean - 0.9) ** 2)
    )


def test_remembered_elites_are_scored_again() -> None:
    settings = dataclasses.replace(SETTINGS, elite_memory=True, iterations=1, initial_std=0.01)
    target = jnp.array([[0.9, -0.9]])
    elites = jnp.broadcast_to(target, (settings.remembered, 1, 2))
    assert settings.remembered == 6
    plan = _found(settings, target, elites=elites)
    np.testing.assert_allclose(plan.best, target)
    assert float(plan.best_score) == pytest.approx(0.0, abs=1e-6)
    forgotten = _found(dataclasses.replace(settings, elite_memory=False), target)
    assert float(forgotten.best_score) < -1.0


def test_the_deviation_has_a_floor() -> None:
    def spread(floor: float) -> float:
        settings = dataclasses.replace(SETTINGS, min_std=floor, iterations=30)
        plans = [_found(settings, [[0.0, 0.0]], seed).mean for seed in range(4)]
        return float(jnp.std(jnp.stack(plans)))

    assert spread(0.3) > 10 * spread(1e-6)


def test_a_score_that_is_not_a_number_is_the_worst() -> None:
    def score(_: Any, candidates: Any) -> Any:
        value = -jnp.sum(jnp.square(candidates - 0.5), axis=(1, 2))
        return jnp.where(candidates[:, 0, 0] < 0, jnp.nan, value)

    start = no_plan(SETTINGS, jnp.zeros((1, 2)))
    plan = search(jax.random.key(0), SETTINGS, score, start, -ONE, ONE)
    np.testing.assert_allclose(plan.mean, [[0.5, 0.5]], atol=0.05)
