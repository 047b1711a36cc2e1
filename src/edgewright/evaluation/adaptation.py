"""How a start adapts in scenarios it never saw: marks after given numbers of gradient steps."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.errors import InputError
from edgewright.evaluation import statistics
from edgewright.evaluation.compare import seeds_of
from edgewright.loops.adapt import Scores, adapt_all
from edgewright.loops.initialisation import Initialisation, adaptation_key
from edgewright.scenarios.build import build
from edgewright.systems.system import PolicyEntry, Problem
from edgewright.training.runs import evaluation_inputs, load_run

LEVEL = 0.99
"""What MRL wants to reach."""

STAYS = 5
"""Scores in a row at or above the level that count as having reached it; fewer at the end."""


@dataclasses.dataclass(frozen=True)
class Curves:
    """Scores after each of ``steps``, leaves ``[seeds, scenarios, marks, 2]``: rounded, priced."""

    steps: tuple[int, ...]
    marks: Scores
    slots_per_step: int
    proposals: int
    shots: int

    def slots(self, step: int) -> int:
        """Return the slots that a device has observed before this step's exam."""
        return self.shots or step * self.slots_per_step


def curves(
    policy_entries: Sequence[PolicyEntry],
    problem: Problem,
    exams: Any,
    steps: Sequence[int],
    shots: int = 0,
) -> Curves:
    """Let the starts of several seeds adapt in every hidden scenario of the evaluation.

    Seed ``s`` of every learner adapts on the same slots, and all sit the same exams.

    Raises:
        InputError: a contender is no start, its memory does not hold the shots, or the steps do not
            rise from 0 or more.
    """
    wanted = tuple(steps)
    if not wanted or wanted[0] < 0 or any(b <= a for a, b in itertools.pairwise(wanted)):
        message = f"{','.join(map(str, wanted))} does not rise from 0"
        raise InputError(message, where="--adapt-steps", hint="e.g. 0,1,5,10,20,50,100")
    gaps = jnp.asarray(np.diff([0, *wanted]), jnp.int32)
    fitted = []
    for seed, policy_entry in enumerate(policy_entries):
        start = policy_entry.policy
        if not isinstance(start, Initialisation):
            message = f"'{policy_entry.name}' does not adapt"
            raise InputError(message, where="--adapt-steps", hint="leave the option out")
        if shots > start.learner.buffer_size:
            message = f"{shots} slots do not fit into a memory of {start.learner.buffer_size}"
            raise InputError(
                message, where="--shots", hint=f"give {start.learner.buffer_size} or fewer"
            )
        marks = adapt_all(
            adaptation_key(seed),
            policy_entry.world,
            problem.tasks.test,
            start.learner,
            start.networks(problem.tasks.test.count),
            gaps,
            exams,
            shots,
        )
        fitted.append(jax.tree.map(lambda leaf: np.asarray(leaf[:, 1:]), marks))
    learner = policy_entries[0].policy.learner  # pyright: ignore[reportAttributeAccessIssue]
    return Curves(
        steps=wanted,
        marks=jax.tree.map(lambda *leaves: np.stack(leaves), *fitted),
        slots_per_step=learner.rollout_steps,
        proposals=learner.num_candidates,
        shots=shots,
    )


def reached(steps: Sequence[int], curve: np.ndarray, level: float = LEVEL) -> int | None:
    """Return the first step from which ``STAYS`` marks in a row are at or above the level."""
    above = curve >= level
    for index, step in enumerate(steps):
        if np.all(above[index : index + STAYS]):
            return step
    return None


def interval(values: np.ndarray) -> dict[str, float]:
    """Return mean and 95 % interval over scenarios and seeds of ``[seeds, scenarios]``."""
    return statistics.mean_interval(values).summary()


def rows(results: Curves) -> list[dict[str, Any]]:
    """Return one row for each mark, with the budget that was spent to get there."""
    result = []
    for index, step in enumerate(results.steps):
        marks = jax.tree.map(lambda leaf, m=index: leaf[:, :, m], results.marks)
        slots = results.slots(step)
        result.append(
            {
                "steps": step,
                "slots": slots,
                "world_evaluations": slots * results.proposals,
                "q_hat": interval(marks.q_hat[..., 1]),
                "q_hat_rounded": interval(marks.q_hat[..., 0]),
                "q_hat_p05": float(np.mean(marks.q_hat_p05[..., 1])),
                "q_hat_rounded_p05": float(np.mean(marks.q_hat_p05[..., 0])),
                "ratio_of_means": float(np.mean(marks.ratio_of_means[..., 1])),
                "optimal_fraction": float(np.mean(marks.optimal_fraction[..., 1])),
                "optimal_fraction_rounded": float(np.mean(marks.optimal_fraction[..., 0])),
                "weighted_delay_s": float(np.mean(marks.cost[..., 1])),
            }
        )
    return result


def reached_rows(results: Curves) -> dict[str, Any]:
    """Return what it took to reach the level and stay there, on the mean curve, both ways."""
    result = {}
    for way, name in ((1, "q_hat"), (0, "q_hat_rounded")):
        curve = np.mean(results.marks.q_hat[..., way], axis=(0, 1))
        step = reached(results.steps, curve)
        slots = None if step is None else results.slots(step)
        calls = None if slots is None else slots * results.proposals
        result[name] = {"level": LEVEL, "steps": step, "slots": slots, "world_evaluations": calls}
    return result


def evaluate_run(
    folder: str,
    scenario: Any,
    steps: Sequence[int],
    shots: int,
    data: str | None,
    episodes: int | None = None,
) -> dict[str, Any]:
    """Return how the starts of a run adapt on a scenario, as plain data.

    Args:
        episodes: how many hidden scenarios, when not as the scenario says.

    Raises:
        InputError: the system has no hidden scenarios, or the run does not fit.
    """
    if episodes:
        evaluation = dataclasses.replace(scenario.evaluation, episodes=episodes)
        scenario = dataclasses.replace(scenario, evaluation=evaluation)
    problem = build(scenario, data)
    if problem.tasks is None:
        message = f"the system '{problem.kind}' has no hidden scenarios to adapt to"
        raise InputError(message, where="--adapt-steps", hint="leave the option out")
    run = load_run(Path(folder), data)
    policy_entries = seeds_of(run, problem)
    exams = evaluation_inputs(scenario, problem)
    results = curves(policy_entries, problem, exams, steps, shots)
    return {
        "run": folder,
        "scenario": scenario.name,
        "learner": run.request.learner,
        "seeds": len(policy_entries),
        "scenarios": problem.tasks.test.count,
        "exam_slots": problem.horizon,
        "optimum": "exact optimum" if exams.exact else "convex bound (at least)",
        "proposals": results.proposals,
        "shots": shots or None,
        "training_slots": run.request.steps,
        "adaptation": rows(results),
        "reached": reached_rows(results),
    }
