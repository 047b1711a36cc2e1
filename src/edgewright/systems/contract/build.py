"""From a checked contract scenario to its world, numbers and streams."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp

from edgewright.core.protocols import World
from edgewright.specs.inputs import composed
from edgewright.systems.contract import ContractParams, ContractWorld
from edgewright.systems.contract.schema import ContractScenario
from edgewright.systems.system import Problem, same_game


def build(scenario: ContractScenario, data: str | None) -> Problem:
    """Return the world, numbers and streams of a scenario."""
    structure = dataclasses.asdict(scenario.world)
    structure.pop("kind")
    world, params = ContractWorld(**structure), build_params(scenario)
    default = world.inputs(params)
    return Problem(
        kind="contract",
        world=world,
        horizon=scenario.params.rounds,
        params=params,
        train_stream=composed(scenario, default, params, data, "train"),
        test_stream=composed(scenario, default, params, data, "test"),
    )


def build_params(scenario: ContractScenario) -> ContractParams:
    """Return the numbers as float32 arrays."""
    numbers = dataclasses.asdict(scenario.params)
    numbers["horizon_slots"] = numbers.pop("rounds")
    return ContractParams(
        **{name: jnp.asarray(value, jnp.float32) for name, value in numbers.items()}
    )


def game(trained: World, problem: Problem) -> ContractWorld:
    """Return the world a run plays in: the scenario's, with the decoding the run was trained with.

    Raises:
        InputError: the run observes or acts in another way than the scenario's world does.
    """
    assert isinstance(trained, ContractWorld)
    world = dataclasses.replace(problem.world, actions=trained.actions)
    same_game(trained, dataclasses.replace(problem, world=world))
    return world
