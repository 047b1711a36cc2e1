"""Score how an initialisation adapts to unseen tasks, after given numbers of gradient steps."""

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
from edgewright.evaluation.trained import seeds_of
from edgewright.loops.adapt import Scores, adapt_all
from edgewright.loops.initialisation import Initialisation, adaptation_key
from edgewright.scenarios.build import build
from edgewright.systems.system import PolicyEntry, Problem
from edgewright.training.runs import evaluation_inputs, load_run

LEVEL = 0.99
"""The Q-hat that MRL wants to reach."""

STAYS = 5
"""Scores in a row at or above the level that count as having reached it; fewer at the end."""

_LEAVE_OUT = "leave --adapt-steps and --shots out"


@dataclasses.dataclass(frozen=True)
class Curves:
    """Scores after each of ``steps``, ``[seeds, tasks, steps, 2]``: rounded, with search."""

    steps: tuple[int, ...]
    scores: Scores
    slots_per_step: int
    proposals: int
    shots: int

    def slots(self, step: int) -> int:
        """Return the slots that a device has observed before this step's evaluation."""
        return self.shots or step * self.slots_per_step


def curves(
    policy_entries: Sequence[PolicyEntry],
    problem: Problem,
    held_out: Any,
    steps: Sequence[int],
    shots: int = 0,
) -> Curves:
    """Let the initialisations of several seeds adapt to every task of the evaluation.

    Seed ``s`` of every learner adapts on the same slots, and all have the same held-out set.

    Raises:
        InputError: an entry is not an initialisation, its memory does not hold the shots, or the
            steps do not rise from 0 or more.
    """
    wanted = tuple(steps)
    if not wanted or wanted[0] < 0 or any(b <= a for a, b in itertools.pairwise(wanted)):
        message = f"{','.join(map(str, wanted))} does not rise from 0"
        raise InputError(message, where="--adapt-steps", hint="e.g. 0,1,5,10,20,50,100")
    gaps = jnp.asarray(np.diff([0, *wanted]), jnp.int32)
    fitted = []
    for seed, policy_entry in enumerate(policy_entries):
        initial = policy_entry.policy
        if not isinstance(initial, Initialisation):
            message = f"'{policy_entry.name}' does not adapt"
            raise InputError(message, where="--adapt-steps", hint=_LEAVE_OUT)
        if shots > initial.learner.buffer_size:
            message = f"{shots} slots do not fit into a memory of {initial.learner.buffer_size}"
            raise InputError(
                message, where="--shots", hint=f"give {initial.learner.buffer_size} or fewer"
            )
        scores = adapt_all(
            adaptation_key(seed),
            policy_entry.world,
            problem.tasks.test,
            initial.learner,
            initial.networks(problem.tasks.test.count),
            gaps,
            held_out,
            shots,
        )
        fitted.append(jax.tree.map(lambda leaf: np.asarray(leaf[:, 1:]), scores))
    learner = policy_entries[0].policy.learner  # pyright: ignore[reportAttributeAccessIssue]
    return Curves(
        steps=wanted,
        scores=jax.tree.map(lambda *leaves: np.stack(leaves), *fitted),
        slots_per_step=learner.rollout_steps,
        proposals=learner.num_candidates,
        shots=shots,
    )


def reached(steps: Sequence[int], curve: np.ndarray, level: float = LEVEL) -> int | None:
    """Return the first step from which ``STAYS`` scores in a row are at or above the level."""
    above = curve >= level
    for index, step in enumerate(steps):
        if np.all(above[index : index + STAYS]):
            return step
    return None


def interval(values: np.ndarray) -> dict[str, float]:
    """Return mean and 95 % interval over scenarios and seeds of ``[seeds, scenarios]``."""
    return statistics.mean_interval(values).summary()


def rows(results: Curves) -> list[dict[str, Any]]:
    """Return one row for each evaluated step, with the slots and world evaluations spent so far."""
    result = []
    for index, step in enumerate(results.steps):
        scores = jax.tree.map(lambda leaf, m=index: leaf[:, :, m], results.scores)
        slots = results.slots(step)
        result.append(
            {
                "steps": step,
                "slots": slots,
                "world_evaluations": slots * results.proposals,
                "q_hat": interval(scores.q_hat[..., 1]),
                "q_hat_rounded": interval(scores.q_hat[..., 0]),
                "q_hat_p05": float(np.mean(scores.q_hat_p05[..., 1])),
                "q_hat_rounded_p05": float(np.mean(scores.q_hat_p05[..., 0])),
                "ratio_of_means": float(np.mean(scores.ratio_of_means[..., 1])),
                "optimal_fraction": float(np.mean(scores.optimal_fraction[..., 1])),
                "optimal_fraction_rounded": float(np.mean(scores.optimal_fraction[..., 0])),
                "weighted_delay_s": float(np.mean(scores.cost[..., 1])),
            }
        )
    return result


def reached_rows(results: Curves) -> dict[str, Any]:
    """Return what it took to reach the level and stay there, on the mean curve, both ways."""
    result = {}
    for way, name in ((1, "q_hat"), (0, "q_hat_rounded")):
        curve = np.mean(results.scores.q_hat[..., way], axis=(0, 1))
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
    """Return how the initialisations of a run adapt to the tasks of a scenario, as plain data.

    Args:
        episodes: number of tasks, where it differs from the scenario's.

    Raises:
        InputError: the system has no tasks, or the run does not fit.
    """
    if episodes:
        evaluation = dataclasses.replace(scenario.evaluation, episodes=episodes)
        scenario = dataclasses.replace(scenario, evaluation=evaluation)
    problem = build(scenario, data)
    if problem.tasks is None:
        message = f"the system '{problem.kind}' has no tasks to adapt to"
        raise InputError(message, where="--adapt-steps", hint=_LEAVE_OUT)
    run = load_run(Path(folder), data)
    policy_entries = seeds_of(run, problem)
    held_out = evaluation_inputs(scenario, problem)
    results = curves(policy_entries, problem, held_out, steps, shots)
    return {
        "run": folder,
        "scenario": scenario.name,
        "learner": run.request.learner,
        "seeds": len(policy_entries),
        "scenarios": problem.tasks.test.count,
        "held_out_slots": problem.horizon,
        "optimum": "exact optimum" if held_out.exact else "convex bound (at least)",
        "proposals": results.proposals,
        "shots": shots or None,
        "training_slots": run.request.steps,
        "adaptation": rows(results),
        "reached": reached_rows(results),
    }
