"""A fleet: every mode against the learner that it must equal, and what travels."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.agents.dqn import DQN, Part
from edgewright.agents.fleet import AXIS, Fleet
from edgewright.agents.fleet_exchange import (
    FleetServer,
    Shared,
    Upload,
    arriving,
    parameters_of,
    pooled,
    shared_of,
)
from edgewright.agents.per_device import EachPolicy
from edgewright.agents.ppo import PPO
from edgewright.core.errors import InputError
from edgewright.core.records import Trajectory
from edgewright.core.spaces import Box, Discrete
from edgewright.rules.gradient_hooks import Averaged
from edgewright.rules.normalise import Moments, merge, no_moments
from edgewright.rules.transitions import Transition

M, T, N, F, ACTIONS = 3, 8, 2, 4, 5
INNER = PPO(
    hidden_sizes=(8,),
    num_envs=N,
    rollout_steps=T,
    epochs=2,
    batch_size=N * T,  # all samples, so that their order does not matter
    normalize_observations=False,
    normalize_rewards=False,
    normalize_advantages=False,
    warmup=False,
    decay=False,
    actor_learning_rate=1e-2,
    critic_learning_rate=1e-2,
)
SPACES = Box(-1.0, 1.0, (M, F)), Discrete(ACTIONS, (M,))
KEY = jax.random.key(7)

update: Any = jax.jit(lambda learner, key, state, batch: learner.update(key, state, batch))
init: Any = jax.jit(lambda learner, key: learner.init(key, *SPACES))


def batch_of(seed: int, alike: bool = False) -> Trajectory:
    """Return random data of all devices, the same for each if ``alike``."""
    rng = np.random.default_rng(seed)

    def real(*more: int) -> jax.Array:
        values = rng.normal(size=(T, N, *more))
        return jnp.asarray(values, jnp.float32)

    batch = Trajectory(
        observation=real(M, F),
        action=jnp.asarray(rng.integers(0, ACTIONS, (T, N, M)), jnp.int32),
        aux=real(M) - 1.6,
        reward=real(M),
        terminated=jnp.asarray(rng.random((T, N)) < 0.2),
        truncated=jnp.zeros((T, N), bool),
        next_observation=real(M, F),
        metrics={"served": real(M)},
    )
    if not alike:
        return batch
    names = ("observation", "action", "aux", "reward", "next_observation")
    equal = {n: jnp.repeat(getattr(batch, n)[:, :, :1], M, axis=2) for n in names}
    return dataclasses.replace(batch, **equal)


def fleet(mode: str, **settings: Any) -> Fleet:
    return Fleet(inner=INNER, mode=mode, **settings)  # pyright: ignore[reportArgumentType]


def parameters(state: Any) -> np.ndarray:
    """Return the parameters of every device ``[M, n]``."""
    return np.asarray(jax.vmap(lambda one: parameters_of(INNER, one))(state.devices.state))


@pytest.fixture(scope="module")
def federated() -> tuple[Any, Any, dict[str, Any]]:
    """Return a federated fleet before and after a round, and its logs."""
    learner = fleet("federated")
    before = init(learner, KEY)
    return before, *update(learner, KEY, before, batch_of(0))


def test_synchronous_devices_are_one_learner_with_all_their_samples() -> None:
    """Two gradient steps of D devices are those of one learner with a D-fold minibatch."""
    together, central = fleet("synchronous"), fleet("centralised")
    batch = batch_of(0)
    after, logs = update(together, KEY, init(together, KEY), batch)
    one, _ = update(central, KEY, init(central, KEY), batch)
    expected = parameters_of(INNER, one.devices.state)
    begun = parameters_of(INNER, init(central, KEY).devices.state)
    assert float(jnp.max(jnp.abs(expected - begun))) > 1e-4
    for row in parameters(after):
        np.testing.assert_allclose(row, expected, atol=2e-6)
    size = expected.size
    assert float(logs["uplink_bytes"]) == M * 2 * 4 * size  # no statistics are used or sent


def test_a_step_of_synchronous_q_learning_is_one_with_all_samples() -> None:
    rng = np.random.default_rng(0)
    inner = DQN(hidden_sizes=(8,), batch_size=6)
    state = inner.init(KEY, Box(-1.0, 1.0, (F,)), Discrete(ACTIONS, ()))
    shape = (2, M, 6)  # gradient steps, devices, samples

    def real(*more: int) -> jax.Array:
        return jnp.asarray(rng.normal(size=(*shape, *more)), jnp.float32)

    part = Part(
        transition=Transition(
            observation=real(F),
            action=jnp.asarray(rng.integers(0, ACTIONS, shape), jnp.int32),
            reward=real(),
            next_observation=real(F),
            terminated=jnp.asarray(rng.random(shape) < 0.3, jnp.float32),
        ),
        discount=jnp.full(shape, 0.9),
        weight=jnp.ones(shape),
    )

    def learned(hook: Any, part: Part, memory: Any) -> jax.Array:
        learner = dataclasses.replace(inner, hook=hook)
        start = (state.network, state.optimiser, memory)
        return parameters_of(inner, dataclasses.replace(
            state, network=learner._learn(start, state.target, part)[0][0]
        ))  # fmt: skip

    def device(part: Part) -> jax.Array:
        hook = Averaged(key=KEY, axis=AXIS)
        return learned(hook, part, hook.init_memory(parameters_of(inner, state).size))

    each = jax.jit(jax.vmap(device, in_axes=1, axis_name=AXIS))(part)
    flat = jax.tree.map(lambda leaf: leaf.reshape(2, M * 6, *leaf.shape[3:]), part)
    one = jax.jit(lambda part: learned(None, part, ()))(flat)
    assert float(jnp.max(jnp.abs(one - parameters_of(inner, state)))) > 1e-4
    for row in each:
        np.testing.assert_allclose(row, one, atol=2e-6)


def test_fedavg_of_identical_devices_is_one_device(federated: Any) -> None:
    batch = batch_of(3, alike=True)
    learner = fleet("federated")
    before = init(learner, KEY)
    after, _ = update(learner, KEY, before, batch)
    first = dataclasses.replace(
        batch,
        metrics=(),
        **{
            n: getattr(batch, n)[:, :, 0]
            for n in ("observation", "action", "aux", "reward", "next_observation")
        },
    )
    alone = jax.tree.map(lambda leaf: leaf[0], before.devices.state)
    single, _ = update(INNER, KEY, alone, first)
    np.testing.assert_allclose(after.shared.parameters, parameters_of(INNER, single), atol=2e-6)


def test_a_round_is_the_mean_of_the_devices_changes(federated: Any) -> None:
    before, after, logs = federated
    learner = fleet("independent")
    alone, quiet = update(learner, KEY, init(learner, KEY), batch_of(0))
    mean = parameters(alone).mean(axis=0)
    np.testing.assert_allclose(after.shared.parameters, mean, atol=2e-6)
    for row in parameters(after):
        np.testing.assert_allclose(row, after.shared.parameters, atol=0)
    assert not np.allclose(parameters(alone)[0], parameters(alone)[1])
    assert float(quiet["uplink_bytes"]) == 0.0
    size = after.shared.parameters.size
    assert float(logs["uplink_bytes"]) == M * 4 * size


def test_devices_train_alone_between_rounds() -> None:
    learner = fleet("federated", local_updates=2)
    start = init(learner, KEY)
    first, quiet = update(learner, KEY, start, batch_of(0))
    second, sent = update(learner, KEY, first, batch_of(1))
    np.testing.assert_array_equal(first.shared.parameters, start.shared.parameters)
    assert not np.allclose(parameters(first)[0], parameters(first)[1])
    np.testing.assert_array_equal(parameters(second)[0], parameters(second)[1])
    assert float(quiet["uplink_bytes"]) == 0.0 < float(sent["uplink_bytes"])


def test_fedprox_stays_nearer_to_the_model_that_was_downloaded(federated: Any) -> None:
    before, after, _ = federated
    near, _ = update(fleet("federated", proximal=50.0), KEY, before, batch_of(0))

    def moved(state: Any) -> float:
        return float(jnp.linalg.norm(state.shared.parameters - before.shared.parameters))

    assert moved(near) < moved(after)


def test_a_round_is_clipped_and_noisy_where_it_is_asked_to_be(federated: Any) -> None:
    before, after, _ = federated
    clipped, _ = update(fleet("federated", clip_norm=1e-3), KEY, before, batch_of(0))
    change = clipped.shared.parameters - before.shared.parameters
    assert 0 < float(jnp.linalg.norm(change)) <= 1e-3 * 1.001
    private = fleet("federated", clip_norm=1e-3, noise_multiplier=2.0)
    noisy, _ = update(private, KEY, before, batch_of(0))
    noise = noisy.shared.parameters - clipped.shared.parameters
    assert float(jnp.std(noise)) == pytest.approx(2.0 * 1e-3 / M, rel=0.2)


@pytest.mark.parametrize("encoding", ["int8", "top-k"])
def test_an_encoding_sends_less_and_keeps_what_it_left_out(encoding: str, federated: Any) -> None:
    before, plain, dense = federated
    learner = fleet("federated", encoding=encoding)
    after, logs = update(learner, KEY, init(learner, KEY), batch_of(0))
    assert float(logs["uplink_bytes"]) < 0.5 * float(dense["uplink_bytes"])
    left = np.asarray(after.devices.memory)
    if encoding == "top-k":
        total = after.shared.parameters + left.mean(axis=0)
        np.testing.assert_allclose(total, plain.shared.parameters, atol=2e-6)
        assert np.any(left)
    else:
        assert left.shape == (M, 0)
        change = plain.shared.parameters - before.shared.parameters
        apart = after.shared.parameters - plain.shared.parameters
        assert float(jnp.max(jnp.abs(apart))) < 0.05 * float(jnp.max(jnp.abs(change)))


def test_asynchronous_changes_age_while_others_arrive() -> None:
    learner = fleet("asynchronous", slowest=1.0)
    start = init(learner, KEY)
    first, logs = update(learner, KEY, start, batch_of(0))
    assert float(logs["arrived"]) == M
    assert float(logs["staleness"]) == (M - 1) / 2  # 0, 1 and 2 versions
    assert int(first.version) == M
    assert sorted(np.asarray(first.versions)) == [1, 2, 3]
    assert float(logs["dropped"]) == 0.0
    strict = dataclasses.replace(learner, max_staleness=0.0)
    only, dropped = update(strict, KEY, start, batch_of(0))
    assert float(dropped["dropped"]) == M - 1
    moved = jnp.linalg.norm(only.shared.parameters - start.shared.parameters)
    full = jnp.linalg.norm(first.shared.parameters - start.shared.parameters)
    assert 0 < float(moved) < float(full)


def test_evaluation_is_of_the_servers_model_or_of_each_devices_own(federated: Any) -> None:
    _, after, _ = federated
    assert not isinstance(fleet("federated").policy(after, explore=False), EachPolicy)
    assert isinstance(fleet("federated").policy(after, explore=True), EachPolicy)
    assert isinstance(fleet("independent").policy(after, explore=False), EachPolicy)


def moments_of(rows: np.ndarray, base: Moments | None = None) -> Moments:
    return merge(base or no_moments((F,)), jnp.asarray(rows, jnp.float32))


def test_pooled_statistics_are_those_of_all_data_together() -> None:
    rng = np.random.default_rng(0)
    common = rng.normal(5.0, 2.0, (50, F))
    own = [rng.normal(n, 1.0 + n, (20 + 7 * n, F)) for n in range(M)]
    base = moments_of(common)
    each = jax.tree.map(lambda *rows: jnp.stack(rows), *[moments_of(o, base) for o in own])
    total = pooled(base, base, each)
    every = np.concatenate([common, *own])
    assert float(total.count) == len(every)
    np.testing.assert_allclose(total.mean, every.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(total.variance, every.var(axis=0), rtol=1e-4)
    late = pooled(moments_of(own[0], base), base, jax.tree.map(lambda leaf: leaf[1:], each))
    np.testing.assert_allclose(late.variance, every.var(axis=0), rtol=1e-4)


def test_statistics_are_exchanged_where_they_are_used() -> None:
    """Observations of all devices are in the server's moments, and in the bytes."""
    inner = dataclasses.replace(INNER, normalize_observations=True)
    learner = Fleet(inner=inner, mode="federated")
    batch = batch_of(0)
    after, logs = update(learner, KEY, init(learner, KEY), batch)
    rows = np.asarray(batch.observation).reshape(-1, F)
    np.testing.assert_allclose(after.shared.inputs.mean, rows.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(after.shared.inputs.variance, rows.var(axis=0), rtol=1e-4)
    size = after.shared.parameters.size
    assert float(logs["uplink_bytes"]) == M * (4 * size + 4 * (2 * F + 1 + 3))


def test_pooling_nothing_is_nothing() -> None:
    empty = no_moments((F,))
    each = jax.tree.map(lambda leaf: jnp.stack([leaf] * M), empty)
    assert all(np.all(leaf == 0) for leaf in jax.tree.leaves(pooled(empty, empty, each)))


def test_noise_without_a_norm_is_refused() -> None:
    with pytest.raises(InputError, match="clip_norm"):
        fleet("federated", noise_multiplier=1.0).check_sizes(*SPACES)


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [("all_actions", True, "false"), ("look_ahead", 1, "0"), ("staggered", True, "false")],
)
def test_what_a_fleet_does_not_give_its_inner_learner_is_refused(
    name: str, value: Any, rule: str
) -> None:
    inner: Any = dataclasses.replace(INNER, **{name: value})
    with pytest.raises(InputError, match=f"must be {rule} in a fleet") as caught:
        Fleet(inner=inner).check_sizes(*SPACES)
    assert caught.value.where == f"learner.{name}"
    assert caught.value.hint == f"set learner.{name} = {rule}"


def test_noise_beside_exact_statistics_is_refused() -> None:
    inner = dataclasses.replace(INNER, normalize_rewards=True)
    learner = Fleet(inner=inner, clip_norm=1.0, noise_multiplier=1.0)
    with pytest.raises(InputError, match="statistics"):
        learner.check_sizes(*SPACES)


def test_a_fleet_needs_devices_and_a_learner_with_parameters() -> None:
    assert "axis of agents" in fleet("federated").misfit(Box(-1.0, 1.0, (F,)), Discrete(3, ()))
    from edgewright.agents.ddpg import DDPG

    assert "parameters" in Fleet(inner=DDPG()).misfit(*SPACES)


def uploads_of(change: np.ndarray) -> Upload:
    """Return uploads ``[M]`` with these changes and no statistics."""
    each = jax.tree.map(lambda leaf: jnp.stack([leaf] * len(change)), no_moments((F,)))
    return Upload(change=jnp.asarray(change, jnp.float32), inputs=each, rewards=each)


def changed_by(uploads: Upload, aggregate: str = "mean") -> np.ndarray:
    """Return how a server's parameters, zeros at first, change in a round."""
    server = FleetServer(
        clients=len(uploads.change), statistics=False, aggregation=aggregate, encoding="float32",
        percent=10, clip_norm=0.0, noise_multiplier=0.0, key=KEY,
    )  # fmt: skip
    moments = no_moments((F,))
    before = Shared(parameters=jnp.zeros(6), inputs=moments, rewards=moments)
    return np.asarray(server.aggregate(before, uploads).parameters)


def test_an_attack_moves_the_mean_and_neither_the_median_nor_a_clipped_mean() -> None:
    honest = np.random.default_rng(0).normal(1.0, 0.1, (5, 6)).astype(np.float32)
    attacked = arriving(uploads_of(honest), 0.0, 1, -100.0)
    assert np.all(changed_by(attacked) < -10.0)
    middle = changed_by(attacked, "median")
    assert np.all((honest[1:].min(axis=0) <= middle) & (middle <= honest[1:].max(axis=0)))
    clipped = arriving(uploads_of(honest), 2.0, 1, -100.0)
    norms = np.linalg.norm(clipped.change, axis=1)
    np.testing.assert_allclose(norms, np.minimum(2.0, norms), rtol=1e-5)
    assert np.all(changed_by(clipped) > 0.0)


@pytest.mark.parametrize("aggregate", ["mean", "median"])
def test_an_upload_that_is_not_finite_is_set_aside(aggregate: str) -> None:
    honest = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    broken = np.concatenate([honest, np.full((1, 6), np.inf, np.float32)])
    expected = changed_by(uploads_of(honest), aggregate)
    np.testing.assert_allclose(changed_by(uploads_of(broken), aggregate), expected, rtol=1e-5)
    assert not np.any(changed_by(uploads_of(broken[4:]), aggregate))


def test_a_gradient_that_is_not_finite_is_left_out_of_the_mean() -> None:
    hook = Averaged(key=KEY, axis=AXIS)
    rows = jnp.asarray([[1.0, 2.0], [np.nan, 0.0], [3.0, 6.0]])
    taken, _ = jax.vmap(lambda row: hook(row, row, hook.init_memory(2)), axis_name=AXIS)(rows)
    np.testing.assert_allclose(taken, [[2.0, 4.0]] * 3)


@pytest.mark.parametrize(
    ("mode", "settings", "message"),
    [
        ("independent", {"malicious_devices": 1}, "0 with mode independent; got 1"),
        ("federated", {"malicious_devices": M + 1}, f"at most the devices, {M}; got {M + 1}"),
        ("synchronous", {"aggregate": "median"}, "must be mean with this mode"),
        ("independent", {"dropout": 0.5}, "must be 0 with mode independent; got 0.5"),
        ("federated", {"dropout": 1.0}, "below 1, or no device ever arrives; got 1.0"),
        ("synchronous", {"deadline_s": 1.0}, "must be 0 with mode synchronous; got 1.0"),
        ("federated", {"widths": (4, 8)}, r"must be empty with mode federated .* got \[4, 8\]"),
        ("synchronous", {"local_updates": 2}, "must be 1 with mode synchronous; got 2"),
        ("asynchronous", {"proximal": 0.1}, "must be 0.0 with mode asynchronous; got 0.1"),
        ("federated", {"slowest": 0.5}, "must be 0.25 with mode federated; got 0.5"),
        ("synchronous", {"clip_norm": 1.0}, "must be 0.0 with mode synchronous; got 1.0"),
        (
            "federated",
            {"aggregate": "median", "clip_norm": 1.0, "noise_multiplier": 1.0},
            "or with noise",
        ),
    ],
)
def test_defences_that_do_not_fit_a_mode_are_refused(
    mode: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        fleet(mode, **settings).check_sizes(*SPACES)


def test_a_synchronous_server_takes_the_parameters_of_a_device_that_sends_some() -> None:
    learner = fleet("synchronous")
    state = init(learner, KEY)
    own = jax.vmap(lambda one: shared_of(INNER, one))(state.devices.state)
    own = dataclasses.replace(own, parameters=own.parameters.at[0].set(jnp.nan) + 1.0)
    keys = learner.round_keys(KEY, M).server
    after, chosen, logs = learner.received(keys, state, own)
    np.testing.assert_allclose(after.shared.parameters, state.shared.parameters + 1.0)
    assert np.all(chosen)
    assert float(logs["set_aside"]) == 1.0
    lost = dataclasses.replace(own, parameters=jnp.full_like(own.parameters, jnp.nan))
    model = learner.received(keys, state, lost)[0].shared.parameters
    np.testing.assert_array_equal(model, state.shared.parameters)


def key_with(arriving: int) -> jax.Array:
    """Return a key of an update in which so many devices of a fleet do not miss the round."""
    learner = fleet("federated", dropout=0.5)
    for number in range(100):
        key = jax.random.key(number)
        arrived = learner.arrivals(learner.round_keys(key, M).server[0], (M,))
        if int(jnp.sum(arrived)) == arriving:
            return key
    raise AssertionError


def arrivals_of(key: jax.Array) -> np.ndarray:
    """Return which devices do not miss the round of an update."""
    learner = fleet("federated", dropout=0.5)
    return np.asarray(learner.arrivals(learner.round_keys(key, M).server[0], (M,)))


def test_where_nobody_drops_out_nothing_changes(federated: Any) -> None:
    before, after, logs = federated
    same, others = update(fleet("federated", dropout=1e-9), KEY, before, batch_of(0))
    for one, other in zip(jax.tree.leaves(after), jax.tree.leaves(same), strict=True):
        np.testing.assert_array_equal(one, other)
    assert float(logs["missed_share"]) == float(others["missed_share"]) == 0.0


def test_a_round_that_one_device_reaches_is_its_update_and_the_others_lose_theirs(
    federated: Any,
) -> None:
    before, key = federated[0], key_with(1)
    alone, _ = update(fleet("independent"), key, init(fleet("independent"), KEY), batch_of(0))
    after, logs = update(fleet("federated", dropout=0.5), key, before, batch_of(0))
    [there] = np.flatnonzero(arrivals_of(key))
    np.testing.assert_allclose(after.shared.parameters, parameters(alone)[there], atol=2e-6)
    for row in parameters(after):
        np.testing.assert_array_equal(row, after.shared.parameters)
    assert float(logs["missed_share"]) == pytest.approx(2 / 3)
    assert float(logs["uplink_bytes"]) == pytest.approx(4 * after.shared.parameters.size)
    assert float(logs["set_aside"]) == 0.0


def test_nobody_arrives_and_no_noise_is_added(federated: Any) -> None:
    before, key = federated[0], key_with(0)
    learner = fleet("federated", dropout=0.5, clip_norm=1.0, noise_multiplier=1.0)
    after, logs = update(learner, key, before, batch_of(0))
    np.testing.assert_array_equal(after.shared.parameters, before.shared.parameters)
    assert float(logs["missed_share"]) == 1.0
    assert float(logs["uplink_bytes"]) == 0.0


def test_late_devices_miss_the_round_that_a_recording_says(federated: Any) -> None:
    """The second update has the second row; a device that is late in all of them adds nothing."""
    rows = np.zeros((3, M), bool)
    rows[:, 0], rows[1, 1] = True, True
    learner = fleet("federated", late=jnp.asarray(rows), deadline_s=1.0)
    first, logs = update(learner, KEY, federated[0], batch_of(0))
    alone, _ = update(fleet("independent"), KEY, init(fleet("independent"), KEY), batch_of(0))
    np.testing.assert_allclose(
        first.shared.parameters, parameters(alone)[1:].mean(axis=0), atol=2e-6
    )
    _, more = update(learner, KEY, first, batch_of(1))
    shares = [float(logs["missed_share"]), float(more["missed_share"])]
    np.testing.assert_allclose(shares, [1 / 3, 2 / 3], rtol=1e-6)


def test_a_device_that_missed_a_round_counts_nothing_as_sent() -> None:
    learner, key = fleet("federated", encoding="top-k", dropout=0.5), key_with(1)
    after, _ = update(learner, key, init(learner, KEY), batch_of(0))
    sent = np.any(np.asarray(after.devices.memory), axis=1)
    np.testing.assert_array_equal(sent, arrivals_of(key))


def test_a_gradient_that_does_not_arrive_is_left_out_and_its_sender_follows() -> None:
    rows = jnp.asarray([[1.0, 2.0], [9.0, 9.0], [3.0, 6.0]])

    def one(row: jax.Array, arrived: jax.Array) -> Any:
        hook = Averaged(key=KEY, axis=AXIS, encoding="top-k", percent=50, arrived=arrived)
        return hook(row, row, hook.init_memory(2))

    arrived = jnp.asarray([True, False, True])
    taken, (left, _) = jax.vmap(one, axis_name=AXIS)(rows, arrived)
    np.testing.assert_allclose(taken, [[0.0, 4.0]] * 3)
    np.testing.assert_allclose(left, [[1.0, 0.0], [0.0, 0.0], [3.0, 0.0]])


def test_a_synchronous_fleet_counts_who_missed_an_update() -> None:
    learner = fleet("synchronous", dropout=0.5)
    start = init(learner, KEY)
    shares = []
    for number in range(8):
        after, logs = update(learner, jax.random.key(number), start, batch_of(0))
        shares.append(float(logs["missed_share"]))
        size = after.shared.parameters.size
        assert float(logs["uplink_bytes"]) == pytest.approx(M * 2 * 4 * size * (1 - shares[-1]))
        for row in parameters(after)[1:]:
            np.testing.assert_allclose(row, parameters(after)[0], atol=1e-6)
    assert 0.2 < np.mean(shares) < 0.8


def test_statistics_of_a_device_that_missed_a_synchronous_update_do_not_arrive() -> None:
    inner = dataclasses.replace(INNER, normalize_observations=True, normalize_rewards=True)
    learner = Fleet(inner=inner, mode="synchronous", dropout=0.5)
    batch, start = batch_of(0), init(learner, KEY)
    arrived = []
    for number in range(4):
        after, logs = update(learner, jax.random.key(number), start, batch)
        keys = jax.vmap(jax.random.split)(learner.round_keys(jax.random.key(number), M).train)
        there = np.asarray([learner.arrivals(key, ()) for key in keys[:, 1]])
        assert float(logs["missed_share"]) == pytest.approx(1 - there.mean())
        assert float(after.shared.inputs.count) == T * N * there.sum()
        rows = np.asarray(batch.observation)[:, :, there].reshape(-1, F)
        if len(rows):
            np.testing.assert_allclose(after.shared.inputs.mean, rows.mean(axis=0), atol=1e-5)
        for count in np.asarray(after.devices.state.inputs.moments.count):
            assert count == T * N * there.sum()  # all download
        arrived.append(there.sum())
    assert len({*arrived} - {0, M}) > 0


def test_recorded_rounds_are_used_in_order_and_again_from_the_first() -> None:
    """With a round after every second update, update 2 (n + 1) has row n modulo the rows."""
    rows = np.asarray([[True, False, False], [True, True, False], [False, False, False]])
    learner = fleet("federated", late=jnp.asarray(rows), deadline_s=1.0, local_updates=2)
    state, shares, sent = init(learner, KEY), [], []
    for number in range(10):
        state, logs = update(learner, jax.random.key(number), state, batch_of(number))
        shares.append(float(logs["missed_share"]))
        sent.append(float(logs["uplink_bytes"]) / (4 * state.shared.parameters.size))
    assert not any(shares[::2]) and not any(sent[::2])  # no round, so nobody misses one
    np.testing.assert_allclose(shares[1::2], np.array([1, 2, 0, 1, 2]) / M, rtol=1e-6)
    np.testing.assert_allclose(sent[1::2], [2, 1, 3, 2, 1], rtol=1e-5)


def test_an_asynchronous_device_that_drops_out_sends_later() -> None:
    learner = fleet("asynchronous", slowest=1.0, dropout=0.5)
    start, key = init(learner, KEY), KEY
    arrived = np.asarray(learner.arrivals(learner.round_keys(key, M).server[0], (M,)))
    after, logs = update(learner, key, start, batch_of(0))
    assert float(logs["arrived"]) == arrived.sum()
    assert float(logs["missed_share"]) == pytest.approx(1 - arrived.mean())
    np.testing.assert_array_equal(np.asarray(after.versions) > 0, arrived)
    assert 0 < arrived.sum() < M
