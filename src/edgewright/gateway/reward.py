"""Compute the reward of an answer from measurements, as the scenario of a bundle defines it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from edgewright.bundle import Bundle
from edgewright.gateway.observation import Signals
from edgewright.gateway.options import Option

EQUAL = (1 / 3, 1 / 3, 1 / 3)


@dataclasses.dataclass(frozen=True)
class Measured:
    """Measurements of one answer, in the terms of the AIGC world.

    Attributes:
        device_energy_j: of the service on the device, or of its radio.
        edge_energy_j: of the service on a server.
        quality: measured score of the level.
    """

    delay_s: float
    device_energy_j: float
    edge_energy_j: float
    quality: float

    def metrics(self) -> dict[str, float]:
        """Return the metrics that ``edgewright calibrate --log`` reads; energies where known."""
        result = {"delay_s": self.delay_s, "quality": self.quality}
        if self.device_energy_j > 0.0 or self.edge_energy_j > 0.0:
            result["device_energy_j"] = self.device_energy_j
            result["edge_energy_j"] = self.edge_energy_j
        return result


@dataclasses.dataclass(frozen=True)
class TaskReward:
    """The reward of the AIGC world in its reading ``ours``, without JAX.

    Attributes:
        weights: of quality, delay and energy, by mode.
        score: quality of each level in the scenario.
        output_mb: size of an answer of each level in the scenario.
        transmit_w, receive_w: power of the device's radio.
    """

    weights: Mapping[str, Sequence[float]]
    score: Sequence[float]
    output_mb: Sequence[float]
    delay_norm_s: float
    energy_norm_j: float
    scale: float
    rejected: float
    shift_fraction: float
    low_charge_pct: float
    low_charge_span_pct: float
    transmit_w: float
    receive_w: float

    def reward(self, measured: Measured, mode: str, charge_pct: float) -> float:
        """Return ``w_q q - w_t T / T_norm - w_e E / E_norm``, equations (16) and (20) of SE-PPO.

        In need of energy, a share of the quality weight moves to the energy weight.

        Args:
            mode, charge_pct: of the client at the decision, the charge from 0 to 100.
        """
        quality, delay, energy = self.weights.get(mode, EQUAL)
        need = (self.low_charge_pct - charge_pct) / self.low_charge_span_pct
        moved = self.shift_fraction * min(1.0, max(0.0, need)) * quality
        spent_j = measured.device_energy_j + measured.edge_energy_j
        return self.scale * (
            (quality - moved) * measured.quality
            - delay * measured.delay_s / self.delay_norm_s
            - (energy + moved) * spent_j / self.energy_norm_j
        )

    def measured(
        self,
        option: Option,
        signals: Signals,
        actual: Mapping[str, float],
        scores: Sequence[float],
    ) -> Measured:
        """Return the measurements of an answer.

        The time of transfer is divided between both directions as the sizes of request and answer.

        Args:
            actual: times in ms and ``energy_j`` of the service, as receipts hold them.
            scores: measured quality of the levels; empty for that of the scenario.
        """
        service_j = actual["energy_j"]
        radio_j = 0.0
        if option.location > 0:
            sizes = signals.input_mb, self.output_mb[option.level]
            up = sizes[0] / max(1e-12, sum(sizes))
            watts = up * self.transmit_w + (1.0 - up) * self.receive_w
            radio_j = 1e-3 * actual["transfer_ms"] * watts
        local = option.location == 0
        return Measured(
            delay_s=1e-3 * actual["total_ms"],
            device_energy_j=service_j if local else radio_j,
            edge_energy_j=0.0 if local else service_j,
            quality=float((scores or self.score)[option.level]),
        )


def task_reward(bundle: Bundle, modes: Sequence[str], levels: int) -> TaskReward | None:
    """Return the reward of a bundle's scenario; None where its numbers do not define one here.

    Args:
        modes: of the bundle, in the order of the rows of ``mode_weights``.
        levels: number of quality levels.
    """
    scenario = bundle.facts.get("scenario") or {}
    world, params = scenario.get("world") or {}, scenario.get("params") or {}
    if world.get("reading") != "ours" or "mode_weights" not in params:
        return None
    adaptive = world.get("adaptive_weights", True)
    rows = params["mode_weights"]
    weights = {mode: tuple(map(float, row)) for mode, row in zip(modes, rows, strict=False)}
    return TaskReward(
        weights=weights if adaptive else {},
        score=_each(params["quality_score"], levels),
        output_mb=_each(params["output_mb"], levels),
        delay_norm_s=float(params["delay_norm_s"]),
        energy_norm_j=float(params["energy_norm_j"]),
        scale=float(params["reward_scale"]),
        rejected=float(params["rejected_reward"]),
        shift_fraction=float(params["shift_fraction"]) if adaptive else 0.0,
        low_charge_pct=float(params["low_charge_pct"]),
        low_charge_span_pct=float(params["low_charge_span_pct"]),
        transmit_w=_each(params["transmit_w"], 1)[0],
        receive_w=_each(params["receive_w"], 1)[0],
    )


def _each(value: Any, count: int) -> list[float]:
    return [float(one) for one in value] if isinstance(value, list) else [float(value)] * count


__all__ = ["Measured", "TaskReward", "task_reward"]
