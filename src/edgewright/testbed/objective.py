"""Score answers by the reward of the scenario, wherever they were made."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

MODES = ("preview", "balanced", "best")
DONE, REFUSED, FAILED = "done", "refused", "failed"


@dataclasses.dataclass(frozen=True)
class Arrival:
    """One request of a replay.

    Attributes:
        at_s: time since the start of its block.
        size: width and height of the image.
        seed: of the image.
        request_bytes: length of its body.
        files: images that it uploads to be edited; 0 asks for a new one.
    """

    index: int
    at_s: float
    prompt: str
    size: tuple[int, int]
    mode: str
    seed: int
    request_bytes: int = 0
    files: int = 0


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The answer to a request, or its absence.

    Attributes:
        index: of its arrival.
        delay_s: from its arrival to the whole answer; as far as it was measured where it failed.
        predicted_s: what the gateway predicted; None where nothing did.
        lateness: actual over paced service; None where nothing is paced.
    """

    index: int
    status: str
    location: int = -1
    level: int = -1
    delay_s: float = 0.0
    queue_s: float = 0.0
    service_s: float = 0.0
    transfer_s: float = 0.0
    energy_j: float = 0.0
    predicted_s: float | None = None
    lateness: float | None = None


@dataclasses.dataclass(frozen=True)
class Objective:
    """The reward of the AIGC world at a full battery, where no weight shifts to energy.

    Attributes:
        score: ``[K]`` quality of each level.
        weights: rows of ``mode_weights``: quality, delay and energy.
        slo_s: delay that an answer should not exceed.
    """

    score: Sequence[float]
    weights: Mapping[str, Sequence[float]]
    delay_norm_s: float
    energy_norm_j: float
    rejected_reward: float
    slo_s: float
    scale: float = 1.0

    def reward(self, arrival: Arrival, outcome: Outcome) -> float:
        """Return ``w_q q - w_t T / T_norm - w_e E / E_norm``, equation (20) of SE-PPO.

        What was refused or failed earns ``rejected_reward``.
        """
        if outcome.status != DONE:
            return self.rejected_reward
        quality, delay, energy = self.weights[arrival.mode]
        return self.scale * (
            quality * self.score[outcome.level]
            - delay * outcome.delay_s / self.delay_norm_s
            - energy * outcome.energy_j / self.energy_norm_j
        )

    def late(self, outcome: Outcome) -> bool:
        """Return whether an answer violates the objective, as does none at all."""
        return outcome.status != DONE or outcome.delay_s > self.slo_s


def objective_of(params: Any, slo_s: float) -> Objective:
    """Return the objective of a scenario's numbers (``scenario.params``)."""
    return Objective(
        score=[*params.quality_score],
        weights=dict(zip(MODES, params.mode_weights, strict=True)),
        delay_norm_s=params.delay_norm_s,
        energy_norm_j=params.energy_norm_j,
        rejected_reward=params.rejected_reward,
        slo_s=slo_s,
        scale=params.reward_scale,
    )
