"""Measure scores and speed of other libraries beside ours, in one run on one machine."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import math
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.bench.peers import jax_peers, require, sb3, settings
from edgewright.bench.peers.arena import Arena, arena_of, target_arena
from edgewright.bench.peers.reach import measure_reach
from edgewright.bench.peers.transcription import check_transcribed
from edgewright.bench.peers.transfer import apart, policy_of, score, workers
from edgewright.bench.peers.worlds import measure_worlds
from edgewright.core.machine import cores, machine_facts
from edgewright.core.protocols import Learner, Policy
from edgewright.evaluation import statistics
from edgewright.loops.online import advance, init_training
from edgewright.loops.repeat import compile_rounds
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load
from edgewright.training.runs import threads
from edgewright.training.seed import CHUNK

PACKAGES = ("gymnasium", "stable-baselines3", "torch", "sbx-rl", "rejax", "gymnax")
MARGIN = 0.02
"""Rewards per slot that differ by less are taken as equal: a fifth of what lies between greedy and
the bound on aigc-heavy. Without a margin, fewer seeds would agree more easily."""

KINDS: tuple[sb3.Kind, ...] = ("ppo", "dqn", "td3", "sac")
PARTS = ("world", *KINDS, "reach")
"""What is measured, by the names of the result's keys."""

MAX_REACHING = 3
"""Most seeds of each side that are trained until a reward is reached."""


def bench(
    scenario: str,
    steps: int,
    seeds: int,
    on_progress: Callable[[str], None],
    parts: tuple[str, ...] = PARTS,
) -> dict[str, Any]:
    """Measure speeds, then train every seed on both sides and compare the scores.

    Args:
        scenario: one that the transcription knows.
        steps: environment steps of each training whose score is compared.
        seeds: trainings of each kind on each side.
        on_progress: called with what goes on, :func:`stages` times.
        parts: which of :data:`PARTS` are measured.

    Raises:
        InputError: the extra is missing, or the scenario is not transcribed.
    """
    require()
    chosen = load(scenario)
    check_transcribed(chosen)
    problem = build(chosen)
    began = time.perf_counter()
    result: dict[str, Any] = {"scenario": scenario, "machine": _machine()}
    if "world" in parts:
        on_progress("worlds")
        result["world"] = measure_worlds(chosen, problem)
    arena = arena_of(chosen, problem)
    sides: dict[str, tuple[Arena, Learner]] = {
        "ppo": (arena, settings.ppo(steps)),
        "dqn": (arena, settings.dqn(steps)),
        "td3": (target_arena(), settings.td3(steps)),
        "sac": (target_arena(), settings.sac(steps)),
    }
    kinds: list[sb3.Kind] = [kind for kind in KINDS if kind in {*parts}]
    for kind in kinds:
        on_progress(f"speed of {kind}")
        result[kind] = {"speed": measure_speed(kind, *sides[kind])}
    for kind in kinds:
        on_progress(f"scores of {kind}")
        result[kind]["score"] = compare_scores(kind, *sides[kind], steps, seeds)
    if "reach" in parts:
        on_progress("time to a reward")
        result["reach"] = measure_reach(chosen, problem, arena, min(seeds, MAX_REACHING))
    result["seconds"] = round(time.perf_counter() - began, 1)
    return result


def stages(parts: tuple[str, ...]) -> int:
    """Return how often :func:`bench` says what goes on."""
    return sum(2 if part in KINDS else 1 for part in parts)


def _machine() -> dict[str, Any]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return {**machine_facts(), "packages": versions}


# --- learners ------------------------------------------------------------------------------------


def measure_speed(kind: sb3.Kind, arena: Arena, learner: Any) -> dict[str, Any]:
    """Return steps per second of one training, ours and theirs, and the ratios.

    Theirs run alone in a fresh process, with one and with two threads of torch, and are compared
    at the faster one.
    """
    shared = settings.settings_of(learner)
    update = learner.num_envs * learner.rollout_steps
    count = 5 * update if kind == "ppo" else 40 * update
    rates: dict[str, float] = {}
    for index in ("transcription", "adapter"):
        for number in (1, 2):
            call = functools.partial(sb3.rate, kind, arena.name, shared, index, number, count)
            rates[f"{index}_{number}_threads"] = apart(call)
    ours = _our_rate(arena, learner)
    best = max(rates.values())
    result: dict[str, Any] = {
        "settings": shared,
        "ours_compile_s": round(ours[0], 2),
        "ours_steps_per_s": round(ours[1]),
        "stable_baselines3_steps_per_s": {name: round(rate) for name, rate in rates.items()},
        "ratio_to_stable_baselines3": round(ours[1] / best, 1),
    }
    if kind == "ppo":
        result |= _jax_peers(arena.name, shared, ours[1])
    return result


def _jax_peers(scenario: str, shared: dict[str, Any], ours: float) -> dict[str, Any]:
    """Return the same of sbx and rejax, or null where they are not installed."""
    result: dict[str, Any] = {"sbx_steps_per_s": None, "rejax": None}
    if importlib.util.find_spec("sbx"):
        rate = max(
            apart(functools.partial(jax_peers.sbx_rate, scenario, shared, index))
            for index in ("transcription", "adapter")
        )
        result["sbx_steps_per_s"] = round(rate)
        result["ratio_to_sbx"] = round(ours / rate, 1)
    if importlib.util.find_spec("rejax") and importlib.util.find_spec("gymnax"):
        rejax = apart(functools.partial(jax_peers.rejax_rate, scenario, shared))
        result["rejax"] = {
            "compile_s": round(rejax["compile_s"], 2),
            "steps_per_s": round(rejax["steps_per_s"]),
        }
        result["ratio_to_rejax"] = round(ours / rejax["steps_per_s"], 2)
    return result


def _our_rate(arena: Arena, learner: Learner) -> tuple[float, float]:
    """Return the seconds until our training is ready, and its steps per second: median of five."""
    arguments = (arena.params, arena.train_stream, learner)
    began = time.perf_counter()
    training = init_training(jax.random.key(0), arena.world, *arguments)
    go = compile_rounds(advance, arena.world, arguments, training, CHUNK)
    ready = time.perf_counter() - began
    rates = []
    for _ in range(6):
        began = time.perf_counter()
        training, _ = jax.block_until_ready(go(training, jnp.int32(CHUNK)))
        rates.append(
            CHUNK * learner.num_envs * learner.rollout_steps / (time.perf_counter() - began)
        )
    return ready, float(np.median(rates[1:]))


# --- scores --------------------------------------------------------------------------------------


def compare_scores(
    kind: sb3.Kind, arena: Arena, learner: Any, steps: int, seeds: int
) -> dict[str, Any]:
    """Train both sides and score their greedy policies on the same episodes of the evaluation.

    Returns:
        mean reward of each side with its interval over seeds and episodes, and the interval of
        the difference. ``agree`` says that the whole of it lies within :data:`MARGIN`.
    """
    ours = np.stack([score(arena, policy) for policy in _ours(arena, learner, steps, seeds)])
    shared = settings.settings_of(learner)
    taken = _rounds(learner, steps) * learner.num_envs * learner.rollout_steps
    with workers(min(seeds, cores())) as pool:
        jobs = [
            pool.submit(sb3.train, kind, arena.name, shared, taken, seed) for seed in range(seeds)
        ]
        trained = [job.result() for job in jobs]
    peer_scores = np.stack([score(arena, policy_of(kind, arena, one)) for one in trained])
    difference = statistics.paired_difference(ours, peer_scores)
    return {
        "steps": trained[0]["steps"],
        "seeds": seeds,
        "episodes": int(ours.shape[1]),
        "ours": _interval(ours),
        "stable_baselines3": _interval(peer_scores),
        "difference": difference.summary(),
        "margin": MARGIN,
        "agree": is_small(difference),
    }


def is_small(difference: statistics.Interval) -> bool:
    """Return whether a difference was shown to be below the margin, either way."""
    return bool(difference.low > -MARGIN and difference.high < MARGIN)


def _ours(arena: Arena, learner: Learner, steps: int, seeds: int) -> list[Policy]:
    """Return the greedy policies of all seeds, trained side by side."""
    arguments = (arena.params, arena.train_stream, learner)
    needed = _rounds(learner, steps)
    start = [init_training(jax.random.key(seed), arena.world, *arguments) for seed in range(seeds)]
    go = compile_rounds(advance, arena.world, arguments, start[0], CHUNK)

    def train(training: Any) -> Policy:
        for done in range(0, needed, CHUNK):
            training, _ = go(training, jnp.int32(min(CHUNK, needed - done)))
        return learner.policy(jax.block_until_ready(training.learner), explore=False)

    with threads(seeds) as pool:
        return list(pool.map(train, start))


def _interval(rewards: np.ndarray) -> dict[str, Any]:
    each = [round(float(value), 4) for value in rewards.mean(axis=1)]
    return {**statistics.mean_interval(rewards).summary("reward"), "seeds": each}


def _rounds(learner: Learner, steps: int) -> int:
    """Return how many rounds of playing and learning ``steps`` need, rounded up."""
    return math.ceil(steps / (learner.num_envs * learner.rollout_steps))
