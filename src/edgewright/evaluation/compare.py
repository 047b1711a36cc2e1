"""Compare policies on identical inputs, with a bound on the optimum beside them."""

from __future__ import annotations

import dataclasses
import importlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.core.errors import InputError
from edgewright.core.protocols import PerAgentPolicy, World
from edgewright.loops.evaluate import EpisodeBatch
from edgewright.scenarios.build import Problem, build, learner_names
from edgewright.scenarios.learners import world_of_learner
from edgewright.scenarios.policies import PolicyEntry, baseline, baseline_names
from edgewright.specs.schema import Scenario
from edgewright.systems.registry import system_of
from edgewright.training.runs import Run, evaluation_inputs, load_run, train_here

BUNDLE = ".edge"
"""How the name of a bundle ends."""


@dataclasses.dataclass(frozen=True)
class Result:
    """One policy's episodes: metrics ``[seeds, episodes]``, and the plays of the first seed."""

    name: str
    group: str
    metrics: dict[str, np.ndarray]
    seconds: float
    played: EpisodeBatch | None


@dataclasses.dataclass(frozen=True)
class Comparison:
    """All results of one scenario on the same episodes, and the bound ``[episodes]`` or None."""

    scenario: Scenario
    problem: Problem
    results: list[Result]
    bound: np.ndarray | None
    why_no_bound: str = ""

    def result(self, name: str) -> Result:
        """Return the result of a policy."""
        return next(result for result in self.results if result.name == name)


def compare(
    scenario: Scenario,
    policies: Sequence[str] = (),
    *,
    data: str | None = None,
    episodes: int | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> Comparison:
    """Play the scenario's evaluation episodes with every policy.

    Args:
        policies: names of baselines and folders of runs; all baselines when empty. The scenario's
            baseline and reference and ``random`` are always played: the score needs them. Learners
            of a system that trains them in seconds may be named too, and are when empty.
        episodes: how many, when not as the scenario says.
        on_progress: called with the name of each policy before its episodes run.

    Raises:
        InputError: an unknown policy, or a run that does not fit the scenario.
    """
    if episodes:
        evaluation = dataclasses.replace(scenario.evaluation, episodes=episodes)
        scenario = dataclasses.replace(scenario, evaluation=evaluation)
    problem = build(scenario, data)
    policy_entries = gather(
        scenario, problem, list(policies), data
    )  # first: it refuses wrong names
    inputs = evaluation_inputs(scenario, problem)
    results = []
    for name, group in policy_entries.items():
        if on_progress:
            on_progress(name)
        results.append(
            _play(name, group, problem, inputs, scenario.evaluation.post_termination_reward)
        )
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


def gather(
    scenario: Scenario, problem: Problem, policies: list[str], data: str | None
) -> dict[str, list[PolicyEntry]]:
    """Return the policy entries by name; a run contributes one entry for each seed."""
    plan = scenario.evaluation
    needed = ["random", plan.baseline, plan.reference]
    system = system_of(problem.kind)
    trained = learner_names(problem) if system.trains else []
    names = policies or [*baseline_names(problem), *system.trains]
    names = [*dict.fromkeys([*names, *needed])]
    order = {name: index for index, name in enumerate(baseline_names(problem))}
    names.sort(key=lambda name: order.get(name, len(order)))
    gathered: dict[str, list[PolicyEntry]] = {}
    for name in names:
        if name.endswith(BUNDLE):
            gathered[name] = [bundled(name, problem)]
        elif looks_like_run(name, problem):
            run = load_run(Path(name), data)
            gathered[label(run, Path(name), {*gathered, *names})] = seeds_of(run, problem)
        elif name in trained:
            made = train_here(name, scenario, problem)
            gathered[name] = [PolicyEntry(name, "learned", p, None, world) for p, world in made]
        else:
            gathered[name] = [baseline(name, problem)]
    return gathered


def bundled(file: str, problem: Problem) -> PolicyEntry:
    """Return the policy of a bundle: the deployed graph itself plays.

    Raises:
        InputError: it cannot be loaded, or takes other features than the scenario's world gives.
    """
    from edgewright.bundle import load
    from edgewright.export.observation import field_names
    from edgewright.export.policy import whole_policy

    bundle = load(file)
    trained, facts = bundle.facts["scenario"].get("world"), bundle.facts["provenance"]
    world, same = problem.world, isinstance(trained, dict) and trained.get("kind") == problem.kind
    if same and "learner" in facts:
        played = world_of_learner(facts["learner"], problem)
        world = system_of(problem.kind).transfer_world(played, problem)
    asked = [field.name for field in bundle.interface.fields]
    given = field_names(world.observation_space(problem.params), bundle.interface.joint)
    if asked != given:
        message = f"the bundle takes the {len(asked)} fields {', '.join(asked)}; "
        message += f"the scenario has {len(given)}: {', '.join(given)}"
        raise InputError(message, where=file, hint="compare it on a scenario of the same sizes")
    given, asked = bundle.interface.outputs[0], _action_output(world, problem)
    if (given.name, given.labels, given.shape, given.kind) != asked:
        message = f"the bundle decides '{given.name}' with {len(given.labels)} values of shape "
        message += f"{given.shape}; the scenario has {len(asked[1])} of shape {asked[2]}"
        raise InputError(message, where=file, hint="compare it on a scenario of the same actions")
    group = "learned" if bundle.facts["kind"] == "learned" else "rule"
    return PolicyEntry(file, group, whole_policy(bundle), None, world)


def _action_output(world: World, problem: Problem) -> tuple[Any, ...]:
    """Return name, labels, shape and kind of what policies of a world decide first."""
    from edgewright.export.observation import head_of

    module = system_of(problem.kind).export
    if module:
        importlib.import_module(module)
    first = head_of(world, problem.params).outputs[0]
    return first.name, first.labels, first.shape, first.kind


def looks_like_run(name: str, problem: Problem) -> bool:
    """Return whether a policy's name is a folder rather than a baseline."""
    if name in (*baseline_names(problem), *system_of(problem.kind).trains):
        return False
    return "/" in name or (Path(name) / "run.json").exists()


def label(run: Run, folder: Path, taken: set[str]) -> str:
    """Return the learner's name, or the folder's where two runs share a learner."""
    name = run.request.learner
    return name if name not in taken else str(folder)


def seeds_of(run: Run, problem: Problem) -> list[PolicyEntry]:
    """Return the greedy policy of every seed of a run, to be played in another scenario's world.

    Raises:
        InputError: the run observes or acts in another way than the scenario's world does.
    """
    if run.problem.kind != problem.kind:
        message = f"the run is of kind '{run.problem.kind}', the scenario of kind '{problem.kind}'"
        hint = "evaluate it on a scenario of its own kind"
        raise InputError(message, where=run.request.learner, hint=hint)
    try:
        world = system_of(problem.kind).transfer_world(run.plan.world, problem)
    except InputError as error:
        raise InputError(error.message, where=run.request.learner, hint=error.hint) from None
    policies = [run.trainer.policy_entry(training)[0] for training in run.trainings]
    agents = problem.world.observation_space(problem.params).shape[:-1]
    for policy in policies:
        if isinstance(policy, PerAgentPolicy) and (policy.devices,) != agents:
            message = f"the run holds a policy for each of {policy.devices} devices; the scenario"
            hint = "one policy for all devices, as of se-ppo, fits any number of them"
            raise InputError(f"{message} has {agents[0]}", where=run.request.learner, hint=hint)
    return [PolicyEntry(run.request.learner, "learned", p, None, world) for p in policies]


def _play(
    name: str, policy_entries: list[PolicyEntry], problem: Problem, inputs: Any, missed: float
) -> Result:
    began = time.perf_counter()
    system = system_of(problem.kind)
    runs = [system.play(c, problem, inputs, seed, missed) for seed, c in enumerate(policy_entries)]
    metrics = {key: np.stack([np.asarray(row[key]) for row, _ in runs]) for key in runs[0][0]}
    return Result(name, policy_entries[0].group, metrics, time.perf_counter() - began, runs[0][1])
