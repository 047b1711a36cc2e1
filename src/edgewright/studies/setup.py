"""A scenario with changes, and what is measured of policies in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from edgewright.loops.evaluate import EpisodeBatch, play, summarise
from edgewright.scenarios.build import Problem, build
from edgewright.scenarios.load import load, resolved
from edgewright.specs.schema import Scenario
from edgewright.studies.job import qualified_name
from edgewright.systems.registry import system_of
from edgewright.systems.system import PolicyEntry
from edgewright.training.runs import evaluation_inputs

Probe = Callable[[list[PolicyEntry], Scenario, str | None], dict[str, np.ndarray]]
"""Measures one policy for each seed and returns arrays by ``"group/name"``, seeds first."""


def run_evaluation(
    policy_entries: list[PolicyEntry], scenario: Scenario, data: str | None
) -> tuple[Problem, list[EpisodeBatch]]:
    """Run the evaluation episodes of a scenario with every policy; return them and the problem."""
    problem = build(scenario, data)
    inputs = evaluation_inputs(scenario, problem)
    batches = [
        play(
            jax.random.key(seed), c.world, problem.params, c.policy, inputs, observe_fn=c.observe_fn
        )
        for seed, c in enumerate(policy_entries)
    ]
    return problem, batches


def episode_metrics(batches: list[EpisodeBatch], scenario: Scenario) -> dict[str, np.ndarray]:
    """Return every metric of an episode as ``"episodes/name"`` ``[seeds, episodes]``."""
    ended = np.float32(scenario.evaluation.post_termination_reward)
    return _stacked([summarise(batch, ended) for batch in batches])


def episodes(
    policy_entries: list[PolicyEntry], scenario: Scenario, data: str | None
) -> dict[str, np.ndarray]:
    """Measure every metric of the evaluation episodes; a probe for any system."""
    problem = build(scenario, data)
    inputs, system = evaluation_inputs(scenario, problem), system_of(problem.kind)
    ended = scenario.evaluation.post_termination_reward
    return _stacked(
        [
            system.play(entry, problem, inputs, seed, ended)[0]
            for seed, entry in enumerate(policy_entries)
        ]
    )


def _stacked(rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    return {
        f"episodes/{name}": np.stack([np.asarray(row[name]) for row in rows]) for name in rows[0]
    }


@dataclasses.dataclass(frozen=True)
class Setup:
    """A scenario with changes, and the probes that measure policies in it.

    Attributes:
        scenario: name of a preset, or a file.
        changes: values by dotted key of the scenario.
        probes: functions that measure the policies.
    """

    scenario: str
    changes: dict[str, Any] = dataclasses.field(default_factory=dict)
    probes: tuple[Probe, ...] = (episodes,)

    def load(self, more: dict[str, Any] | None = None) -> Scenario:
        """Return the checked scenario, with ``more`` changes."""
        return load(self.scenario, {**self.changes, **(more or {})})

    def config(self) -> dict[str, Any]:
        """Return all settings that decide the measurement, as plain data."""
        return {
            "scenario": resolved(self.load()),
            "probes": [qualified_name(p) for p in self.probes],
        }

    def measure(
        self, policy_entries: list[PolicyEntry], scenario: Scenario, data: str | None
    ) -> dict[str, np.ndarray]:
        """Return the arrays of all probes."""
        arrays: dict[str, np.ndarray] = {}
        for probe in self.probes:
            arrays |= probe(policy_entries, scenario, data)
        return arrays
