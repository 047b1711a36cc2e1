"""The jobs of the edge-dqn study, which are modes, encodings and privacy, here and elsewhere."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from edgewright.evaluation.exchange_facts import exchange_facts
from edgewright.studies.job import Job, JobContext, JobResult, Plan
from edgewright.studies.jobs import Rule, TrainingJob, TransferJob
from edgewright.studies.setup import Setup
from edgewright.training.runs import Request

LEARNER = "dqn-fleet"
PLAIN = {"learner.normalize_observations": False, "learner.normalize_rewards": False}
"""Noise protects no statistics, so the private arm and its control have none."""

ARMS: dict[str, dict[str, Any]] = {
    "centralised": {"learner.mode": "centralised"},
    "synchronous": {"learner.mode": "synchronous"},
    "federated": {"learner.mode": "federated"},
    "asynchronous": {"learner.mode": "asynchronous"},
    "independent": {"learner.mode": "independent"},
    "federated-int8": {"learner.mode": "federated", "learner.encoding": "int8"},
    "federated-top-k": {"learner.mode": "federated", "learner.encoding": "top-k"},
    "federated-plain": {"learner.mode": "federated", **PLAIN},
    "federated-private": {
        "learner.mode": "federated",
        "learner.clip_norm": 1.0,
        "learner.noise_multiplier": 1.0,
        **PLAIN,
    },
}
"""What every arm changes in the scenario."""

RULES = ("random", "greedy", "greedy-in-turn")
SCENARIOS = {"own": "aigc-fleet", "new": "aigc-fleet-new"}
"""Devices that were trained on, and devices that took no part."""

SHORT = {"evaluation.episodes": 4, "params.horizon_slots": 50}
"""What the quick plan changes in the scenario."""


@dataclasses.dataclass(frozen=True)
class FleetTraining(TrainingJob):
    """Train a fleet, and record what it exchanged beside what is measured of any training."""

    def run(self, context: JobContext) -> JobResult:
        """Return the measurements, with bytes as ``"exchange/..."`` ``[1, 1]``."""
        result = super().run(context)
        steps = (float(self.steps), self.seeds, context.data, self.first_seed)
        request = Request(self.setup.load(), self.learner, *steps)
        facts = exchange_facts(request, context.folder)["exchange"]
        arrays = {
            f"exchange/{way}": np.array([[facts[f"{way}link_bytes_per_thousand_steps"]]])
            for way in ("up", "down")
        }
        return JobResult({**result.arrays, **arrays}, {**result.facts, "exchange": facts})


def jobs(plan: Plan) -> list[Job]:
    """Return all jobs of a plan."""
    return fleet_jobs(plan, SCENARIOS, dict(SHORT) if plan.quick else {})


def fleet_jobs(plan: Plan, scenarios: dict[str, str], changes: dict[str, Any]) -> list[Job]:
    """Return the jobs for a scenario of devices and one of other devices."""
    made: list[Job] = []
    for arm, settings in ARMS.items():
        setup = Setup(scenarios["own"], {**changes, **settings})
        made.append(FleetTraining(f"own/{arm}", setup, LEARNER, plan.steps, plan.seeds, arm))
        elsewhere = Setup(scenarios["new"], dict(changes))
        made.append(TransferJob(f"new/{arm}", f"own/{arm}", elsewhere, arm))
    for devices, scenario in scenarios.items():
        made += [Rule(f"{devices}/{name}", Setup(scenario, dict(changes)), name) for name in RULES]
    return made


__all__ = ["ARMS", "RULES", "SCENARIOS", "FleetTraining", "fleet_jobs", "jobs"]
