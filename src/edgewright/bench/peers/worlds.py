"""Measure the world beside a transcription in plain Python, alone and in vectors."""

from __future__ import annotations

import itertools
import time
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from edgewright.adapters.gymnasium import WorldEnv, WorldVectorEnv
from edgewright.bench.peers.transcription import TranscribedEnv
from edgewright.bench.training import measure_world
from edgewright.scenarios.build import Problem
from edgewright.specs.schema import Scenario

COPIES = (16, 256)
"""How many copies the vector environments are measured with."""


def measure_worlds(scenario: Scenario, problem: Problem) -> dict[str, Any]:
    """Return steps per second of the world as ours, behind Gymnasium, and in plain Python."""
    compiled = measure_world(problem)
    parts = (problem.world, problem.params, problem.train_stream)
    plain = _stepping(TranscribedEnv(scenario))
    ours = _stepping(WorldEnv(*parts))
    drawn = compiled["inputs_drawn_steps_per_s"]
    result: dict[str, Any] = {
        "compiled_steps_per_s": drawn,
        "compiled_copies": compiled["copies"],
        "plain_python_steps_per_s": round(plain),
        "gymnasium_steps_per_s": round(ours),
        "ratio_compiled_to_plain_python": round(drawn / plain, 1),
        "ratio_gymnasium_to_plain_python": round(ours / plain, 3),
        "vector": [],
    }
    for copies in COPIES:
        sync = SyncVectorEnv(
            [lambda: TranscribedEnv(scenario)] * copies, autoreset_mode=AutoresetMode.SAME_STEP
        )
        row = {"sync": _stepping(sync, copies), "ours": _stepping(_vector(parts, copies), copies)}
        result["vector"].append(
            {
                "copies": copies,
                "plain_python_sync_steps_per_s": round(row["sync"]),
                "gymnasium_steps_per_s": round(row["ours"]),
                "ratio": round(row["ours"] / row["sync"], 2),
            }
        )
    return result


def _vector(parts: tuple[Any, Any, Any], copies: int) -> WorldVectorEnv:
    return WorldVectorEnv(*parts, num_envs=copies)


def _stepping(env: Any, copies: int = 1, seconds: float = 1.0) -> float:
    """Return steps per second with random actions drawn before: the median of five."""
    env.reset(seed=0)
    env.action_space.seed(0)
    actions = itertools.cycle([env.action_space.sample() for _ in range(1024)])
    vector = hasattr(env, "num_envs")

    def play(count: int) -> float:
        began = time.perf_counter()
        for action in itertools.islice(actions, count):
            _, _, terminated, truncated, _ = env.step(action)
            if not vector and (terminated or truncated):
                env.reset()
        return count * copies / (time.perf_counter() - began)

    play(300)  # compiles, and fills caches
    count = max(50, int(seconds / 5 * play(100) / copies))
    return float(np.median([play(count) for _ in range(5)]))
