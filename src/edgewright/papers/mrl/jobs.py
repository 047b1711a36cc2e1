"""The jobs of the MRL study, for rules, adapted initialisations, sweeps, switches and speed."""

from __future__ import annotations

import dataclasses
from typing import Any

from edgewright.papers.mrl import measuring, switching
from edgewright.studies.job import FunctionJob, Job, Plan
from edgewright.systems.binary.policies import USUAL

PRESETS = ("easy", "hard")
RULES = tuple(name for name in USUAL if name != "optimum")
LEARNERS = (
    "untrained",
    "droo",
    "dnn",
    "dnn-scenario",
    "bias-only",
    "pretrain",
    "pretrain-optimum",
    "reptile",
    "fomaml",
    "maml",
    "droo-nearest",
    "pretrain-nearest",
    "maml-nearest",
)
SWEEPS: dict[str, dict[str, Any]] = {
    "as-chosen": {},
    "rate-0.1": {"learning_rate": 0.1},
    "rate-0.001": {"learning_rate": 0.001},
    "memory-512": {"buffer_size": 512},
    "memory-2048": {"buffer_size": 2048},
    "batch-64": {"batch_size": 64},
    "batch-512": {"batch_size": 512},
}
"""Fine-tuning settings of Fig. 5 that replace rate 0.01, memory 1024 and batch 128."""

SHOTS = 10


@dataclasses.dataclass(frozen=True)
class Size:
    """The amounts of work of a plan."""

    scenarios: int
    held_out_slots: int
    steps: tuple[int, ...]
    sweep_steps: tuple[int, ...]

    @property
    def changes(self) -> dict[str, Any]:
        """Return the changes with which a scenario is loaded."""
        return {"evaluation.episodes": self.scenarios, "params.horizon_slots": self.held_out_slots}


def size_of(plan: Plan) -> Size:
    """Return the sizes of a plan."""
    if plan.quick:
        few = (0, 1, 2, 5, 10, 20, 50, 100)
        return Size(8, 200, few, few)
    many = (*range(21), 25, 30, 40, 50, 60, 80, 100)
    return Size(20, 1000, many, (0, 5, 10, 20, 50, 100, 150, 200, 250, 300, 350, 400))


def jobs(plan: Plan) -> list[Job]:
    """Return all jobs of a plan."""
    size, made = size_of(plan), []
    for preset in PRESETS:
        shared = {"preset": preset, "changes": size.changes}
        made.append(
            FunctionJob(
                f"{preset}/rules", measuring.rules, {**shared, "names": list(RULES)}, cost=2.0
            )
        )
        made += [_start(plan, size, preset, name) for name in LEARNERS]
        for name, settings in SWEEPS.items():
            made.append(_again(plan, size, preset, name, settings=settings))
        for name in ("maml", "pretrain", "maml-nearest", "pretrain-nearest"):
            made.append(_again(plan, size, preset, f"shots-{name}", start=name, shots=SHOTS))
        for name in ("maml", "maml-nearest", "droo"):
            made.append(_switch(plan, size, preset, name))
    made.append(
        FunctionJob("speed", measuring.speed, {"preset": "hard"}, program="speed", cost=1.0)
    )
    return made


def _start(plan: Plan, size: Size, preset: str, learner: str) -> FunctionJob:
    arguments = {
        "preset": preset,
        "changes": size.changes,
        "learner": learner,
        "settings": {},
        "slots": plan.steps,
        "seeds": plan.seeds,
        "steps": list(size.steps),
    }
    trained = 0.0 if learner.startswith(("droo", "untrained")) else 1.0
    cost = 1.0 + plan.seeds * (0.5 + trained)
    return FunctionJob(
        f"{preset}/{learner}", measuring.start, arguments, program=learner, cost=cost
    )


def _again(
    plan: Plan,
    size: Size,
    preset: str,
    name: str,
    start: str = "maml",
    settings: dict[str, Any] | None = None,
    shots: int = 0,
) -> FunctionJob:
    arguments = {
        "preset": preset,
        "changes": size.changes,
        "learner": start,
        "settings": settings or {},
        "seeds": plan.seeds,
        "steps": list(size.steps if shots else size.sweep_steps),
        "shots": shots,
    }
    return FunctionJob(
        f"{preset}/{name}",
        measuring.again,
        arguments,
        needs=(f"{preset}/{start}",),
        program=name,
        cost=1.0 + plan.seeds,
    )


def _switch(plan: Plan, size: Size, preset: str, name: str) -> FunctionJob:
    arguments = {
        "preset": preset,
        "changes": size.changes,
        "start": f"{preset}/{name}",
        "learner": name,
        "seeds": plan.seeds,
    }
    return FunctionJob(
        f"{preset}/switch-{name}",
        switching.switches,
        arguments,
        needs=(f"{preset}/{name}",),
        program=f"switch-{name}",
        cost=1.0 + plan.seeds,
    )
