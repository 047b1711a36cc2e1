# pyright: reportMissingImports=false
"""Offer our vector environment to Stable-Baselines3 as a ``VecEnv``, and use its policies here.

Needs the extra ``peers`` (torch and stable-baselines3).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv, VecNormalize
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn

from edgewright.adapters import weights
from edgewright.adapters.gymnasium import WorldVectorEnv
from edgewright.adapters.gymnasium import make_vec as make_gymnasium_vec
from edgewright.adapters.results import LazyInfo
from edgewright.adapters.stable_baselines3_checks import check_network, normaliser_of
from edgewright.adapters.stable_baselines3_files import read_statistics
from edgewright.core.errors import InputError
from edgewright.core.protocols import Policy


def make_vec(
    scenario: str,
    num_envs: int = 1,
    data: str | None = None,
    overrides: dict[str, Any] | None = None,
) -> WorldVecEnv:
    """Return ``num_envs`` copies of a scenario that Stable-Baselines3 can train in.

    The arguments are those of :func:`edgewright.adapters.gymnasium.make_vec`.
    """
    return WorldVecEnv(make_gymnasium_vec(scenario, num_envs, data, overrides))


class WorldVecEnv(VecEnv):
    """Our vector environment under the interface of Stable-Baselines3.

    Every ``info`` holds the physical metrics of the step; where an episode ended also
    ``terminal_observation`` and ``TimeLimit.truncated`` (truncation, not termination).
    """

    def __init__(self, envs: WorldVectorEnv) -> None:
        self.envs = envs
        self._chosen: np.ndarray = np.zeros(0)
        self._names: frozenset[str] | None = None  # of the metrics, once they were read
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)

    def reset(self) -> np.ndarray:
        seeds = None if all(seed is None for seed in self._seeds) else list(self._seeds)
        observation, _ = self.envs.reset(seed=seeds)
        self._reset_seeds()
        self._reset_options()
        return observation

    def step_async(self, actions: np.ndarray) -> None:
        self._chosen = actions

    def step_wait(self) -> VecEnvStepReturn:
        observation, reward, terminated, truncated, info = self.envs.step(self._chosen)
        done = terminated | truncated
        infos = self._infos(info)
        final = self._infos(info["final_info"]) if np.any(done) else []
        for copy in np.flatnonzero(done):
            infos[copy] = {
                **final[copy],
                "terminal_observation": info["final_obs"][copy],
            }
        for copy, entry in enumerate(infos):
            entry["TimeLimit.truncated"] = bool(truncated[copy])
        return observation, reward, done, infos

    def close(self) -> None:
        self.envs.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        value = getattr(self.envs, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        raise AttributeError("the copies share one step: nothing can be set on one of them")

    def env_method(
        self,
        method_name: str,
        *method_args: Any,
        indices: VecEnvIndices = None,
        **method_kwargs: Any,
    ) -> list[Any]:
        raise AttributeError("the copies share one step: none has methods of its own")

    def env_is_wrapped(self, wrapper_class: type[Any], indices: VecEnvIndices = None) -> list[bool]:
        return [False for _ in self._get_indices(indices)]

    def _infos(self, info: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the metrics copy by copy instead of name by name, computed when one is read."""

        @functools.cache
        def columns() -> dict[str, list[Any]]:
            metrics = {n: v for n, v in info.items() if f"_{n}" in info}
            columns = {n: v.tolist() for n, v in metrics.items() if not n.startswith("final")}
            self._names = frozenset(columns) or None
            return columns

        def of(copy: int) -> dict[str, Any]:
            return {name: values[copy] for name, values in columns().items()}

        copies = range(self.num_envs)
        return [LazyInfo(functools.partial(of, copy), self._names) for copy in copies]


def policy_of(
    model: BaseAlgorithm, statistics: VecNormalize | str | Path | Literal[False] | None = None
) -> Policy:
    """Return the greedy policy of a trained PPO, A2C or DQN model as ours.

    It can be scored with :func:`edgewright.loops.evaluate.evaluate` on the same episodes as
    everything else.

    Args:
        model: trained or loaded.
        statistics: what normalises its observations: a ``VecNormalize``, the file that its ``save``
            wrote, or False for nothing. If absent, that of the model's environment. A file is
            unpickled, which runs code of whoever wrote it.

    Raises:
        InputError: its networks are not plain perceptrons with tanh or ReLU, its environment is
            wrapped in something that may change observations or actions, or no statistics are named
            and its environment is not that of its training.
    """
    check_network(model)
    if statistics is None:
        normaliser = normaliser_of(model)
    elif isinstance(statistics, str | Path):
        normaliser = read_statistics(Path(statistics), model)
    else:
        normaliser = statistics or None
    arrays = {name: leaf.detach().cpu().numpy() for name, leaf in model.policy.state_dict().items()}
    activation = str(getattr(model.policy, "activation_fn", type(None)).__name__).lower()
    return weights.policy_of(arrays, activation, _statistics(normaliser))


def _statistics(normaliser: VecNormalize | None) -> weights.Statistics | None:
    """Return every setting of a normaliser that decides what a model sees."""
    if normaliser is None:
        return None
    if type(normaliser) is not VecNormalize:
        message = f"the statistics are a {type(normaliser).__name__}, which may scale otherwise"
        hint = "give a VecNormalize of Stable-Baselines3 itself, or the file of its save"
        raise InputError(message, where="statistics", hint=hint)
    if not normaliser.norm_obs:
        return None
    moments: Any = normaliser.obs_rms
    if isinstance(moments, Mapping):
        message = "observations must be one array; the VecNormalize scales a dictionary"
        raise InputError(message, where="statistics", hint="train on make_vec of this module")
    if moments.count < 1:
        message = "the VecNormalize has seen no observation"
        hint = "name the file of VecNormalize.save: policy_of(model, 'stats.pkl')"
        raise InputError(message, where="statistics", hint=hint)
    numbers = moments.mean, moments.var, float(moments.count)
    return weights.Statistics(*numbers, float(normaliser.clip_obs), float(normaliser.epsilon))
