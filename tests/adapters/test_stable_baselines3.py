"""Stable-Baselines3 in our worlds. Runs where the extra ``peers`` is installed."""

from __future__ import annotations

import importlib
from typing import Any

import gymnasium
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


def test_a_loaded_model_with_a_raw_environment_is_refused(saved: Any) -> None:
    """The environment it is given says nothing about that of its training."""
    _, envs, folder = saved
    raw = adapter.make_vec("aigc-heavy", 4, overrides=SHORT)
    loaded = [
        sb3.PPO.load(folder / "model.zip", env=raw, device="cpu", force_reset=reset)
        for reset in (True, False)
    ]
    trained = sb3.PPO("MlpPolicy", envs, n_steps=64, seed=0, device="cpu").learn(256)
    trained.set_env(raw)
    for model in (*loaded, trained):
        with pytest.raises(InputError, match="loaded or given another environment.*not known"):
            adapter.policy_of(model)
        assert not adapter.policy_of(model, False).inputs.standardise
    other = vectors.VecNormalize(raw)
    fresh = sb3.PPO.load(folder / "model.zip", env=other, device="cpu")
    with pytest.raises(InputError, match="has seen no observation"):
        adapter.policy_of(fresh, other)
    other.reset()  # now it has seen four
    with pytest.raises(InputError, match="loaded or given another environment"):
        adapter.policy_of(fresh)
    known = vectors.VecNormalize.load(str(folder / "stats.pkl"), raw)
    restored = sb3.PPO.load(folder / "model.zip", env=known, device="cpu")
    inputs = adapter.policy_of(restored).inputs
    assert inputs.standardise and inputs.clip == 0.5


class Doubled(vectors.VecNormalize):
    """A normaliser of one's own."""

    def _normalize_obs(self, obs: Any, obs_rms: Any) -> Any:
        return 2 * super()._normalize_obs(obs, obs_rms)


class Watched(vectors.VecMonitor):
    """A monitor that does more than watch."""

    def step_wait(self) -> Any:
        seen, *rest = super().step_wait()
        return (2 * seen, *rest)


class Brighter(gymnasium.vector.VectorWrapper):
    """A wrapper inside our vector environment."""

    def step(self, actions: Any) -> Any:
        seen, *rest = super().step(actions)
        return (2 * seen, *rest)


def wrapped_in(name: str) -> Any:
    """Return an environment of which something may change what a model sees or does."""
    import gymnasium.wrappers as one

    ours = adapter.make_vec("aigc-heavy", 2, overrides=SHORT)
    rows = single.make_vec("aigc-heavy", 2, overrides=SHORT)

    def dummy(wrap: Any) -> Any:
        return vectors.DummyVecEnv([lambda: wrap(single.make("aigc-heavy", overrides=SHORT))])

    return {
        "VecFrameStack": lambda: vectors.VecFrameStack(ours, 2),
        "Doubled": lambda: Doubled(ours),
        "Watched": lambda: Watched(ours),
        "a second VecNormalize": lambda: vectors.VecNormalize(vectors.VecNormalize(ours)),
        "Brighter": lambda: adapter.WorldVecEnv(Brighter(rows)),
        "NormalizeObservation": lambda: dummy(one.NormalizeObservation),
        "DelayObservation": lambda: dummy(lambda env: one.DelayObservation(env, 1)),
        "StickyAction": lambda: dummy(lambda env: one.StickyAction(env, 0.5)),
        "TimeAwareObservation": lambda: dummy(
            lambda env: one.TimeAwareObservation(one.TimeLimit(env, 9))
        ),
    }[name]()


@pytest.mark.parametrize(
    "name",
    [
        *("VecFrameStack", "Doubled", "Watched", "a second VecNormalize", "Brighter"),
        *("NormalizeObservation", "DelayObservation", "StickyAction", "TimeAwareObservation"),
    ],
)
def test_a_wrapper_is_refused_by_name_unless_it_is_known_to_be_harmless(name: str) -> None:
    model = sb3.PPO("MlpPolicy", wrapped_in(name), n_steps=64, device="cpu")
    with pytest.raises(InputError, match=f"wrapped in {name}"):
        adapter.policy_of(model)


def test_wrappers_that_only_watch_or_change_rewards_are_taken() -> None:
    import gymnasium.wrappers as one
    import gymnasium.wrappers.vector as many

    rows = single.make_vec("aigc-heavy", 2, overrides=SHORT)
    rewarded = many.TransformReward(many.RecordEpisodeStatistics(rows), lambda reward: 2 * reward)
    watched = vectors.VecCheckNan(vectors.VecMonitor(adapter.WorldVecEnv(rewarded)))

    def limited() -> Any:
        env = one.TimeLimit(single.make("aigc-heavy", overrides=SHORT), 20)
        return one.TransformReward(one.RecordEpisodeStatistics(env), lambda reward: 2 * reward)

    for envs in (watched, vectors.DummyVecEnv([limited])):
        model = sb3.PPO("MlpPolicy", envs, n_steps=20, batch_size=20, device="cpu").learn(20)
        assert not adapter.policy_of(model).inputs.standardise


def test_parts_without_weights_are_refused_by_name() -> None:
    import torch
    from stable_baselines3.common.torch_layers import FlattenExtractor

    class Halved(FlattenExtractor):
        def forward(self, observations: Any) -> Any:
            return super().forward(observations) / 2

    class Calm(sb3.ppo.MlpPolicy):
        def _predict(self, observation: Any, deterministic: bool = False) -> Any:
            return 0 * super()._predict(observation, deterministic)

    envs = adapter.make_vec("aigc-heavy", 2, overrides=SHORT)
    plain: dict[str, Any] = {"n_steps": 64, "device": "cpu"}
    for kind in ("PPO", "DQN"):
        extra = {"device": "cpu"} if kind == "DQN" else plain
        model = getattr(sb3, kind)(
            "MlpPolicy", envs, policy_kwargs={"features_extractor_class": Halved}, **extra
        )
        with pytest.raises(InputError, match="is a Halved"):
            adapter.policy_of(model)
    with pytest.raises(InputError, match="its policy is a Calm"):
        adapter.policy_of(sb3.PPO(Calm, envs, **plain))
    model = sb3.PPO("MlpPolicy", envs, **plain)
    model.policy.mlp_extractor.policy_net.append(torch.nn.Dropout(0.5))
    with pytest.raises(InputError, match="'mlp_extractor.policy_net.4' is a Dropout"):
        adapter.policy_of(model)


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
