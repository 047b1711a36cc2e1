"""Stable-Baselines3 in our worlds. Runs where the extra ``peers`` is installed."""

from __future__ import annotations

import importlib
from typing import Any

import jax
import numpy as np
import pytest

import edgewright as ew
import edgewright.adapters.gymnasium as single
from edgewright.core.errors import InputError

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


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a model that clips hard, its environment, and the folder of its two files."""
    envs = vectors.VecNormalize(
        adapter.make_vec("aigc-heavy", 4, overrides=SHORT), gamma=0.95, clip_obs=0.5, epsilon=1e-3
    )
    model = sb3.PPO("MlpPolicy", envs, n_steps=64, seed=0, device="cpu")
    model.learn(256)
    folder = tmp_path_factory.mktemp("sb3")
    model.save(folder / "model.zip")
    envs.save(str(folder / "stats.pkl"))
    return model, envs, folder


def test_every_setting_of_the_normaliser_is_taken_over(saved: Any) -> None:
    model, envs, folder = saved
    loaded = sb3.PPO.load(folder / "model.zip", device="cpu")
    ours = [adapter.policy_of(model), adapter.policy_of(loaded, folder / "stats.pkl")]
    raw = adapter.make_vec("aigc-heavy", 64, overrides=SHORT)
    raw.seed(3)
    seen, key = raw.reset(), jax.random.key(0)
    for _ in range(20):
        theirs = model.predict(envs.normalize_obs(seen), deterministic=True)[0]
        for policy in ours:
            act = jax.vmap(lambda one, policy=policy: policy.act(key, (), one[None])[1].action[0])
            np.testing.assert_array_equal(np.asarray(act(seen)), theirs)
        seen = raw.step(theirs)[0]


def test_a_model_without_its_statistics_is_refused(saved: Any) -> None:
    loaded = sb3.PPO.load(saved[2] / "model.zip", device="cpu")
    with pytest.raises(InputError, match="how its observations were scaled is not known"):
        adapter.policy_of(loaded)
    assert not adapter.policy_of(loaded, False).inputs.standardise


def test_wrappers_that_change_what_a_model_sees_or_does_are_refused() -> None:
    from gymnasium.wrappers import TransformObservation

    stacked = vectors.VecFrameStack(adapter.make_vec("aigc-heavy", 2, overrides=SHORT), 2)
    model = sb3.PPO("MlpPolicy", stacked, n_steps=64)
    with pytest.raises(InputError, match="wrapped in VecFrameStack"):
        adapter.policy_of(model)

    def doubled() -> Any:
        env = single.make("aigc-heavy", overrides=SHORT)
        return TransformObservation(env, lambda seen: 2 * seen, env.observation_space)

    model = sb3.PPO("MlpPolicy", vectors.DummyVecEnv([doubled]), n_steps=64)
    with pytest.raises(InputError, match="wrapped in TransformObservation"):
        adapter.policy_of(model)


def test_a_saved_model_is_compared_with_its_statistics(saved: Any) -> None:
    model, envs, folder = saved
    problem = ew.make("aigc-heavy", {**SHORT, "evaluation.episodes": 4})
    asked = [f"mine=sb3:{folder}/model.zip+{folder}/stats.pkl", f"raw=sb3:{folder}/model.zip+none"]
    table = ew.compare(problem, asked)
    assert table.row("mine")["group"] == "learned"
    mine, raw = (note for note in table.result["notes"])
    assert (
        "PPO, tanh layers of 64 x 64 neurons" in mine and "clip_obs 0.5 and epsilon 0.001" in mine
    )
    assert raw.endswith("observations not normalised")
    assert table.row("mine")["reward"] != table.row("raw")["reward"]
    for wrong in (f"sb3:{folder}/stats.pkl+none", f"sb3:{folder}/model.zip+{folder}/model.zip"):
        with pytest.raises(InputError, match="Stable-Baselines3 cannot load it"):
            ew.compare(problem, [wrong])
    with pytest.raises(InputError, match="the scenario"):
        ew.compare("aigc-scaling", asked[:1])
