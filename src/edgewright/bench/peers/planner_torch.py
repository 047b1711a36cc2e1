"""The published planner once more, in PyTorch: the same sizes, formula, search and chance.

The peer of ``edgewright bench planner``. Members are batched in one product (``baddbmm``), which is
the fastest way that PyTorch has on a processor. A test holds its scores to those of our planner.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from torch.nn import functional  # pyright: ignore[reportMissingImports]

Layers = list[tuple[torch.Tensor, torch.Tensor]]
"""Weights ``[E, in, out]`` and biases ``[E, 1, out]``."""

FLOOR = 1e-7


@dataclasses.dataclass(frozen=True)
class TorchPlanner:
    """A planner by the free energy as it is run, whose standardisation is the identity.

    Attributes:
        transition, reward: layers of the two ensembles.
        goal, goal_variance: of the preferred reward.
        log_variance: bounds of the logarithm of a variance.
        horizon, candidates, elites: sizes of the search.
    """

    transition: Layers
    reward: Layers
    goal: float
    goal_variance: float
    log_variance: tuple[float, float]
    horizon: int
    candidates: int
    elites: int

    @torch.inference_mode()
    def decide(self, observation: torch.Tensor, numbers: int, iterations: int) -> torch.Tensor:
        """Return the first action ``[numbers]`` of the plan after ``iterations`` fits."""
        mean = torch.zeros(self.horizon, numbers)
        std = torch.ones(self.horizon, numbers)
        for _ in range(iterations):
            noise = torch.randn(self.candidates, self.horizon, numbers)
            plans = mean + std * noise
            scores = self.scores(observation, plans, sampled=True)
            best = plans[torch.topk(scores, self.elites).indices]
            mean, std = best.mean(0), best.std(0, correction=0)
        return mean[0]

    @torch.inference_mode()
    def scores(self, observation: torch.Tensor, plans: torch.Tensor, sampled: bool) -> torch.Tensor:
        """Return minus the free energy ``[J]`` of plans ``[J, H, A]``."""
        members = self.transition[0][0].shape[0]
        state = observation.expand(members, plans.shape[0], -1)
        total = torch.zeros(plans.shape[0])
        for step in range(plans.shape[1]):
            action = plans[:, step].expand(members, -1, -1)
            inputs = torch.cat([state.clamp(-10.0, 10.0), action], dim=-1)
            change, variance = self._law(self.transition, inputs)
            reward, spread = self._law(self.reward, inputs)
            risk = (spread + (reward - self.goal) ** 2) / self.goal_variance - 1.0
            risk = 0.5 * (risk + (self.goal_variance / spread.clamp(min=FLOOR)).log())
            entropy = 2 * math.pi * math.e * variance.clamp(min=FLOOR)
            total -= (risk[..., 0] - 0.5 * entropy.log().sum(-1)).mean(0)
            state = state + change
            if sampled:
                state = state + variance.sqrt() * torch.randn_like(variance)
        return total

    def _law(self, layers: Layers, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        for weight, bias in layers[:-1]:
            x = functional.silu(torch.baddbmm(bias, x, weight), inplace=True)
        weight, bias = layers[-1]
        mean, free = torch.baddbmm(bias, x, weight).chunk(2, dim=-1)
        low, high = self.log_variance
        return mean, (low + (high - low) * free.sigmoid()).exp()


def layers_of(ensemble: Any) -> Layers:
    """Return the layers of one of our ensembles as tensors."""
    return [
        (torch.from_numpy(np.array(weight)), torch.from_numpy(np.array(bias)))
        for weight, bias in zip(ensemble.weights, ensemble.biases, strict=True)
    ]


def transcribed(policy: Any) -> TorchPlanner:
    """Return one of our planners, whose model has seen nothing, as a :class:`TorchPlanner`."""
    model, objective, search = policy.model, policy.objective, policy.search
    return TorchPlanner(
        transition=layers_of(model.transition),
        reward=layers_of(model.reward),
        goal=float(objective.goal),
        goal_variance=float(objective.goal_variance),
        log_variance=(math.log(model.min_variance), math.log(model.max_variance)),
        horizon=policy.horizon,
        candidates=search.num_candidates,
        elites=search.num_elites,
    )


__all__ = ["TorchPlanner", "layers_of", "transcribed"]
