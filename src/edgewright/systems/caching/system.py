"""Caching and offloading (HADRL) as a system: its scenario files, policies, metrics and bound."""

from __future__ import annotations

import functools
from typing import Any

import jax.numpy as jnp
import numpy as np

from edgewright.core.records import Array
from edgewright.loops.evaluate import EpisodeBatch
from edgewright.systems.caching.baselines.bound import reward_bound
from edgewright.systems.caching.bench import measure
from edgewright.systems.caching.build import RANGES, build, game
from edgewright.systems.caching.calibration import calibrate
from edgewright.systems.caching.policies import USUAL, level_rule, policy, policy_names
from edgewright.systems.caching.replay import REPLAY
from edgewright.systems.caching.schema import CachingScenario, inconsistencies
from edgewright.systems.system import Metric, PolicyEntry, Problem, System, evaluate_episodes
from edgewright.systems.trainer import OnlineTrainer

CURVE_EPISODES = 5
"""Episodes of each point of a learning curve: a planner takes milliseconds for a decision."""


def bound(problem: Problem, inputs: Any, post_termination_reward: float) -> Array:
    """Return an upper bound ``[E]``; see ``systems.caching.baselines.bound``."""
    return reward_bound(problem.world, problem.params, inputs)


def play(
    policy_entry: PolicyEntry,
    problem: Problem,
    inputs: Any,
    seed: int,
    post_termination_reward: float,
) -> tuple[dict[str, Array], EpisodeBatch | None]:
    """Return the metrics ``[E]``, the 95th percentile of the latency among them, and the play."""
    result, played = evaluate_episodes(policy_entry, problem, inputs, seed, post_termination_reward)
    assert played is not None
    served = np.asarray(played.metrics.served) > 0
    latency = np.where(served, np.asarray(played.metrics.latency_s), np.nan)
    result["latency_p95_s"] = jnp.asarray(np.nanpercentile(latency, 95, axis=(0, 2)))
    return result, played


SYSTEM = System(
    kind="caching",
    scenario=CachingScenario,
    build=build,
    default_policies=USUAL,
    policy_names=policy_names,
    policy=policy,
    bound=bound,
    bounded=USUAL,
    ranges=RANGES,
    metrics=(
        Metric("hit_ratio", "hit ratio", "", ".3f", "max", interval=True),
        Metric("latency_s", "latency", "s", ".3f", "min", interval=True),
        Metric("latency_p95_s", "latency, 95th percentile", "s", ".3f", "min"),
        Metric("switch_cost_s", "switch cost", "s", ".1f", "min"),
        Metric("in_time", "in time", "", ".3f", "max"),
    ),
    inconsistencies=inconsistencies,
    transfer_world=game,
    level_rule=level_rule,
    trainer=functools.partial(OnlineTrainer, curve_episodes=CURVE_EPISODES),
    play=play,
    benchmark=measure,
    termination_metrics=(),
    calibrate=calibrate,
    replay=REPLAY,
    export="edgewright.systems.caching.export",
    recordings={
        "service": {"kind": "recorded_services", "file": "requests/azure_llm_2023_conversation.csv"}
    },
)
