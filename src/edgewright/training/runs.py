"""Train a learner for several seeds in parallel, and load what was trained."""

from __future__ import annotations

import dataclasses
import time
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core import process
from edgewright.core.errors import InputError
from edgewright.core.machine import cores
from edgewright.core.protocols import World
from edgewright.core.sealed import digest, read_json, write_json
from edgewright.core.stopping import saving_on_signals
from edgewright.core.version import __version__
from edgewright.scenarios.build import LearnerPlan, Problem, build, build_learner, fingerprint
from edgewright.scenarios.load import check, resolved, training_identity
from edgewright.scenarios.policies import baseline
from edgewright.specs.schema import Scenario
from edgewright.systems.registry import system_of
from edgewright.systems.trainer import Engine, Trainer
from edgewright.training import checkpoint, store
from edgewright.training.recorded_rounds import rounds_fingerprint, with_recorded_rounds
from edgewright.training.seed import (
    CHUNK,
    OnProgress,
    Progress,
    SeedTraining,
    iterations,
)
from edgewright.training.warm_start import warm_started


@dataclasses.dataclass(frozen=True)
class Request:
    """All settings that decide the result of a training.

    Attributes:
        scenario: the checked scenario.
        learner: name of the learner.
        steps: environment steps of each seed.
        seeds: number of seeds.
        data: folder of recordings, or None.
        first_seed: the first of the consecutive seeds. Trainings that select hyperparameters use
            other seeds than those that are judged.
        start: digest of the run whose weights this one begins with; empty where it begins afresh.
    """

    scenario: Scenario
    learner: str
    steps: float
    seeds: int
    data: str | None = None
    first_seed: int = 0
    start: str = ""

    @property
    def numbers(self) -> range:
        """The numbers of the seeds."""
        return range(self.first_seed, self.first_seed + self.seeds)

    def facts(self) -> dict[str, Any]:
        """Return what ``run.json`` records."""
        rounds = rounds_fingerprint(self.scenario.learner, self.data)
        return {
            "version": __version__,
            "scenario": resolved(self.scenario),
            "identity": training_identity(self.scenario),
            "learner": self.learner,
            "steps": self.steps,
            "seeds": self.seeds,
            **({"first_seed": self.first_seed} if self.first_seed else {}),
            **({"start": self.start} if self.start else {}),
            "data": str(Path(self.data).resolve()) if self.data else None,
            "recordings": fingerprint(self.scenario, self.data),
            **({"rounds": rounds} if rounds else {}),
            "numerics": process.facts(),
        }


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished run, with its request, the problem it builds, and the last state of every seed."""

    request: Request
    problem: Problem
    plan: LearnerPlan
    trainer: Trainer
    trainings: list[Any]


def train(
    request: Request,
    out: Path,
    on_progress: OnProgress | None = None,
    start: Any = None,
    engine: Engine | None = None,
) -> dict[str, Any]:
    """Train all seeds into the folder ``out`` and return the timing; resume an earlier call.

    Args:
        start: an earlier training whose weights all seeds begin with; ``request.start`` names it.
        engine: where updates are computed, one seed after the other; here, and all seeds side by
            side, if None. Another engine may go on with a run.

    Raises:
        InputError: the folder holds another run, a checkpoint is not whole, or the learner cannot
            begin with these weights.
    """
    problem = build(request.scenario, request.data)
    plan = build_learner(request.learner, request.scenario, problem, request.steps)
    plan = with_recorded_rounds(plan, problem, request.data, request.steps)
    for name in (request.scenario.evaluation.baseline, request.scenario.evaluation.reference):
        baseline(name, problem)  # refuses a misspelt name before the training
    trainer = trainer_of(request.scenario, problem, plan)
    if start is not None:
        warm_started(trainer.init_training(jax.random.key(0)), start)  # refuses before a file is
    # Before a file is written, the engine refuses what it cannot train.
    with engine.running(trainer) if engine else nullcontext(trainer) as there, store.locked(out):
        facts = _agreed(request, out)
        progress = Progress(on_progress)
        with saving_on_signals(progress.stop.set):
            side_by_side = 1 if engine else request.seeds
            timing = _train(request, out, there, progress, start, side_by_side, facts)
    return {**timing, **engine.facts()} if engine else timing


def trainer_of(scenario: Scenario, problem: Problem, plan: LearnerPlan) -> Trainer:
    """Return the trainer of a learner on a scenario."""
    return system_of(problem.kind).trainer(problem, plan, scenario.evaluation)


def _train(
    request: Request,
    out: Path,
    trainer: Trainer,
    progress: Progress,
    start: Any,
    side_by_side: int,
    facts: dict[str, Any],
) -> dict[str, Any]:
    started = time.perf_counter()
    example = trainer.init_training(jax.random.key(0))
    program = trainer.program(example, CHUNK)
    compile_s = time.perf_counter() - started
    judge = trainer.judge()
    judge(example)  # compiles
    # A program that cannot be compiled is refused above, before there is a file.
    if not (out / "run.json").exists() or read_json(out / "run.json", "run") != facts:
        write_json(out / "run.json", facts)
    belongs = request_digest(request.facts())

    evaluations = request.scenario.training.evaluations

    def one(seed: int) -> None:
        folder = out / f"seed-{seed}"
        training = SeedTraining(
            seed, folder, belongs, request.steps, trainer, program, judge, evaluations, start
        )
        training.run(example, progress)

    started = time.perf_counter()
    with threads(side_by_side) as pool:
        futures = [pool.submit(one, seed) for seed in request.numbers]
        try:
            while wait(futures, SECONDS_BETWEEN_SIGNALS, FIRST_EXCEPTION).not_done:
                if any(future.done() and future.exception() for future in futures):
                    break
            for future in futures:
                future.result()
        except BaseException:  # an error of one seed: the others save and stop
            progress.stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    run_s = time.perf_counter() - started
    return {
        "compile_s": round(compile_s, 3),
        "train_s": round(run_s, 3),
        "steps_per_s": round(progress.fresh_steps / run_s) if progress.fresh_steps else None,
        "env_steps": iterations(trainer, request.steps) * trainer.steps * request.seeds,
    }


def load_run(folder: Path, data: str | None = None) -> Run:
    """Return a finished run.

    Raises:
        InputError: the folder is not a run, is half written, or was made by another structure.
    """
    facts = read_json(folder / "run.json", "run")
    try:
        scenario = check(facts["scenario"], f"{folder}/run.json")
        request = Request(
            scenario,
            facts["learner"],
            facts["steps"],
            facts["seeds"],
            data or facts["data"],
            facts.get("first_seed", 0),
            facts.get("start", ""),
        )
    except KeyError as error:
        message = f"the run does not say its {error}"
        raise InputError(message, where=str(folder / "run.json")) from None
    if facts.get("identity") != training_identity(scenario):
        message = "the run's scenario is not the one that its identity is of"
        hint = "train again with another --out, or restore the file"
        raise InputError(message, where=str(folder / "run.json"), hint=hint)
    problem = build(request.scenario, request.data)
    plan = build_learner(request.learner, scenario, problem, request.steps)
    trainer = trainer_of(scenario, problem, plan)
    like = _empty(trainer.shapes())
    trainings = []
    for seed in request.numbers:
        wanted = {"seed": seed, "request": request_digest(facts)}
        training, note = checkpoint.load(folder / f"seed-{seed}", like, wanted)
        done, needed = note["iteration"], iterations(trainer, request.steps)
        if done < needed:
            message = f"seed {seed} stopped after {done} of {needed} iterations"
            message += f"; {note['damage']}" if note["damage"] else ""
            hint = "run the same edgewright train command again: it goes on from there"
            raise InputError(message, where=str(folder), hint=hint)
        trainings.append(training)
    return Run(request, problem, plan, trainer, trainings)


def evaluation_inputs(scenario: Scenario, problem: Problem, episodes: int | None = None) -> Any:
    """Return the inputs of the evaluation episodes: leaves ``[T + 1, E, ...]``, always the same.

    Args:
        episodes: number of episodes; as the scenario says if None.
    """
    plan = scenario.evaluation
    if episodes is not None:
        plan = dataclasses.replace(plan, episodes=episodes)
    return system_of(problem.kind).inputs(plan, problem)


def train_here(
    name: str, scenario: Scenario, problem: Problem, seeds: int = 1
) -> list[tuple[Any, World]]:
    """Train a learner for a comparison, without a run folder.

    Returns:
        For each seed its policy and its world, see :class:`edgewright.systems.trainer.Trainer`.
    """
    plan = build_learner(name, scenario, problem, scenario.training.steps)
    plan = with_recorded_rounds(plan, problem, None, scenario.training.steps)  # refuses a deadline
    trainer = trainer_of(scenario, problem, plan)
    trainings = [trainer.init_training(jax.random.key(seed)) for seed in range(seeds)]
    needed = trainer.before_comparison(scenario.training.steps)
    if needed:
        go = trainer.program(trainings[0], needed)
        trainings = [go(training, jnp.int32(needed))[0] for training in trainings]
    return [trainer.policy_entry(training) for training in trainings]


def threads(seeds: int) -> ThreadPoolExecutor:
    """Return one thread for each seed, at most one for each core."""
    return ThreadPoolExecutor(max_workers=min(seeds, cores()))


SECONDS_BETWEEN_SIGNALS = 0.2
"""How often a training that runs in threads looks for a signal [s]."""

_IDENTITY = (
    "identity", "learner", "steps", "version", "recordings", "first_seed", "start", "rounds",
    "numerics",
)  # fmt: skip
"""What must be the same in a folder that a training goes on in."""

_OPTIONAL = ("start", "rounds")
"""What a run without earlier weights, or without a deadline, does not state."""


def request_digest(facts: dict[str, Any]) -> str:
    """Return the hash of what ``run.json`` says decides the numbers of a seed."""
    names = (name for name in _IDENTITY if name not in _OPTIONAL or name in facts)
    return digest({name: facts.get(name) for name in names})


def _agreed(request: Request, out: Path) -> dict[str, Any]:
    """Return what ``run.json`` of a folder is to record, where it holds no other run."""
    if not (out / "run.json").exists():
        if any(entry.name != store.LOCK for entry in out.iterdir()):
            message = "the folder is not empty and is not a run"
            raise InputError(message, where=str(out), hint="choose another --out")
        return request.facts()
    stored, asked = read_json(out / "run.json", "run"), request.facts()
    for name in _IDENTITY:
        if stored.get(name) != asked.get(name):
            message = f"the folder holds another run: its {name} is {stored.get(name)!r}"
            hint = f"this one has {asked.get(name)!r}; choose another --out"
            raise InputError(message, where=str(out), hint=hint)
    if asked["seeds"] < stored.get("seeds", 0):
        message = f"the folder holds {stored['seeds']} seeds, and --seeds asks for {asked['seeds']}"
        raise InputError(message, where=str(out), hint="ask for as many or more; none is dropped")
    return asked


def _empty(shapes: Any) -> Any:
    """Return zeros (and empty keys) of the given shapes: a structure to load into."""

    def make(leaf: Any) -> Any:
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(jnp.zeros((*leaf.shape, 2), jnp.uint32))
        return np.zeros(leaf.shape, leaf.dtype)

    return jax.tree.map(make, shapes)
