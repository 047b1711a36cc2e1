"""DROO in NumPy, sharing no line with this project: does it stop where ours does?

A device with ten users sees ten slots, labels each with the best of ten proposals, and takes one
Adam step on 128 of its last 1024 samples. The problem is `binary-hard`, written down once more from
the article: equations (1) to (4) with shared airtime and edge, `Q = (sum u)^2 + (sum v)^2 + sum c`.
Proposals are cuts of the network's ranking ("order", DROO's algorithm 1) or the nearest binary
actions ("nearest"). Scored by Q-hat, the exact optimum (of all 1024 actions) over what was
achieved.

    python benchmarks/droo_numpy.py --scenarios 20 --steps 2000

prints one JSON object per kind of proposal and start: mean Q-hat at some steps, and its standard
error over scenarios. A "fresh" start is untrained; a "pooled" one was trained on its own labels in
100 other scenarios (2000 steps, each on 32 slots of ten of them) and goes on learning in a new one.
"""

from __future__ import annotations

import argparse
import itertools
import json

import numpy as np

USERS, FRAMES, MEMORY, BATCH, RATE, HIDDEN = 10, 10, 1024, 128, 0.01, (120, 80)
EVERY = np.array(list(itertools.product([0.0, 1.0], repeat=USERS)))  # [1024, N]


class Inconsistency:
    """``E`` hidden scenarios at once: constants per user ``[E, N]``, gains drawn slot by slot."""

    def __init__(self, rng: np.random.Generator, scenarios: int) -> None:
        shape = (scenarios, USERS)
        self.rng = rng
        self.weight = np.where(rng.random(shape) < 0.5, 1.0, 1.5)
        self.mbit = rng.uniform(1, 8, shape)
        distance_km = np.maximum(0.2 * np.sqrt(rng.random(shape)), 0.01)
        self.mean_gain = 10 ** (-(145.4 + 37.5 * np.log10(distance_km)) / 10)
        gigacycles = 0.165 * self.mbit
        self.edge = np.sqrt(self.weight * gigacycles / 100)
        self.local = self.weight * gigacycles / 2.84

    def some(self, places: np.ndarray) -> Inconsistency:
        """Return some of the scenarios."""
        made = object.__new__(Inconsistency)
        made.rng = self.rng
        for name in ("weight", "mbit", "mean_gain", "edge", "local"):
            setattr(made, name, getattr(self, name)[places])
        return made

    def gains(self, slots: int) -> np.ndarray:
        """Return ``[E, S, N]``: mean gain, Rayleigh fading, 8 dB of shadowing."""
        shape = (len(self.weight), slots, USERS)
        fading = self.rng.exponential(size=shape)
        return self.mean_gain[:, None] * fading * 10 ** (0.8 * self.rng.standard_normal(shape))

    def cost(self, gain: np.ndarray, action: np.ndarray) -> np.ndarray:
        """Return Q ``[E, S, K]`` of actions ``[E, S, K, N]``."""
        noise = 10 ** (-19.5) * 40e6
        rate = 40 * np.log2(1 + 10**-0.7 * gain / noise)  # Mbit/s, 23 dBm = 10^-0.7 W
        uplink = np.sqrt((self.weight * 1.1 * self.mbit)[:, None] / rate)
        sent = np.einsum("esn,eskn->esk", uplink, action) ** 2
        computed = np.einsum("en,eskn->esk", self.edge, action) ** 2
        return sent + computed + np.einsum("en,eskn->esk", self.local, 1 - action)


class Network:
    """``E`` separate networks with their Adam states; sigmoid outputs, cross-entropy."""

    def __init__(self, rng: np.random.Generator, scenarios: int) -> None:
        self.weights = []
        for rows, columns in itertools.pairwise((USERS, *HIDDEN, USERS)):
            scale = np.sqrt(2 / rows)
            self.weights += [scale * rng.standard_normal((scenarios, rows, columns))]
            self.weights += [np.zeros((scenarios, 1, columns))]
        self.first = [np.zeros_like(w) for w in self.weights]
        self.second = [np.zeros_like(w) for w in self.weights]
        self.steps = 0

    def layers(self, x: np.ndarray) -> list[np.ndarray]:
        seen = [x]
        for place in range(0, len(self.weights), 2):
            z = seen[-1] @ self.weights[place] + self.weights[place + 1]
            last = place + 2 == len(self.weights)
            seen.append(1 / (1 + np.exp(-np.clip(z, -60, 60))) if last else np.maximum(z, 0))
        return seen

    def copies(self, scenarios: int) -> Network:
        """Return a network for each scenario that begins where this one stands."""
        made = Network(np.random.default_rng(0), scenarios)
        made.weights = [np.repeat(w, scenarios, axis=0) for w in self.weights]
        return made

    def learn(self, x: np.ndarray, target: np.ndarray, rate: float = RATE) -> None:
        seen = self.layers(x)
        slope = (seen[-1] - target) / target[0].size
        slopes: list[np.ndarray] = []
        for place in reversed(range(0, len(self.weights), 2)):
            before = seen[place // 2]
            slopes = [before.transpose(0, 2, 1) @ slope, slope.sum(1, keepdims=True), *slopes]
            slope = (slope @ self.weights[place].transpose(0, 2, 1)) * (before > 0)
        self.steps += 1
        for place, g in enumerate(slopes):
            self.first[place] += 0.1 * (g - self.first[place])
            self.second[place] += 0.001 * (g * g - self.second[place])
            mean = self.first[place] / (1 - 0.9**self.steps)
            spread = self.second[place] / (1 - 0.999**self.steps)
            self.weights[place] -= rate * mean / (np.sqrt(spread) + 1e-8)


def order(relaxed: np.ndarray) -> np.ndarray:
    """Return ten cuts of the ranking ``[E, S, 10, N]``, the rounding first."""
    made = [relaxed > 0.5]
    nearest = np.argsort(np.abs(relaxed - 0.5), axis=-1, kind="stable")
    for place in range(USERS - 1):
        pivot = np.take_along_axis(relaxed, nearest[..., place : place + 1], axis=-1)
        made.append(np.where(pivot > 0.5, relaxed > pivot, relaxed >= pivot))
    return np.stack(made, axis=-2).astype(float)


def nearest(relaxed: np.ndarray) -> np.ndarray:
    """Return the ten binary actions with the least squared distance, out of all of them."""
    distance = (EVERY**2).sum(-1) - 2 * relaxed @ EVERY.T
    return EVERY[np.argsort(distance, axis=-1, kind="stable")[..., :10]]


def labels(message: Inconsistency, gain: np.ndarray, options: np.ndarray) -> np.ndarray:
    """Return the cheapest option of each slot ``[E, S, N]``."""
    best = message.cost(gain, options).argmin(-1)
    return np.take_along_axis(options, best[..., None, None], axis=2)[:, :, 0]


def pooled(propose, rng: np.random.Generator) -> tuple[Network, float, float]:
    """Return one network for 100 scenarios, and what its features are standardised with."""
    message, network = Inconsistency(rng, 100), Network(rng, 1)
    decades = np.log10(message.gains(200))
    mean, spread = decades.mean(), decades.std()
    for _ in range(2000):
        some = message.some(rng.integers(100, size=10))
        gain = some.gains(32)
        x = ((np.log10(gain) - mean) / spread).reshape(1, -1, USERS)
        options = propose(network.layers(x)[-1]).reshape(10, 32, -1, USERS)
        network.learn(x, labels(some, gain, options).reshape(1, -1, USERS), 1e-3)
    return network, mean, spread


def run(proposals: str, start: str, scenarios: int, steps: int, seed: int) -> dict[str, object]:
    rng = np.random.default_rng(seed)
    propose = {"order": order, "nearest": nearest}[proposals]
    one, mean, spread = pooled(propose, rng)
    message = Inconsistency(rng, scenarios)
    network = one.copies(scenarios) if start == "pooled" else Network(rng, scenarios)
    held_out = message.gains(200)
    every = np.broadcast_to(EVERY, (scenarios, 200, *EVERY.shape))
    optimum = message.cost(held_out, every).min(-1)
    memory_x, memory_y = np.zeros((2, scenarios, 0, USERS))
    marks = [0, 20, 100, *range(500, steps + 1, 500)]
    said: dict[str, object] = {"proposals": proposals, "start": start, "seed": seed}
    for step in range(steps + 1):
        if step in marks:
            options = propose(network.layers((np.log10(held_out) - mean) / spread)[-1])
            costs = message.cost(held_out, options)
            for name, cost in (("rounded", costs[..., 0]), ("priced", costs.min(-1))):
                share = (optimum / cost).mean(-1)
                error = share.std(ddof=1) / np.sqrt(scenarios)
                said[f"{name} {step}"] = [round(float(share.mean()), 4), round(float(error), 4)]
        gain = message.gains(FRAMES)
        x = (np.log10(gain) - mean) / spread
        options = propose(network.layers(x)[-1])
        y = labels(message, gain, options)
        memory_x = np.concatenate([memory_x, x], axis=1)[:, -MEMORY:]
        memory_y = np.concatenate([memory_y, y], axis=1)[:, -MEMORY:]
        drawn = rng.integers(memory_x.shape[1], size=BATCH)
        network.learn(memory_x[:, drawn], memory_y[:, drawn])
    return said


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenarios", type=int, default=20)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    for kind, start in itertools.product(("order", "nearest"), ("fresh", "pooled")):
        print(json.dumps(run(kind, start, asked.scenarios, asked.steps, asked.seed)), flush=True)
