"""Offer a world to Gymnasium as one copy, or as many copies behind one step.

``import edgewright.adapters.gymnasium`` registers the shipped scenarios (as the entry point of the
installed package does): ``gymnasium.make("Edgewright/aigc-heavy-v0")``.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from edgewright.adapters import spaces
from edgewright.adapters.registration import register
from edgewright.adapters.results import LazyInfo, StepResult
from edgewright.adapters.steppers import NUMBERS, Backend, single_stepper, vector_stepper
from edgewright.core.errors import InputError
from edgewright.core.protocols import Stream, World
from edgewright.scenarios.build import Problem, build
from edgewright.scenarios.load import load

register()

_FINAL = ("final_obs", "_final_obs", "final_info", "_final_info")


def make(
    scenario: str,
    data: str | None = None,
    overrides: dict[str, Any] | None = None,
    render_mode: str | None = None,
    backend: Backend = "auto",
) -> WorldEnv:
    """Return one copy of a scenario.

    Args:
        scenario: a shipped name or a TOML file.
        data: folder of recordings, for scenarios that are driven by them.
        overrides: dotted keys and values, e.g. ``{"params.slot_s": 1.0}``.
        render_mode: None: there is nothing to render.
        backend: what runs a step; see :mod:`edgewright.adapters.steppers`.

    Raises:
        InputError: the scenario is wrong, or has several devices (see ``adapters.pettingzoo``), or
            a render mode is asked for.
    """
    _check_render_mode(render_mode)
    problem = _built(scenario, data, overrides)
    return WorldEnv(problem.world, problem.params, problem.train_stream, backend)


def make_vec(
    scenario: str,
    num_envs: int = 1,
    data: str | None = None,
    overrides: dict[str, Any] | None = None,
    render_mode: str | None = None,
    backend: Backend = "auto",
) -> WorldVectorEnv:
    """Return ``num_envs`` copies of a scenario behind one step for all; see :func:`make`."""
    _check_render_mode(render_mode)
    problem = _built(scenario, data, overrides)
    parts = problem.world, problem.params, problem.train_stream
    return WorldVectorEnv(*parts, num_envs, backend)


class WorldEnv(gymnasium.Env):
    """One copy of a world with one decision maker.

    ``reset(seed=...)`` decides all inputs from there on; ``reset()`` begins the next episode on the
    inputs that follow. ``info`` holds the world's physical metrics of the step; they are computed
    when it is first read.
    """

    def __init__(
        self, world: World, params: Any, stream: Stream[Any], backend: Backend = "auto"
    ) -> None:
        self._agents = _single(world, params)
        self.observation_space = spaces.observations(world, params)
        self.action_space = spaces.actions(world, params)
        self._copy = single_stepper(world, params, stream, backend)
        self._over = True

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: any whole number from 0.
            options: empty or None: an episode takes none.

        Raises:
            InputError: an option is given.
        """
        _check_options(options)
        seed = None if seed is None else operator.index(seed)
        super().reset(seed=seed)
        if seed is not None or not self._copy.started:
            observation = self._copy.reset(_number(self.np_random))
        else:
            observation = self._copy.restart()
        self._over = False
        return observation.reshape(-1), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Serve one slot."""
        if self._over:
            raise gymnasium.error.ResetNeeded(
                "the episode is over, or none has begun: call reset()"
            )
        given: Any = spaces.plain_choice(action, self.action_space)
        if given is None:
            given = spaces.for_one(spaces.checked(action, self.action_space), self._agents)
        observation, reward, terminated, truncated, measured = self._copy.step(given)
        self._over = terminated or truncated
        info = LazyInfo(lambda: _metrics(measured(), self._agents))
        return observation.reshape(-1), float(reward[0]), terminated, truncated, info


class WorldVectorEnv(gymnasium.vector.VectorEnv):
    """Many copies of a world with one decision maker each, one step for all.

    Autoreset is ``SAME_STEP``: where an episode ends, the observation returned is the first of the
    next one; ``info["final_obs"]`` and ``info["final_info"]`` hold what the step led to. Copy ``i``
    of ``reset(seed=s)`` plays what one copy with ``reset(seed=s + i)`` plays. ``info`` is computed
    when it is first read.
    """

    def __init__(
        self,
        world: World,
        params: Any,
        stream: Stream[Any],
        num_envs: int,
        backend: Backend = "auto",
    ) -> None:
        if num_envs < 1:
            raise InputError(f"{num_envs} copies", where="num_envs", hint="give 1 or more")
        self.metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}
        self._agents = _single(world, params)
        self.num_envs = num_envs
        self.single_observation_space = spaces.observations(world, params)
        self.single_action_space = spaces.actions(world, params)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._names: frozenset[str] | None = None  # of all entries of an info, once one was read
        self._copies = vector_stepper(world, params, stream, num_envs, backend)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode in every copy.

        Args:
            seed: of the first copy (the next has ``seed + 1``), or one for each copy.
            options: empty or None: all copies are reset together, and take none.

        Raises:
            InputError: an option is given, or another number of seeds than of copies.
        """
        _check_options(options)
        if seed is None or isinstance(seed, Sequence | np.ndarray):
            each = None if seed is None else [_index(one) for one in seed]
        else:
            each = [operator.index(seed) + n for n in range(self.num_envs)]
        if each is not None and len(each) != self.num_envs:
            message = f"{len(each)} seeds for {self.num_envs} copies"
            raise InputError(message, where="seed", hint="give one number, or one for each copy")
        super().reset(seed=each[0] if each is not None else None)
        if each is not None or not self._copies.started:
            given = each if each is not None else [None] * self.num_envs
            generators = [
                self.np_random if one is None else seeding.np_random(one)[0] for one in given
            ]
            result = self._copies.reset([_number(generator) for generator in generators])
        else:
            result = self._copies.restart()
        return _squeezed(result, self._agents), {}

    def step(
        self, actions: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Serve one slot in every copy."""
        if not self._copies.started:
            raise gymnasium.error.ResetNeeded("no episode has begun: call reset()")
        given: Any = spaces.plain_choices(actions, self.action_space)
        if given is None:
            given = spaces.checked(actions, self.action_space, "the actions")
        result = self._copies.step(spaces.for_world(given, self._agents))
        return (
            _squeezed(result.observation, self._agents).copy(),
            _squeezed(result.reward, self._agents).copy(),
            result.terminated.copy(),
            result.truncated.copy(),
            LazyInfo(lambda: self._info(result), self._names),
        )

    def _info(self, result: StepResult) -> dict[str, Any]:
        """Return the metrics of the copies that go on, and apart those of the copies that ended."""
        done = result.terminated | result.truncated
        metrics = _metrics(result.metrics(), self._agents, copies=1)
        self._names = frozenset((*metrics, *(f"_{name}" for name in metrics), *_FINAL))
        if not np.any(done):
            return _masked(metrics, ~done)
        final = np.full(self.num_envs, None, dtype=object)
        observations = _squeezed(result.final_observation, self._agents)
        for copy in np.flatnonzero(done):
            final[copy] = observations[copy].copy()
        ended = {"final_obs": final, "_final_obs": done.copy()}
        ended |= {"final_info": _masked(metrics, done), "_final_info": done.copy()}
        return ended if np.all(done) else ended | _masked(metrics, ~done)


def _index(seed: Any) -> int | None:
    return None if seed is None else operator.index(seed)


def _check_options(options: dict[str, Any] | None) -> None:
    if options:
        name = next(iter(options))
        message = f"options must be empty; got {name!r}"
        hint = "change the scenario with make(..., overrides={...}); a copy is reset at its end"
        raise InputError(message, where="reset", hint=hint)


def _check_render_mode(render_mode: str | None) -> None:
    if render_mode is not None:
        message = f"render_mode must be None; got {render_mode!r}"
        hint = "there is nothing to render; edgewright compare --out FOLDER draws figures"
        raise InputError(message, where="make", hint=hint)


def _built(scenario: str, data: str | None, overrides: dict[str, Any] | None) -> Problem:
    return build(load(scenario, overrides), data)


def _single(world: World, params: Any) -> tuple[int, ...]:
    """Return the axes of the one decision maker, ``()`` or ``(1,)``.

    Raises:
        InputError: there are several.
    """
    agents = spaces.agents(world, params)
    if agents not in ((), (1,)):
        message = f"the world has {' x '.join(map(str, agents))} decision makers"
        hint = "Gymnasium is for one: use edgewright.adapters.pettingzoo"
        raise InputError(message, where="world.devices", hint=hint)
    return agents


def _number(generator: np.random.Generator) -> int:
    return int(generator.integers(NUMBERS))


def _squeezed(values: np.ndarray, agents: tuple[int, ...]) -> np.ndarray:
    """Return ``[N, ...]`` without the axis of the one agent."""
    return values.reshape(values.shape[0], *values.shape[1 + len(agents) :])


def _metrics(record: Any, agents: tuple[int, ...], copies: int = 0) -> dict[str, Any]:
    """Return metrics by name, without the axis of the one agent; ``copies`` axes come before it."""
    result = {}
    for field in dataclasses.fields(record):
        values = getattr(record, field.name)
        if agents and values.shape[copies : copies + 1] == agents:
            values = values[:, 0] if copies else values[0]
        result[field.name] = values.copy()
    return result


def _masked(metrics: dict[str, np.ndarray], mask: np.ndarray) -> dict[str, Any]:
    """Return metrics, zero where ``mask`` is false, each with its mask: Gymnasium's convention."""
    result: dict[str, Any] = {}
    everywhere = bool(np.all(mask))
    for name, values in metrics.items():
        rows = mask.reshape(-1, *[1] * (values.ndim - 1))
        result[name] = values.copy() if everywhere else np.where(rows, values, values.dtype.type(0))
        result[f"_{name}"] = mask.copy()
    return result
