"""Compress a bundle and measure sizes, speed and the gain kept on identical episodes."""

from __future__ import annotations

import dataclasses
import itertools
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from edgewright.bundle import Bundle
from edgewright.bundle.bundle import POLICY
from edgewright.bundle.interface import Output
from edgewright.compress import pipeline
from edgewright.compress.stages import CompressionStage
from edgewright.core.errors import InputError
from edgewright.deploy.gain import share_kept, ways
from edgewright.deploy.latency import measure_engines
from edgewright.deploy.rollouts import watch
from edgewright.evaluation.actions import register_exports
from edgewright.evaluation.compare import bound_of
from edgewright.evaluation.gap import gap_closed
from edgewright.evaluation.statistics import (
    Interval,
    normalised_score_interval,
    paired_difference,
)
from edgewright.export.layers import Dense, every
from edgewright.export.policy import LayerPolicy
from edgewright.scenarios.build import Problem, build
from edgewright.scenarios.learners import world_of_learner
from edgewright.scenarios.load import check
from edgewright.scenarios.policies import baseline
from edgewright.specs.schema import Scenario
from edgewright.systems.registry import system_of
from edgewright.systems.system import PolicyEntry
from edgewright.training.runs import evaluation_inputs

EPSILONS = (0.0, 0.1, 0.3)
"""Shares of random actions while the parent is watched: a student must know states off its way."""

NEAR = 0.01
"""Two numbers of a decision agree if they differ by this share of their range at most."""

FASTER = 0.95
"""A stage pays where the time falls below this share of the time before it."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """The scenario, world and episodes on which a bundle is evaluated."""

    scenario: Scenario[Any, Any, Any]
    problem: Problem
    world: Any
    inputs: Any
    episodes: int

    def baseline(self) -> np.ndarray:
        """Return the reward ``[episodes]`` of the scenario's baseline."""
        return self.rule(self.scenario.evaluation.baseline)

    def rule(self, name: str) -> np.ndarray:
        """Return the reward ``[episodes]`` of a policy that needs no training."""
        return self._played(baseline(name, self.problem))

    def bound(self) -> np.ndarray | None:
        """Return the bound on the reward of each episode; None where there is none."""
        missed = self.scenario.evaluation.post_termination_reward
        return bound_of(self.problem, self.inputs, missed)[0]

    def rewards(self, policy: Any) -> np.ndarray:
        """Return the reward ``[episodes]`` of a policy, by the scenario's own account."""
        return self._played(PolicyEntry.learned("", policy, self.world))

    def _played(self, entry: PolicyEntry) -> np.ndarray:
        missed = self.scenario.evaluation.post_termination_reward
        system = system_of(self.problem.kind)
        return np.asarray(system.play(entry, self.problem, self.inputs, 0, missed)[0]["reward"])


def setting_of(bundle: Bundle, data: str | None = None, episodes: int | None = None) -> Setting:
    """Return where the policy of a bundle plays.

    Raises:
        InputError: the scenario in the bundle cannot be built here.
    """
    scenario = check(dict(bundle.facts["scenario"]), f"{bundle.path}: scenario")
    facts, original = bundle.facts["provenance"], scenario
    if episodes is not None:
        plan = dataclasses.replace(scenario.evaluation, episodes=episodes)
        scenario = dataclasses.replace(scenario, evaluation=plan)
    if facts.get("task") is None:
        problem = build(scenario, data)
    else:  # the number counts the scenarios of the training, however many are asked for here
        problem = build(original, data).only(facts["task"], episodes)
    register_exports(problem)
    world = problem.world
    if "learner" in facts:
        world = world_of_learner(facts["learner"], problem)
    inputs = evaluation_inputs(scenario, problem)
    return Setting(scenario, problem, world, inputs, scenario.evaluation.episodes)


@dataclasses.dataclass(frozen=True)
class Compressed:
    """All candidates of a compression, the parent first, the file of the last and the table."""

    names: tuple[str, ...]
    candidates: tuple[pipeline.Candidate, ...]
    rows: list[dict[str, Any]]

    @property
    def content(self) -> bytes:
        """Return the file of the last candidate."""
        return self.candidates[-1].content


def compress(
    bundle: Bundle,
    stages: Sequence[CompressionStage],
    setting: Setting,
    *,
    seed: int = 0,
    on_progress: Callable[[str], None] = lambda name: None,
) -> Compressed:
    """Apply the stages one after the other and measure every step on the way.

    Raises:
        InputError: the bundle holds a rule, or its policy is no better than random here.
    """
    candidates = [pipeline.begin(bundle)]
    on_progress("collect observations")
    rows = watched_rows(candidates[0], setting, seed)
    held_out = watched_rows(candidates[0], setting, seed + 100)
    names = ["parent"]
    for index, stage in enumerate(stages):
        on_progress(stage.text)
        candidates.append(pipeline.apply(stage, candidates[-1], rows, seed + index))
        names.append(stage.text)
    on_progress("score")
    table = _table(names, candidates, setting, held_out)
    return Compressed(tuple(names), tuple(candidates), table)


def watched_rows(candidate: pipeline.Candidate, setting: Setting, seed: int) -> np.ndarray:
    """Return rows ``[n, columns]`` in units, shuffled, that the policy meets in training inputs.

    Normal numbers of a policy that draws do not depend on what it observes: they are drawn anew.
    """
    interface, observations = candidate.bundle.interface, []
    for index, epsilon in enumerate(EPSILONS):
        player = LayerPolicy(
            layers=candidate.layers,
            epsilon=jnp.float32(epsilon),
            head=candidate.head,
            interface=interface,
        )
        columns = interface.columns - interface.draws
        observations.append(watch(setting.world, setting.problem, player, columns, seed + index))
    rng = np.random.default_rng(seed)
    rows = rng.permutation(np.concatenate(observations))
    if not interface.draws:
        return rows
    noise = rng.standard_normal((len(rows), interface.draws), np.float32)
    return np.concatenate([rows, noise], axis=1)


def _table(
    names: Sequence[str],
    candidates: Sequence[pipeline.Candidate],
    setting: Setting,
    rows: np.ndarray,
) -> list[dict[str, Any]]:
    engines = {str(n): c.bundle.engine for n, c in enumerate(candidates)}
    speed = measure_engines(engines, rows)
    scores = _scores([one.bundle for one in candidates], setting)
    decided = [c.bundle.engine.many(rows) for c in candidates]
    outputs = candidates[0].head.outputs
    table = []
    for index, (name, one) in enumerate(zip(names, candidates, strict=True)):
        entry = one.bundle.facts["graphs"][POLICY]
        row: dict[str, Any] = {
            "stage": name,
            "precision": entry["precision"],
            "parameters": entry["parameters"],
            "nonzero": _nonzero(one),
            "multiply_adds": entry["multiply_adds"],
            "bytes": entry["bytes"],
            "packed_bytes": len(zlib.compress(one.bundle.graph(), 9)),
            **speed[str(index)],
            **scores[index],
            "agreement": agreement(outputs, decided[index], decided[0]),
        }
        table.append(row)
    for before, row in itertools.pairwise(table):
        row["to_the_one_before"] = _ratios(row, before)
    return table


def _scores(bundles: Sequence[Bundle], setting: Setting) -> list[dict[str, Any]]:
    """Return the columns of every bundle that say what it earns, the parent's first."""
    random, base, bound = setting.rule("random"), setting.baseline(), setting.bound()
    result: list[dict[str, Any]] = [{} for _ in bundles]
    for ending, policy in ways(bundles[0]).items():
        rewards = [setting.rewards(policy(bundle)) for bundle in bundles]
        for row, reward in zip(result, rewards, strict=True):
            row[f"reward{ending}"] = float(np.mean(reward))
            row |= paired_difference(reward, rewards[0]).columns(f"reward_change{ending}")
            row |= share_kept(reward, base, rewards[0]).columns(f"gain_kept{ending}")
            row |= _score_ratio(reward, random, rewards[0], setting).columns(f"score_ratio{ending}")
            row[f"gap_closed{ending}"] = None if bound is None else gap_closed(reward, base, bound)
    return result


def _score_ratio(
    reward: np.ndarray, random: np.ndarray, parent: np.ndarray, setting: Setting
) -> Interval:
    """Return (reward - random) / (parent - random), the ratio of the two scores."""
    try:
        return normalised_score_interval(reward, random, parent)
    except InputError:
        message = "the policy earns no more than random actions on these episodes"
        hint = "train it longer, or judge it on more episodes with --episodes"
        raise InputError(message, where=setting.scenario.name, hint=hint) from None


def agreement(
    outputs: Sequence[Output], ours: Mapping[str, np.ndarray], others: Mapping[str, np.ndarray]
) -> float:
    """Return the share of rows on which two policies decide the same, numbers within :data:`NEAR`.

    Args:
        ours, others: outputs by name; ``action`` alone counts where there is one.
    """
    decided = [one for one in outputs if one.name == "action"] or outputs
    same = []
    for one in decided:
        allowed = NEAR * one.span if one.kind == "number" else 0.0
        distance = np.abs(ours[one.name] - others[one.name])
        same.append((distance <= allowed).reshape(len(distance), -1).all(axis=1))
    return float(np.mean(np.all(same, axis=0)))


def _nonzero(candidate: pipeline.Candidate) -> int:
    """Return how many learned numbers are not exactly zero."""
    return sum(
        int(np.count_nonzero(layer.weight)) + int(np.count_nonzero(layer.bias))
        for layer in every(candidate.layers)
        if isinstance(layer, Dense)
    )


def _ratios(row: dict[str, Any], before: dict[str, Any]) -> dict[str, float]:
    return {
        "bytes": row["bytes"] / before["bytes"],
        "packed_bytes": row["packed_bytes"] / before["packed_bytes"],
        "batch_1_time": row["p50_us"] / before["p50_us"],
        "batch_256_time": before["batch_rows_per_s"] / row["batch_rows_per_s"],
    }


def verdicts(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return a sentence for each stage, on what it gained in this run and what it did not."""
    sentences = []
    for row in rows[1:]:
        ratios = row["to_the_one_before"]
        single, batch = ratios["batch_1_time"], ratios["batch_256_time"]
        lines = [
            f"{row['stage']}: {ratios['bytes']:.2f} of the bytes "
            f"({ratios['packed_bytes']:.2f} of them packed)"
        ]
        for name, ratio in (("one decision", single), ("a batch of 256", batch)):
            pays = "pays" if ratio < FASTER else "does not pay"
            lines.append(f"{pays} in time for {name} ({ratio:.2f} of it)")
        sentences.append(", ".join(lines))
    return sentences


__all__ = ["Compressed", "Setting", "agreement", "compress", "setting_of", "verdicts"]
