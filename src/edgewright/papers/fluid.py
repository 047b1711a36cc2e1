"""The fluid bound of an AIGC scenario as a job of a study."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgewright.scenarios.build import build
from edgewright.scenarios.load import load
from edgewright.studies.job import FunctionJob, JobContext, JobResult
from edgewright.studies.setup import Setup
from edgewright.systems.aigc.baselines import fluid
from edgewright.training.runs import evaluation_inputs


def fluid_job(key: str, setup: Setup) -> FunctionJob:
    """Return the job that computes the bound for the evaluation episodes of a scenario."""
    config: dict[str, Any] = {"scenario": setup.scenario, "changes": setup.changes}
    return FunctionJob(key, fluid_bound, config, program="fluid", cost=1e5)


def fluid_bound(context: JobContext, scenario: str, changes: dict[str, Any]) -> JobResult:
    """Return the fluid bound of every evaluation episode, ``[1, episodes]``."""
    chosen = load(scenario, changes)
    problem = build(chosen, context.data)
    inputs = evaluation_inputs(chosen, problem)
    values = fluid(problem.world, problem.params, inputs, chosen.evaluation.post_termination_reward)
    return JobResult({"episodes/reward": np.asarray(values)[None]}, {"labels": {"policy": "fluid"}})
