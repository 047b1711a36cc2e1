# pyright: reportMissingImports=false
"""Stable-Baselines3 on the same world with the same settings. Runs in processes of its own.

The functions take and return plain values, because they cross the border of a process. torch is
imported when they run, and JAX is not, unless our own vector environment is asked for.
"""

from __future__ import annotations

import time
from typing import Any, Literal

from edgewright.bench.peers import target
from edgewright.bench.peers.transcription import TranscribedEnv
from edgewright.scenarios.load import load

Kind = Literal["ppo", "dqn", "td3", "sac"]
Place = Literal["transcription", "adapter"]
Settings = dict[str, Any]


def train(kind: Kind, scenario: str, settings: Settings, steps: int, seed: int) -> dict[str, Any]:
    """Train one seed on the transcription and return its weights and statistics as arrays.

    Returns:
        ``arrays`` (the policy's ``state_dict``), ``activation``, ``observations`` (mean, variance,
        count, clip and epsilon of its normalisation), ``seconds`` and ``steps`` actually taken.
    """
    model = _model(kind, scenario, settings, seed, "transcription", threads=1)
    started = time.perf_counter()
    model.learn(steps)
    seconds = time.perf_counter() - started
    return _taken(model, settings, seconds)


def history(
    kind: Kind, scenario: str, settings: Settings, steps: int, seed: int
) -> list[dict[str, Any]]:
    """Train one seed and return what :func:`train` returns after every update.

    The seconds are those of training alone, without taking the weights.
    """
    model = _model(kind, scenario, settings, seed, "transcription", threads=1)
    update = settings["num_envs"] * settings["rollout_steps"]
    stages, seconds = [], 0.0
    for _ in range(steps // update):
        started = time.perf_counter()
        model.learn(update, reset_num_timesteps=False)
        seconds += time.perf_counter() - started
        stages.append(_taken(model, settings, seconds))
    return stages


def _taken(model: Any, settings: Settings, seconds: float) -> dict[str, Any]:
    """Return weights and statistics of a model as arrays of their own."""
    normaliser = model.get_vec_normalize_env()
    moments = normaliser.obs_rms
    return {
        "arrays": {
            n: leaf.detach().numpy().copy() for n, leaf in model.policy.state_dict().items()
        },
        "activation": settings.get("activation", "tanh"),
        "observations": (
            moments.mean.copy(),
            moments.var.copy(),
            float(moments.count),
            float(normaliser.clip_obs),
            float(normaliser.epsilon),
        ),
        "seconds": seconds,
        "steps": int(model.num_timesteps),
    }


def rate(
    kind: Kind, scenario: str, settings: Settings, index: Place, threads: int, steps: int
) -> float:
    """Return steps per second of training, after a warm-up of two updates."""
    model = _model(kind, scenario, settings, 0, index, threads)
    warm = 2 * settings["num_envs"] * settings["rollout_steps"] + settings.get("learning_starts", 0)
    model.learn(warm)
    before, started = model.num_timesteps, time.perf_counter()
    model.learn(steps, reset_num_timesteps=False)
    return (model.num_timesteps - before) / (time.perf_counter() - started)


def envs(scenario: str, index: Place, count: int) -> Any:
    """Return ``count`` copies for Stable-Baselines3: the transcription, or our adapter."""
    from stable_baselines3.common.vec_env import DummyVecEnv

    if index == "adapter":
        from edgewright.adapters.stable_baselines3 import WorldVecEnv, make_vec

        if scenario == target.NAME:
            return WorldVecEnv(target.copies(count))
        return make_vec(scenario, count)
    if scenario == target.NAME:
        return DummyVecEnv([target.TargetEnv] * count)
    chosen = load(scenario)
    return DummyVecEnv([lambda: TranscribedEnv(chosen)] * count)


def _model(
    kind: Kind, scenario: str, settings: Settings, seed: int, index: Place, threads: int
) -> Any:
    import torch
    from stable_baselines3 import DQN, PPO
    from stable_baselines3.common.vec_env import VecNormalize

    torch.set_num_threads(threads)
    copies = VecNormalize(
        envs(scenario, index, settings["num_envs"]),
        gamma=settings["gamma"],
        norm_obs=True,
        norm_reward=True,
    )
    hidden = list(settings["hidden_sizes"])
    shared: dict[str, Any] = {
        "learning_rate": settings["learning_rate"],
        "gamma": settings["gamma"],
        "batch_size": settings["batch_size"],
        "seed": seed,
        "device": "cpu",
    }
    if kind in ("td3", "sac"):
        return (_td3 if kind == "td3" else _sac)(copies, settings, shared)
    shared["max_grad_norm"] = settings["max_grad_norm"]
    if kind == "ppo":
        return PPO(
            "MlpPolicy",
            copies,
            n_steps=settings["rollout_steps"],
            n_epochs=settings["epochs"],
            gae_lambda=settings["gae_lambda"],
            clip_range=settings["clip_eps"],
            ent_coef=settings["entropy_coef"],
            policy_kwargs={
                "net_arch": {"pi": hidden, "vf": hidden},
                "activation_fn": torch.nn.Tanh,
            },
            **shared,
        )
    return DQN(
        "MlpPolicy",
        copies,
        **_replay(settings),
        target_update_interval=settings["target_update_interval"],
        exploration_fraction=settings["exploration_fraction"],
        exploration_final_eps=settings["final_epsilon"],
        policy_kwargs={"net_arch": hidden, "activation_fn": torch.nn.Tanh},
        **shared,
    )


def _replay(settings: Settings) -> Settings:
    """Return how a learner with a replay fills it and how often it learns from it."""
    played = settings["num_envs"] * settings["rollout_steps"]
    return {
        "buffer_size": settings["buffer_size"],
        "learning_starts": settings["learning_starts"],
        "train_freq": settings["rollout_steps"],
        "gradient_steps": played // settings["train_freq"],
    }


def _td3(copies: Any, settings: Settings, shared: Settings) -> Any:
    import numpy as np
    import torch
    from stable_baselines3 import TD3
    from stable_baselines3.common.noise import NormalActionNoise

    numbers = copies.action_space.shape
    return TD3(
        "MlpPolicy",
        copies,
        **_replay(settings),
        tau=settings["tau"],
        policy_delay=settings["policy_delay"],
        target_policy_noise=settings["target_noise"],
        target_noise_clip=settings["target_noise_clip"],
        action_noise=NormalActionNoise(
            np.zeros(numbers), np.full(numbers, settings["exploration_noise"])
        ),
        policy_kwargs={
            "net_arch": list(settings["hidden_sizes"]),
            "activation_fn": torch.nn.Tanh,
        },
        **shared,
    )


def _sac(copies: Any, settings: Settings, shared: Settings) -> Any:
    import torch
    from stable_baselines3 import SAC

    hidden = {"pi": list(settings["hidden_sizes"]), "qf": list(settings["critic_hidden_sizes"])}
    return SAC(
        "MlpPolicy",
        copies,
        **_replay(settings),
        tau=settings["tau"],
        ent_coef=f"auto_{settings['initial_temperature']}",
        target_entropy=-settings["target_entropy_scale"] * copies.action_space.shape[0],
        policy_kwargs={"net_arch": hidden, "activation_fn": torch.nn.ReLU},
        **shared,
    )
