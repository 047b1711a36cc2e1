"""Stable-Baselines3 in our worlds. Runs where the extra ``peers`` is installed."""

from __future__ import annotations

import importlib
from typing import Any

import jax
import numpy as np
import pytest

import edgewright.adapters.gymnasium as single

WITHOUT = "the extra `peers` is not installed"
sb3 = pytest.importorskip("stable_baselines3", reason=WITHOUT)
check_env = pytest.importorskip("stable_baselines3.common.env_checker").check_env
vectors = pytest.importorskip("stable_baselines3.common.vec_env")
adapter = importlib.import_module("edgewright.adapters.stable_baselines3")

SHORT = {"params.horizon_slots": 40, "params.load_limit_gcycles": 25.0}


def test_its_own_checker() -> None:
    check_env(single.make("aigc-heavy", overrides=SHORT))


def test_our_vector_environment_is_its_own_loop_over_single_ones() -> None:
    ours = adapter.make_vec("aigc-heavy", 4, overrides=SHORT)
    theirs = vectors.DummyVecEnv([lambda: single.make("aigc-heavy", overrides=SHORT)] * 4)
    for envs in (ours, theirs):
        envs.seed(3)
    np.testing.assert_array_equal(ours.reset(), theirs.reset())
    rng, ended = np.random.default_rng(0), set()
    for _ in range(150):
        actions = rng.integers(0, 9, 4)
        mine, their = ours.step(actions), theirs.step(actions)
        for one, other in zip(mine[:3], their[:3], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)
        for one, other in zip(mine[3], their[3], strict=True):
            assert one.keys() == other.keys()
            for name in one:
                np.testing.assert_allclose(one[name], other[name], rtol=1e-5, atol=1e-6)
        ended |= {i["TimeLimit.truncated"] for i in mine[3] if "terminal_observation" in i}
    assert ended == {False, True}


@pytest.mark.parametrize("kind", ["PPO", "DQN"])
def test_a_trained_model_is_a_policy_of_ours(kind: str) -> None:
    import torch

    watched = vectors.VecMonitor(adapter.make_vec("aigc-heavy", 4, overrides=SHORT))
    envs = vectors.VecNormalize(watched, gamma=0.95)
    extra: dict[str, Any] = {"n_steps": 64} if kind == "PPO" else {"learning_starts": 100}
    model = getattr(sb3, kind)(
        "MlpPolicy", envs, seed=0, policy_kwargs={"activation_fn": torch.nn.Tanh}, **extra
    )
    model.learn(600)
    assert len(model.ep_info_buffer) > 0
    policy, key = adapter.policy_of(model), jax.random.key(0)
    for seen in np.random.default_rng(0).uniform(0, 1.5, (50, 11)).astype(np.float32):
        theirs, _ = model.predict(envs.normalize_obs(seen), deterministic=True)
        assert int(policy.act(key, (), seen)[1].action) == int(theirs)
