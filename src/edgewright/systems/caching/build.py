"""From a checked caching scenario to its world, numbers and streams."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np

from edgewright.core.protocols import World
from edgewright.specs.inputs import composed
from edgewright.systems.caching import CachingParams, CachingWorld
from edgewright.systems.caching.schema import OF_SERVERS, CachingScenario
from edgewright.systems.system import Problem, same_game

RANGES: dict[str, tuple[float, float]] = {"x_m": (0.0, 1e6), "y_m": (0.0, 1e6)}
"""The range to which an evaluation may fix each input."""


def build(scenario: CachingScenario, data: str | None) -> Problem:
    """Return the world, numbers and streams of a scenario."""
    world, params = world_of(scenario), build_params(scenario)
    default = world.inputs(params)
    return Problem(
        kind="caching",
        world=world,
        horizon=scenario.params.epochs * world.period,
        params=params,
        train_stream=composed(scenario, default, params, data, "train"),
        test_stream=composed(scenario, default, params, data, "test"),
    )


def world_of(scenario: CachingScenario) -> CachingWorld:
    """Return the world with the sizes and switches of a scenario."""
    structure = dataclasses.asdict(scenario.world)
    structure.pop("kind")
    return CachingWorld(**structure)


def game(trained: World, problem: Problem) -> CachingWorld:
    """Return the world a run plays in: the scenario's, with exact shares if it was trained so.

    Raises:
        InputError: the run observes or acts in another way than the scenario's world does.
    """
    assert isinstance(trained, CachingWorld)
    world = dataclasses.replace(problem.world, shares=trained.shares)
    if problem.world.shares == "square_root" and trained.shares == "action":
        world = problem.world  # refused below: the shares are not the policy's here
    same_game(trained, dataclasses.replace(problem, world=world))
    return world


def build_params(scenario: CachingScenario) -> CachingParams:
    """Return the numbers as float32 arrays; single values are repeated for every server."""
    world, numbers = scenario.world, dataclasses.asdict(scenario.params)
    horizon = numbers.pop("epochs") * (world.slots_per_epoch + 1)
    cells = numbers.pop("cells")
    if cells is None:
        cell = np.repeat(np.arange(world.servers), world.users // world.servers)
    else:
        cell = np.asarray(cells) - 1
    for name in OF_SERVERS:
        if not isinstance(numbers[name], list):
            numbers[name] = [numbers[name]] * world.servers
    arrays = {name: jnp.asarray(value, jnp.float32) for name, value in numbers.items()}
    return CachingParams(
        horizon_slots=jnp.asarray(horizon, jnp.float32), cell=jnp.asarray(cell, jnp.int32), **arrays
    )
