"""The meta-learner of binary offloading, written with PyTorch as one would without this project.

Second-order MAML with ``torch.autograd.grad(..., create_graph=True)``, one task after the other,
slots and proposals of a task batched; fine-tuning as DROO does it, one device after the other. The
problem, network, quantiser, critic, losses and sizes are those of ``edgewright bench --scenario
binary-hard``, which runs this file and prints the ratios:

    edgewright bench speed --scenario binary-hard --reference-script benchmarks/mrl_torch.py

Sizes come as one JSON object on the command line; the result is one JSON object on stdout.
"""

from __future__ import annotations

import itertools
import json
import math
import sys
import time
from typing import Any

import torch
from torch.nn import functional

Network = list[torch.Tensor]


class Task:
    """One hidden scenario: its numbers, and slots drawn from its channel."""

    def __init__(self, devices: int, sizes: dict[str, Any]) -> None:
        self.devices = devices
        self.weight = torch.where(torch.rand(devices) < 0.5, 1.0, 1.5)
        self.mbit = 1 + 7 * torch.rand(devices)
        distance_km = 0.2 * torch.rand(devices).sqrt().clamp(min=0.05)
        self.mean_gain = 10 ** (-(145.4 + 37.5 * distance_km.log10()) / 10)
        self.noise = 10 ** (-19.5) * 40e6
        self.mean, self.std = sizes["gain_log10_mean"], sizes["gain_log10_std"]

    def slots(self, count: int) -> torch.Tensor:
        fading = -torch.rand(count, self.devices).log()
        shadow = 10 ** (0.8 * torch.randn(count, self.devices))
        return self.mean_gain * fading * shadow

    def features(self, gain: torch.Tensor) -> torch.Tensor:
        return (gain.log10() - self.mean) / self.std

    def cost(self, gain: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        """Return Q of actions ``[slots, candidates, devices]``."""
        rate = 40 * torch.log2(1 + 0.19953 * gain / self.noise)
        work = 0.165 * self.mbit
        uplink = (self.weight * 1.1 * self.mbit / rate).sqrt()[:, None]
        edge = (self.weight * work / 100).sqrt()
        local = self.weight * work / 2.84
        return (
            (uplink * action).sum(-1) ** 2
            + (edge * action).sum(-1) ** 2
            + (local * (1 - action)).sum(-1)
        )


def new_network(sizes: list[int]) -> Network:
    made: Network = []
    for rows, columns in itertools.pairwise(sizes):
        weight = torch.empty(columns, rows)
        torch.nn.init.orthogonal_(weight, math.sqrt(2))
        made += [weight.requires_grad_(), torch.zeros(columns).requires_grad_()]
    return made


def forward(network: Network, x: torch.Tensor) -> torch.Tensor:
    for place in range(0, len(network) - 2, 2):
        x = functional.relu(functional.linear(x, network[place], network[place + 1]))
    return functional.linear(x, network[-2], network[-1])


def order_preserving(relaxed: torch.Tensor, count: int) -> torch.Tensor:
    """Return candidates ``[slots, count, devices]``."""
    nearest = (relaxed - 0.5).abs().argsort(dim=-1, stable=True)[:, : count - 1]
    pivot = relaxed.gather(1, nearest)[..., None]
    wide = relaxed[:, None]
    further = torch.where(pivot > 0.5, wide > pivot, wide >= pivot)
    return torch.cat([wide > 0.5, further], 1).float()


@torch.no_grad()
def labelled(task: Task, network: Network, count: int, phi: int) -> tuple[torch.Tensor, ...]:
    gain = task.slots(count)
    seen = task.features(gain)
    candidates = order_preserving(torch.sigmoid(forward(network, seen)), phi)
    best = task.cost(gain, candidates).argmin(1)
    return seen, candidates[torch.arange(count), best]


def loss(network: Network, seen: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
    return functional.binary_cross_entropy_with_logits(forward(network, seen), action)


def meta_rounds(tasks: list[Task], sizes: dict[str, Any], rounds: int) -> float:
    """Return seconds for ``rounds`` rounds of second-order MAML."""
    network = new_network(sizes["layers"])
    adam = torch.optim.Adam(network, lr=1e-3)
    begun = time.perf_counter()
    for _ in range(rounds):
        chosen = torch.randperm(len(tasks))[: sizes["tasks"]]
        adam.zero_grad()
        for index in chosen.tolist():
            task = tasks[index]
            seen, action = labelled(task, network, sizes["support"], sizes["num_candidates"])
            gradient = torch.autograd.grad(loss(network, seen, action), network, create_graph=True)
            adapted = [p - 0.05 * g for p, g in zip(network, gradient, strict=True)]
            seen, action = labelled(task, adapted, sizes["query"], sizes["num_candidates"])
            (loss(adapted, seen, action) / sizes["tasks"]).backward()
        adam.step()
    return time.perf_counter() - begun


def fine_tuning(tasks: list[Task], sizes: dict[str, Any], steps: int) -> float:
    """Return seconds for ``steps`` fine-tuning steps of each of ``tasks``."""
    begun = time.perf_counter()
    for task in tasks:
        network = new_network(sizes["layers"])
        adam = torch.optim.Adam(network, lr=0.01)
        memory_x = torch.zeros(sizes["buffer_size"], task.devices)
        memory_y = torch.zeros(sizes["buffer_size"], task.devices)
        filled = 0
        for _ in range(steps):
            seen, action = labelled(task, network, sizes["rollout_steps"], sizes["num_candidates"])
            places = (filled + torch.arange(sizes["rollout_steps"])) % sizes["buffer_size"]
            memory_x[places], memory_y[places] = seen, action
            filled += sizes["rollout_steps"]
            drawn = torch.randint(min(filled, sizes["buffer_size"]), (sizes["batch_size"],))
            adam.zero_grad()
            loss(network, memory_x[drawn], memory_y[drawn]).backward()
            adam.step()
    return time.perf_counter() - begun


def main() -> None:
    """Measure both and print one JSON object."""
    sizes = json.loads(sys.argv[1])
    torch.manual_seed(0)
    tasks = [Task(sizes["devices"], sizes) for _ in range(100)]
    best = {"meta_rounds_per_s": 0.0, "fine_tuning_steps_per_s": 0.0}
    for threads in {1, sizes["threads"]}:  # whichever suits it: these products are small
        torch.set_num_threads(threads)
        meta_rounds(tasks, sizes, 3)
        fine_tuning(tasks[:1], sizes, 3)
        rounds = max(5, int(2 / (meta_rounds(tasks, sizes, 5) / 5)))
        steps = max(20, int(2 / (fine_tuning(tasks[:1], sizes, 20) / 20)))
        found = {
            "meta_rounds_per_s": rounds / meta_rounds(tasks, sizes, rounds),
            "fine_tuning_steps_per_s": steps / fine_tuning(tasks[:1], sizes, steps),
        }
        best = {name: max(value, found[name]) for name, value in best.items()}
    print(json.dumps({"library": f"torch {torch.__version__}", **best}))


if __name__ == "__main__":
    main()
