"""Let trained policies, from bundles and run folders, play in a scenario."""

from __future__ import annotations

from typing import Any

from edgewright.core.errors import InputError
from edgewright.core.protocols import PerAgentPolicy, World
from edgewright.evaluation.actions import head_in
from edgewright.scenarios.build import Problem
from edgewright.scenarios.learners import world_of_learner
from edgewright.scenarios.policies import PolicyEntry
from edgewright.systems.horizon import WithPhase
from edgewright.systems.registry import system_of
from edgewright.training.runs import Run


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
        world = transferred(played, problem)
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


def transferred(trained: World, problem: Problem) -> World:
    """Return the world that a policy of the world ``trained`` plays in.

    Raises:
        InputError: the policy observes or acts in another way than the scenario's world does.
    """
    if isinstance(trained, WithPhase):
        return WithPhase(transferred(trained.world, problem), problem.horizon)
    return system_of(problem.kind).transfer_world(trained, problem)


def _action_output(world: World, problem: Problem) -> tuple[Any, ...]:
    """Return name, labels, shape and kind of what policies of a world decide first."""
    first = head_in(problem, world).outputs[0]
    return first.name, first.labels, first.shape, first.kind


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
        world = transferred(run.plan.world, problem)
    except InputError as error:
        raise InputError(error.message, where=run.request.learner, hint=error.hint) from None
    policies = [run.trainer.policy_entry(training)[0] for training in run.trainings]
    agents = problem.world.observation_space(problem.params).shape[:-1]
    for policy in policies:
        if isinstance(policy, PerAgentPolicy) and (policy.devices,) != agents:
            message = f"the run holds a policy for each of {policy.devices} devices; the scenario"
            hint = "one policy for all devices, as of se-ppo, fits any number of them"
            raise InputError(f"{message} has {agents[0]}", where=run.request.learner, hint=hint)
    return [PolicyEntry.learned(run.request.learner, p, world) for p in policies]


__all__ = ["bundled", "seeds_of"]
