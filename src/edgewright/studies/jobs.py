"""The jobs that most studies share, such as training, rules, bounds, transfer and selection."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from edgewright.core.errors import InputError
from edgewright.evaluation.trained import seeds_of
from edgewright.scenarios.build import Problem, build, fingerprint
from edgewright.scenarios.policies import baseline
from edgewright.studies.job import JobContext, JobResult, qualified_name
from edgewright.studies.setup import Setup
from edgewright.systems.registry import system_of
from edgewright.training import checkpoint
from edgewright.training.runs import Request, evaluation_inputs, load_run, train

REPORTED_SETTINGS = (
    "actor_learning_rate",
    "critic_learning_rate",
    "learning_rate",
    "normalize_observations",
    "normalize_rewards",
)
"""Settings of a learner that the result of a training records."""


@dataclasses.dataclass(frozen=True)
class TrainingJob:
    """Train a learner for several seeds and measure its greedy policies.

    Attributes:
        setting: setting of the study that the training belongs to, e.g. ``"paper"`` or ``"fair"``.
        rates_from: key of a `HyperparameterSelection` whose settings the learner takes, or empty.
        first_seed: the first of ``seeds`` consecutive seeds.
        recordings: folder of recordings; the hash of its files is part of ``config()``.
    """

    reads_folders: ClassVar[bool] = False
    key: str
    setup: Setup
    learner: str
    steps: float
    seeds: int
    setting: str = ""
    rates_from: str = ""
    first_seed: int = 0
    recordings: str | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        """The selection of hyperparameters, if there is one."""
        return (self.rates_from,) if self.rates_from else ()

    @property
    def program(self) -> str:
        """Scenario, learner, sizes and switches; other numbers do not change what is compiled."""
        changes = self.setup.changes.items()
        switches = [f"{k}={v}" for k, v in sorted(changes) if not isinstance(v, float)]
        return " ".join([self.setup.scenario, self.learner, *switches])

    @property
    def cost(self) -> float:
        """Environment steps of all seeds, and a share for compiling."""
        return self.steps * self.seeds + 1e5

    def config(self) -> dict[str, Any]:
        """Return the scenario and the training."""
        names = ("learner", "steps", "seeds", "first_seed")
        config = {name: getattr(self, name) for name in names}
        return {**config, **self.setup.config(), "recordings": self._fingerprint()}

    def _fingerprint(self) -> str | None:
        return fingerprint(self.setup.load(), self.recordings)

    def run(self, context: JobContext) -> JobResult:
        """Train or resume, and measure the greedy policies."""
        rates = context.results[self.rates_from].facts["settings"] if self.rates_from else {}
        scenario = self.setup.load({f"learner.{name}": value for name, value in rates.items()})
        request = Request(
            scenario, self.learner, float(self.steps), self.seeds, context.data, self.first_seed
        )
        total = self.steps * self.seeds
        train(request, context.folder, lambda done, *_: context.on_progress(0.95 * done / total))
        run = load_run(context.folder, context.data)
        arrays = self.setup.measure(seeds_of(run, run.problem), scenario, context.data)
        arrays |= learning_curves(context.folder, request.numbers)
        learner = run.plan.learner
        settings = {
            name: getattr(learner, name) for name in REPORTED_SETTINGS if hasattr(learner, name)
        }
        labels = {"scenario": self.setup.scenario, "setting": self.setting, "policy": self.learner}
        return JobResult(arrays, {"labels": labels, "steps": self.steps, "settings": settings})


def learning_curves(folder: Path, seeds: range) -> dict[str, np.ndarray]:
    """Return the evaluations during a run as ``"curves/name"`` ``[seeds, evaluations]``."""
    rows = [checkpoint.read_log(folder / f"seed-{seed}", "evaluation") for seed in seeds]
    names = [name for name in rows[0][0] if name != "iteration"]
    return {
        f"curves/{name}": np.array([[row[name] for row in one] for one in rows]) for name in names
    }


@dataclasses.dataclass(frozen=True)
class Rule:
    """Measure a policy that needs no training."""

    reads_folders: ClassVar[bool] = False
    key: str
    setup: Setup
    policy: str
    cost: float = 2e5
    recordings: str | None = None
    needs: tuple[str, ...] = ()

    @property
    def program(self) -> str:
        """The scenario and the word ``rules``."""
        return f"{self.setup.scenario} rules"

    def config(self) -> dict[str, Any]:
        """Return the scenario and the policy."""
        recordings = fingerprint(self.setup.load(), self.recordings)
        return {"policy": self.policy, **self.setup.config(), "recordings": recordings}

    def run(self, context: JobContext) -> JobResult:
        """Run the evaluation episodes."""
        scenario = self.setup.load()
        problem = build(scenario, context.data)
        labels = {"scenario": self.setup.scenario, "setting": "", "policy": self.policy}
        policy_entry = baseline(self.policy, problem)
        return JobResult(
            self.setup.measure([policy_entry], scenario, context.data), {"labels": labels}
        )


@dataclasses.dataclass(frozen=True)
class BoundJob:
    """Compute an upper bound of the reward in the evaluation episodes.

    Attributes:
        bound: function of problem, inputs and post-termination reward that returns the bound of
            every episode, ``[episodes]``; None for the bound of the system.
        name: name of the bound in the table.
    """

    reads_folders: ClassVar[bool] = False
    key: str
    setup: Setup
    bound: Callable[[Problem, Any, float], Any] | None = None
    name: str = "bound"
    cost: float = 1e5
    recordings: str | None = None
    needs: tuple[str, ...] = ()

    @property
    def program(self) -> str:
        """The name of the bound."""
        return self.name

    def config(self) -> dict[str, Any]:
        """Return the scenario and the name of the function."""
        recordings = fingerprint(self.setup.load(), self.recordings)
        function = qualified_name(self.bound) if self.bound else None
        return {"bound": function, **self.setup.config(), "recordings": recordings}

    def run(self, context: JobContext) -> JobResult:
        """Compute the bound.

        Raises:
            InputError: no function is given, and the system states no bound.
        """
        scenario = self.setup.load()
        problem = build(scenario, context.data)
        bound = self.bound or system_of(problem.kind).bound
        if bound is None:
            raise InputError(f"the system '{problem.kind}' states no bound", where=self.key)
        inputs = evaluation_inputs(scenario, problem)
        values = bound(problem, inputs, scenario.evaluation.post_termination_reward)
        labels = {"scenario": self.setup.scenario, "setting": "", "policy": self.name}
        return JobResult({"episodes/reward": np.asarray(values)[None]}, {"labels": labels})


@dataclasses.dataclass(frozen=True)
class TransferJob:
    """Measure the policies of a training job in another scenario than that of the training.

    Attributes:
        arm: key of the training job.
    """

    reads_folders: ClassVar[bool] = True
    key: str
    arm: str
    setup: Setup
    setting: str = ""
    cost: float = 3e5
    recordings: str | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        """The training job."""
        return (self.arm,)

    @property
    def program(self) -> str:
        """The scenario of the measurement."""
        return f"{self.setup.scenario} elsewhere"

    def config(self) -> dict[str, Any]:
        """Return the scenario; the training job is hashed through ``needs``."""
        return {
            **self.setup.config(),
            "recordings": fingerprint(self.setup.load(), self.recordings),
        }

    def run(self, context: JobContext) -> JobResult:
        """Load the policies of the training job and measure them."""
        run = load_run(context.folders[self.arm], context.data)
        scenario = self.setup.load()
        policy_entries = seeds_of(run, build(scenario, context.data))
        labels = {
            "scenario": self.setup.scenario,
            "setting": self.setting,
            "policy": run.request.learner,
        }
        return JobResult(
            self.setup.measure(policy_entries, scenario, context.data), {"labels": labels}
        )


AXES = {"choice": ("candidate", "seed")}
"""Axes of the arrays of :class:`HyperparameterSelection`, which no study has to name."""


@dataclasses.dataclass(frozen=True)
class HyperparameterSelection:
    """Choose the settings of the training job with the best mean reward per slot.

    Attributes:
        candidates: key and settings of every training job, in the order of the values tried.
    """

    reads_folders: ClassVar[bool] = False
    key: str
    candidates: tuple[tuple[str, dict[str, float]], ...]
    program: str = ""
    cost: float = 1.0

    @property
    def needs(self) -> tuple[str, ...]:
        """The training jobs."""
        return tuple(key for key, _ in self.candidates)

    def config(self) -> dict[str, Any]:
        """Return the settings; the training jobs are hashed through ``needs``."""
        return {"candidates": [settings for _, settings in self.candidates]}

    def run(self, context: JobContext) -> JobResult:
        """Compare the mean rewards of the candidates."""
        results = [context.results[key] for key, _ in self.candidates]
        rewards = [result.arrays["episodes/reward"].mean(axis=1) for result in results]
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
