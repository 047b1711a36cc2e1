"""AIGC offloading (SE-PPO) as a system: its scenario files, policies, metrics and bound."""

from __future__ import annotations

from typing import Any

from edgewright.core.records import Array
from edgewright.systems.aigc.baselines import fluid, no_self_congestion
from edgewright.systems.aigc.build import RANGES, build, game
from edgewright.systems.aigc.calibration import calibrate
from edgewright.systems.aigc.policies import BASELINE_NAMES, policy, policy_names
from edgewright.systems.aigc.schema import AigcScenario, inconsistencies
from edgewright.systems.system import Metric, Problem, System


def bound(problem: Problem, inputs: Any, post_termination_reward: float) -> Array:
    """Return the no-self-congestion bound with the battery priced, ``[E]``."""
    return no_self_congestion(problem.world, problem.params, inputs, post_termination_reward)


def fluid_bound(problem: Problem, inputs: Any, post_termination_reward: float) -> Array:
    """Return the fluid bound, ``[E]``; it is never above :func:`bound`."""
    return fluid(problem.world, problem.params, inputs, post_termination_reward)


SYSTEM = System(
    kind="aigc",
    scenario=AigcScenario,
    build=build,
    default_policies=tuple(BASELINE_NAMES),
    policy_names=policy_names,
    policy=policy,
    bound=bound,
    ranges=RANGES,
    metrics=(
        Metric("delay_s", "delay", "s", ".2f", "min"),
        Metric("energy_j", "energy", "J", ".2f", "min"),
        Metric("quality", "quality", "", ".2f", "max"),
        Metric("device_energy_j", "device energy", "J", ".2f", "min"),
    ),
    inconsistencies=inconsistencies,
    transfer_world=game,
    recommended="all-action-guided",
    calibrate=calibrate,
    export="edgewright.systems.aigc.export",
)
