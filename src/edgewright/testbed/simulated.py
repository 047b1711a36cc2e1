"""Simulate the blocks of a testbed on every rung of the ladder."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from edgewright.gateway.options import Chooser
from edgewright.gateway.plan import make_plan
from edgewright.gateway.policy import BundlePolicy, load_policy
from edgewright.scenarios.build import build
from edgewright.testbed import discrete, virtual, world_replay
from edgewright.testbed.blocks import DISCRETE, READINGS, VIRTUAL, WORLD
from edgewright.testbed.conditions import Conditions
from edgewright.testbed.objective import Arrival, Objective, Outcome

Blocks = dict[str, list[list[Outcome]]]
"""Outcomes of each round, by policy."""


def simulated(
    scenario: Any,
    given: Conditions,
    files: Mapping[str, Path],
    rounds: Sequence[Sequence[Arrival]],
    rungs: Sequence[str],
) -> dict[str, Blocks]:
    """Return the outcomes of the same blocks on every rung below the testbed.

    Args:
        scenario: whose world it is.
        files: the gateway's configuration for each policy.
        rungs: of :data:`~edgewright.testbed.blocks.RUNGS`.
    """
    problem = build(scenario)
    result: dict[str, Blocks] = {rung: {name: [] for name in files} for rung in rungs}
    for name, file in files.items():
        for block in rounds:
            for rung in rungs:
                one = _block(problem, given, file, block, rung)
                result[rung][name].append(one)
    return result


def _block(
    problem: Any, given: Conditions, file: Path, block: Sequence[Arrival], rung: str
) -> list[Outcome]:
    if rung == VIRTUAL:
        return virtual.simulate(file, given, block)
    chooser = make_plan(file).chooser  # one that counts begins anew
    if rung == DISCRETE:
        return discrete.simulate(given, chooser, _names(chooser), block)
    arguments = (given, chooser, _names(chooser), block, READINGS[rung])
    return world_replay.simulate(problem.world, problem.params, *arguments)


def _names(chooser: Chooser) -> list[str]:
    """Return the fields that a policy observes; none for a rule."""
    if not isinstance(chooser, BundlePolicy):
        return []
    return [field.name for field in chooser.bundle.interface.fields]


def with_wrong_work(
    scenario: Any,
    given: Conditions,
    files: Mapping[str, Path],
    rounds: Sequence[Sequence[Arrival]],
    factor: float,
) -> Blocks:
    """Return the outcomes in the world if all work were measured ``factor`` times as large.

    It is a control: figures of the gap that do not notice it say nothing.
    """
    slower = [one / factor for one in given.fitted.ghz]
    wrong = dataclasses.replace(given, fitted=dataclasses.replace(given.fitted, ghz=slower))
    problem, result = build(scenario), {name: [] for name in files}
    params = dataclasses.replace(
        problem.params,
        device_ghz=problem.params.device_ghz / factor,
        server_ghz=jnp.asarray(problem.params.server_ghz) / factor,
    )
    for name, file in files.items():
        for block in rounds:
            chooser = make_plan(file).chooser
            arguments = (wrong, chooser, _names(chooser), block, READINGS[WORLD])
            result[name].append(world_replay.simulate(problem.world, params, *arguments))
    return result


def rewards(
    scenario: Any,
    given: Conditions,
    objective: Objective,
    bundles: Sequence[Path],
    gateway: Path,
    rounds: Sequence[Sequence[Arrival]],
) -> tuple[np.ndarray, np.ndarray]:
    """Return what bundles earn in the world of a scenario.

    Args:
        bundles: one of each seed.
        gateway: a configuration that they fit.

    Returns:
        Mean rewards of a request ``[seeds, rounds]``, and shares of the levels ``[seeds, K]``.
    """
    problem, config = build(scenario), make_plan(gateway).config
    means, shares = [], []
    for file in bundles:
        row, counts = [], np.zeros(len(objective.score))
        for block in rounds:
            chooser = load_policy(str(file.resolve()), config, gateway)
            arguments = (given, chooser, _names(chooser), block, READINGS[WORLD])
            outcomes = world_replay.simulate(problem.world, problem.params, *arguments)
            pairs = zip(block, outcomes, strict=True)
            row.append(float(np.mean([objective.reward(one, outcome) for one, outcome in pairs])))
            for outcome in outcomes:
                if outcome.level >= 0:
                    counts[outcome.level] += 1
        means.append(row)
        shares.append(counts / max(1.0, counts.sum()))
    return np.array(means), np.array(shares)
