"""Meta-training and adaptation in a small binary world: paired and worth something."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.agents.droo import Droo
from edgewright.agents.maml import Maml
from edgewright.core.protocols import Process
from edgewright.core.records import record, static
from edgewright.loops import adapt, meta
from edgewright.loops.search import BestOfCandidates, label, prices
from edgewright.systems.binary import BinaryParams, BinaryWorld, load, needs, total_s
from edgewright.systems.binary.baselines import Fixed, Optimum, optimum

DEVICES, SCENARIOS, SLOTS = 4, 3, 60
WORLD = BinaryWorld(devices=DEVICES)
BASE = Droo(
    hidden_sizes=(16,),
    num_candidates=DEVICES,
    batch_size=32,
    buffer_size=64,
    rollout_steps=5,
    quantiser="nearest",
)


@record
class Tasks:
    params: BinaryParams
    recorded: dict[str, Process]
    world: BinaryWorld = static()

    def stream(self, params: BinaryParams) -> Any:
        return self.world.inputs(params)


@pytest.fixture(scope="module")
def tasks(binary_sampler: Any) -> Tasks:
    draw = jax.jit(jax.vmap(binary_sampler(DEVICES).draw))
    params = draw(jax.random.split(jax.random.key(0), SCENARIOS))
    return Tasks(params=params, recorded={}, world=WORLD)


@pytest.fixture(scope="module")
def held_out(tasks: Tasks) -> adapt.HeldOutSet:
    @jax.jit
    def drawn(key: Any, params: Any) -> Any:
        rows = meta.first_rows(tasks.stream(params), key, SLOTS)
        return adapt.HeldOutSet(rows=rows, optimum=optimum(WORLD, params, rows.gain))

    return jax.vmap(drawn)(jax.random.split(jax.random.key(1), SCENARIOS), tasks.params)


def test_prices_are_those_of_the_world_and_the_search_takes_the_least(tasks: Tasks) -> None:
    params = jax.tree.map(lambda leaf: leaf[0], tasks.params)
    rows = meta.first_rows(tasks.stream(params), jax.random.key(2), 8)
    network = BASE.network(jax.random.key(3), jnp.zeros((DEVICES, 1)))
    searching = BestOfCandidates(proposer=BASE.proposer(network), world=WORLD)
    found, index = jax.jit(lambda: label(jax.random.key(4), WORLD, params, searching, rows))()
    for slot in range(8):
        x = jax.tree.map(lambda leaf, s=slot: leaf[s], rows)
        proposed = BASE.proposer(network).propose(jax.random.key(0), found.observation[slot])
        need = needs(params, x.gain)
        cost = total_s("coupled", load(need, proposed))
        np.testing.assert_allclose(prices(WORLD, params, x, proposed), cost, rtol=1e-5)
        assert int(index[slot]) == int(jnp.argmin(cost))
        np.testing.assert_array_equal(found.action[slot], proposed[int(index[slot])])


def test_a_proposal_that_is_not_tried_cannot_win(tasks: Tasks) -> None:
    params = jax.tree.map(lambda leaf: leaf[0], tasks.params)
    rows = meta.first_rows(tasks.stream(params), jax.random.key(2), 8)
    network = BASE.network(jax.random.key(3), jnp.zeros((DEVICES, 1)))
    first = jnp.arange(DEVICES) < 1
    searching = BestOfCandidates(proposer=BASE.proposer(network), tried=first, world=WORLD)
    assert np.all(np.asarray(label(jax.random.key(4), WORLD, params, searching, rows)[1]) == 0)


def test_the_optimum_gets_full_marks_and_all_local_does_not(
    tasks: Tasks, held_out: adapt.HeldOutSet
) -> None:
    best = adapt.evaluate_informed_all(
        jax.random.key(0), WORLD, tasks, Optimum(world=WORLD), held_out
    )
    local = adapt.evaluate_informed_all(
        jax.random.key(0), WORLD, tasks, Fixed(world=WORLD), held_out
    )
    for mark in (best.q_hat, best.q_hat_p05, best.ratio_of_means, best.optimal_fraction):
        np.testing.assert_allclose(mark, 1.0, atol=1e-5)
    assert np.all(np.asarray(local.q_hat) < 0.99)
    np.testing.assert_allclose(best.cost, held_out.optimum.mean(1), rtol=1e-5)


def test_marks_by_hand() -> None:
    found = adapt.score(jnp.array([1.0, 2.0, 4.0, 1.0]), jnp.ones(4))
    np.testing.assert_allclose(found.q_hat, (1 + 0.5 + 0.25 + 1) / 4)
    np.testing.assert_allclose(found.ratio_of_means, 1 / 2)
    np.testing.assert_allclose(found.optimal_fraction, 0.5)
    paid = adapt.score(jnp.array([-1.0, -2.0]), jnp.array([-2.0, -2.0]))
    np.testing.assert_allclose(paid.q_hat, 0.75)


GAPS = jnp.asarray([5, 25])


def adapted(
    tasks: Tasks, held_out: adapt.HeldOutSet, learner: Droo, seed: int = 0, **kw: Any
) -> Any:
    network = learner.network(jax.random.key(3), jnp.zeros((DEVICES, 1)))
    networks = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (SCENARIOS, *leaf.shape)), network)
    return adapt.adapt_all(
        jax.random.key(seed), WORLD, tasks, learner, networks, GAPS, held_out, **kw
    )


def test_a_device_learns_from_its_own_labels(tasks: Tasks, held_out: adapt.HeldOutSet) -> None:
    scores = adapted(tasks, held_out, BASE)
    assert scores.q_hat.shape == (SCENARIOS, 3, 2)
    mean = np.asarray(scores.q_hat).mean(0)
    assert np.all(mean[-1] > mean[0] + 0.05)
    assert np.all(mean[:, 1] >= mean[:, 0]), "priced proposals hold the rounding"
    assert mean[-1, 1] > 0.93
    again = adapted(tasks, held_out, BASE)
    np.testing.assert_array_equal(scores.q_hat, again.q_hat)
    assert np.any(
        np.asarray(adapted(tasks, held_out, BASE, seed=1).q_hat) != np.asarray(scores.q_hat)
    )


def test_who_learns_nothing_keeps_its_marks(tasks: Tasks, held_out: adapt.HeldOutSet) -> None:
    scores = np.asarray(adapted(tasks, held_out, dataclasses.replace(BASE, adapt="none")).q_hat)
    np.testing.assert_array_equal(scores[:, 0], scores[:, 2])


def test_living_on_is_what_adapting_does(tasks: Tasks) -> None:
    devices = adapt.init_devices(jax.random.key(0), WORLD, tasks, BASE)
    one, logs = adapt.train_devices(WORLD, tasks, BASE, devices, jnp.int32(3), 4)
    assert logs["loss"].shape == (4,)
    assert np.all(np.asarray(logs["loss"])[:3] > 0)
    assert float(logs["loss"][3]) == 0
    two = adapt.train_devices(WORLD, tasks, BASE, devices, jnp.int32(2), 4)[0]
    two = adapt.train_devices(WORLD, tasks, BASE, two, jnp.int32(1), 4)[0]
    for a, b in zip(jax.tree.leaves(one.learner), jax.tree.leaves(two.learner), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert np.asarray(one.learner.replay.filled).tolist() == [15] * SCENARIOS


def test_few_shots_are_seen_once(tasks: Tasks) -> None:
    params = jax.tree.map(lambda leaf: leaf[0], tasks.params)
    stream = tasks.stream(params)
    network = BASE.network(jax.random.key(3), jnp.zeros((DEVICES, 1)))
    device = adapt.init_device(
        jax.random.key(0), stream, BASE.start_from(network, jnp.zeros((DEVICES, 1)))
    )
    rows = meta.first_rows(stream, jax.random.key(1), 10)
    held_out = adapt.HeldOutSet(rows=rows, optimum=optimum(WORLD, params, rows.gain))
    after, scores = adapt.adapt(
        WORLD, params, stream, BASE, device, jnp.asarray([4]), held_out, shots=10
    )
    assert int(after.learner.replay.filled) == 10
    assert scores.q_hat.shape == (2, 2)


@pytest.mark.parametrize("labels", ["critic", "optimum"])
def test_meta_training_makes_a_better_start_than_none(
    tasks: Tasks, held_out: adapt.HeldOutSet, labels: Any
) -> None:
    learner = Maml(base=BASE, tasks=2, support=8, query=8, labels=labels, meta_learning_rate=5e-3)
    teacher = Optimum(world=WORLD) if labels == "optimum" else None
    training = meta.init_training(jax.random.key(0), WORLD, tasks, learner)
    trained, logs = meta.advance(WORLD, tasks, learner, teacher, training, jnp.int32(150), 150)
    assert float(np.asarray(logs["loss"])[-20:].mean()) < float(
        np.asarray(logs["loss"])[:20].mean()
    )
    # 4-16-4 has 148 numbers of four bytes, sent twice by each of two devices.
    assert np.all(np.asarray(logs["traffic_bytes"]) == 2 * 2 * 4 * (5 * 16 + 17 * 4))

    def first_marks(server: Any) -> np.ndarray:
        networks = jax.tree.map(
            lambda leaf: jnp.broadcast_to(leaf, (SCENARIOS, *leaf.shape)), server.initial.network
        )
        none = jnp.asarray([0])
        return np.asarray(
            adapt.adapt_all(jax.random.key(0), WORLD, tasks, BASE, networks, none, held_out).q_hat
        )[:, 0].mean(0)

    assert np.all(first_marks(trained.server) > first_marks(training.server) + 0.02)
    if labels == "critic":
        half = meta.advance(WORLD, tasks, learner, teacher, training, jnp.int32(75), 150)[0]
        whole = meta.advance(WORLD, tasks, learner, teacher, half, jnp.int32(75), 150)[0]
        for a, b in zip(
            jax.tree.leaves(whole.server), jax.tree.leaves(trained.server), strict=True
        ):
            np.testing.assert_array_equal(a, b)
