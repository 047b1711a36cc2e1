"""From a run, or the name of a rule, to a bundle."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgewright.bundle import Bundle, Interface
from edgewright.bundle.bundle import save
from edgewright.core.errors import InputError
from edgewright.core.protocols import PerAgentPolicy, Policy
from edgewright.core.sealed import read_json
from edgewright.core.version import __version__
from edgewright.deploy.rollouts import Mixed, watch
from edgewright.evaluation.actions import head_in
from edgewright.export.heads import Head, head_for
from edgewright.export.lite import required, with_lite
from edgewright.export.networks import layers_of
from edgewright.export.observation import interface_of
from edgewright.export.write import make_bundle, write_graph
from edgewright.scenarios.build import Problem, build
from edgewright.scenarios.load import resolved, training_identity
from edgewright.scenarios.policies import baseline, baseline_names
from edgewright.specs.schema import Scenario
from edgewright.testing.play import Anything
from edgewright.training.runs import Run, load_run

SCORES = ("reward", "difference", "gap_closed", "score")
"""Keys of the result of a training that a bundle carries."""


def export_run(
    folder: Path,
    out: Path,
    *,
    seed: int = 0,
    task: int | None = None,
    device: int | None = None,
    rules: Sequence[str] | None = None,
    litert: bool = False,
    data: str | None = None,
) -> Bundle:
    """Write the greedy policy of one seed of a run as a bundle.

    Args:
        task: index of the task whose network is exported, where a run learned one for each.
        device: whose policy, where a run learned one for each device.
        rules: names of rules to pack beside it; those of :func:`usual_rules` if absent.
        litert: whether to add a graph for LiteRT, see :mod:`edgewright.export.lite`.

    Raises:
        InputError: the seed, task or device does not exist, or the policy or a rule cannot
            be exported.
    """
    if litert:
        required("--litert")
    run = load_run(folder, data)
    if not 0 <= seed < run.request.seeds:
        message = f"the run has no seed {seed}"
        hint = f"its seeds are 0 to {run.request.seeds - 1}"
        raise InputError(message, where=str(folder), hint=hint)
    problem = dataclasses.replace(run.problem, world=run.plan.world)
    deployable = run.trainer.deployable(run.trainings[seed], task)
    policy, own = deployable.greedy, deployable.task
    if isinstance(policy, PerAgentPolicy) or device is not None:
        policy = _of_device(policy, device)
    if own is not None:
        problem = problem.only(own)
    head = head_for(policy, head_in(problem))
    interface = interface_in(problem, deployable.exploring, head, device)
    result = folder / "result.json"
    scores = read_json(result, "result") if result.exists() else {}
    if problem.tasks is not None or device is not None:
        scores = {}  # those are of many networks, some after they adapted
    whose = "" if device is None else f", device {device}"
    facts = {
        "name": f"{run.request.learner} on {run.request.scenario.name}, seed {seed}{whose}",
        "kind": "learned",
        "scenario": resolved(run.request.scenario),
        "provenance": _provenance(run, seed, task=own, device=device),
        "scores": {key: scores[key] for key in SCORES if key in scores},
        "lineage": [],
    }
    return export_policy(out, policy, problem, interface, facts, rules, litert)


def _of_device(policy: Any, device: int | None) -> Any:
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


def export_rule(
    name: str, scenario: Scenario[Any, Any, Any], out: Path, data: str | None = None
) -> Bundle:
    """Write a rule of a scenario as a bundle, so that a rule and a network are exchangeable.

    Raises:
        InputError: the rule is unknown, or cannot be exported.
    """
    problem = build(scenario, data)
    result = baseline(name, problem)
    head = head_in(problem)
    interface = interface_in(problem, None, head)
    facts = {
        "name": f"{name} on {scenario.name}",
        "kind": "rule",
        "scenario": resolved(scenario),
        "provenance": {"version": __version__, "rule": name},
        "scores": {},
        "lineage": [],
    }
    return export_policy(out, result.policy, problem, interface, facts, ())


def usual_rules(problem: Problem) -> list[str]:
    """Return the rules that are packed beside a learned policy when none are named."""
    wanted = ("local-1", "shortest-1", "heuristic-fair", "all-local")
    return [name for name in wanted if name in baseline_names(problem)]


def interface_in(
    problem: Problem, explorer: Policy | None, head: Head, device: int | None = None
) -> Interface:
    """Return the fields and outputs of policies of a world, with the range that training saw.

    That is what random actions lead to, and the exploring policy at the end of training.

    Args:
        device: whose range, if one device's policy is meant; of all devices if absent.
    """
    world, params = problem.world, problem.params
    actions = world.action_space(params)
    player: Policy = Anything(space=actions)
    if explorer is not None:
        player = Mixed(space=actions, policy=explorer)
    space = world.observation_space(params)
    columns = math.prod(space.shape) if head.joint else space.shape[-1]
    rows = watch(world, problem, player, columns, 0, device)
    return interface_of(space, head, rows)


def export_policy(
    out: Path,
    policy: Policy,
    problem: Problem,
    interface: Interface,
    facts: dict[str, Any],
    rules: Sequence[str] | None,
    litert: bool = False,
) -> Bundle:
    """Write any policy that can be deployed as a bundle.

    Args:
        built: the scenario with the policy's own world.
        facts: ``name``, ``kind``, ``scenario``, ``provenance``, ``scores``, ``lineage``.
        rules: names of rules to pack beside it; those of :func:`usual_rules` if absent.
        litert: whether to add a graph for LiteRT.
    """
    params = problem.params
    head = head_for(policy, head_in(problem))
    beside = {}
    for name in usual_rules(problem) if rules is None else rules:
        try:
            rule = layers_of(baseline(name, problem).policy, params, interface)
        except InputError:
            if rules is not None:
                raise
            continue  # a rule that this world's observations do not allow
        beside[name] = write_graph(rule, head, interface, name)
    layers = layers_of(policy, params, interface)
    content, bundle = make_bundle(layers, head, interface, beside, facts, str(out))
    if litert:
        content, bundle = with_lite(bundle)
    save(out, content)
    return bundle


def _provenance(run: Run, seed: int, **whose: int | None) -> dict[str, Any]:
    request = run.request
    return {
        "version": __version__,
        "learner": request.learner,
        "seed": seed,
        "steps": request.steps,
        "training_identity": training_identity(request.scenario),
        "recordings": request.facts()["recordings"],
    } | {name: number for name, number in whose.items() if number is not None}


__all__ = ["export_policy", "export_rule", "export_run", "interface_in", "usual_rules"]
