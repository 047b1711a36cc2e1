"""The AIGC world once more, as a user would write it for Gymnasium: plain Python floats.

The baseline of the speed comparison, so it is written to be fast: no arrays where floats do, inputs
drawn by NumPy in blocks. It knows the default switches of the world and one device. A test holds it
to the world's rewards and states on the same inputs. Nothing of JAX is imported here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from edgewright.core.errors import InputError
from edgewright.specs.schema import Scenario

Row = tuple[float, float, int, float, tuple[float, ...], float, float]
"""Input [MB], work [G-cycles], mode, bandwidth [Mbit/s], background of each server [G-cycles/s],
first charge [%], gap [s]."""

BLOCK = 128
"""Rows drawn at a time."""

PLAIN = {
    "devices": 1,
    "reading": "ours",
    "obs": "full",
    "overflow": "end",
    "adaptive_weights": True,
    "quality_action": True,
}
"""The switches of the world that are transcribed."""

KINDS = {
    "input_mb": "uniform",
    "work_gcycles": "uniform",
    "mode": "categorical",
    "bandwidth_mbps": "reflected_walk",
    "background_gcps": "compound_poisson",
    "initial_charge_pct": "uniform",
    "gap_s": "slot",
}
"""The processes that are transcribed."""


class TranscribedEnv(gymnasium.Env):
    """One device, its queue, its battery, and a few servers.

    Args:
        scenario: its numbers; its switches and processes must be those transcribed here.
        rows: where inputs come from, given a generator; the scenario's processes if left out.

    Raises:
        InputError: the scenario has a switch or a process that is not transcribed.
    """

    def __init__(
        self,
        scenario: Scenario,
        rows: Callable[[np.random.Generator], Iterator[Row]] | None = None,
    ) -> None:
        check_transcribed(scenario)
        params, world = scenario.params, scenario.world
        self.params, self.servers, self.levels = params, world.servers, world.qualities
        self.speeds = _each(params.server_ghz, world.servers)
        self.device_ghz = _each(params.device_ghz, 1)[0]
        self.local_j_per_gcycle = params.kappa * (self.device_ghz * 1e9) ** 2 * 1e9
        self.draw = rows or (lambda generator: drawn(scenario, generator))
        self.observation_space = spaces.Box(-np.inf, np.inf, (9 + world.servers,), np.float32)
        self.action_space = spaces.Discrete((1 + world.servers) * world.qualities)
        self.rows: Iterator[Row] | None = None
        self.played = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode with empty queues."""
        super().reset(seed=seed)
        if seed is not None or self.rows is None:
            self.rows = self.draw(self.np_random)
            self.x = next(self.rows)
        elif not self.played:
            self.x = next(self.rows)
        self.played = False
        self.charge = self.x[5]
        self.local = 0.0
        self.backlog = [0.0] * self.servers
        self.slot = 0
        return self._observe(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Serve one task at location ``action // levels`` with quality ``action % levels``."""
        assert self.rows is not None, "call reset() first"
        p = self.params
        input_mb, base_work, mode, bandwidth, background, _, gap = self.x
        location, level = divmod(int(action), self.levels)
        work = base_work * p.quality_multiplier[level]
        active = self.charge >= p.charge_floor_pct
        if location == 0:
            delay = (self.local + work) / self.device_ghz
            device_j, edge_j = self.local_j_per_gcycle * work, 0.0
        else:
            up = 8.0 * input_mb / bandwidth + p.network_delay_s
            down = 8.0 * p.output_mb / bandwidth + p.network_delay_s
            speed = self.speeds[location - 1]
            delay = up + down + (self.backlog[location - 1] + work) / speed
            device_j = p.transmit_w * up + p.receive_w * down
            edge_j = p.edge_j_per_gcycle * work

        energy, quality = device_j + edge_j, p.quality_score[level]
        reward = self._reward(mode, quality, delay, energy)

        backlog = self.backlog
        overloaded = False
        if active and location == 0:
            self.local += work
        elif active:
            backlog[location - 1] += work
            overloaded = backlog[location - 1] > p.load_limit_gcycles
        room = p.background_cap * p.load_limit_gcycles
        for n in range(self.servers):
            loaded = backlog[n]
            loaded += min(background[n] * gap, max(0.0, room - loaded))
            backlog[n] = max(0.0, loaded - self.speeds[n] * gap)
        self.local = max(0.0, self.local - self.device_ghz * gap)
        drawn_j = (device_j if active else 0.0) + p.idle_w * gap
        self.charge -= 100.0 * drawn_j / p.battery_j
        self.slot += 1

        spent = self.charge < p.charge_floor_pct
        terminated = overloaded or spent
        truncated = self.slot >= p.horizon_slots and not terminated
        earned = reward if active else 0.0
        if active and terminated:
            earned += p.terminal_reward
        self.x = next(self.rows)
        self.played = True
        info = {
            "reward": reward if active else p.rejected_reward,
            "delay_s": delay if active else 0.0,
            "energy_j": energy if active else 0.0,
            "quality": quality if active else 0.0,
        }
        return self._observe(), earned, terminated, truncated, info

    def _reward(self, mode: int, quality: float, delay_s: float, energy_j: float) -> float:
        """Return the reward of a task that is served at the present charge."""
        p = self.params
        need = (p.low_charge_pct - self.charge) / p.low_charge_span_pct
        w_quality, w_delay, w_energy = p.mode_weights[mode]
        moved = p.shift_fraction * min(max(need, 0.0), 1.0) * w_quality
        return p.reward_scale * (
            (w_quality - moved) * quality
            - w_delay * delay_s / p.delay_norm_s
            - (w_energy + moved) * energy_j / p.energy_norm_j
        )

    def _observe(self) -> np.ndarray:
        input_mb, work, mode, bandwidth = self.x[:4]
        return np.array(
            [
                input_mb,
                work,
                mode == 0,
                mode == 1,
                mode == 2,
                self.charge,
                bandwidth,
                self.local,
                self.slot / self.params.horizon_slots,
                *self.backlog,
            ],
            np.float32,
        )


def check_transcribed(scenario: Scenario) -> None:
    """Refuse a scenario that the transcription does not know.

    Raises:
        InputError: it names the first switch or process that differs.
    """
    hint = "the transcription knows aigc-heavy, aigc-light and their like"
    for name, value in PLAIN.items():
        if getattr(scenario.world, name) != value:
            message = f"{getattr(scenario.world, name)!r} is not transcribed"
            raise InputError(message, where=f"{scenario.name}: world.{name}", hint=hint)
    for name, kind in KINDS.items():
        result = getattr(scenario.streams, name).kind
        if result != kind:
            message = f"kind = '{result}' is not transcribed"
            raise InputError(message, where=f"{scenario.name}: streams.{name}", hint=hint)


def drawn(scenario: Scenario, generator: np.random.Generator) -> Iterator[Row]:
    """Yield the scenario's inputs for ever, drawn in blocks."""
    streams: Any = scenario.streams
    params = scenario.params
    walk, jobs = streams.bandwidth_mbps, streams.background_gcps
    shares = np.asarray(streams.mode.probabilities) / sum(streams.mode.probabilities)
    span = walk.high - walk.low
    free = generator.uniform(0.0, span)  # the walk before it is folded
    mean_job = (jobs.job_low + jobs.job_high) / 2 * np.mean(params.quality_multiplier)
    utilisation = np.array(_each(params.background_utilisation, scenario.world.servers))
    speeds = np.array(_each(params.server_ghz, scenario.world.servers))
    rate = utilisation * speeds * params.slot_s / mean_job
    shape = (BLOCK, scenario.world.servers)

    def uniform(spec: Any) -> list[float]:
        return generator.uniform(spec.low, spec.high, BLOCK).tolist()

    while True:
        steps = free + np.cumsum(generator.normal(0.0, walk.step_std, BLOCK))
        free = float(steps[-1])
        folded = span - np.abs(np.mod(steps, 2 * span) - span)
        count = generator.poisson(rate, shape)
        most = int(count.max())
        factor = generator.choice(params.quality_multiplier, (*shape, most))
        job = factor * generator.uniform(jobs.job_low, jobs.job_high, (*shape, most))
        there = np.arange(most) < count[..., None]
        background = np.sum(np.where(there, job, 0.0), axis=-1) / params.slot_s
        yield from zip(
            uniform(streams.input_mb),
            uniform(streams.work_gcycles),
            generator.choice(3, BLOCK, p=shares).tolist(),
            (walk.low + folded).tolist(),
            map(tuple, background.tolist()),
            uniform(streams.initial_charge_pct),
            [params.slot_s] * BLOCK,
            strict=True,
        )


def _each(value: Any, count: int) -> list[float]:
    return list(value) if isinstance(value, list) else [value] * count
