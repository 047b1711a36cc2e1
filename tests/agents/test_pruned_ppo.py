"""Pruned PPO: masks, exact compaction in one program, the smaller actor is learned and exported."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.agents.ppo import PPO
from edgewright.agents.pruned_ppo import PrunedPPO
from edgewright.agents.unit_pruning import plain_network
from edgewright.bundle.interface import Interface
from edgewright.core.errors import InputError
from edgewright.core.spaces import Box
from edgewright.export.layers import Dense, run
from edgewright.export.networks import layers_of
from edgewright.loops.online import Training, advance, init_training
from edgewright.nets.actors import network_of
from edgewright.rules import pruning
from edgewright.systems.probes import ProbeWorld, probe
from edgewright.systems.target_probe import TargetParams, TargetWorld
from edgewright.testing import check_learner

CHOICES = ProbeWorld(), probe("match")
NUMBERS = TargetWorld(), TargetParams(horizon_slots=jnp.float32(8))
ROUNDS = 10
"""Of 32 steps each; the schedule ends with the fifth."""

SIZES: dict[str, Any] = {
    "hidden_sizes": (12, 16), "num_envs": 4, "rollout_steps": 8, "batch_size": 16, "epochs": 2,
    "total_steps": 32.0 * ROUNDS, "actor_learning_rate": 3e-3,
}  # fmt: skip
SMALL = PrunedPPO(
    **SIZES, pruning_interval=32.0, pruning_start=0.1, pruning_end=0.5, min_units=2,
    importance_samples=16,
)  # fmt: skip


@functools.cache
def after(learner: Any, rounds: int, numbers: bool = False) -> tuple[Training, Any]:
    world, params = NUMBERS if numbers else CHOICES
    stream = world.inputs(params)
    start = init_training(jax.random.key(0), world, params, stream, learner)
    return advance(world, params, stream, learner, start, jnp.int32(rounds), ROUNDS)


def weights(tree: Any) -> np.ndarray:
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


def widths(network: Any) -> list[int]:
    return [bias.size for bias in network.biases]


def test_it_keeps_the_laws_of_learners() -> None:
    check_learner(SMALL, *CHOICES)


def test_without_a_rate_it_learns_as_ppo_does() -> None:
    none = dataclasses.replace(SMALL, kept_percent=100)
    ours, plain = after(none, ROUNDS), after(PPO(**SIZES), ROUNDS)
    actor, critic = ours[0].learner.ppo.networks
    expected = plain[0].learner.networks
    np.testing.assert_allclose(weights((actor.inner, critic)), weights(expected), atol=1e-4)
    np.testing.assert_array_equal(ours[1]["sparsity"], 0.0)
    spaces = CHOICES[0].observation_space, CHOICES[0].action_space
    start = none.init(jax.random.key(0), *(space(CHOICES[1]) for space in spaces))
    assert np.abs(weights(start.ppo.networks[0].inner) - weights(actor.inner)).max() > 0.01


@pytest.mark.parametrize("numbers", [False, True], ids=["choices", "numbers"])
def test_the_small_actor_takes_over_in_one_program_and_then_learns(numbers: bool) -> None:
    fourth, fifth, last = (after(SMALL, n, numbers)[0].learner for n in (4, 5, ROUNDS))
    count = advance._cache_size()
    after(SMALL, 6, numbers)
    assert advance._cache_size() == count
    assert [bool(one.frozen) for one in (fourth, fifth, last)] == [False, True, True]
    small = network_of(fifth.small.networks[0])
    dense = network_of(fifth.ppo.networks[0])
    assert widths(small) == [6, 8, small.biases[-1].size]
    rows = jax.random.normal(jax.random.key(1), (50, small.weights[0].shape[0]))
    np.testing.assert_allclose(small(rows), dense(rows), atol=1e-5)
    assert widths(plain_network(dense)) == widths(small)
    # From then on only the small one moves, and the critic with it.
    assert not np.allclose(weights(last.small.networks[0]), weights(fifth.small.networks[0]))
    assert not np.allclose(weights(last.small.networks[1]), weights(fifth.small.networks[1]))
    np.testing.assert_array_equal(weights(last.ppo.networks), weights(fifth.ppo.networks))
    assert int(last.small.optimiser.count) == ROUNDS * 4
    moments = fifth.small.optimiser.mu
    assert moments.size == weights(fifth.small.networks).size
    entire = fifth.ppo.optimiser.mu
    np.testing.assert_array_equal(np.sort(moments[moments != 0]), np.sort(entire[entire != 0]))


def test_what_is_masked_is_frozen_until_it_returns() -> None:
    learner = dataclasses.replace(SMALL, pruning_schedule="rate", regrowth=False, pruning_start=0.1)
    first, later = (after(learner, rounds)[0].learner for rounds in (2, 4))
    masks = first.pruning.masks
    assert [int(mask.sum()) for mask in masks] == [6, 8]
    for one, other in zip(masks, later.ppo.networks[0].masks, strict=True):
        np.testing.assert_array_equal(one, other)
    before, now = (state.ppo.networks[0].inner for state in (first, later))
    live = pruning.live_parameters(before, masks)
    rows = zip(*(jax.tree.leaves(tree) for tree in (live, before, now)), strict=True)
    for stays, old, new in rows:
        np.testing.assert_array_equal(np.asarray(old)[stays == 0], np.asarray(new)[stays == 0])
        assert not np.array_equal(np.asarray(old)[stays == 1], np.asarray(new)[stays == 1])


def test_slopes_rank_all_layers_together_and_masks_stay_where_widths_are_open() -> None:
    learner = dataclasses.replace(SMALL, importance="taylor", allocation="global")
    training, log = after(learner, ROUNDS)
    assert np.all(np.isfinite(log["policy_loss"]))
    assert float(log["sparsity"][-1]) == pytest.approx(0.5)
    assert training.learner.small is None
    policy = learner.policy(training.learner, explore=False)
    assert sum(widths(plain_network(network_of(policy.actor)))[:-1]) == 14
    ours, usual = (one.learner.pruning.masks for one in (training, after(SMALL, ROUNDS)[0]))
    assert not np.array_equal(np.concatenate(ours), np.concatenate(usual))


@pytest.mark.parametrize("numbers", [False, True], ids=["choices", "numbers"])
def test_what_is_exported_is_the_smaller_actor(numbers: bool) -> None:
    state = after(SMALL, ROUNDS, numbers)[0].learner
    policy = SMALL.policy(state, explore=False)
    layers = layers_of(policy, None, Interface((), ()))
    sizes = [layer.weight.shape[1] for layer in layers if isinstance(layer, Dense)]
    assert sizes[:2] == [6, 8]
    columns = state.ppo.inputs.scale.size
    rows = jax.random.uniform(jax.random.key(3), (20, columns), minval=-1, maxval=1)
    scores = policy.actor(policy.inputs(rows))
    np.testing.assert_allclose(run(layers, rows), scores[:, : sizes[-1]], atol=1e-5)


def test_it_learns_a_probe_with_half_of_its_units(train_seeds: Any) -> None:
    """The pruned actor chooses as the cue says, as the unpruned one does."""
    world, params = CHOICES
    learner = PrunedPPO(
        gamma=0.8, actor_learning_rate=3e-3, critic_learning_rate=3e-3, total_steps=100.0 * 128,
        normalize_rewards=False, hidden_sizes=(16,), num_envs=8, rollout_steps=16, epochs=4,
        batch_size=32, pruning_interval=640.0, min_units=2,
    )  # fmt: skip
    states = train_seeds(world, params, learner, 100, 2)
    for seed in range(2):
        state = jax.tree.map(lambda leaf, n=seed: leaf[n], states)
        assert bool(state.frozen) and widths(network_of(state.small.networks[0]))[0] == 8
        policy = learner.policy(state, explore=False)
        chosen = []
        for cue in (-1.0, 1.0):
            seen = jnp.zeros(world.observation_space(params).shape).at[0].set(cue)
            chosen.append(int(policy.act(jax.random.key(0), (), seen)[1].action))
        assert chosen == [0, 1]


def test_a_share_above_all_has_one_message() -> None:
    with pytest.raises(InputError, match="kept_percent must be at most 100; got 150"):
        dataclasses.replace(SMALL, kept_percent=150).check_sizes(Box(-1.0, 1.0, (3,)), None)
