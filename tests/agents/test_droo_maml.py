"""The self-labelling learner and the meta-learner around it, on data without a world."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.agents.droo import Droo
from edgewright.agents.maml import Initial, Maml
from edgewright.core.records import Labelled, record
from edgewright.core.spaces import Box
from edgewright.loops.meta import DeviceSlots
from edgewright.rules import quantiser

N = 4
SEEN = Box(-1.0, 1.0, (N, 1))
BASE = Droo(hidden_sizes=(8,), num_candidates=N, batch_size=16, buffer_size=32, rollout_steps=4)


def batch(seed: int, size: int = 12, features: int = 1) -> Labelled:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(size, N, features)).astype(np.float32)
    return Labelled(
        observation=jnp.asarray(x), action=jnp.asarray((x[..., 0] > 0.3).astype(np.int32))
    )


@record
class Linear:
    """A base whose loss is linear in its parameters: its gradient does not depend on them."""

    def network(self, key: Any, observation: Any) -> Any:
        return {"w": jnp.ones(N)}

    def loss(self, network: Any, samples: Labelled) -> Any:
        return jnp.mean(samples.observation[..., 0] @ network["w"])


def label_with(rows_to: Any = batch) -> Any:
    return lambda key, network, rows: jax.tree.map(lambda leaf: leaf, rows)


def gradient(learner: Maml, initial: Initial, rows: Labelled) -> Any:
    go = jax.jit(
        lambda one: learner.update(
            jax.random.key(0), one, DeviceSlots(label=label_with(), rows=rows)
        )[0]
    )
    return go(initial)


def flat(tree: Any) -> np.ndarray:
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


@pytest.fixture(scope="module")
def initial() -> Initial:
    state = Maml(base=BASE, inner_learning_rate=0.5).init(jax.random.key(1), SEEN)
    return state.initial


@pytest.mark.parametrize("kind", ["order", "nearest", "noisy"])
def test_the_first_proposal_is_what_rounding_does(kind: Any) -> None:
    learner = dataclasses.replace(BASE, quantiser=kind)
    state = learner.init(jax.random.key(0), SEEN, None)
    policy = learner.policy(state, explore=False)
    seen = batch(3).observation[0]
    proposed = policy.propose(jax.random.key(1), seen)
    _, decision = policy.act(jax.random.key(1), (), seen)
    assert proposed.shape == (N, N)
    np.testing.assert_array_equal(proposed[0], decision.action)
    np.testing.assert_array_equal(decision.action, quantiser.rounded(policy.relaxed(seen)))


@pytest.mark.parametrize("kind", ["bce", "mse"])
def test_it_learns_the_labels_it_is_shown(kind: Any) -> None:
    learner = dataclasses.replace(BASE, loss_kind=kind)
    state = learner.store(learner.init(jax.random.key(0), SEEN, None), batch(0, 32))

    @jax.jit
    def many(state: Any) -> Any:
        keys = jax.random.split(jax.random.key(2), 150)
        return jax.lax.scan(lambda s, k: learner.learn(k, s), state, keys)

    after, logs = many(state)
    loss = np.asarray(logs["loss"])
    assert loss[-10:].mean() < 0.3 * loss[:10].mean()
    policy = learner.policy(after, explore=False)
    test = batch(9, 200)
    decided = jax.vmap(lambda x: policy.act(jax.random.key(0), (), x)[1].action)(test.observation)
    assert np.mean(np.asarray(decided) == np.asarray(test.action)) > 0.85


@pytest.mark.parametrize(("adapt", "moves"), [("all", True), ("bias", False), ("none", False)])
def test_what_adapts_is_what_was_asked(adapt: Any, moves: bool) -> None:
    learner = dataclasses.replace(BASE, adapt=adapt)
    state = learner.store(learner.init(jax.random.key(0), SEEN, None), batch(0))
    after, _ = learner.learn(jax.random.key(1), state)
    before, now = state.network, after.network
    changed = [bool(np.any(a != b)) for a, b in zip(before.weights, now.weights, strict=True)]
    assert changed == [moves] * 2
    assert bool(np.any(before.biases[0] != now.biases[0])) == moves
    assert bool(np.any(before.biases[-1] != now.biases[-1])) == (adapt != "none")


def test_an_empty_place_is_never_offloaded_and_teaches_nothing() -> None:
    learner = dataclasses.replace(BASE, masked=True)
    seen = jnp.zeros((N, 2)).at[:2, 1].set(1.0)
    network = learner.network(jax.random.key(0), Box(0.0, 1.0, (N, 2)))
    proposed = learner.proposer(network).propose(jax.random.key(0), seen)
    assert np.all(np.asarray(proposed)[:2, 2:] == 0), "empty places flip last"
    samples = batch(0, features=2)
    masked = samples.observation.at[..., 1].set(jnp.array([1.0, 1, 0, 0]))
    one = Labelled(observation=masked, action=samples.action)
    other = Labelled(observation=masked, action=samples.action.at[:, 2:].set(1))
    np.testing.assert_array_equal(learner.loss(network, one), learner.loss(network, other))


def test_the_number_of_proposals_follows_the_winners_of_a_window() -> None:
    learner = dataclasses.replace(BASE, adaptive_count=True, window=8)
    state = learner.init(jax.random.key(0), SEEN, None)
    assert int(state.count) == N
    four = batch(0, 4)
    state = learner.store(state, four, jnp.array([0, 0, 1, 0]))
    assert int(state.count) == N, "the window is not over"
    state = learner.store(state, four, jnp.array([0, 0, 0, 0]))
    assert int(state.count) == 3, "the largest winner was 1"
    assert learner.tried(state).tolist() == [True, True, True, False]


def test_one_inner_step_is_plain_gradient_descent(initial: Initial) -> None:
    learner = Maml(base=BASE)
    rows = batch(0)
    gradient_ = jax.grad(BASE.loss)(initial.network, rows)
    wanted = jax.tree.map(lambda p, g: p - 0.5 * g, initial.network, gradient_)
    np.testing.assert_allclose(flat(learner.inner(initial, rows)), flat(wanted), rtol=1e-5)


def test_the_second_order_gradient_is_that_of_finite_differences(initial: Initial) -> None:
    learner = Maml(base=BASE, support=6, query=6)
    rows = batch(0)
    early, late = (jax.tree.map(lambda a, s=s: a[s], rows) for s in (slice(6), slice(6, None)))

    def objective(network: Any) -> Any:
        moved = learner.inner(Initial(network=network, log_rates=initial.log_rates), early)
        return BASE.loss(moved, late)

    exact = flat(gradient(learner, initial, rows).network)
    direction = jax.tree.map(
        lambda leaf: jax.random.normal(jax.random.key(leaf.size), leaf.shape), initial.network
    )
    step = 2e-3  # small enough that no unit switches on or off
    ahead, behind = (
        objective(jax.tree.map(lambda p, d, s=s: p + s * step * d, initial.network, direction))
        for s in (1, -1)
    )
    np.testing.assert_allclose((ahead - behind) / (2 * step), exact @ flat(direction), rtol=0.02)


def test_orders_differ_unless_the_loss_is_linear(initial: Initial) -> None:
    rows = batch(0)
    found = {
        order: gradient(Maml(base=BASE, order=order, support=6, query=6), initial, rows).network
        for order in ("first", "second")
    }
    assert np.max(np.abs(flat(found["first"]) - flat(found["second"]))) > 1e-3
    straight = Maml(base=Linear(), support=6, query=6)
    start = straight.init(jax.random.key(0), SEEN).initial
    one = gradient(dataclasses.replace(straight, order="first"), start, rows)
    two = gradient(straight, start, rows)
    np.testing.assert_allclose(flat(one.network), flat(two.network), rtol=1e-6)


def test_without_an_inner_step_it_is_pooled_training(initial: Initial) -> None:
    rows = batch(0)
    still = Initial(
        network=initial.network, log_rates=jax.tree.map(lambda r: r - 1e9, initial.log_rates)
    )
    for order in ("first", "second"):
        moved = gradient(Maml(base=BASE, order=order, support=6, query=6), still, rows)
        late = jax.tree.map(lambda leaf: leaf[6:], rows)
        wanted = jax.grad(BASE.loss)(initial.network, late)
        np.testing.assert_allclose(flat(moved.network), flat(wanted), rtol=1e-5, atol=1e-8)
    pooled = gradient(Maml(base=BASE, order="pooled", support=6, query=6), initial, rows)
    wanted = jax.grad(BASE.loss)(initial.network, rows)
    np.testing.assert_allclose(flat(pooled.network), flat(wanted), rtol=1e-5, atol=1e-8)


def test_labels_carry_no_gradient(initial: Initial) -> None:
    """A label that depends smoothly on the network must not change the gradient."""
    rows = batch(0)
    learner = Maml(base=BASE, support=6, query=6)

    def leaky(key: Any, network: Any, part: Labelled) -> Labelled:
        extra = 1e-9 * jnp.sum(network.weights[0])
        return Labelled(
            observation=part.observation, action=part.action + 1e6 * extra - 1e6 * extra
        )

    def go(label: Any) -> Any:
        return learner.update(jax.random.key(0), initial, DeviceSlots(label=label, rows=rows))[
            0
        ].network

    np.testing.assert_allclose(flat(go(leaky)), flat(go(label_with())), rtol=1e-3, atol=1e-5)


def test_reptile_goes_where_the_inner_steps_lead(initial: Initial) -> None:
    rows = batch(0)
    learner = Maml(base=BASE, order="reptile", inner_steps=3)
    small = Initial(
        network=initial.network,
        log_rates=jax.tree.map(lambda r: jnp.log(1e-3) + 0 * r, initial.log_rates),
    )
    found = gradient(learner, small, rows)
    slope = jax.grad(BASE.loss)(initial.network, rows)
    # Adam's first steps are signs: three of them, each of size 1, over three steps.
    moving = np.abs(flat(slope)) > 1e-3
    np.testing.assert_allclose(flat(found.network)[moving], np.sign(flat(slope))[moving], atol=0.05)
    assert np.all(flat(found.log_rates) == 0)


def test_rates_are_learned_only_where_asked() -> None:
    rows = batch(0)
    for learn in (False, True):
        learner = Maml(
            base=BASE, inner_learning_rate=0.5, learn_rates=learn, support=6, query=6, tasks=2
        )
        state = learner.init(jax.random.key(1), SEEN)
        upload = gradient(learner, state.initial, rows)
        both = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), upload)
        after = learner.aggregate(state, both)
        moved = flat(after.initial.log_rates) != flat(state.initial.log_rates)
        assert np.all(moved) == learn
        assert np.any(moved) == learn
        assert np.any(flat(after.initial.network) != flat(state.initial.network))
        # 4-8-4: 40 + 36 numbers of four bytes, there and back for two devices; with four rates.
        size = 4 * (5 * 8 + 9 * 4)
        assert learner.traffic_bytes(state.initial) == 2 * 2 * (size + (16 if learn else 0))


def test_the_server_averages_and_takes_one_adam_step() -> None:
    learner = Maml(base=BASE, meta_learning_rate=0.1)
    state = learner.init(jax.random.key(1), SEEN)
    one = jax.tree.map(jnp.ones_like, state.initial)
    uploads = jax.tree.map(lambda leaf: jnp.stack([leaf, 3 * leaf]), one)
    after = learner.aggregate(state, uploads)
    np.testing.assert_allclose(
        flat(after.initial.network), flat(state.initial.network) - 0.1, rtol=1e-4, atol=1e-5
    )
    assert int(after.rounds) == 1
