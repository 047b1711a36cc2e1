"""Transcribe DMSAC to PyTorch, a diffusion SAC that learns contracts in one market.

The peer of ``edgewright bench contracts``: the same networks, losses, sizes and order of work, with
the world as tensors. A test holds its actor, its reward and a gradient step to ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from torch import nn  # pyright: ignore[reportMissingImports]
from torch.nn import functional  # pyright: ignore[reportMissingImports]

Tensor = Any
"""``torch.Tensor``; a name, because torch is not there when types are checked."""

MIN_LOG_DEVIATION, MAX_LOG_DEVIATION = -20.0, 2.0


class Layers(nn.Module):
    """A multilayer perceptron from arrays ``[in, out]`` and ``[out]``."""

    def __init__(
        self, weights: Sequence[Any], biases: Sequence[Any], activation: str = "mish"
    ) -> None:
        super().__init__()
        self.weights = nn.ParameterList([_parameter(one) for one in weights])
        self.biases = nn.ParameterList([_parameter(one) for one in biases])
        self.activation = getattr(functional, activation)

    def forward(self, x: Tensor) -> Tensor:
        """Return outputs ``[..., out]``."""
        last = len(self.weights) - 1
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = x @ weight + bias
            x = x if number == last else self.activation(x)
        return x


class TorchDiffusion(nn.Module):
    """The actor of DMSAC with the parameterisation ``x0`` and a density of its last step.

    Args:
        constants: of the noise schedule, as arrays ``[T]`` by name.
        features: of every step ``[T, 16]``.
    """

    def __init__(
        self, network: Layers, time: Layers, constants: dict[str, np.ndarray], features: np.ndarray
    ) -> None:
        super().__init__()
        self.network, self.time = network, time
        self.constants, self.features = constants, torch.from_numpy(np.array(features))
        self.steps = len(features)

    def sample(self, observation: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return units ``[B, numbers]`` and their log-density ``[B]``.

        Args:
            noise: ``[B, T + 1, numbers]``.
        """
        output = self._output(observation, noise)
        numbers = noise.shape[-1]
        mean = output[..., :numbers]
        log_deviation = output[..., numbers:].clamp(MIN_LOG_DEVIATION, MAX_LOG_DEVIATION)
        drawn = noise[..., self.steps, :]
        free = mean + torch.exp(log_deviation) * drawn
        normal = -0.5 * drawn**2 - log_deviation - 0.5 * math.log(2 * math.pi)
        change = 2.0 * (math.log(2.0) - free - functional.softplus(-2.0 * free))
        return torch.tanh(free), (normal - change).sum(-1)

    def greedy(self, observation: Tensor, noise: Tensor) -> Tensor:
        """Return the units ``[B, numbers]`` of the mean of the last step."""
        return torch.tanh(self._output(observation, noise)[..., : noise.shape[-1]])

    def _output(self, observation: Tensor, noise: Tensor) -> Tensor:
        """Return the outputs of the network at the last step of the chain."""
        times, noisy = self.time(self.features), noise[..., 0, :]
        for t in range(self.steps - 1, 0, -1):
            output = self._network(noisy, times[t], observation)[..., : noise.shape[-1]]
            clean = torch.tanh(output)
            noisy = float(self.constants["from_clean"][t]) * clean + (
                float(self.constants["from_noisy"][t]) * noisy
                + float(self.constants["deviation"][t]) * noise[..., self.steps - t, :]
            )
        return self._network(noisy, times[0], observation)

    def _network(self, noisy: Tensor, time: Tensor, observation: Tensor) -> Tensor:
        embedded = time.expand(*noisy.shape[:-1], -1)
        return self.network(torch.cat([noisy, embedded, observation], dim=-1))


def transcribed(actor: Any) -> TorchDiffusion:
    """Return the actor of ours with copies of its weights."""
    import dataclasses

    from edgewright.nets.denoising import noise_schedule, time_features
    from edgewright.nets.diffusion import TIME_SIZE

    schedule = noise_schedule(actor.schedule, actor.steps)
    return TorchDiffusion(
        layers(actor.network),
        layers(actor.time),
        dataclasses.asdict(schedule),
        time_features(actor.steps, TIME_SIZE),
    )


def layers(network: Any) -> Layers:
    """Return a network of ours with copies of its weights."""
    return Layers(network.weights, network.biases, network.activation)


def _parameter(values: Any) -> Any:
    return nn.Parameter(torch.from_numpy(np.array(values, np.float32)))


__all__ = ["Layers", "TorchDiffusion", "layers", "transcribed"]
