"""Train DMSAC in PyTorch on raw contracts in one market; see :mod:`.diffusion_torch`."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]

from edgewright.bench.peers.diffusion_torch import Layers, Tensor, TorchDiffusion


class TorchContracts:
    """Raw contracts of one market (equations B.1 to B.4), a batch of actions at a time.

    Args:
        numbers: of the market and of the reward, as floats and arrays by name.
    """

    def __init__(self, numbers: dict[str, Any]) -> None:
        self.numbers = {
            name: torch.from_numpy(np.array(value, np.float32)) for name, value in numbers.items()
        }
        self.count = len(numbers["theta"])

    def reward(self, action: Tensor) -> Tensor:
        """Return the penalised profit ``[B]`` of actions ``[B, 2 K + 2 K^2]``, scaled."""
        n, count = self.numbers, self.count
        share = 0.5 * (action.clamp(-1.0, 1.0) + 1.0)
        half = share.shape[-1] // 2
        q = n["q_max"] * share[..., :half]
        x = n["linear"] * q + 0.5 * n["quadratic"] * q * q
        r = n["payment_max"] * share[..., half:]
        x1, r1 = x[..., :count], r[..., :count]
        x2 = x[..., count:].unflatten(-1, (count, count))
        r2 = r[..., count:].unflatten(-1, (count, count))
        profit = self._profit(x1, r1, x2, r2)
        lying, short = self._violations(x1, r1, x2, r2)
        penalised = profit - n["violation_weight"] * (lying + short)
        return n["reward_scale"] * torch.maximum(penalised, -n["reward_floor"])

    def _value(self, x: Tensor, period: int) -> Tensor:
        n = self.numbers
        root = torch.sqrt(n["linear"] ** 2 + 2.0 * n["quadratic"] * x)
        bought = 2.0 * x / (root + n["linear"])
        return n["sigma"][period] * torch.log1p(n["eta"] * bought)

    def _profit(self, x1: Tensor, r1: Tensor, x2: Tensor, r2: Tensor) -> Tensor:
        n = self.numbers
        later = (n["transition"] * (self._value(x2, 1) - r2)).sum(-1)
        return (n["prior"] * (self._value(x1, 0) - r1 + n["discount"] * later)).sum(-1)

    def _violations(self, x1: Tensor, r1: Tensor, x2: Tensor, r2: Tensor) -> tuple[Tensor, Tensor]:
        n, cost = self.numbers, 1.0 / self.numbers["theta"]
        honest = r2 - cost * x2
        first = r1[..., :, None] - cost * x1[..., :, None]
        utility = first + n["discount"] * honest @ n["transition"].T
        own = torch.diagonal(utility, dim1=-2, dim2=-1)
        swapped = r2[..., :, None, :] - cost[:, None] * x2[..., :, None, :]
        lying = (utility.amax(-2) - own).sum(-1) + (swapped.amax(-1) - honest).sum((-2, -1))
        now = torch.diagonal(first, dim1=-2, dim2=-1)
        short = positive(-now).sum(-1) + positive(-honest).sum((-2, -1))
        return lying, short


def positive(x: Tensor) -> Tensor:
    """Return ``max(x, 0)``."""
    return torch.clamp(x, min=0.0)


class TorchSAC:
    """Learn by SAC in a bandit, in which the targets of the critics are rewards.

    Args:
        settings: learning rates and coefficients by the names that they have in ours.
    """

    def __init__(
        self, actor: TorchDiffusion, critics: list[Layers], settings: dict[str, Any]
    ) -> None:
        self.actor, self.critics, self.settings = actor, critics, settings
        start = float(np.log(settings["initial_temperature"]))
        self.log_temperature = torch.nn.Parameter(torch.tensor([start]))
        self.judged = [one for critic in critics for one in critic.parameters()]
        parts = {
            "actor": list(actor.parameters()),
            "critic": self.judged,
            "temperature": [self.log_temperature],
        }
        self.parts = parts
        self.optimisers = {
            name: torch.optim.Adam(weights, lr=float(settings[f"{name}_learning_rate"]))
            for name, weights in parts.items()
        }

    def step(self, observation: Tensor, action: Tensor, reward: Tensor, noise: Tensor) -> None:
        """Take one gradient step of critics, actor and temperature on a minibatch."""
        error = self._values(observation, action) - reward[:, None]
        self._descend("critic", (error**2).sum(-1).mean())
        units, log_density = self.actor.sample(observation, noise)
        least = self._values(observation, units).amin(-1)
        temperature = self.log_temperature.detach().exp()
        self._descend("actor", (temperature * log_density - least).mean())
        goal = -float(self.settings["target_entropy_scale"]) * units.shape[-1]
        shortage = log_density.detach().mean() + goal
        self._descend("temperature", -(self.log_temperature * shortage).sum())

    def _values(self, observation: Tensor, units: Tensor) -> Tensor:
        both = torch.cat([observation, units], dim=-1)
        return torch.cat([critic(both) for critic in self.critics], dim=-1)

    def _descend(self, name: str, loss: Tensor) -> None:
        for weight in self.parts[name]:
            weight.grad = None
        inputs = self.parts[name]
        for weight, grad in zip(inputs, torch.autograd.grad(loss, inputs), strict=True):
            weight.grad = grad
        torch.nn.utils.clip_grad_norm_(inputs, float(self.settings["max_grad_norm"]))
        self.optimisers[name].step()


def train_rate(
    learner: TorchSAC, world: TorchContracts, observation: np.ndarray, rounds: int, threads: int
) -> float:
    """Return rounds per second of training: play, store, draw minibatches, learn.

    A round is one contract. Each update plays ``num_envs * rollout_steps`` of them and takes a
    gradient step for every ``train_freq``.
    """
    torch.set_num_threads(threads)
    played, settings = 0, learner.settings
    each = settings["num_envs"] * settings["rollout_steps"]
    numbers = learner.actor.network.biases[-1].shape[0] // 2
    actions, rewards = torch.zeros(rounds + each, numbers), torch.zeros(rounds + each)
    market = torch.from_numpy(np.array(observation, np.float32))
    batch = settings["batch_size"]
    began = time.perf_counter()
    while played < rounds:
        with torch.no_grad():
            for first in range(played, played + each, settings["num_envs"]):
                copies = market.expand(settings["num_envs"], -1)
                noise = torch.randn(len(copies), learner.actor.steps + 1, numbers)
                units, _ = learner.actor.sample(copies, noise)
                actions[first : first + len(copies)] = units
                rewards[first : first + len(copies)] = world.reward(units)
        played += each
        deviation = rewards[:played].std().clamp(min=1e-4)
        for _ in range(each // settings["train_freq"]):
            rows = torch.randint(played, (batch,))
            noise = torch.randn(batch, learner.actor.steps + 1, numbers)
            learner.step(market.expand(batch, -1), actions[rows], rewards[rows] / deviation, noise)
    return played / (time.perf_counter() - began)


def contracts_per_s(actor: TorchDiffusion, observation: np.ndarray, batch: int) -> float:
    """Return greedy contracts per second in batches of ``batch``, the median of five rounds."""
    market = torch.from_numpy(np.array(observation, np.float32)).expand(batch, -1)
    numbers = actor.network.biases[-1].shape[0] // 2
    noise = torch.randn(batch, actor.steps, numbers)
    rates = []
    with torch.inference_mode():
        for _ in range(6):
            began, calls = time.perf_counter(), 0
            while time.perf_counter() - began < 0.2:
                actor.greedy(market, noise)
                calls += 1
            rates.append(calls * batch / (time.perf_counter() - began))
    return float(np.median(rates[1:]))


__all__ = ["TorchContracts", "TorchSAC", "contracts_per_s", "train_rate"]
