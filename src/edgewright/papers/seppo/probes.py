"""Measure behaviour and battery life of policies of the AIGC world."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.protocols import Stream
from edgewright.core.records import Array, Outcome
from edgewright.core.spaces import Box, Discrete
from edgewright.loops.evaluate import EpisodeBatch, episode_inputs, play
from edgewright.scenarios.build import build
from edgewright.specs.schema import Scenario
from edgewright.studies.setup import episode_metrics, run_evaluation
from edgewright.systems.aigc import AigcInputs, AigcParams, AigcState, AigcWorld
from edgewright.systems.aigc.behaviour import CHARGE_BINS, MODES
from edgewright.systems.system import PolicyEntry

LIFE_SLOTS = 6000
"""Most slots of a lifetime: longer than 9 kJ last where every task is served, at 1.5 J or more."""

LIFE_EPISODES = 16


def behaviour(
    policy_entries: list[PolicyEntry], scenario: Scenario, data: str | None
) -> dict[str, np.ndarray]:
    """Measure episodes, and tasks by user mode, by charge, and early and late in an episode.

    ``modes`` [seeds, episodes, modes]: ``tasks`` and sums over them of delay, energy, quality.
    ``charge`` [seeds, episodes, bins]: ``tasks``, sums of device energy, and tasks of each kind of
    action. ``drift`` [seeds, episodes]: tasks and summed delay in the first and last fifth.
    """
    problem, played = run_evaluation(policy_entries, scenario, data)
    arrays = episode_metrics(played, scenario)
    rows = [_behaviour(one, problem.world.qualities) for one in played]
    return arrays | {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def _behaviour(played: EpisodeBatch, qualities: int) -> dict[str, np.ndarray]:
    metrics = jax.tree.map(np.asarray, played.metrics)
    done = (metrics.served > 0) & np.asarray(played.alive)[..., None]
    arrays: dict[str, np.ndarray] = {}

    def total(values: Any) -> np.ndarray:
        return np.sum(np.asarray(values, np.float64), axis=(0, 2))

    modes = [done & (metrics.mode == mode) for mode in range(len(MODES))]
    arrays["modes/tasks"] = np.stack([total(mask) for mask in modes], axis=-1)
    for name in ("delay_s", "energy_j", "quality"):
        values = getattr(metrics, name)
        arrays[f"modes/{name}"] = np.stack([total(values * mask) for mask in modes], axis=-1)

    charge = metrics.charge_pct
    bins = [done & (charge >= low) & (charge < high + (high == 100.0)) for low, high in CHARGE_BINS]
    arrays["charge/tasks"] = np.stack([total(mask) for mask in bins], axis=-1)
    drawn = metrics.device_energy_j
    arrays["charge/device_energy_j"] = np.stack([total(drawn * mask) for mask in bins], axis=-1)
    for location, name in enumerate(("local", "offload")):
        for level in range(qualities):
            kind = (np.minimum(metrics.location, 1) == location) & (metrics.level == level)
            counts = np.stack([total(mask & kind) for mask in bins], axis=-1)
            arrays[f"charge/{name}_{level}"] = counts

    fifth = max(done.shape[0] // 5, 1)
    for part, cut in (("first", np.s_[:fifth]), ("last", np.s_[-fifth:])):
        arrays[f"drift/{part}_tasks"] = total(done[cut])
        arrays[f"drift/{part}_delay_s"] = total((metrics.delay_s * done)[cut])
    return arrays


@dataclasses.dataclass(frozen=True)
class LongLife:
    """The AIGC world without a horizon, with the clock of an observation as in a usual episode.

    Policies were trained with a task number (or phase) that starts anew after ``period`` slots; it
    does here as well, so that a lifetime shows no observation that was never seen in training.
    """

    world: AigcWorld
    period: int

    def inputs(self, params: AigcParams) -> Stream[Any]:
        """Return the world's inputs."""
        return self.world.inputs(params)

    def reset(self, params: AigcParams, x: AigcInputs) -> AigcState:
        """Return the world's first state."""
        return self.world.reset(params, x)

    def observe(self, params: AigcParams, state: AigcState, x: AigcInputs) -> Array:
        """Return the observation of the slot's place in its period."""
        usual = dataclasses.replace(params, horizon_slots=jnp.float32(self.period))
        return self.world.observe(
            usual, dataclasses.replace(state, slot=state.slot % self.period), x
        )

    def step(self, params: AigcParams, state: AigcState, action: Array, x: AigcInputs) -> Outcome:
        """Serve one slot."""
        return self.world.step(params, state, action, x)

    def observation_space(self, params: AigcParams) -> Box:
        """Return the world's."""
        return self.world.observation_space(params)

    def action_space(self, params: AigcParams) -> Discrete:
        """Return the world's."""
        return self.world.action_space(params)


def lifetime(
    policy_entries: list[PolicyEntry], scenario: Scenario, data: str | None
) -> dict[str, np.ndarray]:
    """Measure tasks served from a full battery until the floor, ``life`` [seeds, episodes].

    A full server refuses a task here rather than ending the episode, so that only the battery ends
    a run. ``ended`` is 0 where the battery outlasted ``LIFE_SLOTS``.
    """
    problem = build(scenario, data)
    params = dataclasses.replace(problem.params, horizon_slots=jnp.float32(LIFE_SLOTS + 1))
    key = jax.random.key(scenario.evaluation.seed + 1)
    fixed_inputs = {"initial_charge_pct": [100.0]}
    inputs = episode_inputs(key, problem.test_stream, LIFE_EPISODES, LIFE_SLOTS, fixed_inputs)
    rows = []
    for seed, policy_entry in enumerate(policy_entries):
        assert isinstance(policy_entry.world, AigcWorld)
        rejecting = dataclasses.replace(policy_entry.world, overflow="reject")
        world = LongLife(rejecting, problem.horizon)
        played = play(
            jax.random.key(seed),
            world,
            params,
            policy_entry.policy,
            inputs,
            observe_fn=policy_entry.observe_fn,
        )
        served = np.asarray(played.metrics.served)[..., 0] * np.asarray(played.alive)
        rows.append(
            {
                "life/tasks": served.sum(axis=0),
                "life/slots": np.asarray(played.alive).sum(axis=0),
                "life/ended": np.asarray(played.terminated).any(axis=0).astype(float),
                "life/quality": (np.asarray(played.metrics.quality)[..., 0] * served).sum(axis=0)
                / np.maximum(served.sum(axis=0), 1),
            }
        )
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}
