"""The usual jobs of a study: train and judge, judge what needs no training, choose a rate."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from edgewright.core.errors import InputError
from edgewright.evaluation.compare import seeds_of
from edgewright.loops.evaluate import EpisodeBatch, play, summarise
from edgewright.scenarios.build import Problem, build, build_learner, fingerprint
from edgewright.scenarios.load import load, resolved
from edgewright.scenarios.policies import baseline
from edgewright.specs.schema import Scenario
from edgewright.studies.study import JobContext, JobResult, qualified_name
from edgewright.systems.registry import system_of
from edgewright.systems.system import PolicyEntry
from edgewright.training import store
from edgewright.training.runs import Request, evaluation_inputs, load_run, train

Probe = Callable[[list[PolicyEntry], Scenario, str | None], dict[str, np.ndarray]]
"""What is measured of policies, one for each seed: arrays by ``"group/name"``, seeds first."""


def plays(
    policy_entries: list[PolicyEntry], scenario: Scenario, data: str | None
) -> tuple[Problem, list[EpisodeBatch]]:
    """Play the scenario's evaluation episodes with every contender."""
    problem = build(scenario, data)
    inputs = evaluation_inputs(scenario, problem)
    found = [
        play(
            jax.random.key(seed), c.world, problem.params, c.policy, inputs, observe_fn=c.observe_fn
        )
        for seed, c in enumerate(policy_entries)
    ]
    return problem, found


def per_episode(played: list[EpisodeBatch], scenario: Scenario) -> dict[str, np.ndarray]:
    """Return every metric of an episode as ``"episodes/name"`` ``[seeds, episodes]``."""
    missed = np.float32(scenario.evaluation.post_termination_reward)
    rows = [summarise(one, missed) for one in played]
    return {
        f"episodes/{name}": np.stack([np.asarray(row[name]) for row in rows]) for name in rows[0]
    }


def episodes(
    policy_entries: list[PolicyEntry], scenario: Scenario, data: str | None
) -> dict[str, np.ndarray]:
    """Measure all metrics of the scenario's evaluation episodes: a probe for any system."""
    problem = build(scenario, data)
    inputs, system = evaluation_inputs(scenario, problem), system_of(problem.kind)
    missed = scenario.evaluation.post_termination_reward
    rows = [
        system.play(entry, problem, inputs, seed, missed)[0]
        for seed, entry in enumerate(policy_entries)
    ]
    return {
        f"episodes/{name}": np.stack([np.asarray(row[name]) for row in rows]) for name in rows[0]
    }


@dataclasses.dataclass(frozen=True)
class Setup:
    """A scenario by name with changes, and what is measured in it."""

    scenario: str
    changes: dict[str, Any] = dataclasses.field(default_factory=dict)
    probes: tuple[Probe, ...] = (episodes,)

    def load(self, more: dict[str, Any] | None = None) -> Scenario:
        """Return the checked scenario."""
        return load(self.scenario, {**self.changes, **(more or {})})

    def config(self) -> dict[str, Any]:
        """Return everything that decides what is measured."""
        return {
            "scenario": resolved(self.load()),
            "probes": [qualified_name(p) for p in self.probes],
        }

    def measure(
        self, policy_entries: list[PolicyEntry], scenario: Scenario, data: str | None
    ) -> dict[str, np.ndarray]:
        """Return what all probes measure."""
        found: dict[str, np.ndarray] = {}
        for probe in self.probes:
            found |= probe(policy_entries, scenario, data)
        return found


@dataclasses.dataclass(frozen=True)
class TrainingJob:
    """Train a learner for several seeds and measure its greedy policies.

    Attributes:
        setting: which of the study's settings this is, e.g. ``"document"`` or ``"fair"``.
        rates_from: key of a `Choice` whose settings the learner takes.
        first_seed: the first of ``seeds`` consecutive seeds.
    """

    key: str
    setup: Setup
    learner: str
    steps: float
    seeds: int
    setting: str = ""
    rates_from: str = ""
    first_seed: int = 0
    recordings: str | None = None
    """Folder of recordings: part of what was asked by the hash of its files."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The choice of rates, where there is one."""
        return (self.rates_from,) if self.rates_from else ()

    @property
    def program(self) -> str:
        """Sizes and switches decide what is compiled; numbers do not."""
        changes = self.setup.changes.items()
        switches = [f"{k}={v}" for k, v in sorted(changes) if not isinstance(v, float)]
        return " ".join([self.setup.scenario, self.learner, *switches])

    @property
    def cost(self) -> float:
        """Environment steps of all seeds, and some for compiling."""
        return self.steps * self.seeds + 1e5

    def config(self) -> dict[str, Any]:
        """Return the scenario and the training."""
        names = ("learner", "steps", "seeds", "first_seed")
        config = {name: getattr(self, name) for name in names}
        return {**config, **self.setup.config(), "recordings": self._fingerprint()}

    def _fingerprint(self) -> str | None:
        return fingerprint(self.setup.load(), self.recordings)

    def run(self, desk: JobContext) -> JobResult:
        """Train, or go on, and measure."""
        rates = desk.found[self.rates_from].facts["settings"] if self.rates_from else {}
        scenario = self.setup.load({f"learner.{name}": value for name, value in rates.items()})
        request = Request(
            scenario, self.learner, float(self.steps), self.seeds, desk.data, self.first_seed
        )
        total = self.steps * self.seeds
        train(request, desk.folder, lambda done, *_: desk.on_progress(0.95 * done / total))
        run = load_run(desk.folder, desk.data)
        arrays = self.setup.measure(seeds_of(run, run.problem), scenario, desk.data)
        arrays |= learning_curves(desk.folder, request.numbers)
        plan = build_learner(self.learner, scenario, run.problem, self.steps)
        kept = (
            "actor_learning_rate",
            "critic_learning_rate",
            "learning_rate",
            "normalize_observations",
            "normalize_rewards",
        )
        settings = {
            name: getattr(plan.learner, name) for name in kept if hasattr(plan.learner, name)
        }
        labels = {"scenario": self.setup.scenario, "setting": self.setting, "policy": self.learner}
        return JobResult(arrays, {"labels": labels, "steps": self.steps, "settings": settings})


def learning_curves(folder: Path, seeds: range) -> dict[str, np.ndarray]:
    """Return the evaluations during a run as ``"curves/name"`` ``[seeds, marks]``."""
    rows = [store.read_lines(folder / f"seed-{seed}" / "evaluation.jsonl") for seed in seeds]
    names = [name for name in rows[0][0] if name != "iteration"]
    return {
        f"curves/{name}": np.array([[row[name] for row in one] for one in rows]) for name in names
    }


@dataclasses.dataclass(frozen=True)
class Rule:
    """Measure a policy that needs no training, or (``policy = "bound"``) what none can pass."""

    key: str
    setup: Setup
    policy: str
    cost: float = 2e5
    recordings: str | None = None
    needs: tuple[str, ...] = ()

    @property
    def program(self) -> str:
        """The scenario."""
        return f"{self.setup.scenario} rules"

    def config(self) -> dict[str, Any]:
        """Return the scenario and the policy."""
        recordings = fingerprint(self.setup.load(), self.recordings)
        return {"policy": self.policy, **self.setup.config(), "recordings": recordings}

    def run(self, desk: JobContext) -> JobResult:
        """Play, or compute the bound."""
        scenario = self.setup.load()
        problem = build(scenario, desk.data)
        labels = {"scenario": self.setup.scenario, "setting": "", "policy": self.policy}
        if self.policy == "bound":
            return JobResult({"episodes/reward": _bound(scenario, problem)}, {"labels": labels})
        policy_entry = baseline(self.policy, problem)
        return JobResult(
            self.setup.measure([policy_entry], scenario, desk.data), {"labels": labels}
        )


def _bound(scenario: Scenario, problem: Problem) -> np.ndarray:
    bound = system_of(problem.kind).bound
    if bound is None:
        raise InputError(f"the system '{problem.kind}' states no bound", where="bound")
    inputs = evaluation_inputs(scenario, problem)
    return np.asarray(bound(problem, inputs, scenario.evaluation.post_termination_reward))[None]


@dataclasses.dataclass(frozen=True)
class TransferJob:
    """Measure the policies of an arm in another scenario than the one they were trained in."""

    key: str
    arm: str
    setup: Setup
    setting: str = ""
    cost: float = 3e5
    recordings: str | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        """The arm."""
        return (self.arm,)

    @property
    def program(self) -> str:
        """The scenario it is measured in."""
        return f"{self.setup.scenario} elsewhere"

    def config(self) -> dict[str, Any]:
        """Return the scenario; the arm is among what it needs."""
        return {
            **self.setup.config(),
            "recordings": fingerprint(self.setup.load(), self.recordings),
        }

    def run(self, desk: JobContext) -> JobResult:
        """Load the arm's policies and measure them."""
        run = load_run(desk.folders[self.arm], desk.data)
        scenario = self.setup.load()
        policy_entries = seeds_of(run, build(scenario, desk.data))
        labels = {
            "scenario": self.setup.scenario,
            "setting": self.setting,
            "policy": run.request.learner,
        }
        return JobResult(
            self.setup.measure(policy_entries, scenario, desk.data), {"labels": labels}
        )


@dataclasses.dataclass(frozen=True)
class HyperparameterSelection:
    """Choose the settings of the arm with the best mean reward on its evaluation episodes.

    Attributes:
        candidates: (key of an arm, its settings), in the order of the table.
    """

    key: str
    candidates: tuple[tuple[str, dict[str, float]], ...]
    program: str = ""
    cost: float = 1.0

    @property
    def needs(self) -> tuple[str, ...]:
        """The candidates."""
        return tuple(key for key, _ in self.candidates)

    def config(self) -> dict[str, Any]:
        """Return the settings; the arms are among what it needs."""
        return {"candidates": [settings for _, settings in self.candidates]}

    def run(self, desk: JobContext) -> JobResult:
        """Compare the candidates."""
        rewards = [
            desk.found[key].arrays["episodes/reward"].mean(axis=1) for key, _ in self.candidates
        ]
        means = [float(np.mean(values)) for values in rewards]
        best = int(np.argmax(means))
        arrays = {"choice/reward": np.stack(rewards)}
        facts = {
            "settings": self.candidates[best][1],
            "candidates": [settings for _, settings in self.candidates],
            "best": best,
            "at_edge": best in (0, len(means) - 1),
        }
        return JobResult(arrays, facts)
