"""Measure what the EDMSAC study needs beside episodes: actors, utilities, exact mechanisms."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from edgewright.evaluation.actor_facts import BATCHES, actor_facts, denoise_ms
from edgewright.export.drawing import deployed
from edgewright.papers.edmsac.worlds import RHOS
from edgewright.physics.contract import reported_utility, second_payoff
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load
from edgewright.scenarios.policies import baseline
from edgewright.specs.schema import Scenario
from edgewright.studies.job import JobContext, JobResult
from edgewright.systems.contract.baselines.mechanisms import MECHANISMS
from edgewright.systems.registry import system_of
from edgewright.systems.system import PolicyEntry
from edgewright.training.runs import evaluation_inputs

REPEATS = 5


def actor(
    policy_entries: list[PolicyEntry], scenario: Scenario, data: str | None
) -> dict[str, np.ndarray]:
    """Measure actors that draw as they are deployed; nothing of other policies.

    Returns:
        ``actor/parameters``, ``/sparsity``, ``/weight_sparsity`` ``[seeds, 1]``, and of the first
        seed ``duration/batch_1`` and ``/batch_256`` ``[1, repeats]`` in milliseconds.
    """
    problem = build(scenario, data)
    features = problem.world.observation_space(problem.params).shape[-1]
    facts = [actor_facts(entry, features) for entry in policy_entries]
    if not facts[0]:
        return {}
    names = ("parameters", "sparsity", "weight_sparsity")
    arrays = {f"actor/{name}": np.array([[one[name]] for one in facts], float) for name in names}
    small = deployed(policy_entries[0].policy).actor
    for batch in BATCHES:
        repeats = [denoise_ms(small, features, batch) for _ in range(REPEATS)]
        arrays[f"duration/batch_{batch}"] = np.array([repeats])
    return arrays


def utilities(
    policy_entries: list[PolicyEntry], scenario: Scenario, data: str | None
) -> dict[str, np.ndarray]:
    """Measure what each type earns from each item of the menus in the first evaluation market.

    Returns:
        ``first/utility`` ``[seeds, item, type]``: ``U_h(i)``, the lie in period 1 (B.3), and
        ``second/utility`` ``[seeds, row, type, item]``: ``w_hj(j')``, that in period 2.
    """
    problem = build(scenario, data)
    inputs = evaluation_inputs(scenario, problem)
    x = jax.tree.map(lambda leaf: leaf[0, 0], inputs)
    first, second = [], []
    for seed, entry in enumerate(policy_entries):
        world: Any = entry.world
        observation = world.observe(problem.params, world.reset(problem.params, x), x)
        key = jax.random.key(seed)
        action = entry.policy.act(key, entry.policy.init_carry(key), observation)[1].action
        menu = world.menu(problem.params, x, action)
        market = world.market(problem.params, x)
        first.append(np.asarray(reported_utility(market, menu)))
        second.append(np.asarray(second_payoff(market, menu)))
    return {"first/utility": np.stack(first), "second/utility": np.stack(second)}


def persistence(context: JobContext, scenario: str, metric: str) -> JobResult:
    """Compute the exact profit of the eight mechanisms for types that persist more and more.

    The transition is ``rho I + (1 - rho) 1 p`` with the prior ``p`` (B.8). With the metric
    ``paper_profit`` all servers take their own items, as each mechanism presupposes; the profit
    from rational servers would judge all of them by the participation of the scenario.

    Returns:
        ``profit/NAME`` ``[1, rhos]``, for each server, and ``profit/rho``.
    """
    prior = np.asarray(load(scenario).params.prior)
    rows: dict[str, list[float]] = {name: [] for name in MECHANISMS}
    for rho in RHOS:
        table = rho * np.eye(len(prior)) + (1 - rho) * np.tile(prior, (len(prior), 1))
        changes = {"params.transition": table.tolist(), "evaluation.episodes": 2}
        chosen = load(scenario, changes)
        problem = build(chosen, context.data)
        inputs, play = evaluation_inputs(chosen, problem), system_of(problem.kind).play
        for name in MECHANISMS:
            result, _ = play(baseline(name, problem), problem, inputs, 0, 0.0)
            rows[name].append(float(np.mean(np.asarray(result[metric]))))
        context.on_progress((RHOS.index(rho) + 1) / len(RHOS))
    arrays = {f"profit/{name}": np.array([values]) for name, values in rows.items()}
    return JobResult({**arrays, "profit/rho": np.array([RHOS])}, {"labels": {"policy": "exact"}})
