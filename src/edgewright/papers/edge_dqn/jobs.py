"""The jobs of the edge-dqn study, which are modes, encodings, drop-outs, widths and privacy.

Every arm is measured on the devices it was trained on and on others.
"""

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

STEPS: dict[str, Any] = {"learner.train_freq": 16, "learner.batch_size": 64}
"""An eighth of the default's samples per slot in all arms, so that the study ends in time."""

WIDTHS = [16, 32, 64]
"""Units of the hidden layers of three kinds of devices."""

MISSING = 0.5
"""Chance that a device misses a round, in two arms."""

DEADLINE_S = 0.25
"""Seconds that a round lasts on recorded links at most, in an arm."""

PRIVACY: dict[str, tuple[float, float]] = {
    f"private-{clip:g}-{noise:g}": (clip, noise)
    for clip, noise in ((1.0, 0.1), (1.0, 1.0), (0.3, 0.1), (0.3, 0.3), (0.3, 1.0), (0.3, 3.0))
}
"""Norm of a change and noise in multiples of it, by arm."""

ARMS: dict[str, dict[str, Any]] = {
    "centralised": {"learner.mode": "centralised"},
    "synchronous": {"learner.mode": "synchronous"},
    "federated": {"learner.mode": "federated"},
    "asynchronous": {"learner.mode": "asynchronous"},
    "independent": {"learner.mode": "independent"},
    "federated-int8": {"learner.mode": "federated", "learner.encoding": "int8"},
    "federated-top-k": {"learner.mode": "federated", "learner.encoding": "top-k"},
    "federated-plain": {"learner.mode": "federated", **PLAIN},
    **{
        name: {
            "learner.mode": "federated",
            "learner.clip_norm": clip,
            "learner.noise_multiplier": noise,
            **PLAIN,
        }
        for name, (clip, noise) in PRIVACY.items()
    },
    "federated-missing": {"learner.mode": "federated", "learner.dropout": MISSING},
    "synchronous-missing": {"learner.mode": "synchronous", "learner.dropout": MISSING},
    "distilled": {"learner.mode": "distilled"},
    "widths-distilled": {"learner.mode": "distilled", "learner.widths": WIDTHS},
    "widths-independent": {"learner.mode": "independent", "learner.widths": WIDTHS},
}
"""What every arm changes in the scenario."""

RECORDED: dict[str, dict[str, Any]] = {
    "federated-deadline": {"learner.mode": "federated", "learner.deadline_s": DEADLINE_S},
}
"""Arms that need recordings of bandwidth."""

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
    return fleet_jobs(plan, SCENARIOS, {**STEPS, **(SHORT if plan.quick else {})})


def arms_of(plan: Plan) -> dict[str, dict[str, Any]]:
    """Return what every arm of a plan changes in the scenario."""
    return {**ARMS, **(RECORDED if plan.data else {})}


def fleet_jobs(plan: Plan, scenarios: dict[str, str], changes: dict[str, Any]) -> list[Job]:
    """Return the jobs for a scenario of devices and one of other devices."""
    made: list[Job] = []
    for arm, settings in arms_of(plan).items():
        setup = Setup(scenarios["own"], {**changes, **settings})
        made.append(FleetTraining(f"own/{arm}", setup, LEARNER, plan.steps, plan.seeds, arm))
        elsewhere = Setup(scenarios["new"], dict(changes))
        made.append(TransferJob(f"new/{arm}", f"own/{arm}", elsewhere, arm))
    for devices, scenario in scenarios.items():
        made += [Rule(f"{devices}/{name}", Setup(scenario, dict(changes)), name) for name in RULES]
    return made


__all__ = [
    "ARMS",
    "PRIVACY",
    "RECORDED",
    "RULES",
    "SCENARIOS",
    "FleetTraining",
    "arms_of",
    "fleet_jobs",
    "jobs",
]
