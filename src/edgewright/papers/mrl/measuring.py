"""Measure scores of rules and of adapted initialisations, and decision times, for the MRL study."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.evaluation import adaptation
from edgewright.loops.adapt import Scores, evaluate_informed_all
from edgewright.loops.initialisation import Initialisation
from edgewright.loops.search import BestOfCandidates, label
from edgewright.scenarios.build import Problem, build, build_learner
from edgewright.scenarios.load import load
from edgewright.scenarios.policies import baseline
from edgewright.studies.job import JobContext, JobResult
from edgewright.systems.binary.held_out import draw_held_out
from edgewright.systems.system import PolicyEntry
from edgewright.training import store
from edgewright.training.runs import train_here

STARTS = "starts.npz"


def scene(preset: str, changes: dict[str, Any]) -> tuple[Any, Problem, Any]:
    """Return the scenario of a preset, its problem and its held-out set."""
    scenario = load(f"binary-{preset}", changes)
    problem = build(scenario)
    return scenario, problem, draw_held_out(scenario.evaluation, problem)


def columns(scores: Scores, group: str) -> dict[str, np.ndarray]:
    """Return scores ``[..., 2]`` as arrays of a group, with search and, where named so, rounded."""
    arrays = {}
    for way, suffix in ((1, ""), (0, "_rounded")):
        for field in dataclasses.fields(Scores):
            values = np.asarray(getattr(scores, field.name))[..., way]
            arrays[f"{group}/{field.name}{suffix}"] = values
    return arrays


def rules(context: JobContext, preset: str, changes: dict[str, Any], names: list[str]) -> JobResult:
    """Evaluate fully informed rules on the held-out set: arrays ``[rules, scenarios]``."""
    _, problem, held_out = scene(preset, changes)
    results = []
    for name in names:
        policy = baseline(name, problem).policy
        results.append(
            evaluate_informed_all(
                jax.random.key(0), problem.world, problem.tasks.test, policy, held_out
            )
        )
    arrays = {
        f"rules/{field.name}": np.stack([np.asarray(getattr(m, field.name)) for m in results])
        for field in dataclasses.fields(Scores)
    }
    return JobResult(arrays, {"names": names, "labels": {"preset": preset}})


def start(
    context: JobContext,
    preset: str,
    changes: dict[str, Any],
    learner: str,
    settings: dict[str, Any],
    slots: float,
    seeds: int,
    steps: list[int],
) -> JobResult:
    """Train, keep and adapt initialisations; return arrays ``[seeds, scenarios, steps]``."""
    own = {f"learner.{name}": value for name, value in settings.items()}
    scenario, problem, held_out = scene(preset, {**changes, "training.steps": slots, **own})
    began = time.perf_counter()
    made = train_here(learner, scenario, problem, seeds)
    trained_s = time.perf_counter() - began
    networks = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[p.network for p, _ in made])
    store.save_tree(context.folder / STARTS, networks, {"learner": learner})
    policy_entries = [PolicyEntry(learner, "learned", p, None, world) for p, world in made]
    began = time.perf_counter()
    curves = adaptation.curves(policy_entries, problem, held_out, steps)
    facts = {"trained_s": trained_s, "adapted_s": time.perf_counter() - began, "slots": slots}
    return _adapted(curves, preset, learner, facts)


def again(
    context: JobContext,
    preset: str,
    changes: dict[str, Any],
    learner: str,
    settings: dict[str, Any],
    seeds: int,
    steps: list[int],
    shots: int,
) -> JobResult:
    """Adapt the initialisations of another job with other settings."""
    _, problem, held_out = scene(preset, changes)
    policy_entries = kept(
        context.folders[f"{preset}/{learner}"], learner, preset, changes, seeds, settings
    )
    return _adapted(
        adaptation.curves(policy_entries, problem, held_out, steps, shots), preset, learner, {}
    )


def kept(
    folder: Path,
    learner: str,
    preset: str,
    changes: dict[str, Any],
    seeds: int,
    settings: dict[str, Any] | None = None,
) -> list[PolicyEntry]:
    """Return the initialisations that a job has kept, to adapt with other settings."""
    scenario, problem, _ = scene(preset, changes)
    plan = build_learner(learner, scenario, problem, 1.0)
    base: Any = getattr(plan.learner, "base", plan.learner)
    shared = hasattr(plan.learner, "base")
    space = problem.world.observation_space(problem.params)
    one = jax.eval_shape(lambda key: base.network(key, space), jax.random.key(0))
    places = (seeds,) if shared else (seeds, problem.tasks.test.count)
    like = jax.tree.map(lambda leaf: jnp.zeros((*places, *leaf.shape)), one)
    networks, _ = store.load_tree(folder / STARTS, like)
    base = dataclasses.replace(base, **(settings or {}))
    starts: list[Any] = [
        Initialisation(
            network=jax.tree.map(lambda leaf, s=seed: leaf[s], networks),
            learner=base,
            shared=shared,
        )
        for seed in range(seeds)
    ]
    return [PolicyEntry(learner, "learned", one, None, plan.world) for one in starts]


def _adapted(
    curves: adaptation.Curves, preset: str, learner: str, facts: dict[str, Any]
) -> JobResult:
    facts |= {
        "labels": {"preset": preset, "learner": learner},
        "steps": list(curves.steps),
        "slots_per_step": curves.slots_per_step,
        "shots": curves.shots,
        "proposals": curves.proposals,
        "reached": adaptation.reached_rows(curves),
    }
    return JobResult(columns(curves.scores, "adapt"), facts)


def speed(context: JobContext, preset: str) -> JobResult:
    """Return microseconds per decision of a batch of slots: ``[policies, repeats]``."""
    scenario, problem, held_out = scene(preset, {})
    learner: Any = build_learner("droo", scenario, problem, 1.0).learner
    world, params = problem.world, problem.tasks.test.one(0)
    rows = jax.tree.map(lambda leaf: leaf[0], held_out.rows)
    space = world.observation_space(params)
    learner = learner.fitted(space)
    proposer = learner.proposer(learner.network(jax.random.key(0), space))

    @jax.jit
    def alone(rows: Any) -> Any:
        def one(x: Any) -> Any:
            observation = world.observe(params, world.reset(params, x), x)
            return proposer.act(jax.random.key(0), (), observation)[1].action

        return jax.vmap(one)(rows)

    timed: dict[str, Any] = {"network, rounded": lambda: alone(rows)}
    informed = {"network, priced": BestOfCandidates(proposer=proposer, world=world)}
    names = ("greedy-sequential", "prefix", "one-flip", "optimum")
    informed |= {name: baseline(name, problem).policy for name in names}
    for name, policy in informed.items():
        go = jax.jit(lambda rows, p=policy: label(jax.random.key(0), world, params, p, rows)[0])
        timed[name] = lambda go=go: go(rows).action
    slots = held_out.optimum.shape[1]
    times = [[_seconds(call) / slots * 1e6 for _ in range(5)] for call in timed.values()]
    return JobResult({"speed/us": np.asarray(times)}, {"names": list(timed), "slots": slots})


def _seconds(call: Any) -> float:
    jax.block_until_ready(call())
    began = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - began
