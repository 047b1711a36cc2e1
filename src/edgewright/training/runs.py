"""Train a learner for several seeds: side by side, saved as it goes, resumable after a kill."""

from __future__ import annotations

import dataclasses
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.errors import CheckFailed, InputError
from edgewright.core.files import write_bytes
from edgewright.core.machine import cores
from edgewright.core.protocols import World
from edgewright.core.version import __version__
from edgewright.loops.repeat import Program
from edgewright.scenarios.build import LearnerPlan, Problem, build, build_learner, fingerprint
from edgewright.scenarios.load import check, resolved, training_identity
from edgewright.scenarios.policies import baseline
from edgewright.specs.schema import Scenario
from edgewright.systems.registry import system_of
from edgewright.systems.trainer import Trainer
from edgewright.training import store

MARKS = 20
"""How often a training is judged on the evaluation episodes: at equal shares of its iterations."""

CHUNK = 64
"""Most iterations between two looks at the clock; the compiled program runs any number up to it."""

LOGS = ("metrics", "evaluation")
"""What learning says of itself, and how its greedy policy does on the evaluation episodes."""

SECONDS_BETWEEN_REPORTS = 0.5
SECONDS_BETWEEN_CHECKPOINTS = 2.0

Report = Callable[[int, int, float, float], None]
"""Called with (steps of all seeds, those taken now, seconds so far, latest evaluation reward)."""


@dataclasses.dataclass(frozen=True)
class Request:
    """What to train: everything that decides the result.

    ``first_seed`` keeps trainings apart that must not share a seed, e.g. for choosing a rate and
    for judging it.
    """

    scenario: Scenario
    learner: str
    steps: float
    seeds: int
    data: str | None = None
    first_seed: int = 0

    @property
    def numbers(self) -> range:
        """The seeds to train."""
        return range(self.first_seed, self.first_seed + self.seeds)

    def facts(self) -> dict[str, Any]:
        """Return what ``run.json`` records."""
        return {
            "schema": store.SCHEMA,
            "version": __version__,
            "scenario": resolved(self.scenario),
            "identity": training_identity(self.scenario),
            "learner": self.learner,
            "steps": self.steps,
            "seeds": self.seeds,
            **({"first_seed": self.first_seed} if self.first_seed else {}),
            "data": str(Path(self.data).resolve()) if self.data else None,
            "recordings": fingerprint(self.scenario, self.data),
        }


@dataclasses.dataclass(frozen=True)
class Run:
    """A trained run: what was asked, and the last state of every seed."""

    request: Request
    problem: Problem
    plan: LearnerPlan
    trainer: Trainer
    trainings: list[Any]


def train(request: Request, out: Path, report: Report | None = None) -> dict[str, Any]:
    """Train all seeds into ``out`` and return the timing; go on where an earlier call stopped.

    Raises:
        InputError: the folder holds another run, or a checkpoint is not whole.
    """
    problem = build(request.scenario, request.data)
    plan = build_learner(request.learner, request.scenario, problem, request.steps)
    for name in (request.scenario.evaluation.baseline, request.scenario.evaluation.reference):
        baseline(name, problem)  # a misspelt name is found before the training, not after
    trainer = course_of(request.scenario, problem, plan)
    with store.locked(out):
        _open_run(request, out)
        return _train(request, out, trainer, report)


def course_of(scenario: Scenario, problem: Problem, plan: LearnerPlan) -> Trainer:
    """Return how this learner is trained and judged on this scenario."""
    return system_of(problem.kind).trainer(problem, plan, scenario.evaluation)


def _train(request: Request, out: Path, trainer: Trainer, report: Report | None) -> dict[str, Any]:
    started = time.perf_counter()
    example = trainer.init_training(jax.random.key(0))
    compiled = trainer.program(example, CHUNK)
    compile_s = time.perf_counter() - started
    judge = trainer.judge()
    judge(example)  # compiles
    clock = _Clock(report, request.seeds)

    def one(seed: int) -> None:
        job = _Seed(request, trainer, out / f"seed-{seed}", seed, judge)
        job.run(example, compiled, clock)

    started = time.perf_counter()
    with threads(request.seeds) as pool:
        futures = [pool.submit(one, seed) for seed in request.numbers]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
            for future in futures:
                future.result()
        except BaseException:  # an error of one seed, or Ctrl-C: let the others save and stop
            clock.stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    run_s = time.perf_counter() - started
    return {
        "compile_s": round(compile_s, 3),
        "train_s": round(run_s, 3),
        "steps_per_s": round(clock.fresh_steps / run_s) if clock.fresh_steps else None,
        "env_steps": iterations(trainer, request.steps) * trainer.steps * request.seeds,
    }


def load_run(folder: Path, data: str | None = None) -> Run:
    """Return a finished run.

    Raises:
        InputError: the folder is not a run, is half written, or was made by another structure.
    """
    facts = store.read_json(folder / "run.json", "run")
    try:
        scenario = check(facts["scenario"], f"{folder}/run.json")
        request = Request(
            scenario,
            facts["learner"],
            facts["steps"],
            facts["seeds"],
            data or facts["data"],
            facts.get("first_seed", 0),
        )
    except KeyError as error:
        message = f"the run does not say its {error}"
        raise InputError(message, where=str(folder / "run.json")) from None
    problem = build(request.scenario, request.data)
    plan = build_learner(request.learner, scenario, problem, request.steps)
    trainer = course_of(scenario, problem, plan)
    like = _empty(trainer.shapes())
    trainings = []
    for seed in request.numbers:
        path = folder / f"seed-{seed}" / "checkpoint.npz"
        training, note = store.load_tree(path, like)
        _check_seed(note, seed, path)
        done, needed = note["iteration"], iterations(trainer, request.steps)
        if done < needed:
            message = f"seed {seed} stopped after {done} of {needed} iterations"
            hint = "run the same edgewright train command again: it goes on from there"
            raise InputError(message, where=str(folder), hint=hint)
        trainings.append(training)
    return Run(request, problem, plan, trainer, trainings)


def evaluation_inputs(scenario: Scenario, problem: Problem, episodes: int | None = None) -> Any:
    """Return what every policy of the scenario is evaluated on; ``episodes`` of it, if given."""
    plan = scenario.evaluation
    if episodes is not None:
        plan = dataclasses.replace(plan, episodes=episodes)
    return system_of(problem.kind).inputs(plan, problem)


def train_here(
    name: str, scenario: Scenario, problem: Problem, seeds: int = 1
) -> list[tuple[Any, World]]:
    """Train a learner without a run folder, for a comparison; return what it plays with.

    Returns:
        for each seed a policy and its world, see :class:`edgewright.systems.trainer.Trainer`.
    """
    plan = build_learner(name, scenario, problem, scenario.training.steps)
    trainer = course_of(scenario, problem, plan)
    trainings = [trainer.init_training(jax.random.key(seed)) for seed in range(seeds)]
    needed = trainer.before_comparison(scenario.training.steps)
    if needed:
        go = trainer.program(trainings[0], needed)
        trainings = [go(training, jnp.int32(needed))[0] for training in trainings]
    return [trainer.policy_entry(training) for training in trainings]


def threads(seeds: int) -> ThreadPoolExecutor:
    """Return workers for seeds: one on each core, all with the same compiled program."""
    return ThreadPoolExecutor(max_workers=min(seeds, cores()))


def iterations(trainer: Trainer, steps: float) -> int:
    """Return how many iterations ``steps`` need, rounded up."""
    return math.ceil(steps / trainer.steps)


class _Clock:
    """Counts steps over all threads and reports now and then."""

    def __init__(self, report: Report | None, seeds: int) -> None:
        self.report, self.seeds = report, seeds
        self.lock, self.stop = threading.Lock(), threading.Event()
        self.started = time.perf_counter()
        self.steps, self.fresh_steps = 0, 0
        self.rewards: dict[int, float] = {}

    def add(self, seed: int, steps: int, *, fresh: bool, reward: float | None = None) -> None:
        with self.lock:
            self.steps += steps
            self.fresh_steps += steps * fresh
            if reward is not None:
                self.rewards[seed] = reward
            mean = sum(self.rewards.values()) / len(self.rewards) if self.rewards else math.nan
            if self.report:
                elapsed = time.perf_counter() - self.started
                self.report(self.steps, self.fresh_steps, elapsed, mean)


@dataclasses.dataclass(frozen=True)
class _Seed:
    """One seed of a run: where it is stored and how far it has come."""

    request: Request
    trainer: Trainer
    folder: Path
    seed: int
    judge: Callable[[Any], dict[str, float]]

    def run(self, example: Any, go: Program, clock: _Clock) -> None:
        needed, size = iterations(self.trainer, self.request.steps), self.trainer.steps
        training, done = self._resume(example)
        clock.add(self.seed, done * size, fresh=False)
        marks = sorted({math.ceil(needed * n / MARKS) for n in range(MARKS + 1)})
        saved = time.perf_counter()
        chunk = 1
        while done < needed and not clock.stop.is_set():
            begun = time.perf_counter()
            count = min(chunk, next(mark for mark in marks if mark > done) - done)
            training, logs = go(training, jnp.int32(count))
            rows = {name: np.asarray(values[:count]) for name, values in logs.items()}
            took = time.perf_counter() - begun
            bad = [name for name, values in rows.items() if not np.all(np.isfinite(values))]
            if bad:
                raise CheckFailed(
                    f"seed {self.seed}: {bad[0]} is not finite after iteration {done}; the last "
                    "checkpoint is kept. hint: lower the learning rates, or look at the settings"
                )
            chunk = int(np.clip(chunk * SECONDS_BETWEEN_REPORTS / max(took, 1e-6), 1, CHUNK))
            done += count
            self._log("metrics", done, {name: np.mean(values) for name, values in rows.items()})
            clock.add(self.seed, count * size, fresh=True)
            if done in marks:
                found = self.judge(training)
                self._log("evaluation", done, found)
                clock.add(self.seed, 0, fresh=True, reward=found["reward"])
            if done == needed or time.perf_counter() - saved > SECONDS_BETWEEN_CHECKPOINTS:
                self._save(training, done)
                saved = time.perf_counter()
        if done < needed:
            self._save(training, done)

    def _resume(self, example: Any) -> tuple[Any, int]:
        path = self.folder / "checkpoint.npz"
        if not path.exists():
            for name in LOGS:
                write_bytes(self.folder / f"{name}.jsonl", b"")
            return self.trainer.init_training(jax.random.key(self.seed)), 0
        training, note = store.load_tree(path, example)
        _check_seed(note, self.seed, path)
        for name in LOGS:
            store.keep_lines(self.folder / f"{name}.jsonl", note["iteration"])
        return training, note["iteration"]

    def _log(self, name: str, iteration: int, values: dict[str, Any]) -> None:
        steps = iteration * self.trainer.steps
        row = {"iteration": iteration, "steps": steps}
        row |= {key: float(value) for key, value in values.items()}
        store.append_line(self.folder / f"{name}.jsonl", row)

    def _save(self, training: Any, iteration: int) -> None:
        facts = {"iteration": iteration, "seed": self.seed, "version": __version__}
        store.save_tree(self.folder / "checkpoint.npz", training, facts)


def _open_run(request: Request, out: Path) -> None:
    """Start a run folder, or make sure that the one there is the same run."""
    if not (out / "run.json").exists():
        if any(entry.name != store.LOCK for entry in out.iterdir()):
            message = "the folder is not empty and is not a run"
            raise InputError(message, where=str(out), hint="choose another --out")
        store.write_json(out / "run.json", request.facts())
        return
    found, asked = store.read_json(out / "run.json", "run"), request.facts()
    for name in ("identity", "learner", "steps", "version", "recordings", "first_seed"):
        if found.get(name) != asked.get(name):
            message = f"the folder holds another run: its {name} is {found.get(name)!r}"
            hint = f"this one has {asked.get(name)!r}; choose another --out"
            raise InputError(message, where=str(out), hint=hint)
    if asked["seeds"] < found.get("seeds", 0):
        message = f"the folder holds {found['seeds']} seeds, and --seeds asks for {asked['seeds']}"
        raise InputError(message, where=str(out), hint="ask for as many or more; none is dropped")
    if found != asked:
        store.write_json(out / "run.json", asked)


def _check_seed(note: dict[str, Any], seed: int, path: Path) -> None:
    """Refuse a checkpoint that was copied from another seed."""
    if note.get("seed") != seed:
        message = f"the checkpoint is of seed {note.get('seed')}, not of seed {seed}"
        raise InputError(message, where=str(path), hint="delete this seed's folder and train again")


def _empty(shapes: Any) -> Any:
    """Return zeros (and empty keys) of the given shapes: a structure to load into."""

    def make(leaf: Any) -> Any:
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(jnp.zeros((*leaf.shape, 2), jnp.uint32))
        return np.zeros(leaf.shape, leaf.dtype)

    return jax.tree.map(make, shapes)
