"""Define a system, one decision problem with all that a command needs to know of it.

Everything above the worlds is written against this record, so a system of your own gets training,
comparison, statistics, figures and the command line by filling it in (see
``docs/guides/custom-environment.md``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal

import jax
import numpy as np

from edgewright.core.errors import InputError
from edgewright.core.protocols import Policy, World
from edgewright.core.records import Array
from edgewright.core.spaces import Record
from edgewright.loops.evaluate import (
    EpisodeBatch,
    observe_fn_of,
    play,
    run_episodes_each,
    summarise,
)
from edgewright.loops.unroll import ObserveFn
from edgewright.serve.log_table import LogTable
from edgewright.specs.calibration import Calibration
from edgewright.specs.schema import Evaluation, Inconsistency, Scenario
from edgewright.systems.problem import LearnerPlan, Problem
from edgewright.systems.replay import Replay
from edgewright.systems.trainer import OnlineTrainer, Trainer, draw_inputs

Group = Literal["rule", "oracle", "learned"]


@dataclasses.dataclass(frozen=True)
class BenchContext:
    """The arguments of a system's benchmark.

    Attributes:
        scenario: the checked scenario file, and ``problem`` what was built from it.
        plan: (name of a learner) to a learner of this scenario.
        rate: (function of no arguments that returns arrays, ``least_s``) to its calls per second.
        on_progress: called with the name of each part before it is measured.
        reference_script: a program that measures the same sizes with another library: called with
            a JSON object, it prints one. None if there is none.
    """

    scenario: Any
    problem: Problem
    plan: Callable[[str], LearnerPlan]
    rate: Callable[..., float]
    on_progress: Callable[[str], None]
    reference_script: str | None = None


@dataclasses.dataclass(frozen=True)
class PolicyEntry:
    """A policy, the information available to it, and its group in tables and figures.

    Attributes:
        foresee: for an oracle of the future, from the inputs ``[T + 1, E, ...]`` to the policy of
            every episode, leaves ``[E, ...]``. It plays instead of ``policy``, which is None.
    """

    name: str
    group: Group
    policy: Any  # a Policy; None for an oracle of the future, which foresees one
    observe_fn: ObserveFn | None
    world: World
    hindsight_policy: Callable[[Any], Policy] | None = None

    @classmethod
    def learned(cls, name: str, policy: Any, world: World) -> PolicyEntry:
        """Return the entry of what a learner learned, with the state where it has rules in it."""
        return cls(name, "learned", policy, observe_fn_of(policy, world), world)

    def play(self, key: Array, params: Any, inputs: Any) -> EpisodeBatch:
        """Play every episode of ``inputs`` once. Consumes ``key``."""
        if self.hindsight_policy is None:
            assert self.policy is not None
            return play(key, self.world, params, self.policy, inputs, observe_fn=self.observe_fn)
        each = self.hindsight_policy(inputs)
        return run_episodes_each(key, self.world, params, each, inputs, observe_fn=self.observe_fn)


@dataclasses.dataclass(frozen=True)
class Metric:
    """A physical metric of episodes that tables show: a field of the world's metrics.

    With ``interval`` a table also gives its 95 % interval, as ``<name>_low`` and ``<name>_high``.
    """

    name: str
    heading: str
    unit: str = ""
    format: str = ".2f"
    better: Literal["min", "max", ""] = ""
    interval: bool = False


@dataclasses.dataclass(frozen=True)
class StoredReference:
    """A file of exact values that the package keeps, computed again.

    Attributes:
        file, content: its name and bytes.
        made_by: hash of the program and of what it was computed for.
        entries: how many values it holds.
        difference: largest difference from the values that are kept; None if there are none.
        same_maker: whether what is kept has the same hash.
    """

    file: str
    content: bytes
    made_by: str
    entries: int
    difference: float | None
    same_maker: bool


def _no_problems(scenario: Scenario[Any, Any, Any]) -> list[Inconsistency]:
    return []


def _nothing(scenario: Any, data: str | None) -> dict[str, Any]:
    return {}


def _no_settings(world: Any) -> dict[str, Any]:
    return {}


def same_game(trained: World, problem: Problem) -> World:
    """Return the scenario's world for a run that was trained in ``trained``.

    Raises:
        InputError: the two observe or act in different ways.
    """
    for what in ("observation_space", "action_space"):
        trained_space, world_space = getattr(trained, what), getattr(problem.world, what)
        if _kind_of(trained_space(problem.params)) != _kind_of(world_space(problem.params)):
            message = f"the run was trained in {trained}, the scenario has {problem.world}"
            hint = "evaluate it on a scenario of the same sizes, or train on this one"
            raise InputError(message, where=what, hint=hint)
    return problem.world


def _kind_of(space: Any) -> tuple[Any, ...]:
    """Return what must agree between two spaces; the number of agents may differ."""
    if isinstance(space, Record):
        return tuple((name, _kind_of(part)) for name, part in space.parts)
    return type(space), space.shape[1:], getattr(space, "names", ()), getattr(space, "n", 0)


def evaluate_episodes(
    policy_entry: PolicyEntry,
    problem: Problem,
    inputs: Any,
    seed: int,
    post_termination_reward: float,
) -> tuple[dict[str, Array], EpisodeBatch | None]:
    """Return the metrics ``[E]`` of one policy on the evaluation's inputs, and how it played."""
    played = policy_entry.play(jax.random.key(seed), problem.params, inputs)
    return summarise(played, np.float32(post_termination_reward)), played


@dataclasses.dataclass(frozen=True)
class System:
    """One decision problem.

    Attributes:
        kind: ``world.kind`` of its scenario files.
        scenario: ``Scenario[Structure, Numbers, Streams]`` with the dataclasses of its tables.
        build: (scenario, data folder) to the physics and its inputs.
        default_policies: names of policies that need no training, for scenarios of the usual sizes.
        policy_names: names of all policies that need no training here, in the order of tables.
        policy: (name, problem) to a policy entry, or None where no policy has that name.
        bound: (problem, inputs, post-termination reward) to an upper bound on the mean reward of
            each episode ``[E]``; None where there is none. It raises InputError where it does not
            hold.
        ranges: what an evaluation may pin an input to.
        metrics: what tables show beside the reward.
        inconsistencies: what single fields of a scenario cannot see.
        transfer_world: (world a run was trained in, problem) to the world it plays in, or
            InputError.
        trainer: (problem, learner plan, evaluation) to how a learner is trained and judged.
        inputs: (evaluation, problem) to what every policy is evaluated on.
        play: (policy entry, problem, those inputs, seed, post-termination reward) to metrics
            ``[E]`` of episodes, ``reward`` among them, and the episodes where there are some to
            look at.
        keeps_episodes: whether ``play`` returns the episodes, so that decisions can be written.
        general_learners: whether the learners of ``agents/learners.toml`` are offered too, those
            that fit its spaces.
        recommended: name of the learner that the documentation and ``edgewright list`` recommend
            for it; empty if its learners were not compared for that.
        learners: TOML file with the learners of a plug-in's system; a system in this package has
            its own in ``learners.toml`` of its folder.
        learner_defaults: (world) to settings that follow from its sizes, for learners that have
            them; a scenario's ``[learner]`` table goes on top.
        benchmark: what ``bench speed`` measures instead of compiling, the world and a training.
        bounded: policies that ``edgewright bounds`` plays below the bound.
        bound_name: what it calls the bound, ``"optimum"`` where that is exact.
        remake: (scenario, problem, worker processes, progress) to the exact values that the package
            keeps for the scenario, computed again; None where it keeps none.
        remake_count: how many of them there are for a scenario.
        termination_metrics: metrics of how episodes ended, shown beside the reward and the system's
            own.
        level_rule: (``"upper"`` or ``"lower"``, name, problem) to a rule for one level of a learner
            of two time scales, whose action has at least the parts of that level; None where there
            are none.
        trains: learners that a comparison trains itself when no policies are named.
        recordings: inputs that ``train --data FOLDER`` plays back instead of drawing them, as
            entries of the ``[streams]`` table, in scenarios that have no recordings themselves.
        export: module whose import registers how its actions and rules are exported, with
            ``export.observation.head_of`` and ``export.networks.layers_of``; None for worlds whose
            action is one index.
        presets: folder of the scenario files that a plug-in brings; those of a system in this
            package lie in its folder.
        calibrate: (scenario, table of a decision log) to the scenario's inputs and physics as the
            log shows them; None where nothing is known of that.
        replay: how logged inputs are played again; None where decisions change them.
        extra_results: (scenario, data folder) to what the result of a training says beside its
            score.
    """

    kind: str
    scenario: Any
    build: Callable[[Any, str | None], Problem]
    default_policies: tuple[str, ...]
    policy_names: Callable[[Problem], list[str]]
    policy: Callable[[str, Problem], PolicyEntry | None]
    bound: Callable[[Problem, Any, float], Array] | None = None
    ranges: Mapping[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()
    inconsistencies: Callable[[Any], list[Inconsistency]] = _no_problems
    transfer_world: Callable[[World, Problem], World] = same_game
    trainer: Callable[[Problem, LearnerPlan, Evaluation], Trainer] = OnlineTrainer
    inputs: Callable[[Evaluation, Problem], Any] = draw_inputs
    play: Callable[
        [PolicyEntry, Problem, Any, int, float], tuple[dict[str, Array], EpisodeBatch | None]
    ] = evaluate_episodes
    keeps_episodes: bool = True
    general_learners: bool = True
    recommended: str = ""
    learners: str | None = None
    learner_defaults: Callable[[Any], dict[str, Any]] = _no_settings
    benchmark: Callable[[BenchContext], dict[str, Any]] | None = None
    bounded: tuple[str, ...] = ()
    bound_name: str = "bound"
    remake: Callable[..., StoredReference] | None = None
    remake_count: int = 0
    termination_metrics: tuple[str, ...] = ("episode_length", "terminated")
    level_rule: Callable[[str, str, Problem], Policy] | None = None
    trains: tuple[str, ...] = ()
    recordings: Mapping[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    extra_results: Callable[[Any, str | None], dict[str, Any]] = _nothing
    calibrate: Callable[[Any, LogTable], Calibration] | None = None
    replay: Replay | None = None
    export: str | None = None
    presets: str | None = None


__all__ = [
    "BenchContext",
    "Group",
    "LearnerPlan",
    "Metric",
    "PolicyEntry",
    "Problem",
    "StoredReference",
    "System",
    "same_game",
]
