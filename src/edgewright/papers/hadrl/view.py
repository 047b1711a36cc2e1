"""Name the worlds, policies and metrics of the HADRL study, and read their results for claims."""

from __future__ import annotations

import dataclasses

import numpy as np

from edgewright.studies.table import Table

SETTINGS = (
    "es2",
    "dynamic",
    "trace",
    "trace-code",
    "trace-mooncake",
    "es2-third",
    "dynamic-third",
    "loopholes",
    "sweeps",
)
"""Two synthetic worlds, three logs of requests, a third of the two for ablations, the published
world with its loopholes, and sweeps."""

TITLES = {
    "es2": "es2: 2 servers, every slot drawn anew",
    "dynamic": "dynamic: 3 servers, drift, moving users, queues",
    "trace": "trace: 3 servers, recorded requests (Azure, conversation)",
    "trace-code": "trace-code: the same with requests for code (Azure)",
    "trace-mooncake": "trace-mooncake: Mooncake's requests, half of the users",
    "es2-third": "es2 with a third of the users",
    "dynamic-third": "dynamic with a third of the users",
}
"""The worlds in which learners are trained, as figures name them."""

LEARNERS = ("hadrl", "ddpg-ddpg", "ppo-ppo")

LEVELS = ("hadrl-root", "spread-active-inference", "ddpg-search")
LEVELS_IN = ("es2", "dynamic")
"""HADRL with a part of its decisions made by a rule: the shares, the caches, or the slots; and the
worlds where they are compared."""

RULES = (
    "random",
    "none+nearest-equal",
    "all+nearest-root",
    "lru+hit-root",
    "lfu+hit-root",
    "spread+hit-equal",
    "spread+hit-root",
    "spread+search-root",
)
"""Rules that every main world has. Each knows the state and the present requests."""

ORACLES_IN = {"es2": ("knapsack+search-root",), "dynamic": ("spread+cem-root",)}
"""Policies that know the law of the inputs as well: the best caches for it, where it is fixed, and
planning over slots on the true model, where queues carry work over. The best rule is never one."""

BEST_RULE = "best rule"
"""Stands for the rule with the highest mean reward in the world at hand."""


@dataclasses.dataclass(frozen=True)
class Shown:
    """A metric of episodes, as it is named in words and on axes.

    Attributes:
        array: name of the array, as the system ``caching`` reports it.
        words: name in a sentence.
        unit: unit, or empty.
    """

    array: str
    words: str
    unit: str = ""

    @property
    def axis(self) -> str:
        """Return the label of an axis."""
        return f"{self.words} ({self.unit or 'no unit'})"


METRICS = {
    "hits": Shown("hit_ratio", "hit ratio"),
    "latency": Shown("latency_s", "mean latency", "s"),
    "latency_p95": Shown("latency_p95_s", "95th percentile of latency", "s"),
    "switch": Shown("switch_cost_s", "switch cost of an epoch", "s"),
    "reward": Shown("reward", "reward per slot"),
}
"""The metrics of the study. No other place of it names an array of the world."""

SPEED = "speed/decisions_per_s"


@dataclasses.dataclass(frozen=True)
class View:
    """The table of results in one setting, as a claim reads it."""

    table: Table
    setting: str

    def get(self, name: str, metric: str, world: str = "") -> np.ndarray:
        """Return a metric ``[seeds, episodes]`` of a policy or bound.

        Args:
            name: name of the policy, ``"bound"``, or :data:`BEST_RULE`.
            metric: key of :data:`METRICS`.
            world: where it plays; the setting if empty.
        """
        world = world or self.setting
        named = self.best_rule(world) if name == BEST_RULE else name
        return self.table.array(f"{world}/{named}", f"episodes/{METRICS[metric].array}")

    def best_rule(self, world: str = "") -> str:
        """Return the rule with the highest mean reward."""
        world = world or self.setting
        measured = [name for name in RULES if f"{world}/{name}" in self.table.results]
        return max(measured, key=lambda name: float(self.get(name, "reward", world).mean()))

    def named(self, name: str, world: str = "") -> str:
        """Return the name of a policy in words."""
        return f"{name} ({self.best_rule(world)})" if name == BEST_RULE else name

    def has(self, name: str, world: str = "") -> bool:
        """Return whether a policy was measured."""
        return f"{world or self.setting}/{name}" in self.table.results

    def seeds(self, *names: str, world: str = "") -> int:
        """Return the fewest seeds of the learners among the policies."""
        counts = [len(self.get(name, "reward", world)) for name in names]
        return min([count for count in counts if count > 1] or [1])

    def decision_ms(self, name: str, world: str = "") -> np.ndarray:
        """Return the duration of a decision ``[1, repeats]`` in milliseconds."""
        return 1000.0 / self.table.array(f"{world or self.setting}/{name}", SPEED)
