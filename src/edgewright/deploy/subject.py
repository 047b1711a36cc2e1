"""Find the policy of a run that is to be exported, and what a bundle says of its origin."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from edgewright.agents.planning import PlannerPolicy
from edgewright.agents.ppo import ActorPolicy
from edgewright.agents.rule_level import RulePolicy
from edgewright.agents.two_time_scale import LEVELS, TwoLevelPolicy
from edgewright.bundle.choices import SOFTMAX
from edgewright.core.errors import InputError
from edgewright.core.protocols import PerAgentPolicy, Policy
from edgewright.core.sealed import read_json
from edgewright.core.version import __version__
from edgewright.scenarios.build import Problem
from edgewright.scenarios.load import resolved, training_identity
from edgewright.training.runs import Run, load_run

SCORES = ("reward", "difference", "gap_closed", "score")
"""Keys of the result of a training that a bundle carries."""


@dataclasses.dataclass(frozen=True)
class Part:
    """The choice among the policies of a run, where it has several.

    Attributes:
        task: index of the task whose network it is, where a run learned one for each.
        device: whose policy, where a run learned one for each device.
        level: ``"upper"`` or ``"lower"`` for one level of a policy of two, with its own columns and
            its own parts of the action; both in one if None.
    """

    task: int | None = None
    device: int | None = None
    level: str | None = None


WHOLE = Part()


@dataclasses.dataclass(frozen=True)
class Subject:
    """A policy of a run, before it becomes a bundle.

    Attributes:
        problem: with the policy's own world, and its own task.
        exploring: what showed the training which observations there are.
        task: index of the task that it was trained for; None if it serves all.
    """

    run: Run
    folder: Path
    seed: int
    part: Part
    problem: Problem
    policy: Any
    exploring: Any
    task: int | None

    def facts(self) -> dict[str, Any]:
        """Return what a bundle says of its origin."""
        run, part = self.run, self.part
        result = self.folder / "result.json"
        scores = read_json(result, "result") if result.exists() else {}
        if self.problem.tasks is not None or part.device is not None:
            scores = {}  # those are of many networks, some after they adapted
        whose = "" if part.device is None else f", device {part.device}"
        whose += "" if part.level is None else f", {part.level} level"
        name = f"{run.request.learner} on {run.request.scenario.name}, seed {self.seed}{whose}"
        return {
            "name": name,
            "kind": "learned",
            "scenario": resolved(run.request.scenario),
            "provenance": _provenance(
                run,
                self.seed,
                task=self.task,
                device=part.device,
                level=part.level,
                samples=SOFTMAX if isinstance(self.policy, ActorPolicy) else None,
            ),
            "scores": {key: scores[key] for key in SCORES if key in scores},
            "lineage": [],
        }


def subject_of(folder: Path, seed: int, part: Part, data: str | None = None) -> Subject:
    """Return the policy of one seed of a run that is to be exported.

    Raises:
        InputError: the seed, task, device or level does not exist.
    """
    run = load_run(folder, data)
    if not 0 <= seed < run.request.seeds:
        message = f"the run has no seed {seed}"
        hint = f"its seeds are 0 to {run.request.seeds - 1}"
        raise InputError(message, where=str(folder), hint=hint)
    problem = dataclasses.replace(run.problem, world=run.plan.world)
    deployable = run.trainer.deployable(run.trainings[seed], part.task)
    policy, own = deployable.greedy, deployable.task
    if isinstance(policy, PerAgentPolicy) or part.device is not None:
        policy = of_device(policy, part.device)
    if part.level is not None and not isinstance(policy, TwoLevelPolicy):
        message = "the run learned one policy, not one for each of two time scales"
        raise InputError(message, where="--level", hint="leave the option out")
    _refuse_rules(policy, part)
    if own is not None:
        problem = problem.only(own)
    return Subject(run, folder, seed, part, problem, policy, deployable.exploring, own)


def _refuse_rules(policy: Any, part: Part) -> None:
    """Refuse to export a level that is a rule.

    Raises:
        InputError: it is, or it is one of both that are asked for.
    """
    if not isinstance(policy, TwoLevelPolicy):
        return
    learned = [one for one in LEVELS if not isinstance(getattr(policy, one), RulePolicy)]
    if len(learned) < len(LEVELS) and part.level not in learned:
        message = "one level of the run is a rule, which looks at the state of the world"
        hint = f"export the level that was learned: add --level {learned[0]}"
        raise InputError(message, where="--level", hint=hint)


def explorer(subject: Subject) -> Policy | None:
    """Return what plays to show the range of observations; None where a planner would play."""
    return None if planners(subject.policy) else subject.exploring


def planners(policy: Any) -> dict[str, PlannerPolicy]:
    """Return the planners in a policy by level; ``"all"`` if it is one itself."""
    if isinstance(policy, PlannerPolicy):
        return {"all": policy}
    if not isinstance(policy, TwoLevelPolicy):
        return {}
    each = {level: getattr(policy, level) for level in LEVELS}
    return {level: one for level, one in each.items() if isinstance(one, PlannerPolicy)}


def of_device(policy: Any, device: int | None) -> Any:
    """Return the policy of one device of a run that learned one for each.

    Raises:
        InputError: none is named, or the run has one policy for all.
    """
    if not isinstance(policy, PerAgentPolicy):
        message = "the run learned one policy for all devices, not one for each"
        raise InputError(message, where="--device", hint="leave the option out")
    if device is None:
        message = f"the run learned a policy for each of {policy.devices} devices"
        hint = f"add --device N, 0 to {policy.devices - 1}, to say whose"
        raise InputError(message, where="export", hint=hint)
    return policy.alone(device)


def _provenance(run: Run, seed: int, **whose: int | str | None) -> dict[str, Any]:
    request = run.request
    return {
        "version": __version__,
        "learner": request.learner,
        "seed": seed,
        "steps": request.steps,
        "training_identity": training_identity(request.scenario),
        "recordings": request.facts()["recordings"],
    } | {name: value for name, value in whose.items() if value is not None}


__all__ = ["WHOLE", "Part", "Subject", "explorer", "planners", "subject_of"]
