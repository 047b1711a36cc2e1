"""Measure what a decision of the active-inference planner costs, as ratios in one run."""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
import math
import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.agents.active_inference import ActiveInference
from edgewright.core.machine import machine_facts
from edgewright.core.spaces import Box
from edgewright.scenarios.learners import learner_settings

COLUMNS, NUMBERS = 116, 90
"""State and action of the published planner with two servers and 30 users."""

PUBLISHED_ITERATIONS, LONGEST_S = 7, 60.0
"""Iterations of the published search, and how long a decision may take before fewer are run."""

SQUARE = 2048
"""Side of the matrices whose product is the machine's rate."""

PRODUCTS_S = 2.0
"""Seconds that products of matrices are repeated for."""

ROUNDS = 3
STAGES = 4


def published(iterations: int) -> ActiveInference:
    """Return the planner of the published size; the replay is not needed."""
    settings = learner_settings("active-inference-paper", "aigc")
    sizes = {key: tuple(value) for key, value in settings.items() if isinstance(value, list)}
    learner = ActiveInference(**{**settings, **sizes}, free_energy="as-run", buffer_size=32)
    return dataclasses.replace(learner, plan_iterations=iterations)


def bench(on_progress: Callable[[str], None], iterations: int | None = None) -> dict[str, Any]:
    """Measure one decision of the published size, and of the small one on one core.

    Args:
        on_progress: called with what goes on, :data:`STAGES` times.
        iterations: of the search that are run; if None, all of them, or one where all would take
            more than :data:`LONGEST_S` seconds.
    """
    result: dict[str, Any] = {"machine": machine_facts(), "columns": COLUMNS, "numbers": NUMBERS}
    on_progress("one iteration of the published size")
    one = _Decision(published(iterations or 1))
    count = iterations or 1
    if iterations is None and one.seconds() * PUBLISHED_ITERATIONS <= LONGEST_S:
        count = PUBLISHED_ITERATIONS
        one = _Decision(published(count))
    on_progress(f"{count} iterations beside products of matrices and PyTorch")
    result["full"] = _beside(one, count)
    for stage, explore in (("greedy", False), ("exploring", True)):
        on_progress(f"the small planner, {stage}, on one core")
        wall, processor = _on_one_core(explore)
        small = {f"{stage}_ms": wall, f"{stage}_processor_ms": processor}
        result["small"] = result.get("small", {}) | small
    return result


class _Decision:
    """One compiled decision of a learner that has seen nothing."""

    def __init__(self, learner: ActiveInference, explore: bool = False) -> None:
        spaces = Box(-1.0, 1.0, (COLUMNS,)), Box(-1.0, 1.0, (NUMBERS,))
        state = learner.init(jax.random.key(0), *spaces)
        # The goal of a replay that is empty is 0, which any plan reaches.
        state = dataclasses.replace(state, goal=jnp.float32(1.0), steps=jnp.float32(1e9))
        self.policy = learner.policy(state, explore)
        self.carry = self.policy.init_carry(jax.random.key(1))
        self.observation = jnp.linspace(-1.0, 1.0, COLUMNS)
        act = jax.jit(lambda policy, *rest: policy.act(*rest))
        arguments = (self.policy, jax.random.key(2), self.carry, self.observation)
        self.compiled = act.lower(*arguments).compile()

    def seconds(self, seed: int = 0) -> float:
        """Return the seconds of one decision; the next one starts from its plan."""
        began = time.perf_counter()
        self.carry, _ = jax.block_until_ready(
            self.compiled(self.policy, jax.random.key(seed), self.carry, self.observation)
        )
        return time.perf_counter() - began

    @property
    def memory_bytes(self) -> int:
        """Return the memory of the program: its arguments, results and intermediate values."""
        memory: Any = self.compiled.memory_analysis()
        sizes = (memory.temp_size_in_bytes, memory.argument_size_in_bytes)
        return int(sum(sizes) + memory.output_size_in_bytes)


def work_flop(learner: ActiveInference) -> float:
    """Return the floating-point operations of the products of matrices in one decision."""
    inputs = COLUMNS + NUMBERS
    products = 0
    for sizes in (
        (inputs, *learner.hidden_sizes, 2 * COLUMNS),
        (inputs, *learner.reward_hidden_sizes, 2),
    ):
        products += sum(a * b for a, b in itertools.pairwise(sizes))
    evaluations = learner.ensemble_size * learner.num_candidates * learner.plan_horizon
    return 2.0 * evaluations * learner.plan_iterations * products


def _beside(decision: _Decision, iterations: int) -> dict[str, Any]:
    """Return rates of a decision, of a product of matrices and of PyTorch, one after the other."""
    learner = published(iterations)
    flop = work_flop(learner)
    peer = _torch(decision, iterations)
    rows = []
    for seed in range(ROUNDS):
        product, product_cpu = _product_rates()
        began = time.process_time()
        ours = flop / decision.seconds(seed)
        ours_cpu = flop / (time.process_time() - began)
        rows.append((ours, product, ours_cpu / product_cpu, peer() if peer else math.nan))
    ours, product, by_cpu, torch_s = (np.array(column) for column in zip(*rows, strict=True))
    seconds = float(np.median(flop / ours))
    result = {
        "iterations": iterations,
        "published_iterations": PUBLISHED_ITERATIONS,
        "tflop": round(flop / 1e12, 3),
        "seconds": round(seconds, 2),
        "decision_s": round(seconds * PUBLISHED_ITERATIONS / iterations, 1),
        "gflops": round(float(np.median(ours)) / 1e9, 1),
        "product_gflops": round(float(np.median(product)) / 1e9, 1),
        "share_of_product_rate": round(float(np.median(ours / product)), 3),
        "share_by_processor_time": round(float(np.median(by_cpu)), 3),
        "memory_mb": round(decision.memory_bytes / 1e6, 1),
        "torch_seconds": None,
        "ratio_to_torch": None,
    }
    if peer:
        result["torch_seconds"] = round(float(np.median(torch_s)), 2)
        result["ratio_to_torch"] = round(float(np.median(torch_s * ours / flop)), 2)
    return result


def _product_rates() -> tuple[float, float]:
    """Return operations of a product of square matrices per second, and per processor second.

    Products are repeated for as long as a rate needs to be that of sustained work.
    """
    matrix = jnp.ones((SQUARE, SQUARE))
    jax.block_until_ready(_product(matrix))
    began, began_cpu, count = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - began < PRODUCTS_S:
        jax.block_until_ready(_product(matrix))
        count += 1
    flop = 2.0 * SQUARE**3 * count
    seconds, processor = time.perf_counter() - began, time.process_time() - began_cpu
    return flop / seconds, flop / processor


@jax.jit
def _product(matrix: jax.Array) -> jax.Array:
    return matrix @ matrix


def _torch(decision: _Decision, iterations: int) -> Callable[[], float] | None:
    """Return a function that measures the same decision in PyTorch [s], if that is installed."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch  # pyright: ignore[reportMissingImports]

    from edgewright.bench.peers.planner_torch import transcribed

    planner = transcribed(decision.policy)
    observation = torch.from_numpy(np.array(decision.observation))

    def seconds() -> float:
        began = time.perf_counter()
        planner.decide(observation, NUMBERS, iterations)
        return time.perf_counter() - began

    planner.decide(observation, NUMBERS, 1)  # fills its caches
    return seconds


def _on_one_core(explore: bool) -> tuple[float, float]:
    """Return the milliseconds of a small decision, in a process of its own on one core."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(small_ms, explore).result()


def small_ms(explore: bool) -> tuple[float, float]:
    """Return the median milliseconds of a decision of the default planner on one core.

    Returns:
        of the clock, and of the processor, which other processes do not lengthen.
    """
    if hasattr(os, "sched_setaffinity"):  # before JAX counts its threads
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    decision = _Decision(ActiveInference(buffer_size=32), explore)
    rows = []
    for seed in range(22):
        began = time.process_time()
        rows.append((decision.seconds(seed), time.process_time() - began))
    wall, processor = 1e3 * np.median(np.array(rows[2:]), axis=0)
    return round(float(wall), 1), round(float(processor), 1)


__all__ = ["STAGES", "bench", "published", "small_ms", "work_flop"]
