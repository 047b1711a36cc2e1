"""Compare policies on identical inputs, with a bound on the optimum beside them."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from edgewright.core.errors import InputError
from edgewright.evaluation.actions import Part, action_shares, decisions, warning
from edgewright.evaluation.sources import Asked, Source, gather
from edgewright.evaluation.tasks import TaskFile
from edgewright.loops.evaluate import EpisodeBatch
from edgewright.scenarios.build import Problem, build
from edgewright.specs.schema import Scenario
from edgewright.systems.registry import system_of
from edgewright.training.runs import evaluation_inputs


@dataclasses.dataclass(frozen=True)
class Result:
    """One policy's episodes.

    Attributes:
        name, group: in tables and figures.
        metrics: ``[seeds, episodes]`` by name.
        seconds: that playing took.
        played: the plays of the first seed, where the system keeps them.
        source: what played.
        actions: shares of the actions of all seeds, see
            :func:`edgewright.evaluation.actions.action_shares`; empty where they are not kept.
    """

    name: str
    group: str
    metrics: dict[str, np.ndarray]
    seconds: float
    played: EpisodeBatch | None
    source: Source | None = None
    actions: tuple[Part, ...] = ()


@dataclasses.dataclass(frozen=True)
class Comparison:
    """All results of one scenario on the same episodes, and the bound ``[episodes]`` or None."""

    scenario: Scenario
    problem: Problem
    results: list[Result]
    bound: np.ndarray | None
    why_no_bound: str = ""

    @property
    def warnings(self) -> list[str]:
        """Sentences on learned and foreign policies that always do the same."""
        judged = (r for r in self.results if r.group == "learned" or is_foreign(r.source))
        sentences = (warning(result.name, result.actions) for result in judged)
        return [sentence for sentence in sentences if sentence is not None]

    @property
    def notes(self) -> list[str]:
        """Sentences on what was found in the files of foreign policies."""
        return [note for r in self.results if r.source for note in r.source.notes]

    def result(self, name: str) -> Result:
        """Return the result of a policy."""
        return next(result for result in self.results if result.name == name)


def compare(
    scenario: Scenario,
    policies: Sequence[Asked] = (),
    *,
    data: str | None = None,
    episodes: int | None = None,
    tasks: Path | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> Comparison:
    """Play the scenario's evaluation episodes with every policy.

    Args:
        policies: names of baselines, folders of runs, bundles, policies in Python files
            (``mine.py:Calm``) and Stable-Baselines3 models (``sb3:model.zip+stats.pkl``), each with
            a label before it if you like (``first=runs/a``); all baselines when empty. The
            scenario's baseline and reference and ``random`` are always played. Learners of a
            system that trains them in seconds may be named too, and are when empty.
        episodes: how many, when not as the scenario says.
        tasks: a CSV file that gets a row for every decision of every policy.
        on_progress: called with the name of each policy before its episodes run.

    Raises:
        InputError: an unknown policy, or a run that does not fit the scenario.
    """
    if episodes:
        evaluation = dataclasses.replace(scenario.evaluation, episodes=episodes)
        scenario = dataclasses.replace(scenario, evaluation=evaluation)
    problem = build(scenario, data)
    writing = TaskFile(tasks, problem) if tasks else contextlib.nullcontext()
    sources = gather(scenario, problem, policies, data)  # first: it refuses wrong names
    inputs = evaluation_inputs(scenario, problem)
    results = []
    with writing as file:
        for source in sources:
            if on_progress:
                on_progress(source.name)
            results.append(_play(source, scenario, problem, inputs, file))
    if on_progress:
        on_progress("bound")
    bound, why = bound_of(problem, inputs, scenario.evaluation.post_termination_reward)
    return Comparison(scenario, problem, results, bound, why)


def bound_of(problem: Problem, inputs: Any, missed: float) -> tuple[np.ndarray | None, str]:
    """Return the system's bound of each episode, or why there is none.

    Args:
        inputs: of the evaluation.
        missed: reward of a slot after the end of an episode.
    """
    bound = system_of(problem.kind).bound
    if bound is None:
        return None, f"the system '{problem.kind}' states none"
    try:
        return np.asarray(bound(problem, inputs, missed)), ""
    except InputError as error:
        return None, error.message


def is_foreign(source: Source | None) -> bool:
    """Return whether the author of a policy is the user."""
    return source is not None and source.is_foreign


def _play(
    source: Source, scenario: Scenario, problem: Problem, inputs: Any, file: TaskFile | None
) -> Result:
    began = time.perf_counter()
    missed = scenario.evaluation.post_termination_reward
    system = system_of(problem.kind)
    rows, first, taken = [], None, []
    for seed, entry in enumerate(source.entries):
        row, played = system.play(entry, problem, inputs, seed, missed)
        rows.append(row)
        if file:
            file.write(source.name, seed, entry, played)
        if played is not None:
            first = first or played
            taken.append(decisions(played.actions, played.alive))
    metrics = {key: np.stack([np.asarray(row[key]) for row in rows]) for key in rows[0]}
    world, seconds = source.entries[0].world, time.perf_counter() - began
    actions: tuple[Part, ...] = ()
    if taken:
        together = jax.tree.map(lambda *leaves: np.concatenate(leaves), *taken)
        actions = tuple(action_shares(problem, world, together))
    group = source.entries[0].group
    return Result(source.name, group, metrics, seconds, first, source, actions)
