"""The comparison with peers: what it asks for, and (where they are installed) what it returns."""

from __future__ import annotations

import importlib.util
from typing import Any

import click
import jax.numpy as jnp
import numpy as np
import pytest
from click.testing import CliRunner

from edgewright.bench.peers import bench, settings, transfer
from edgewright.bench.peers.arena import arena_of, target_arena
from edgewright.bench.peers.target import SLOTS, TargetEnv
from edgewright.cli.bench_command import command
from edgewright.core.errors import InputError
from edgewright.evaluation.statistics import Interval
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load
from edgewright.systems.target_probe import TargetState


def call(*arguments: str) -> Any:
    return CliRunner().invoke(command, arguments, standalone_mode=False).exception


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "torch" else found(name)
    )
    error = call("libraries")
    assert isinstance(error, InputError)
    assert "torch is not installed" in str(error)
    assert "edgewright[peers]" in str(error)


def test_options_of_one_measurement_are_refused_by_another() -> None:
    for option in ("--steps", "--seeds"):
        assert isinstance(call("speed", option, "3"), click.exceptions.NoSuchOption)


def test_both_sides_get_the_same_settings() -> None:
    ppo, dqn, td3 = settings.ppo(1e5), settings.dqn(1e5), settings.td3(1e5)
    sac = settings.sac(1e5)
    assert (ppo.warmup, ppo.decay, ppo.normalize_observations, ppo.normalize_rewards) == (
        False,
        False,
        True,
        True,
    )
    assert (
        ppo.actor_learning_rate
        == ppo.critic_learning_rate
        == settings.ppo_settings(ppo)["learning_rate"]
    )
    assert (dqn.double, dqn.dueling) == (False, False)
    assert td3.actor_learning_rate == td3.critic_learning_rate
    assert sac.actor_learning_rate == sac.critic_learning_rate == sac.temperature_learning_rate
    assert td3.exploration_noise == td3.final_noise  # their noise is constant
    for learner, shared in (
        (ppo, settings.ppo_settings(ppo)),
        (dqn, settings.dqn_settings(dqn)),
        (td3, settings.td3_settings(td3)),
        (sac, settings.sac_settings(sac)),
    ):
        assert settings.settings_of(learner) == shared
        assert (shared["num_envs"], shared["rollout_steps"]) == (
            learner.num_envs,
            learner.rollout_steps,
        )
        assert shared["batch_size"] == learner.batch_size
        assert shared["hidden_sizes"] == (64, 64)


def test_every_policy_of_ours_is_scored_on_the_scenarios_episodes() -> None:
    short = {"params.horizon_slots": 20, "evaluation.episodes": 4}
    scenario = load("aigc-heavy", short)
    arena = arena_of(scenario, build(scenario))
    policies = bench._ours(arena, settings.ppo(2048), 2048, 2)
    scores = [transfer.score(arena, policy) for policy in policies]
    assert [score.shape for score in scores] == [(4,), (4,)]
    assert not (scores[0] == scores[1]).all()


@pytest.mark.parametrize("kind", ["ppo", "dqn", "td3", "sac"])
def test_scores_of_both_sides(kind: Any) -> None:
    pytest.importorskip("stable_baselines3", reason="the extra `peers` is not installed")
    scenario = load("aigc-heavy", {"evaluation.episodes": 4})
    learner = getattr(settings, kind)(2048)
    arena = target_arena() if kind in ("td3", "sac") else arena_of(scenario, build(scenario))
    found = bench.compare_scores(kind, arena, learner, 2048, 2)
    assert found["steps"] == 2048
    assert len(found["ours"]["seeds"]) == len(found["stable_baselines3"]["seeds"]) == 2
    assert found["difference"]["low"] <= found["difference"]["mean"] <= found["difference"]["high"]
    within = -found["margin"] < found["difference"]["low"] <= found["difference"]["high"]
    assert found["agree"] == (within and found["difference"]["high"] < found["margin"])


def test_agreement_is_shown_by_a_narrow_interval_and_not_by_a_wide_one() -> None:
    assert bench.is_small(Interval(0.001, -0.009, 0.011, 0.95))
    assert bench.is_small(Interval(0.008, 0.004, 0.012, 0.95))  # different, and by little
    assert not bench.is_small(Interval(0.0, -0.05, 0.05, 0.95))  # too few seeds to say
    assert not bench.is_small(Interval(-0.03, -0.04, -0.02, 0.95))


def test_the_transcribed_target_pays_what_the_world_pays() -> None:
    arena, env = target_arena(), TargetEnv()
    (cue,), _ = env.reset(seed=0)
    for slot in range(SLOTS):
        action = np.array([0.1 * slot, 1.0], np.float32)
        state = TargetState(cue=jnp.float32(cue), slot=jnp.int32(slot))
        outcome = arena.world.step(arena.params, state, action, state)
        observation, reward, terminated, truncated, _ = env.step(action)
        assert reward == pytest.approx(float(outcome.reward), abs=1e-5)
        assert not terminated
        assert truncated == bool(outcome.truncated) == (slot == SLOTS - 1)
        cue = observation[0]
    space = arena.world.action_space(arena.params)
    np.testing.assert_array_equal(env.action_space.low, space.bounds[0])
    np.testing.assert_array_equal(env.action_space.high, space.bounds[1])
