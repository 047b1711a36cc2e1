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
from edgewright.loops.adapt import Marks, adapt_all
from edgewright.scenarios.build import build
from edgewright.systems.binary.held_out import draw_exams, is_exact
from edgewright.systems.binary.trainer import Start, adaptation_key
from edgewright.systems.system import Built, Contender
from edgewright.training.runs import load_run

LEVEL = 0.99
"""What MRL wants to reach."""

STAYS = 5
"""Marks in a row at or above the level that count as having reached it; fewer at the end."""


@dataclasses.dataclass(frozen=True)
class Curves:
    """Marks after each of ``steps``, leaves ``[seeds, scenarios, marks, 2]``: rounded, priced."""

    steps: tuple[int, ...]
    marks: Marks
    slots_per_step: int
    proposals: int
    shots: int

    def slots(self, step: int) -> int:
        """Return the slots that a device has observed before this step's exam."""
        return self.shots or step * self.slots_per_step


def curves(
    contenders: Sequence[Contender],
    built: Built,
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
        problem = f"{','.join(map(str, wanted))} does not rise from 0"
        raise InputError(problem, where="--adapt-steps", hint="e.g. 0,1,5,10,20,50,100")
    gaps = jnp.asarray(np.diff([0, *wanted]), jnp.int32)
    found = []
    for seed, contender in enumerate(contenders):
        start = contender.policy
        if not isinstance(start, Start):
            problem = f"'{contender.name}' does not adapt"
            raise InputError(problem, where="--adapt-steps", hint="leave the option out")
        if shots > start.learner.memory:
            problem = f"{shots} slots do not fit into a memory of {start.learner.memory}"
            raise InputError(problem, where="--shots", hint=f"give {start.learner.memory} or fewer")
        marks = adapt_all(
            adaptation_key(seed),
            contender.world,
            built.hidden.test,
            start.learner,
            start.networks(built.hidden.test.count),
            gaps,
            exams,
            shots,
        )
        found.append(jax.tree.map(lambda leaf: np.asarray(leaf[:, 1:]), marks))
    learner = contenders[0].policy.learner  # pyright: ignore[reportAttributeAccessIssue]
    return Curves(
        steps=wanted,
        marks=jax.tree.map(lambda *leaves: np.stack(leaves), *found),
        slots_per_step=learner.frames,
        proposals=learner.candidates,
        shots=shots,
    )


def reached(steps: Sequence[int], curve: np.ndarray, level: float = LEVEL) -> int | None:
    """Return the first step from which ``STAYS`` marks in a row are at or above the level."""
    above = curve >= level
    for place, step in enumerate(steps):
        if np.all(above[place : place + STAYS]):
            return step
    return None


def interval(values: np.ndarray) -> dict[str, float]:
    """Return mean and 95 % interval over scenarios and seeds of ``[seeds, scenarios]``."""
    found = statistics.paired_difference(values, np.zeros(values.shape[1]))
    return {"mean": found.estimate, "low": found.low, "high": found.high}


def rows(found: Curves) -> list[dict[str, Any]]:
    """Return one row for each mark, with the budget that was spent to get there."""
    result = []
    for place, step in enumerate(found.steps):
        marks = jax.tree.map(lambda leaf, m=place: leaf[:, :, m], found.marks)
        slots = found.slots(step)
        result.append(
            {
                "steps": step,
                "slots": slots,
                "critic_calls": slots * found.proposals,
                "q_hat": interval(marks.q_hat[..., 1]),
                "q_hat_rounded": interval(marks.q_hat[..., 0]),
                "q_hat_p5": float(np.mean(marks.q_hat_p5[..., 1])),
                "q_hat_rounded_p5": float(np.mean(marks.q_hat_p5[..., 0])),
                "ratio_of_means": float(np.mean(marks.ratio_of_means[..., 1])),
                "exact": float(np.mean(marks.exact[..., 1])),
                "exact_rounded": float(np.mean(marks.exact[..., 0])),
                "weighted_delay_s": float(np.mean(marks.cost[..., 1])),
            }
        )
    return result


def reached_rows(found: Curves) -> dict[str, Any]:
    """Return what it took to reach the level and stay there, on the mean curve, both ways."""
    result = {}
    for way, name in ((1, "q_hat"), (0, "q_hat_rounded")):
        curve = np.mean(found.marks.q_hat[..., way], axis=(0, 1))
        step = reached(found.steps, curve)
        slots = None if step is None else found.slots(step)
        calls = None if slots is None else slots * found.proposals
        result[name] = {"level": LEVEL, "steps": step, "slots": slots, "critic_calls": calls}
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
    built = build(scenario, data)
    if built.hidden is None:
        problem = f"the system '{built.kind}' has no hidden scenarios to adapt to"
        raise InputError(problem, where="--adapt-steps", hint="leave the option out")
    run = load_run(Path(folder), data)
    contenders = seeds_of(run, built)
    exams = draw_exams(scenario.evaluation, built)
    found = curves(contenders, built, exams, steps, shots)
    return {
        "run": folder,
        "scenario": scenario.name,
        "learner": run.request.learner,
        "seeds": len(contenders),
        "scenarios": built.hidden.test.count,
        "exam_slots": built.horizon,
        "optimum": "exact optimum" if is_exact(built.world) else "convex bound (at least)",
        "proposals": found.proposals,
        "shots": shots or None,
        "training_slots": run.request.steps,
        "adaptation": rows(found),
        "reached": reached_rows(found),
    }
