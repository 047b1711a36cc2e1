"""Compare policies of the measured curve of quality with those of the assumed one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.evaluation.joint_bootstrap import joint_bootstrap
from edgewright.evaluation.statistics import Interval
from edgewright.testbed.conditions import Conditions
from edgewright.testbed.objective import Arrival, Objective
from edgewright.testbed.policies import Bundles
from edgewright.testbed.simulated import rewards


@dataclasses.dataclass(frozen=True)
class Earned:
    """Rewards of one policy in the world of the measured curve, with either curve in its scenario.

    Attributes:
        measured, assumed: mean reward of a request ``[seeds, blocks]``; blocks are the same.
        measured_levels, assumed_levels: shares of the levels ``[K]``, means over seeds.
    """

    policy: str
    measured: np.ndarray
    assumed: np.ndarray
    measured_levels: list[float]
    assumed_levels: list[float]

    def facts(self) -> dict[str, Any]:
        """Return the cost of the assumed curve, with an interval over seeds and blocks."""
        arms = {"measured": {"reward": self.measured}, "assumed": {"reward": self.assumed}}
        cost = joint_bootstrap(
            arms, lambda means: means["measured"]["reward"] - means["assumed"]["reward"]
        )
        return {
            "policy": self.policy,
            "seeds": len(self.measured),
            "blocks": self.measured.shape[1],
            "measured": float(self.measured.mean()),
            "assumed": float(self.assumed.mean()),
            "cost": _facts(cost),
            "measured_levels": self.measured_levels,
            "assumed_levels": self.assumed_levels,
        }


def _facts(one: Interval) -> dict[str, float]:
    return one.summary("value")


def earned(
    scenario: Any,
    given: Conditions,
    objective: Objective,
    bundles: tuple[Bundles, Bundles],
    gateway: Path,
    blocks: Sequence[Sequence[Arrival]],
) -> list[Earned]:
    """Return what policies of both curves earn in the world of the measured one.

    Args:
        scenario: with the measured curve.
        bundles: of the measured and of the assumed curve.
        gateway: a configuration that they fit.
        blocks: requests that no policy was trained on.
    """
    measured, assumed = bundles
    result = []
    for name in measured.files:
        if name not in assumed.files:
            continue
        pair = [
            rewards(scenario, given, objective, one.files[name], gateway, blocks)
            for one in (measured, assumed)
        ]
        levels = [shares.mean(axis=0).tolist() for _, shares in pair]
        result.append(Earned(name, pair[0][0], pair[1][0], levels[0], levels[1]))
    return result
