"""Targets of a fleet's devices follow the server's model, and no device's own network."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.agents.dqn import DQN
from edgewright.agents.fleet import Fleet
from edgewright.agents.fleet_exchange import parameters_of
from edgewright.core.records import Trajectory
from edgewright.core.spaces import Box, Discrete

M, T, N, F, ACTIONS = 3, 4, 2, 4, 5
PLAYED = T * N
INNER = DQN(
    hidden_sizes=(8,),
    num_envs=N,
    rollout_steps=T,
    batch_size=8,
    buffer_size=64,
    learning_starts=0.0,
    learning_rate=1e-2,
    target_update_interval=float(PLAYED),
)
SPACES = Box(-1.0, 1.0, (M, F)), Discrete(ACTIONS, (M,))
KEY = jax.random.key(7)

update: Any = jax.jit(lambda learner, key, state, batch: learner.update(key, state, batch))


def batch_of(seed: int) -> Trajectory:
    """Return random data, different on each device."""
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


def fleet(mode: Any = "federated", inner: DQN = INNER, **settings: Any) -> tuple[Fleet, Any]:
    """Return a fleet and its state at the beginning."""
    learner = Fleet(inner=inner, mode=mode, **settings)
    return learner, learner.init(KEY, *SPACES)


def vectors(state: Any, name: str) -> np.ndarray:
    """Return the networks of that name of all devices ``[M, n]``."""
    devices = state.devices.state
    rows = dataclasses.replace(devices, network=getattr(devices, name))
    return np.asarray(jax.vmap(lambda one: parameters_of(INNER, one))(rows))


def test_a_target_that_is_due_is_the_servers_model() -> None:
    learner, start = fleet()
    after, _ = update(learner, KEY, start, batch_of(0))
    assert float(jnp.linalg.norm(after.shared.parameters - start.shared.parameters)) > 1e-3
    for row in vectors(after, "target"):
        np.testing.assert_array_equal(row, after.shared.parameters)


def test_a_target_that_is_not_due_stays() -> None:
    inner = dataclasses.replace(INNER, target_update_interval=1.5 * PLAYED)
    learner, start = fleet(inner=inner)
    first, _ = update(learner, KEY, start, batch_of(0))
    np.testing.assert_array_equal(vectors(first, "target"), vectors(start, "target"))
    second, _ = update(learner, KEY, first, batch_of(1))
    for row in vectors(second, "target"):
        np.testing.assert_array_equal(row, second.shared.parameters)


def test_a_target_that_is_due_between_rounds_waits_for_the_next_one() -> None:
    learner, start = fleet(local_updates=2)
    first, _ = update(learner, KEY, start, batch_of(0))
    assert not np.allclose(vectors(first, "network")[0], vectors(first, "network")[1])
    np.testing.assert_array_equal(vectors(first, "target"), vectors(start, "target"))
    inner = dataclasses.replace(INNER, target_update_interval=1e6)
    never, begun = fleet(inner=inner, local_updates=2)
    for number in range(2):
        start, _ = update(learner, KEY, start, batch_of(number))
        begun, _ = update(never, KEY, begun, batch_of(number))
    for row in vectors(start, "target"):
        np.testing.assert_array_equal(row, start.shared.parameters)
    assert not np.allclose(vectors(begun, "target")[0], begun.shared.parameters)


def test_a_slow_target_follows_the_servers_model() -> None:
    learner, start = fleet(inner=dataclasses.replace(INNER, target_tau=0.25, train_freq=PLAYED))
    after, _ = update(learner, KEY, start, batch_of(0))
    expected = 0.75 * vectors(start, "target")[0] + 0.25 * np.asarray(after.shared.parameters)
    for row in vectors(after, "target"):
        np.testing.assert_allclose(row, expected, atol=1e-6)


def test_only_devices_that_download_have_another_target() -> None:
    learner, start = fleet("asynchronous", slowest=0.2)
    state, waited = start, 0
    for number in range(3):
        before = state
        state, _ = update(learner, jax.random.key(number), before, batch_of(number))
        came = np.asarray(state.versions) != np.asarray(before.versions)
        waited += int(np.sum(~came))
        targets = vectors(state, "target")
        np.testing.assert_array_equal(targets[came], state.based.parameters[came])
        np.testing.assert_array_equal(targets[~came], vectors(before, "target")[~came])
    assert waited


@pytest.mark.parametrize("tau", [0.0, 0.1])
def test_a_fleet_of_one_device_is_its_learner(tau: float) -> None:
    """Three rounds of one device end with the network and the target of the learner alone."""
    spaces = Box(-1.0, 1.0, (1, F)), Discrete(ACTIONS, (1,))
    inner = dataclasses.replace(INNER, target_tau=tau, target_update_interval=1.9 * PLAYED)
    pair = [Fleet(inner=inner, mode=mode) for mode in ("federated", "independent")]
    states = [learner.init(KEY, *spaces) for learner in pair]
    for number in range(3):
        batch = batch_of(number)
        names = ("observation", "action", "reward", "next_observation")
        one = {name: getattr(batch, name)[:, :, :1] for name in names}
        batch = dataclasses.replace(batch, **one)
        states = [
            update(a, jax.random.key(number), b, batch)[0]
            for a, b in zip(pair, states, strict=True)
        ]
    for name in ("network", "target"):
        ours, alone = (vectors(state, name) for state in states)
        np.testing.assert_allclose(ours, alone, atol=2e-6)
    assert not np.allclose(vectors(states[0], "network"), vectors(states[0], "target"))
