"""Importance scores, schedules, masks and compaction on an MLP, SE-PPO's actor among them."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

from edgewright.agents.ppo import PPO
from edgewright.core.spaces import Box, Discrete
from edgewright.nets.mlp import init_mlp
from edgewright.rules import importance, pruning
from edgewright.rules.pruning import Pruning, init_pruning

PRUNING = Pruning(
    sparsity=0.5, start=0.2, end=0.7, threshold=1.0, max_drop=0.1, decay=0.9, mode="cubic",
    allocation="layer", regrowth=True, min_units=2,
)  # fmt: skip
WIDTHS = (12, 20)


def network(activation: Any = "mish") -> Any:
    made = init_mlp(jax.random.key(0), (3, *WIDTHS, 2), activation=activation)
    keys = jax.random.split(jax.random.key(7), 3)
    noise = [jax.random.normal(k, b.shape) for k, b in zip(keys, made.biases, strict=True)]
    return dataclasses.replace(made, biases=tuple(noise))


ROWS = jax.random.normal(jax.random.key(1), (400, 3))


def scores(seed: int) -> tuple[jax.Array, ...]:
    return importance.random_scores(jax.random.key(seed), WIDTHS)


def counts(masks: pruning.Masks) -> list[int]:
    return [int(mask.sum()) for mask in masks]


def test_scores_are_those_of_their_formulas() -> None:
    net = network()
    hidden = net.hidden(ROWS)
    incoming, outgoing = np.asarray(net.weights[1]), np.asarray(net.weights[2])
    by_norm = np.linalg.norm(incoming, axis=0) * np.linalg.norm(outgoing, axis=1)
    by_size = np.abs(hidden[1]).mean(0) * np.abs(outgoing).sum(1)
    by_spread = np.asarray(hidden[1]).std(0) * np.linalg.norm(outgoing, axis=1)
    kinds: Any = {"mag": by_norm, "act": by_size, "spread": by_spread}
    for kind, expected in kinds.items():
        found = importance.score_network(kind, net, hidden)
        np.testing.assert_allclose(found[1], expected / expected.mean(), rtol=1e-5)
        assert [len(one) for one in found] == list(WIDTHS)
    bound = by_size * len(ROWS)
    for unit in range(WIDTHS[1]):  # it bounds what removing a unit changes
        mask = jnp.ones(WIDTHS[1]).at[unit].set(0.0)
        change = net(ROWS, (jnp.ones(WIDTHS[0]), mask)) - net(ROWS)
        assert float(jnp.abs(change).sum()) <= bound[unit] * (1 + 1e-5)


def test_the_slope_of_a_gate_is_the_activation_times_its_slope() -> None:
    net = network()
    ones = tuple(jnp.ones((len(ROWS), width)) for width in WIDTHS)
    slopes = jax.grad(lambda gates: jnp.sum(net(ROWS, gates) ** 2))(ones)
    hidden = net.hidden(ROWS)[1]
    after = jax.grad(lambda h: jnp.sum((h @ net.weights[2] + net.biases[2]) ** 2))(hidden)
    expected = np.mean(np.abs(hidden * after), axis=0)
    np.testing.assert_allclose(importance.gate_slope(slopes[1]), expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("mode", "share", "sparsity"),
    [
        ("cubic", 0.1, 0.0), ("cubic", 0.45, 0.5 * (1 - 0.5**3)), ("cubic", 0.9, 0.5),
        ("rate", 0.1, 0.0), ("rate", 0.2, 0.5), ("one_shot", 0.69, 0.0), ("one_shot", 0.7, 0.5),
    ],
)  # fmt: skip
def test_schedules(mode: Any, share: float, sparsity: float) -> None:
    found = dataclasses.replace(PRUNING, mode=mode).sparsity_at(jnp.float32(share))
    assert float(found) == pytest.approx(sparsity, abs=1e-6)


@pytest.mark.parametrize("regrowth", [True, False])
@pytest.mark.parametrize("allocation", ["layer", "global"])
def test_masks_follow_the_schedule(allocation: Any, regrowth: bool) -> None:
    rule = dataclasses.replace(PRUNING, allocation=allocation, regrowth=regrowth, decay=0.0)
    state, before, returned = init_pruning(network()), sum(WIDTHS), False
    for event, share in enumerate(np.linspace(0.0, 0.7, 12)):
        old = state.masks
        state = rule.next(state, scores(event), jnp.float32(share))
        assert sum(counts(state.masks)) <= before
        before = sum(counts(state.masks))
        pairs = zip(old, state.masks, strict=True)
        returned |= any(bool(jnp.any(new > one)) for one, new in pairs)
        assert min(counts(state.masks)) >= 2
    assert before == sum(WIDTHS) // 2
    assert returned == regrowth
    if allocation == "layer":
        assert counts(state.masks) == [6, 10] == list(rule.final_widths(WIDTHS) or ())
    else:
        assert rule.final_widths(WIDTHS) is None


def test_a_layer_keeps_its_least_count_and_the_best_units() -> None:
    rule = dataclasses.replace(PRUNING, sparsity=0.99, min_units=8)
    state = rule.next(init_pruning(network()), scores(0), jnp.float32(0.7))
    assert counts(state.masks) == [8, 8]
    for mask, score in zip(state.masks, scores(0), strict=True):
        assert float(score[mask > 0].min()) > float(score[mask == 0].max())


def test_the_threshold_drops_few_at_a_time_and_never_good_ones() -> None:
    rule = dataclasses.replace(PRUNING, mode="threshold", regrowth=False)
    state, alive = init_pruning(network()), list(WIDTHS)
    for share in (0.1, 0.3, 0.5, 0.7):
        state = rule.next(state, scores(0), jnp.float32(share))
        for index, width in enumerate(WIDTHS):
            assert alive[index] - counts(state.masks)[index] <= int(0.1 * width)
        alive = counts(state.masks)
    assert sum(alive) < sum(WIDTHS)
    for mask, score in zip(state.masks, scores(0), strict=True):
        assert np.all(np.asarray(mask)[np.asarray(score) >= np.asarray(score).mean() * 0.7] == 1)


def test_scores_are_a_moving_average() -> None:
    state = PRUNING.next(init_pruning(network()), scores(0), 0.0)
    np.testing.assert_array_equal(state.scores[0], scores(0)[0])
    state = PRUNING.next(state, scores(1), 0.0)
    np.testing.assert_allclose(state.scores[0], 0.9 * scores(0)[0] + 0.1 * scores(1)[0], rtol=1e-6)


def test_masks_of_ones_change_no_bit() -> None:
    net = network()
    same = pruning.masked(net, init_pruning(net).masks)
    for one, other in zip(jax.tree.leaves(same), jax.tree.leaves(net), strict=True):
        np.testing.assert_array_equal(one, other)
    rule = dataclasses.replace(PRUNING, sparsity=0.0)
    state = rule.next(init_pruning(net), scores(0), jnp.float32(0.7))
    assert counts(state.masks) == list(WIDTHS)


@pytest.mark.parametrize("activation", ["tanh", "relu", "mish"])
def test_masked_gated_and_compacted_are_one_function(activation: Any) -> None:
    net = network(activation)
    state = PRUNING.next(init_pruning(net), scores(0), jnp.float32(0.7))
    restricted = pruning.masked(net, state.masks)
    small = pruning.gathered(net, pruning.kept_units(state.masks, (6, 10)))
    assert [weight.shape for weight in small.weights] == [(3, 6), (6, 10), (10, 2)]
    expected = net(ROWS, state.masks)
    for other in (restricted, small, pruning.compacted(restricted)):
        np.testing.assert_allclose(other(ROWS), expected, atol=1e-5)
    assert [b.size for b in pruning.compacted(restricted).biases] == [6, 10, 2]
    nothing = dataclasses.replace(net, weights=(*net.weights[:2], 0 * net.weights[2]))
    np.testing.assert_allclose(pruning.compacted(nothing)(ROWS), nothing(ROWS), atol=1e-6)


def test_masked_parameters_have_no_slope_and_lose_their_moments() -> None:
    net = network()
    masks = PRUNING.next(init_pruning(net), scores(0), jnp.float32(0.7)).masks
    slope = jax.grad(lambda n: jnp.sum(pruning.masked(n, masks)(ROWS) ** 2))(net)
    live = pruning.live_parameters(net, masks)
    for own, stays in zip(jax.tree.leaves(slope), jax.tree.leaves(live), strict=True):
        assert np.all((np.asarray(own) == 0) == (np.asarray(stays) == 0))
    flat = ravel_pytree(live)[0]
    adam = optax.scale_by_adam()
    state = adam.update(jnp.ones(flat.size), adam.init(jnp.ones(flat.size)))[1]
    cleared = pruning.with_moments_cleared(state, flat)
    for leaf in (cleared.mu, cleared.nu):
        np.testing.assert_array_equal(leaf == 0, flat == 0)
    assert int(cleared.count) == 1


def test_the_group_term_pushes_unimportant_units_most() -> None:
    net = network()
    value = (jnp.linspace(0.1, 2.0, 12), jnp.ones(20))
    masks = (jnp.ones(12).at[0].set(0.0), jnp.ones(20))
    slope = jax.grad(lambda n: pruning.group_sparsity(n, value, masks))(net)
    size = jnp.linalg.norm(jnp.concatenate([slope.weights[0], slope.biases[0][None]]), axis=0)
    assert float(size[0]) == 0.0  # masked
    assert np.all(np.diff(np.asarray(size[1:])) < 0)
    np.testing.assert_allclose(size[1] / size[11], (2.0 + 1e-3) / (value[0][1] + 1e-3), rtol=1e-4)
    zero = jax.tree.map(jnp.zeros_like, net)
    flat = jax.grad(lambda n: pruning.group_sparsity(n, value, masks))(zero)
    assert np.all(np.isfinite(ravel_pytree(flat)[0]))


def test_the_actor_of_se_ppo_is_pruned_made_small_and_fine_tuned() -> None:
    spaces = Box(-1.0, 1.0, (3,)), Discrete(4)
    actor: Any = PPO(hidden_sizes=(32, 32)).init(jax.random.key(0), *spaces).networks[0]
    adam, goal = optax.adam(1e-2), jnp.argmax(ROWS @ jnp.eye(3, 4), axis=1)
    rule = dataclasses.replace(PRUNING, min_units=4)

    def loss(net: Any, masks: Any) -> Any:
        chosen = optax.softmax_cross_entropy_with_integer_labels(
            pruning.masked(net, masks)(ROWS), goal
        )
        return jnp.mean(chosen)

    @jax.jit
    def fitted(net: Any, masks: Any) -> Any:
        def step(carry: Any, _: Any) -> Any:
            change, state = adam.update(jax.grad(loss)(carry[0], masks), carry[1])
            return (optax.apply_updates(carry[0], change), state), ()

        return jax.lax.scan(step, (net, adam.init(net)), length=150)[0][0]

    state = init_pruning(actor)
    for share in (0.0, 0.4, 0.7):  # one program, masks are its inputs
        actor = fitted(actor, state.masks)
        found = importance.score_network("act", actor, actor.hidden(ROWS, state.masks))
        state = rule.next(state, found, jnp.float32(share))
    assert fitted._cache_size() == 1
    small = pruning.gathered(actor, pruning.kept_units(state.masks, (16, 16)))
    restricted = pruning.masked(actor, state.masks)
    np.testing.assert_allclose(small(ROWS), restricted(ROWS), atol=1e-5)
    everything = init_pruning(small).masks
    before = float(loss(small, everything))
    tuned = fitted(small, everything)
    assert float(loss(tuned, everything)) < before
    accuracy = float(jnp.mean(jnp.argmax(tuned(ROWS), axis=1) == goal))
    assert accuracy > 0.95
