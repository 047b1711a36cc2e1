# pyright: reportMissingImports=false
"""Find what stands between a world and a model of Stable-Baselines3, and refuse what would be lost.

Only what is known by name passes: a wrapper, a features extractor or a layer without weights leaves
no trace in the arrays of a model. Needs the extra ``peers``.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import gymnasium.wrappers as single
import gymnasium.wrappers.vector as vector
from gymnasium.vector import VectorEnv, VectorRewardWrapper, VectorWrapper
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import FlattenExtractor, MlpExtractor
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    VecCheckNan,
    VecEnvWrapper,
    VecMonitor,
    VecNormalize,
    VecVideoRecorder,
)
from stable_baselines3.dqn.policies import DQNPolicy, QNetwork
from torch import nn

from edgewright.core.errors import InputError

HARMLESS: tuple[type[Any], ...] = (
    *(VecMonitor, VecCheckNan, VecVideoRecorder, Monitor),
    *(single.TimeLimit, single.PassiveEnvChecker, single.OrderEnforcing, single.RecordVideo),
    *(single.RecordEpisodeStatistics, single.RenderCollection, single.HumanRendering),
    *(single.ClipReward, single.TransformReward, single.NormalizeReward),
    *(vector.RecordEpisodeStatistics, vector.RecordVideo, vector.HumanRendering),
    *(vector.ClipReward, vector.TransformReward, vector.NormalizeReward),
    *(vector.VectorizeTransformReward, vector.DictInfoToList),
)
"""Wrappers that change neither observations nor actions; what extends them may do so."""

REWARDS = (gymnasium.RewardWrapper, VectorRewardWrapper)
"""What extends these is harmless as long as it leaves ``step`` and ``reset`` as they are."""

PARTS = (FlattenExtractor, MlpExtractor, QNetwork, nn.Sequential, nn.Flatten, nn.Linear)
"""What a policy is made of, beside its activation."""

_UNDERSTOOD = "PPO, A2C and DQN with an MlpPolicy and discrete actions are understood"


def normaliser_of(model: BaseAlgorithm) -> VecNormalize | None:
    """Return the normaliser of a model's environment, and refuse wrappers that are not taken over.

    Raises:
        InputError: there is no environment, it is not the one of the training, or a wrapper changes
            observations or actions.
    """
    envs: Any = model.get_env()
    if envs is None:
        raise _unknown("the model has no environment")
    normalisers: list[VecNormalize] = []
    while isinstance(envs, VecEnvWrapper):
        if type(envs) is VecNormalize:
            normalisers.append(envs)
        else:
            _check_harmless(envs)
        envs = envs.venv
    if len(normalisers) > 1:
        raise _wrapped("a second VecNormalize")
    _check_inside(envs)
    result = normalisers[0] if normalisers else None
    if not _trained_here(model) and not _has_seen(result, model.num_timesteps):
        raise _unknown("the model was loaded or given another environment")
    return result


def _has_seen(normaliser: VecNormalize | None, steps: int) -> bool:
    """Return whether a normaliser has seen as many observations as a training of ``steps``."""
    moments: Any = getattr(normaliser, "obs_rms", None)
    return getattr(moments, "count", 0.0) >= steps


def _trained_here(model: BaseAlgorithm) -> bool:
    """Return whether the environment of a model is that of its training, if it had any.

    Loading forgets the logger, and another environment the last observation.
    """
    learned = model.num_timesteps > 0
    return not learned or (hasattr(model, "_logger") and model._last_obs is not None)


def _check_inside(envs: Any) -> None:
    """Refuse what a vector environment without wrappers of Stable-Baselines3 hides in itself."""
    if type(envs) is DummyVecEnv:
        for env in envs.envs:
            while isinstance(env, gymnasium.Wrapper):
                _check_harmless(env)
                env = env.env
        return
    inside = getattr(envs, "envs", None)
    if not isinstance(inside, VectorEnv):
        raise _wrapped(type(envs).__name__)
    while isinstance(inside, VectorWrapper):
        _check_harmless(inside)
        inside = inside.env


def _check_harmless(wrapper: Any) -> None:
    """Refuse a wrapper that is not known to leave observations and actions as they are."""
    kind = type(wrapper)
    if kind in HARMLESS:
        return
    for base in REWARDS:
        if isinstance(wrapper, base) and all(
            getattr(kind, name) is getattr(base, name) for name in ("step", "reset")
        ):
            return
    raise _wrapped(kind.__name__)


def check_network(model: BaseAlgorithm) -> None:
    """Refuse parts of a policy that leave no trace in its arrays.

    Raises:
        InputError: the policy, its features extractor or a layer is of a kind that is not known, or
            the actions are not one choice.
    """
    policy, where = model.policy, "model.policy"
    if type(policy) not in (ActorCriticPolicy, DQNPolicy):
        message = f"its policy is a {type(policy).__name__}"
        raise InputError(message, where=where, hint=_UNDERSTOOD)
    actions = model.action_space
    if type(actions) is not gymnasium.spaces.Discrete or actions.start:
        raise InputError(f"its actions are {actions}", where="model", hint=_UNDERSTOOD)
    known = (*PARTS, type(policy), getattr(policy, "activation_fn", None))
    for name, part in policy.named_modules():
        if type(part) not in known:
            message = f"its networks are of another kind: '{name}' is a {type(part).__name__}"
            raise InputError(message, where=where, hint=_UNDERSTOOD)


def _wrapped(name: str) -> InputError:
    message = f"the environment is wrapped in {name}, which may change what the model sees or does"
    hint = "train without it, or with one VecNormalize"
    return InputError(message, where="model.env", hint=hint)


def _unknown(why: str) -> InputError:
    message = f"{why}, so how its observations were scaled is not known"
    hint = "name the file of VecNormalize.save: policy_of(model, 'stats.pkl'); or False"
    return InputError(message, where="statistics", hint=f"{hint}, if nothing scaled them")
