"""Two-period contracts (EDMSAC) as a system: its scenario files, policies, metrics and bound."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from edgewright.core.records import Array
from edgewright.loops.evaluate import EpisodeBatch
from edgewright.systems.contract.build import build, game
from edgewright.systems.contract.features import RANGES
from edgewright.systems.contract.optima import bound, optimum
from edgewright.systems.contract.policies import USUAL, policy, policy_names
from edgewright.systems.contract.remake import COUNT, remake
from edgewright.systems.contract.schema import ContractScenario, inconsistencies
from edgewright.systems.system import Metric, PolicyEntry, Problem, System, evaluate_episodes
from edgewright.systems.trainer import OnlineTrainer


def play(
    policy_entry: PolicyEntry,
    problem: Problem,
    inputs: Any,
    seed: int,
    post_termination_reward: float,
) -> tuple[dict[str, Array], EpisodeBatch | None]:
    """Return the metrics ``[E]``, the share of the optimum among them, and the play.

    ``reward`` is the profit from rational servers, as in learning curves; what the learner
    maximised is ``training_reward``. ``optimum_ratio`` is that profit over the exact optimum of
    the same markets in the scenario's regime of participation; ``optimum_ratio_p05`` its 5 %
    quantile over episodes.
    """
    result, played = evaluate_episodes(policy_entry, problem, inputs, seed, post_termination_reward)
    best = optimum(problem, inputs).mean(axis=0)
    ratio = np.asarray(result["best_response_profit"]) / best
    result["training_reward"], result["reward"] = result["reward"], result["best_response_profit"]
    result["optimum_ratio"] = jnp.asarray(ratio)
    result["optimum_ratio_p05"] = jnp.full_like(result["optimum_ratio"], np.quantile(ratio, 0.05))
    return result, played


@dataclasses.dataclass(frozen=True)
class ContractTrainer(OnlineTrainer):
    """A trainer that scores learners by the profit from rational servers."""

    def judge(self) -> Callable[[Any], dict[str, float]]:
        """Return what plays the evaluation; the key ``training_reward`` is the learner's own."""
        inner = super().judge()

        def score(training: Any) -> dict[str, float]:
            result = inner(training)
            return {
                **result,
                "training_reward": result["reward"],
                "reward": result["best_response_profit"],
            }

        return score


TRAINED = ("edmsac", "dmsac", "dmsac-small", "sac", "td3", "se-ppo")
"""Learners that a comparison trains itself when it names no policies."""

SYSTEM = System(
    kind="contract",
    scenario=ContractScenario,
    build=build,
    default_policies=USUAL,
    policy_names=policy_names,
    policy=policy,
    bound=bound,
    ranges=RANGES,
    metrics=(
        Metric("optimum_ratio", "share of the optimum", "", ".4f", "max", interval=True),
        Metric("optimum_ratio_p05", "5th\npercentile", "", ".4f", "max"),
        Metric("paper_profit", "profit\non paper", "", ".4f"),
        Metric("ic_violation", "gain from\nlying", "", ".4f", "min"),
        Metric("ir_violation", "missed\nparticipation", "", ".4f", "min"),
        Metric("participation", "participation", "", ".3f"),
        Metric("best_response_profit", "best-response profit", "", ".4f", "max", interval=True),
    ),
    inconsistencies=inconsistencies,
    transfer_world=game,
    play=play,
    trainer=ContractTrainer,
    bounded=USUAL,
    bound_name="optimum",
    remake=remake,
    remake_count=COUNT,
    termination_metrics=(),
    trains=TRAINED,
    export="edgewright.systems.contract.export",
)
