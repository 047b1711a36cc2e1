"""Independent learners: each is exactly the learner that it would be by itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.agents.independent import Independent
from edgewright.agents.ppo import PPO
from edgewright.core.records import Trajectory
from edgewright.core.spaces import Box, Discrete
from edgewright.systems.aigc import AigcWorld
from edgewright.testing import check_learner

M, T, F, ACTIONS = 3, 8, 4, 5
INNER = PPO(
    hidden_sizes=(8,), num_envs=2, rollout_steps=T, epochs=2, batch_size=8, actor_learning_rate=3e-3
)
LEARNER = Independent(inner=INNER)


@pytest.fixture(scope="module")
def start() -> Any:
    init = jax.jit(lambda key: LEARNER.init(key, Box(-1.0, 1.0, (M, F)), Discrete(ACTIONS, (M,))))
    return init(jax.random.key(0))


@pytest.fixture(scope="module")
def batch() -> Trajectory:
    rng = np.random.default_rng(0)
    shape = (T, INNER.num_envs)

    def real(*more: int) -> jax.Array:
        return jnp.asarray(rng.normal(size=(*shape, *more)), jnp.float32)

    return Trajectory(
        observation=real(M, F),
        action=jnp.asarray(rng.integers(0, ACTIONS, (*shape, M)), jnp.int32),
        aux=real(M) - 1.6,
        reward=real(M),
        terminated=jnp.asarray(rng.random(shape) < 0.2),
        truncated=jnp.asarray(rng.random(shape) < 0.0),
        next_observation=real(M, F),
        metrics={"served": real(M)},
    )


def of_device(batch: Trajectory, device: int) -> Trajectory:
    fields = ("observation", "action", "aux", "reward", "next_observation")
    cut = {name: getattr(batch, name)[:, :, device] for name in fields}
    return dataclasses.replace(batch, metrics=(), **cut)


def row(tree: Any, device: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[device], tree)


def test_each_is_one_learner_with_its_own_data(start: Any, batch: Trajectory) -> None:
    """Seeds, weights, statistics and logs: what the inner learner makes of that device's part."""
    key = jax.random.key(7)
    after, logs = jax.jit(LEARNER.update)(key, start, batch)
    update = jax.jit(INNER.update)
    keys = jax.random.split(key, M)
    alone = [update(keys[m], row(start, m), of_device(batch, m)) for m in range(M)]
    for device, (state, _) in enumerate(alone):
        for mine, expected in zip(
            jax.tree.leaves(row(after, device)), jax.tree.leaves(state), strict=True
        ):
            np.testing.assert_allclose(mine, expected, rtol=1e-5, atol=1e-6)
    for name, value in logs.items():
        mean = np.mean([float(log[name]) for _, log in alone])
        assert float(value) == pytest.approx(mean, rel=1e-4, abs=1e-6)
    weights = np.asarray(jax.tree.leaves(after.networks)[0])
    assert not np.allclose(weights[0], weights[1])


def test_the_data_of_one_device_reach_no_other(start: Any, batch: Trajectory) -> None:
    update = jax.jit(LEARNER.update)
    plain, _ = update(jax.random.key(7), start, batch)
    noisy = dataclasses.replace(batch, reward=batch.reward.at[:, :, 1].add(3.0))
    other, _ = update(jax.random.key(7), start, noisy)
    changed = [
        not all(np.array_equal(a, b) for a, b in zip(
            jax.tree.leaves(row(plain.networks, m)), jax.tree.leaves(row(other.networks, m)),
            strict=True,
        ))
        for m in range(M)
    ]  # fmt: skip
    assert changed == [False, True, False]


def test_each_decides_from_its_own_row(start: Any) -> None:
    policy = LEARNER.policy(start, explore=False)
    seen = jnp.asarray(np.random.default_rng(1).normal(size=(M, F)), jnp.float32)
    carry, made = policy.act(jax.random.key(0), policy.init_carry(jax.random.key(0)), seen)
    assert carry == ()
    for device in range(M):
        one = INNER.policy(row(start, device), explore=False)
        expected = one.act(jax.random.key(0), (), seen[device])[1].action
        assert int(made.action[device]) == int(expected)


def test_it_keeps_the_laws_of_a_learner(aigc_params: Callable[..., Any]) -> None:
    check_learner(LEARNER, AigcWorld(devices=2), aigc_params())
