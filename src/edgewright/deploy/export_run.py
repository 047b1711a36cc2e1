"""From a run, or the name of a rule, to a bundle."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.agents.two_time_scale import columns_of
from edgewright.bundle import Bundle, Interface
from edgewright.bundle.bundle import save
from edgewright.core.errors import InputError
from edgewright.core.protocols import Policy
from edgewright.core.version import __version__
from edgewright.deploy.rollouts import Mixed, watch
from edgewright.deploy.subject import WHOLE, Part, Subject, explorer, planners, subject_of
from edgewright.evaluation.actions import head_in
from edgewright.export.drawing import draws_of
from edgewright.export.heads import Head, head_for
from edgewright.export.lite import required, with_lite
from edgewright.export.networks import layers_of, level_layers, level_space
from edgewright.export.observation import interface_of
from edgewright.export.record_head import RecordHead
from edgewright.export.write import Graph, make_bundle, write_graph
from edgewright.scenarios.build import Problem, build
from edgewright.scenarios.load import resolved
from edgewright.scenarios.policies import baseline, baseline_names
from edgewright.specs.schema import Scenario
from edgewright.systems.horizon import without_phase
from edgewright.testing.play import Anything


def export_run(
    folder: Path,
    out: Path,
    *,
    seed: int = 0,
    part: Part = WHOLE,
    rules: Sequence[str] | None = None,
    litert: bool = False,
    data: str | None = None,
) -> Bundle:
    """Write the greedy policy of one seed of a run as a bundle.

    Args:
        part: which policy, where the run has several.
        rules: names of rules to pack beside it; those of :func:`usual_rules` if absent.
        litert: whether to add a graph for LiteRT, see :mod:`edgewright.export.lite`.

    Raises:
        InputError: the policy does not exist, or it or a rule cannot be exported.
    """
    if litert:
        required("--litert")
    subject = subject_of(folder, seed, part, data)
    searching = planners(subject.policy)
    if part.level in searching or (searching and part.level is None):
        message = "a planner searches before every decision, so it cannot be exported as it is"
        level = f"--level {part.level} " if part.level is not None else ""
        hint = f"edgewright export {folder} {level}--amortise --out {out}"
        raise InputError(message, where=str(folder), hint=f"train a network like it: {hint}")
    head = head_for(subject.policy, head_in(subject.problem))
    rows = rows_in(subject.problem, explorer(subject), head, part.device)
    content, bundle = bundle_of(out, subject, rows, subject.facts(), rules, litert)
    save(out, content)
    return bundle


def bundle_of(
    out: Path,
    subject: Subject,
    rows: np.ndarray,
    facts: dict[str, Any],
    rules: Sequence[str] | None = None,
    litert: bool = False,
) -> tuple[bytes, Bundle]:
    """Return the file of a subject's policy, or of one level of it, and the bundle in it.

    Args:
        rows: observations ``[n, columns]`` that show the ranges of the fields.
        rules: see :func:`export_run`.

    Raises:
        InputError: it, or a rule, cannot be exported.
    """
    policy, problem, level = subject.policy, subject.problem, subject.part.level
    space = problem.world.observation_space(problem.params)
    head = head_for(policy, head_in(problem))
    if level is None:
        interface = interface_of(space, head, rows, draws_of(policy))
        return _policy_file(out, policy, problem, interface, facts, rules, litert)
    if rules:
        message = "a rule decides the whole action, not one level of it"
        raise InputError(message, where="--rules", hint="leave --rules or --level out")
    own = getattr(policy, f"{level}_columns")
    assert isinstance(head, RecordHead), "a policy of two levels decides a record"
    head = dataclasses.replace(head, space=level_space(policy, level))
    interface = interface_of(columns_of(space, own), head, rows[:, list(own)])
    layers = level_layers(policy, level, problem.params, interface)
    return _file(out, layers, head, interface, {}, facts, litert)


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
    wanted = ("local-1", "shortest-1", "heuristic-fair", "all-local", "virtual-cost")
    return [name for name in wanted if name in baseline_names(problem)]


def interface_in(
    problem: Problem, explorer: Policy | None, head: Head, device: int | None = None
) -> Interface:
    """Return the fields and outputs of policies of a world, with the range that training saw.

    See :func:`rows_in` for the arguments.
    """
    space = problem.world.observation_space(problem.params)
    return interface_of(space, head, rows_in(problem, explorer, head, device))


def rows_in(
    problem: Problem, explorer: Policy | None, head: Head, device: int | None = None
) -> np.ndarray:
    """Return observations ``[n, columns]`` like those that training saw.

    Random actions lead to them, and the exploring policy at the end of training.

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
    return watch(world, problem, player, columns, 0, device)


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
    content, bundle = _policy_file(out, policy, problem, interface, facts, rules, litert)
    save(out, content)
    return bundle


def _policy_file(
    out: Path,
    policy: Policy,
    problem: Problem,
    interface: Interface,
    facts: dict[str, Any],
    rules: Sequence[str] | None,
    litert: bool,
) -> tuple[bytes, Bundle]:
    params = problem.params
    head = head_for(policy, head_in(problem))
    beside, named = {}, rules is not None
    plain = dataclasses.replace(problem, world=without_phase(problem.world))
    if rules is None:
        rules = usual_rules(plain)
    for name in rules or ():
        try:
            rule = layers_of(baseline(name, plain).policy, params, interface)
        except InputError:
            if named:
                raise
            continue  # a rule that this world's observations do not allow
        beside[name] = write_graph(rule, head, interface, name)
    layers = layers_of(policy, params, interface)
    return _file(out, layers, head, interface, beside, facts, litert)


def _file(
    out: Path,
    layers: Sequence[Any],
    head: Head,
    interface: Interface,
    beside: dict[str, Graph],
    facts: dict[str, Any],
    litert: bool,
) -> tuple[bytes, Bundle]:
    content, bundle = make_bundle(layers, head, interface, beside, facts, str(out))
    return with_lite(bundle) if litert else (content, bundle)


__all__ = [
    "bundle_of",
    "export_policy",
    "export_rule",
    "export_run",
    "interface_in",
    "rows_in",
    "usual_rules",
]
