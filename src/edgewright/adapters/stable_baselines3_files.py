# pyright: reportMissingImports=false
"""Read models and statistics that Stable-Baselines3 saved.

Stable-Baselines3 unpickles both kinds of files, and unpickling runs code of whoever wrote them:
read files that you trust only. Needs the extra ``peers``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.save_util import load_from_zip_file
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from edgewright.core.errors import InputError


def read_statistics(file: Path, model: BaseAlgorithm) -> VecNormalize:
    """Return the ``VecNormalize`` of a file that its ``save`` wrote, for a model's observations.

    Raises:
        InputError: it cannot be read, holds something else, or observations of another shape.
    """
    env: gymnasium.Env[Any, Any] = gymnasium.Env()
    env.observation_space, env.action_space = model.observation_space, model.action_space
    try:
        normaliser = VecNormalize.load(str(file), DummyVecEnv([lambda: env]))
    except Exception as error:  # unpickling runs what the file says, so anything may be raised
        message = f"Stable-Baselines3 cannot load it ({type(error).__name__}: {error})"
        hint = "name a file that VecNormalize.save wrote in the training of this model"
        raise InputError(message, where=str(file), hint=hint) from None
    return normaliser


def read_model(file: Path) -> BaseAlgorithm:
    """Return the PPO, A2C or DQN model of a file that its ``save`` wrote.

    Raises:
        InputError: it cannot be read, or is another algorithm.
    """
    hint = "name a file that model.save of PPO, A2C or DQN wrote"
    try:
        facts, _, _ = load_from_zip_file(file, device="cpu", load_data=True)
        name = getattr((facts or {}).get("policy_class"), "__name__", "nothing")
        kinds: dict[str, type[BaseAlgorithm]] = {"DQNPolicy": DQN}
        kinds["ActorCriticPolicy"] = PPO if "clip_range" in (facts or {}) else A2C
        if name in kinds:
            return kinds[name].load(file, device="cpu")
    except Exception as error:  # unpickling runs what the file says, so anything may be raised
        message = f"Stable-Baselines3 cannot load it ({type(error).__name__}: {error})"
        raise InputError(message, where=str(file), hint=hint) from None
    raise InputError(f"its policy is a {name}", where=str(file), hint=hint)


def check_fits(model: BaseAlgorithm, features: int, actions: Any, where: str) -> None:
    """Check that a model observes and acts as one decision maker of a world does.

    Args:
        features: of an observation.
        actions: the Gymnasium space of one decision maker's actions.
        where: the file, for the message.

    Raises:
        InputError: it does not.
    """
    observed, hint = model.observation_space.shape, "compare it on the scenario it was trained on"
    if observed != (features,):
        message = f"the model observes {observed}, the scenario ({features},)"
        raise InputError(message, where=where, hint=hint)
    if model.action_space != actions:
        message = f"the model's actions are {model.action_space}, the scenario's {actions}"
        raise InputError(message, where=where, hint=hint)


def facts_of(policy: Any, model: BaseAlgorithm) -> str:
    """Return in words what was taken over from a model."""
    network = getattr(policy, "actor", None) or policy.network
    widths = " x ".join(str(weight.shape[1]) for weight in network.weights[:-1])
    text = f"{type(model).__name__}, {network.activation} layers of {widths or 'no'} neurons"
    inputs = policy.inputs
    if not inputs.standardise:
        return f"{text}, observations not normalised"
    count = float(inputs.moments.count)
    return (
        f"{text}, VecNormalize of {count:,.0f} observations with clip_obs {inputs.clip:g} and "
        f"epsilon {inputs.epsilon:g}"
    )
