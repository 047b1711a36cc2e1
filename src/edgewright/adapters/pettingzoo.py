"""Offer a world to PettingZoo, with one agent for every device; all agents act at once."""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium.utils import seeding
from pettingzoo import ParallelEnv

from edgewright.adapters import spaces
from edgewright.adapters.results import LazyInfo
from edgewright.adapters.steppers import NUMBERS, single_stepper
from edgewright.core.errors import InputError
from edgewright.core.protocols import Stream, World
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load


def make(
    scenario: str, data: str | None = None, overrides: dict[str, Any] | None = None
) -> WorldParallelEnv:
    """Return a scenario with an agent for each device, ``device_1``, ``device_2``...

    Args:
        scenario: a shipped name or a TOML file.
        data: folder of recordings, for scenarios that are driven by them.
        overrides: dotted keys and values, e.g. ``{"world.devices": 4}``.
    """
    problem = build(load(scenario, overrides), data)
    return WorldParallelEnv(problem.world, problem.params, problem.train_stream)


class WorldParallelEnv(ParallelEnv):
    """A world whose devices are agents.

    A world ends for all of them at once (decision 1): a device whose battery is out stays, its
    actions do nothing and it earns nothing, until the last one is out. ``infos`` hold the physical
    metrics of each device.
    """

    render_mode = None

    def __init__(self, world: World, params: Any, stream: Stream[Any]) -> None:
        axes = spaces.agents(world, params)
        if len(axes) != 1:
            hint = "use edgewright.adapters.gymnasium"
            raise InputError("the world has no axis of devices", where="world", hint=hint)
        self.metadata = {"name": "edgewright_v0", "render_modes": [], "is_parallelizable": True}
        self.possible_agents = [f"device_{n + 1}" for n in range(axes[0])]
        self.agents: list[str] = []
        self.observation_spaces = {
            agent: spaces.observations(world, params) for agent in self.possible_agents
        }
        self.action_spaces = {
            agent: spaces.actions(world, params) for agent in self.possible_agents
        }
        self._copy = single_stepper(world, params, stream)
        self._generator: np.random.Generator | None = None

    def observation_space(self, agent: str) -> Any:
        """Return what an agent sees: the same object every time."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Any:
        """Return what an agent may do: the same object every time."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, dict[str, Any]]]:
        """Begin an episode with all agents.

        Args:
            seed: any whole number from 0.
            options: not used; PettingZoo's own checker passes one that no environment knows.
        """
        seed = None if seed is None else operator.index(seed)
        if seed is not None or self._generator is None:
            self._generator, _ = seeding.np_random(seed)
            result = self._copy.reset(int(self._generator.integers(NUMBERS)))
        else:
            result = self._copy.restart()
        self.agents = list(self.possible_agents)
        return self._each(result), {agent: {} for agent in self.agents}

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[
        dict[str, np.ndarray],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, dict[str, Any]],
    ]:
        """Serve one slot of every device."""
        if not self.agents:
            hint = "call reset() first"
            raise InputError("the episode is over, or none has begun", where="step", hint=hint)
        acting = self.agents
        joint = self._joint(actions)
        observation, reward, terminated, truncated, measured = self._copy.step(joint)
        self.agents = [] if terminated or truncated else acting
        return (
            self._each(observation),
            {agent: float(reward[index]) for index, agent in enumerate(acting)},
            {agent: terminated for agent in acting},
            {agent: truncated for agent in acting},
            self._infos(measured, acting),
        )

    def _infos(self, measured: Callable[[], Any], acting: list[str]) -> dict[str, dict[str, Any]]:
        """Return the metrics of each agent, which are computed once one of them is read."""
        record = functools.cache(measured)

        def own(index: int) -> dict[str, Any]:
            metrics = record()
            values = {f.name: getattr(metrics, f.name) for f in dataclasses.fields(metrics)}
            each = (len(acting),)
            return {n: (v[index] if v.shape[:1] == each else v).copy() for n, v in values.items()}

        return {
            agent: LazyInfo(functools.partial(own, index)) for index, agent in enumerate(acting)
        }

    def render(self) -> None:
        """Draw nothing."""

    def close(self) -> None:
        """Free nothing."""

    def _each(self, values: np.ndarray) -> dict[str, np.ndarray]:
        return {agent: values[index].copy() for index, agent in enumerate(self.possible_agents)}

    def _joint(self, actions: dict[str, Any]) -> Any:
        """Return every agent's action, in order: ``[1, M, ...]``, or a record of that."""
        for agent in self.agents:
            if agent not in actions:
                hint = "give one action for every name in env.agents"
                raise InputError(f"the action of '{agent}' is missing", where="step", hint=hint)
        joint = spaces.stacked(
            [
                spaces.checked(
                    actions[agent], self.action_spaces[agent], f"the action of '{agent}'"
                )
                for agent in self.agents
            ]
        )
        return spaces.for_one(joint, ())
