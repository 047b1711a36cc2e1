"""Measure the seconds of training until a reward is reached, beside Stable-Baselines3's PPO."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.bench.peers import sb3, settings
from edgewright.bench.peers.arena import Arena
from edgewright.bench.peers.transfer import apart, policy_of, score
from edgewright.scenarios.build import build_learner
from edgewright.specs.schema import Scenario
from edgewright.systems.problem import Problem
from edgewright.systems.registry import system_of
from edgewright.training.runs import trainer_of

REWARD = 0.055
"""About what SE-PPO reaches on `aigc-heavy` after 5e5 steps."""

OUR_STEPS, THEIR_STEPS = 2e5, 2e5
"""Steps of each training; one that has not reached the reward by then has not reached it."""


def measure_reach(scenario: Scenario, problem: Problem, arena: Arena, seeds: int) -> dict[str, Any]:
    """Measure the training time until a reward of :data:`REWARD`, ours and theirs.

    The greedy policy is scored on the evaluation episodes after every update; the time of scoring
    does not count. Both begin with untrained networks.

    Args:
        scenario: one whose system recommends a learner.
        problem: the built scenario.
        arena: the same world as the other side builds it.
        seeds: trainings on each side.

    Returns:
        For each side ``seconds`` and ``steps`` of each seed, None where the reward was not reached,
        and their medians; ours have ``prepare_s``, the time for the guide's prices and compiling.
    """
    ours = _ours(scenario, problem, seeds)
    peers = _median([_theirs(arena, seed) for seed in range(seeds)])
    result: dict[str, Any] = {"reward": REWARD, "ours": ours, "stable_baselines3": peers}
    ratio = with_preparation = None
    if peers["median_s"] and ours["median_s"]:
        ratio = round(peers["median_s"] / ours["median_s"], 1)
        seconds = ours["median_s"] + ours["prepare_s"]
        with_preparation = round(peers["median_s"] / seconds, 1)
    return {**result, "ratio": ratio, "ratio_with_preparation": with_preparation}


def _ours(scenario: Scenario, problem: Problem, seeds: int) -> dict[str, Any]:
    learner = system_of(problem.kind).recommended
    assert learner is not None
    began = time.perf_counter()
    plan = build_learner(learner, scenario, problem, OUR_STEPS)
    trainer = trainer_of(scenario, problem, plan)
    start = [trainer.init_training(jax.random.key(seed)) for seed in range(seeds)]
    go = trainer.program(start[0], 1)
    ready = time.perf_counter() - began
    judge = trainer.judge()

    updates = round(OUR_STEPS / trainer.steps)
    measured = []
    for training in start:
        jax.block_until_ready(go(training, jnp.int32(1)))  # loads the program
        measured.append(_until(training, go, judge, updates, trainer.steps))
    return {"learner": learner, "prepare_s": round(ready, 2), **_median(measured)}


def _until(
    training: Any, go: Any, judge: Callable[[Any], dict[str, float]], updates: int, size: int
) -> tuple[float | None, int | None]:
    seconds = 0.0
    for done in range(1, updates + 1):
        began = time.perf_counter()
        training, _ = jax.block_until_ready(go(training, jnp.int32(1)))
        seconds += time.perf_counter() - began
        if judge(training)["reward"] >= REWARD:
            return seconds, done * size
    return None, None


def _theirs(arena: Arena, seed: int) -> tuple[float | None, int | None]:
    shared = settings.settings_of(settings.ppo(THEIR_STEPS))
    call = functools.partial(sb3.history, "ppo", arena.name, shared, int(THEIR_STEPS), seed)
    for stage in apart(call):
        if float(np.mean(score(arena, policy_of("ppo", arena, stage)))) >= REWARD:
            return stage["seconds"], stage["steps"]
    return None, None


def _median(measured: list[tuple[float | None, int | None]]) -> dict[str, Any]:
    seconds = [None if one is None else round(one, 3) for one, _ in measured]
    reached = [one for one, _ in measured if one is not None]
    middle = round(float(np.median(reached)), 3) if len(reached) == len(measured) else None
    return {"seconds": seconds, "steps": [steps for _, steps in measured], "median_s": middle}


__all__ = ["REWARD", "measure_reach"]
