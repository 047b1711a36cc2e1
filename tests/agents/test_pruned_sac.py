"""Pruned SAC: one program for both shapes, exact compaction, and no rate is no pruning."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.interpreters import partial_eval as pe

from edgewright.agents.pruned_sac import PrunedSAC
from edgewright.agents.sac import SAC
from edgewright.core.errors import InputError
from edgewright.core.spaces import Box
from edgewright.loops.online import Training, advance, init_training
from edgewright.loops.unroll import init_rollout, next_rows, unroll
from edgewright.nets.phased import settled
from edgewright.rules import pruning
from edgewright.systems.target_probe import TargetParams, TargetWorld
from edgewright.testing import check_learner

WORLD, PARAMS = TargetWorld(), TargetParams(horizon_slots=jnp.float32(8))
SIZES: dict[str, Any] = {
    "hidden_sizes": (12, 16), "critic_hidden_sizes": (8,), "num_envs": 4, "rollout_steps": 8,
    "buffer_size": 96, "batch_size": 16, "learning_starts": 0.0, "total_steps": 320.0,
    "train_freq": 4, "actor": "diffusion", "denoising_steps": 2, "gamma": 0.0,
}  # fmt: skip
SMALL = PrunedSAC(
    **SIZES, pruning_interval=32.0, pruning_start=0.1, pruning_end=0.5, min_units=2,
    importance_samples=16,
)  # fmt: skip
ROUNDS = 10
"""Of 32 steps each; the schedule ends with the fifth."""


def begin(learner: Any) -> Training:
    return init_training(jax.random.key(0), WORLD, PARAMS, WORLD.inputs(PARAMS), learner)


@functools.cache
def after(learner: Any, rounds: int) -> tuple[Training, Any]:
    stream = WORLD.inputs(PARAMS)
    start = begin(learner)
    return advance(WORLD, PARAMS, stream, learner, start, jnp.int32(rounds), ROUNDS)


def weights(tree: Any) -> np.ndarray:
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


def test_it_keeps_the_laws_of_learners() -> None:
    check_learner(SMALL, WORLD, PARAMS)


def test_without_a_rate_it_is_the_program_of_sac() -> None:
    """The operations are the same one by one, so that a compiler has nothing to do otherwise."""
    plain, none = SAC(**SIZES), dataclasses.replace(SMALL, kept_percent=100)
    training = begin(none)
    state = training.learner
    for one, other in zip(
        jax.tree.leaves(state.sac), jax.tree.leaves(begin(plain).learner), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    batch = _batch(none, state)
    key = jax.random.key(1)
    expected = jax.make_jaxpr(plain.update)(key, state.sac, batch)

    def update(key: Any, sac: Any, batch: Any) -> Any:
        after, log = none.update(key, dataclasses.replace(state, sac=sac), batch)
        return after.sac, {name: value for name, value in log.items() if name != "sparsity"}

    found = jax.make_jaxpr(update)(key, state.sac, batch)
    assert len(str(expected)) > 10_000
    assert _text(found) == _text(expected)


def _batch(learner: Any, state: Any) -> Any:
    stream = WORLD.inputs(PARAMS)
    carry = jax.vmap(stream.init_carry)(jax.random.split(jax.random.key(2), 4))
    _, rows = next_rows(stream, carry, 9)
    first, rest = jax.tree.map(lambda a: a[0], rows), jax.tree.map(lambda a: a[1:], rows)
    policy = learner.policy(state, explore=True)
    start = init_rollout(jax.random.key(3), WORLD, PARAMS, policy, first)
    return unroll(jax.random.key(4), WORLD, PARAMS, policy, start, rest)[1]


def _text(closed: Any) -> str:
    """Return the program without what nothing depends on."""
    jaxpr, _ = pe.dce_jaxpr(closed.jaxpr, [True] * len(closed.jaxpr.outvars))
    return str(jaxpr)


def test_the_small_actor_takes_over_in_one_program_and_then_learns() -> None:
    fourth, fifth, last = (after(SMALL, rounds)[0].learner for rounds in (4, 5, ROUNDS))
    count = advance._cache_size()
    after(SMALL, 6)
    assert advance._cache_size() == count
    assert [bool(one.frozen) for one in (fourth, fifth, last)] == [False, True, True]
    policy = SMALL.policy(fourth, explore=False)
    assert policy.actor.dense is settled(policy.actor)
    small, dense = fifth.small.actor, SMALL.policy(fifth, explore=False).actor.dense
    assert [weight.shape[1] for weight in small.network.weights] == [6, 8, 4]
    rows = jax.random.normal(jax.random.key(1), (50, small.network.weights[0].shape[0]))
    np.testing.assert_allclose(small.network(rows), dense.network(rows), atol=1e-5)
    seen, noise = jnp.zeros((50, 1)), jax.random.normal(jax.random.key(2), (50, 3, 2))
    np.testing.assert_allclose(
        small.sample(seen, noise)[0], dense.sample(seen, noise)[0], atol=1e-5
    )
    # From then on only the small one moves.
    assert not np.allclose(weights(last.small.actor), weights(small))
    np.testing.assert_array_equal(weights(last.sac.learned.actor), weights(fifth.sac.learned.actor))
    assert int(last.small.optimiser[1].count) == ROUNDS * 8
    assert int(last.sac.learned.optimisers[0][1].count) == 5 * 8


def test_its_moments_come_along() -> None:
    state = after(SMALL, 5)[0].learner
    moments = state.small.optimiser[1].mu
    whole = state.sac.learned.optimisers[0][1].mu
    np.testing.assert_array_equal(np.sort(moments[moments != 0]), np.sort(whole[whole != 0]))
    assert moments.size == weights(state.small.actor).size


def test_what_is_masked_is_frozen_until_it_returns() -> None:
    learner = dataclasses.replace(
        SMALL, pruning_schedule="rate", regrowth=False, pruning_start=0.1, weight_decay=0.1
    )
    first, later = (after(learner, rounds)[0].learner for rounds in (2, 4))
    masks = first.pruning.masks
    assert [int(mask.sum()) for mask in masks] == [6, 8]
    for one, other in zip(masks, later.pruning.masks, strict=True):
        np.testing.assert_array_equal(one, other)
    live = pruning.live_parameters(first.sac.learned.actor.network, masks)
    before, now = (state.sac.learned.actor.network for state in (first, later))
    rows = zip(*(jax.tree.leaves(tree) for tree in (live, before, now)), strict=True)
    for stays, old, new in rows:
        np.testing.assert_array_equal(np.asarray(old)[stays == 0], np.asarray(new)[stays == 0])
        assert not np.array_equal(np.asarray(old)[stays == 1], np.asarray(new)[stays == 1])


@pytest.mark.parametrize(
    "change",
    [
        {"importance": "mag"}, {"importance": "taylor"}, {"importance": "random"},
        {"pruning_schedule": "one_shot"}, {"allocation": "global"}, {"regrowth": False},
        {"group_sparse": True, "group_coef": 0.1}, {"pruning_schedule": "threshold"},
    ],
    ids=str,
)  # fmt: skip
def test_every_option_plays_and_changes_the_result(change: dict[str, Any]) -> None:
    learner = dataclasses.replace(SMALL, **change)
    state, log = after(learner, ROUNDS)
    assert np.all(np.isfinite(log["actor_loss"]))
    masked = float(log["sparsity"][-1])
    assert masked == pytest.approx(0.5) or change == {"pruning_schedule": "threshold"}
    assert masked > 0
    actor = settled(learner.policy(state.learner, explore=False).actor)
    widths = [bias.size for bias in pruning.compacted(actor.network).biases[:-1]]
    assert sum(widths) == round(28 * (1 - masked))
    before = after(SMALL, ROUNDS)[0].learner
    units = [one.sac.learned.critics for one in (state.learner, before)]
    assert change == {"regrowth": False} or not np.allclose(*map(weights, units))


def test_a_schedule_that_ends_before_it_begins_has_one_message() -> None:
    learner = dataclasses.replace(SMALL, pruning_start=0.6, pruning_end=0.5)
    spaces = Box(-1.0, 1.0, (3,)), Box(0.0, 1.0, (2,))
    with pytest.raises(InputError, match="must be at least pruning_start 0.6; got 0.5"):
        learner.check_sizes(*spaces)
    with pytest.raises(InputError, match="kept_percent must be at most 100; got 150"):
        dataclasses.replace(SMALL, kept_percent=150).check_sizes(*spaces)
