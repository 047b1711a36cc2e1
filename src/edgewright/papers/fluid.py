"""The fluid bound of an AIGC scenario as a job of a study."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgewright.scenarios.build import build
from edgewright.scenarios.load import load
from edgewright.studies.jobs import Setup
from edgewright.studies.study import Desk, Found, Measure
from edgewright.systems.aigc.baselines import fluid
from edgewright.training.runs import evaluation_inputs


def fluid_job(key: str, setup: Setup) -> Measure:
    """Return the job that computes the bound for the evaluation episodes of a scenario."""
    asked: dict[str, Any] = {"scenario": setup.scenario, "changes": setup.changes}
    return Measure(key, fluid_bound, asked, program="fluid", cost=1e5)


def fluid_bound(desk: Desk, scenario: str, changes: dict[str, Any]) -> Found:
    """Return the fluid bound of every evaluation episode, ``[1, episodes]``."""
    chosen = load(scenario, changes)
    built = build(chosen, desk.data)
    inputs = evaluation_inputs(chosen, built)
    values = fluid(built.world, built.params, inputs, chosen.evaluation.missed_reward)
    return Found({"episodes/reward": np.asarray(values)[None]}, {"labels": {"policy": "fluid"}})
