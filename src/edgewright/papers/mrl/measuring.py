"""What the MRL study measures: marks of rules, of starts that adapt, and the time of a decision."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.evaluation import adaptation
from edgewright.loops.adapt import Marks, examine_all
from edgewright.loops.search import Searching, label
from edgewright.scenarios.build import Built, build, build_learner
from edgewright.scenarios.load import load
from edgewright.scenarios.policies import baseline
from edgewright.studies.study import Desk, Found
from edgewright.systems.binary.held_out import draw_exams
from edgewright.systems.binary.trainer import Start
from edgewright.systems.system import Contender
from edgewright.training import store
from edgewright.training.runs import train_here

STARTS = "starts.npz"


def scene(preset: str, changes: dict[str, Any]) -> tuple[Any, Built, Any]:
    """Return the scenario of a preset, its build and its exams."""
    scenario = load(f"binary-{preset}", changes)
    built = build(scenario)
    return scenario, built, draw_exams(scenario.evaluation, built)


def columns(marks: Marks, group: str) -> dict[str, np.ndarray]:
    """Return marks ``[..., 2]`` as arrays of a group: priced, and those named rounded."""
    found = {}
    for way, suffix in ((1, ""), (0, "_rounded")):
        for field in dataclasses.fields(Marks):
            values = np.asarray(getattr(marks, field.name))[..., way]
            found[f"{group}/{field.name}{suffix}"] = values
    return found


def rules(desk: Desk, preset: str, changes: dict[str, Any], names: list[str]) -> Found:
    """Let rules that are told everything sit the exams: arrays ``[rules, scenarios]``."""
    _, built, exams = scene(preset, changes)
    found = []
    for name in names:
        policy = baseline(name, built).policy
        found.append(examine_all(jax.random.key(0), built.world, built.hidden.test, policy, exams))
    arrays = {
        f"rules/{field.name}": np.stack([np.asarray(getattr(m, field.name)) for m in found])
        for field in dataclasses.fields(Marks)
    }
    return Found(arrays, {"names": names, "labels": {"preset": preset}})


def start(
    desk: Desk,
    preset: str,
    changes: dict[str, Any],
    learner: str,
    settings: dict[str, Any],
    slots: float,
    seeds: int,
    steps: list[int],
) -> Found:
    """Train a start for several seeds, keep it, and let it adapt: ``[seeds, scenarios, marks]``."""
    own = {f"learner.{name}": value for name, value in settings.items()}
    scenario, built, exams = scene(preset, {**changes, "training.steps": slots, **own})
    began = time.perf_counter()
    made = train_here(learner, scenario, built, seeds)
    trained_s = time.perf_counter() - began
    networks = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[p.network for p, _ in made])
    store.save_tree(desk.folder / STARTS, networks, {"learner": learner})
    contenders = [Contender(learner, "learned", p, None, world) for p, world in made]
    began = time.perf_counter()
    curves = adaptation.curves(contenders, built, exams, steps)
    facts = {"trained_s": trained_s, "adapted_s": time.perf_counter() - began, "slots": slots}
    return _adapted(curves, preset, learner, facts)


def again(
    desk: Desk,
    preset: str,
    changes: dict[str, Any],
    start: str,
    learner: str,
    settings: dict[str, Any],
    seeds: int,
    steps: list[int],
    shots: int,
) -> Found:
    """Let the starts of another job adapt in another way."""
    _, built, exams = scene(preset, changes)
    contenders = kept(desk.folders[start], learner, preset, changes, seeds, settings)
    return _adapted(adaptation.curves(contenders, built, exams, steps, shots), preset, learner, {})


def kept(
    folder: Path,
    learner: str,
    preset: str,
    changes: dict[str, Any],
    seeds: int,
    settings: dict[str, Any] | None = None,
) -> list[Contender]:
    """Return the starts that a job has kept, to adapt with other settings."""
    scenario, built, _ = scene(preset, changes)
    plan = build_learner(learner, scenario, built.world, 1.0)
    base: Any = getattr(plan.learner, "base", plan.learner)
    shared = hasattr(plan.learner, "base")
    row = built.world.observation_space(built.params).shape
    one = jax.eval_shape(base.network, jax.random.key(0), jnp.zeros(row))
    places = (seeds,) if shared else (seeds, built.hidden.test.count)
    like = jax.tree.map(lambda leaf: jnp.zeros((*places, *leaf.shape)), one)
    networks, _ = store.load_tree(folder / STARTS, like)
    base = dataclasses.replace(base, **(settings or {}))
    starts: list[Any] = [
        Start(
            network=jax.tree.map(lambda leaf, s=seed: leaf[s], networks),
            learner=base,
            shared=shared,
        )
        for seed in range(seeds)
    ]
    return [Contender(learner, "learned", one, None, plan.world) for one in starts]


def _adapted(curves: adaptation.Curves, preset: str, learner: str, facts: dict[str, Any]) -> Found:
    facts |= {
        "labels": {"preset": preset, "learner": learner},
        "steps": list(curves.steps),
        "slots_per_step": curves.slots_per_step,
        "shots": curves.shots,
        "proposals": curves.proposals,
        "reached": adaptation.reached_rows(curves),
    }
    return Found(columns(curves.marks, "adapt"), facts)


def speed(desk: Desk, preset: str) -> Found:
    """Return microseconds per decision of a batch of slots: ``[policies, repeats]``."""
    scenario, built, exams = scene(preset, {})
    learner: Any = build_learner("droo", scenario, built.world, 1.0).learner
    world, params = built.world, built.hidden.test.one(0)
    rows = jax.tree.map(lambda leaf: leaf[0], exams.rows)
    shape = world.observation_space(params).shape
    proposer = learner.proposer(learner.network(jax.random.key(0), jnp.zeros(shape)))

    @jax.jit
    def alone(rows: Any) -> Any:
        def one(x: Any) -> Any:
            seen = world.observe(params, world.reset(params, x), x)
            return proposer.act(jax.random.key(0), (), seen)[1].action

        return jax.vmap(one)(rows)

    timed: dict[str, Any] = {"network, rounded": lambda: alone(rows)}
    told = {"network, priced": Searching(proposer=proposer, world=world)}
    names = ("greedy-sequential", "prefix", "one-flip", "optimum")
    told |= {name: baseline(name, built).policy for name in names}
    for name, policy in told.items():
        go = jax.jit(lambda rows, p=policy: label(jax.random.key(0), world, params, p, rows)[0])
        timed[name] = lambda go=go: go(rows).action
    slots = exams.optimum.shape[1]
    found = [[_seconds(call) / slots * 1e6 for _ in range(5)] for call in timed.values()]
    return Found({"speed/us": np.asarray(found)}, {"names": list(timed), "slots": slots})


def _seconds(call: Any) -> float:
    jax.block_until_ready(call())
    began = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - began
