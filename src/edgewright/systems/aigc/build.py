"""From a checked AIGC scenario to its world, numbers and streams."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp

from edgewright.core.errors import InputError
from edgewright.core.protocols import World
from edgewright.specs.inputs import composed
from edgewright.specs.placement import find_placement, recorded_folder
from edgewright.streams.placement import nearest_servers
from edgewright.systems.aigc import AigcParams, AigcWorld
from edgewright.systems.aigc.schema import AigcScenario
from edgewright.systems.system import Problem, same_game

RANGES: dict[str, tuple[float, float]] = {
    "input_mb": (0.0, 1e6),
    "work_gcycles": (0.0, 1e9),
    "mode": (0, 2),  # whole numbers only
    "bandwidth_mbps": (1e-3, 1e9),
    "background_gcps": (0.0, 1e9),
    "initial_charge_pct": (0.0, 100.0),
    "gap_s": (1e-6, 1e6),
}
"""The range to which an evaluation may fix each input."""


def build(scenario: AigcScenario, data: str | None) -> Problem:
    """Return the world, numbers and streams of a scenario."""
    structure = dataclasses.asdict(scenario.world)
    structure.pop("kind")
    world = AigcWorld(**structure)
    params, placement = build_params(scenario), None
    spec = scenario.params.placement
    if spec is not None:
        placement = "drawn" if recorded_folder(spec, data) is None else "recorded"
        places = find_placement(spec, world.devices, world.servers, data)
        neighbours = jnp.asarray(nearest_servers(places, world.reach))
        params = dataclasses.replace(params, neighbours=neighbours)
    default = world.inputs(params)
    return Problem(
        kind="aigc",
        world=world,
        horizon=scenario.params.horizon_slots,
        placement=placement,
        params=params,
        train_stream=composed(scenario, default, params, data, "train"),
        test_stream=composed(scenario, default, params, data, "test"),
    )


def build_params(scenario: AigcScenario) -> AigcParams:
    """Return the numbers as float32 arrays; single values are repeated for every server."""
    numbers = dataclasses.asdict(scenario.params)
    numbers.pop("placement")
    for name in ("server_ghz", "background_utilisation"):
        if not isinstance(numbers[name], list):
            numbers[name] = [numbers[name]] * scenario.world.servers
    return AigcParams(**{name: jnp.asarray(v, jnp.float32) for name, v in numbers.items()})


def game(trained: World, problem: Problem) -> AigcWorld:
    """Return the world a run plays in: the scenario's, with the quality fixed if it was trained so.

    Raises:
        InputError: the run observes or acts in another way than the scenario's world does.
    """
    assert isinstance(trained, AigcWorld)
    quality = trained.quality_action and problem.world.quality_action
    world = dataclasses.replace(problem.world, quality_action=quality)
    try:
        same_game(trained, dataclasses.replace(problem, world=world))
    except InputError:
        message = (
            f"the run was trained with {trained.servers} servers, {trained.reach} in reach "
            f"(0: all), {trained.qualities} levels, obs = '{trained.obs}'; the scenario has "
            f"{world.servers}, {world.reach}, {world.qualities}, '{world.obs}'"
        )
        hint = "evaluate it on a scenario of the same sizes, or train on this one"
        raise InputError(message, hint=hint) from None
    return world
