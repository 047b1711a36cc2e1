"""Time engines in alternating small rounds, so that a busy moment affects all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

ROUNDS, CALLS, BATCH = 15, 400, 256


def measure(
    calls: Mapping[str, Callable[[], Any]], rounds: int = ROUNDS, count: int = CALLS
) -> dict[str, dict[str, float]]:
    """Return p50 and p99 in microseconds of each call: the medians over rounds of each."""
    result: dict[str, list[np.ndarray]] = {name: [] for name in calls}
    clock = time.perf_counter_ns
    for call in calls.values():
        for _ in range(count // 4):
            call()
    for _ in range(rounds):
        for name, call in calls.items():
            taken = np.empty(count)
            for index in range(count):
                began = clock()
                call()
                taken[index] = clock() - began
            result[name].append(np.percentile(taken, [50, 99]) / 1e3)
    return {
        name: dict(zip(("p50_us", "p99_us"), np.median(rows, axis=0).tolist(), strict=True))
        for name, rows in result.items()
    }


def measure_engines(engines: Mapping[str, Any], rows: np.ndarray) -> dict[str, dict[str, float]]:
    """Return latency of one row and rows per second of a batch, one thread, for each engine."""
    one = rows[0].tolist()
    batch = np.resize(rows, (BATCH, rows.shape[1])).astype(np.float32)
    single = measure({name: lambda e=e: e.one(one) for name, e in engines.items()})
    many = measure({name: lambda e=e: e.many(batch) for name, e in engines.items()}, count=50)
    return {
        name: {**single[name], "batch_rows_per_s": BATCH / many[name]["p50_us"] * 1e6}
        for name in engines
    }
