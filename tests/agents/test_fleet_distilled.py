"""Devices of different width: masked networks are narrower ones, and they learn from each other."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.agents.dqn import DQN
from edgewright.agents.fleet import Fleet
from edgewright.agents.per_device import EachPolicy
from edgewright.agents.ppo import PPO
from edgewright.core.errors import InputError
from edgewright.core.records import Trajectory
from edgewright.core.spaces import Box, Discrete

M, T, N, F, ACTIONS = 3, 8, 2, 4, 5
INNER = DQN(
    hidden_sizes=(8, 8),
    num_envs=N,
    rollout_steps=T,
    batch_size=8,
    buffer_size=64,
    learning_starts=0.0,
    learning_rate=1e-2,
)
SPACES = Box(-1.0, 1.0, (M, F)), Discrete(ACTIONS, (M,))
KEY = jax.random.key(7)
WIDTHS = (4, 8)

update: Any = jax.jit(lambda learner, key, state, batch: learner.update(key, state, batch))


def batch_of(seed: int) -> Trajectory:
    """Return random data of all devices."""
    rng = np.random.default_rng(seed)

    def real(*more: int) -> jax.Array:
        return jnp.asarray(rng.normal(size=(T, N, *more)), jnp.float32)

    return Trajectory(
        observation=real(M, F),
        action=jnp.asarray(rng.integers(0, ACTIONS, (T, N, M)), jnp.int32),
        aux=(),
        reward=real(M),
        terminated=jnp.asarray(rng.random((T, N)) < 0.2),
        truncated=jnp.zeros((T, N), bool),
        next_observation=real(M, F),
        metrics={},
    )


def fleet(mode: str, inner: Any = INNER, **settings: Any) -> Fleet:
    return Fleet(inner=inner, mode=mode, **settings)  # pyright: ignore[reportArgumentType]


def trained(learner: Fleet, updates: int = 2) -> tuple[Any, dict[str, Any]]:
    """Return a fleet after some updates, and the logs of the last one."""
    state, logs = learner.init(KEY, *SPACES), {}
    for number in range(updates):
        state, logs = update(learner, jax.random.fold_in(KEY, number), state, batch_of(number))
    return state, logs


@pytest.fixture(scope="module")
def mixed() -> tuple[Fleet, Any]:
    """Return independent devices of two widths, after two updates."""
    learner = fleet("independent", widths=WIDTHS)
    return learner, trained(learner)[0]


def test_a_narrower_network_in_a_wider_one_learns_what_it_would_alone(
    mixed: tuple[Fleet, Any],
) -> None:
    learner, state = mixed
    narrow = fleet("independent", dataclasses.replace(INNER, hidden_sizes=(4, 4)))
    alone, _ = trained(narrow)
    policies: Any = learner.policy(state, explore=False)
    for device in (0, 2):  # widths 4, 8, 4
        network = policies.alone(device).network
        expected = jax.tree.map(lambda leaf, n=device: leaf[n], alone.devices.state.network)
        for one, other in zip(jax.tree.leaves(network), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    assert [w.shape for w in policies.alone(1).network.weights] == [
        (F, 8),
        (8, 8),
        (8, ACTIONS + 1),
    ]


def test_a_deployed_policy_decides_as_the_fleet_does(mixed: tuple[Fleet, Any]) -> None:
    learner, state = mixed
    policies: Any = learner.policy(state, explore=False)
    assert isinstance(policies, EachPolicy)
    observation = batch_of(5).observation[:, 0]
    together = jax.vmap(lambda row: policies.act(KEY, policies.init_carry(KEY), row)[1].action)
    expected = together(observation)
    for device in range(M):
        own = policies.alone(device).act(KEY, (), observation[:, device])[1].action
        np.testing.assert_array_equal(own, expected[:, device])


def spread(learner: Any, state: Any) -> float:
    """Return the mean squared distance of predictions from their mean."""
    each = jax.vmap(lambda one: learner.inner.predictions(one, state.probe))(state.devices.state)
    return float(jnp.mean(jnp.square(each - each.mean(axis=0))))


def test_devices_of_all_widths_agree_more_after_each_round() -> None:
    """Nothing is learned from rewards, so all that changes is the distance from the mean."""
    still = dataclasses.replace(INNER, learning_starts=1e9, normalize_observations=False)
    learner = fleet("distilled", still, widths=WIDTHS, distil_steps=50, distil_learning_rate=3e-3)
    start = learner.init(KEY, *SPACES)
    network = jax.tree.map(lambda leaf: 3.0 * leaf, start.devices.state.network)
    devices = dataclasses.replace(start.devices.state, network=network)
    start = dataclasses.replace(start, devices=dataclasses.replace(start.devices, state=devices))
    first, logs = update(learner, KEY, start, batch_of(0))
    begun = float(logs["distil_loss"])
    second, logs = update(learner, KEY, first, batch_of(1))
    assert spread(learner, second) < float(logs["distil_loss"]) < 0.5 * begun
    np.testing.assert_array_equal(first.probe, second.probe)
    rows = np.asarray(batch_of(0).observation).reshape(-1, F)
    assert all(np.any(np.all(rows == row, axis=1)) for row in np.asarray(second.probe))
    policies: Any = learner.policy(second, explore=False)
    assert policies.alone(0).network.weights[0].shape == (F, 4)


def test_without_steps_towards_the_mean_devices_are_independent(mixed: tuple[Fleet, Any]) -> None:
    plain = dataclasses.replace(INNER, normalize_observations=False, normalize_rewards=False)
    one, _ = trained(fleet("independent", plain, widths=WIDTHS))
    other, logs = trained(fleet("distilled", plain, widths=WIDTHS, distil_learning_rate=0.0))
    for a, b in zip(
        jax.tree.leaves(one.devices.state), jax.tree.leaves(other.devices.state), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert float(logs["uplink_bytes"]) == M * 4 * 128 * ACTIONS
    assert float(logs["downlink_bytes"]) == M * 4 * 128 * ACTIONS


def raw(leaf: Any) -> np.ndarray:
    """Return numbers, those of keys too."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.asarray(leaf)


def test_who_misses_a_round_of_predictions_learns_nothing_from_it() -> None:
    still = dataclasses.replace(INNER, learning_starts=1e9)
    learner = fleet("distilled", still, widths=WIDTHS, dropout=0.5)
    start = learner.init(KEY, *SPACES)
    moved, missed = [], []
    for number in range(4):
        key = jax.random.key(number)
        after, logs = update(learner, key, start, batch_of(0))
        arrived = np.asarray(learner.arrivals(learner.round_keys(key, M).server[0], (M,)))
        alone, _ = update(dataclasses.replace(learner, mode="independent"), key, start, batch_of(0))
        for one, other in zip(
            jax.tree.leaves(jax.tree.map(raw, after.devices.state)),
            jax.tree.leaves(jax.tree.map(raw, alone.devices.state)),
            strict=True,
        ):
            np.testing.assert_array_equal(one[~arrived], other[~arrived])
        same = np.asarray(
            after.devices.state.network.weights[0] == start.devices.state.network.weights[0]
        )
        moved.append(~same.all(axis=(1, 2)))
        missed.append(~arrived)
        assert float(logs["missed_share"]) == pytest.approx(missed[-1].mean())
    assert not np.any(np.stack(moved) & np.stack(missed))
    assert np.any(np.stack(moved))


def test_settings_that_do_not_fit_are_refused() -> None:
    wrong = [
        (fleet("distilled", widths=(4, 16)), r"largest of learner.widths .* got \[8, 8\]"),
        (fleet("distilled", PPO()), "a learner that predicts action values"),
        (fleet("distilled", encoding="int8"), "must be float32 with mode distilled; got int8"),
        (fleet("distilled", clip_norm=1.0), "must be 0.0 with mode distilled; got 1.0"),
    ]
    for learner, message in wrong:
        with pytest.raises(InputError, match=message):
            learner.check_sizes(*SPACES)
    assert "predict action values" in fleet("distilled", PPO()).misfit(*SPACES)
