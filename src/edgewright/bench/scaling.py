"""Measure how time and memory grow with the number of devices, in one process for each size."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from edgewright.agents.ppo import PPO
from edgewright.core.compilation import keep_compilations
from edgewright.core.errors import CheckFailed
from edgewright.loops.unroll import init_rollout, next_rows, unroll
from edgewright.reporting.style import BLUE, GREY, SMALL, WIDE, canvas, style
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZES = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)
SERVERS = 1_000
SCENARIO = "aigc-city"

ROWS = 16
"""Slots in one call, the same for all sizes: the inputs of a call are drawn in bulk."""

LARGE = 10_000
"""The exponent of time is fitted from here: below, the fixed cost of a slot dominates."""

VISIBLE = 1.1
"""The exponent of memory is fitted where the peak is this many times that of the smallest size."""

MIN_S = 1.0

_PROBE = """
import json, sys
from edgewright.bench.scaling import measure
print(json.dumps(measure(int(sys.argv[1]), int(sys.argv[2]), play=sys.argv[3] == "play")))
"""


def scaling(
    sizes: Sequence[int] = SIZES,
    servers: int = SERVERS,
    on_progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Measure every size in a process of its own and fit exponents.

    Each size is compiled by a process before the one that is measured, whose peak memory is then
    that of playing.

    Returns:
        ``rows`` as of :func:`measure`; ``time_exponent``, ``a`` in seconds per slot ~ ``M^a`` from
        ``LARGE`` devices, and ``memory_exponent``, the same of the memory above that of the
        smallest size, from where that is ``VISIBLE``; by least squares on logarithms. Null where
        fewer than two sizes are as large.
    """
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for devices in sizes:
            if on_progress:
                on_progress(f"{devices:,} devices")
            _probe(devices, servers, folder, "compile")
            rows.append(_probe(devices, servers, folder, "play"))
    large = [row for row in rows if row["devices"] >= LARGE]
    base = rows[0]["peak_memory_mb"]
    visible = [row for row in rows[1:] if row["peak_memory_mb"] > VISIBLE * base]
    return {
        "scenario": SCENARIO,
        "servers": servers,
        "reach": rows[0]["reach"],
        "policy": "actor of SE-PPO, 64 and 64 hidden units, sampling",
        "rows": rows,
        "time_exponent": _exponent(large, lambda row: 1 / row["slots_per_s"]),
        "memory_exponent": _exponent(visible, lambda row: row["peak_memory_mb"] - base),
        "bytes_per_device": round(1e6 * (rows[-1]["peak_memory_mb"] - base) / rows[-1]["devices"]),
    }


def _exponent(rows: list[dict[str, Any]], value: Callable[[dict[str, Any]], float]) -> Any:
    """Return the exponent and the sizes it is fitted on, or None."""
    if len(rows) < 2:
        return None
    count = [row["devices"] for row in rows]
    slope = np.polyfit(np.log(count), np.log([value(row) for row in rows]), 1)[0]
    return {"exponent": round(float(slope), 3), "from": count[0], "to": count[-1]}


def _probe(devices: int, servers: int, cache: str, what: str) -> dict[str, Any]:
    command = [sys.executable, "-c", _PROBE, str(devices), str(servers), what]
    environment = {k: v for k, v in os.environ.items() if k != "EDGEWRIGHT_DATA"}
    environment["EDGEWRIGHT_CACHE"] = cache
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"signal {-done.returncode}"])[-1]
        raise CheckFailed(f"{devices:,} devices could not be measured: {last}")
    return json.loads(done.stdout)


def measure(devices: int, servers: int, *, play: bool = True) -> dict[str, Any]:
    """Return how fast one fleet decides, and the peak memory of this process so far.

    A slot is everything: inputs drawn, observed, decided by a network, stepped. The network is
    fresh: how well it decides changes nothing. Without ``play`` the programs are compiled only.
    """
    keep_compilations()
    sizes = {"world.devices": devices, "world.servers": servers, "params.horizon_slots": 10**6}
    problem = build(load(SCENARIO, sizes))
    world, params, stream = problem.world, problem.params, problem.test_stream
    key = jax.random.key(0)
    learner = PPO(num_envs=1)

    @jax.jit
    def begin(params: Any) -> Any:
        carry, rows = next_rows(stream, jax.vmap(stream.init_carry)(key[None]), 1)
        first = jax.tree.map(lambda leaf: leaf[0], rows)
        spaces = world.observation_space(params), world.action_space(params)
        policy = learner.policy(learner.init(key, *spaces), explore=True)
        return carry, policy, init_rollout(key, world, params, policy, first)

    @jax.jit
    def some_slots(params: Any, policy: Any, carry: Any, games: Any) -> Any:
        carry, rows = next_rows(stream, carry, ROWS)
        games, trajectory = unroll(key, world, params, policy, games, rows)
        return carry, games, trajectory.reward.mean()

    started = time.perf_counter()
    begin.lower(params).compile()
    carry, policy, games = jax.eval_shape(begin, params)
    some_slots.lower(params, policy, carry, games).compile()
    ready = time.perf_counter()
    if not play:
        return {"ready_s": round(ready - started, 2)}
    carry, policy, games = begin(params)
    carry, games, _ = jax.block_until_ready(some_slots(params, policy, carry, games))
    times = []
    while len(times) < 3 or (sum(times) < MIN_S and len(times) < 50):
        begun = time.perf_counter()
        carry, games, _ = jax.block_until_ready(some_slots(params, policy, carry, games))
        times.append(time.perf_counter() - begun)
    slots = ROWS / float(np.median(times))
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kibibytes here
    return {
        "devices": devices,
        "servers": servers,
        "reach": world.reach,
        "slots_per_s": slots,
        "decisions_per_s": round(slots * devices),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1),
    }


def draw(result: dict[str, Any]) -> Figure:
    """Draw decisions per second and peak memory over the number of devices, both logarithmic."""
    rows = result["rows"]
    count = np.array([row["devices"] for row in rows], float)
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    with style():
        figure, panels = canvas(WIDE, 2.8, panels=2)
        wanted = (
            ("decisions_per_s", "device-decisions per second (1/s)"),
            ("peak_memory_mb", "peak memory of the process (MB)"),
        )
        for axes, (key, label) in zip(panels, wanted, strict=True):
            values = np.array([row[key] for row in rows], float)
            axes.plot(count, values, color=BLUE, marker="o")
            axes.set(xscale="log", yscale="log", xlabel="devices", ylabel=label)
            axes.set_ylim(values.min() / 2, values.max() * 2)
        scale = panels[1].yaxis
        scale.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        scale.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        scale.set_minor_formatter(NullFormatter())
        notes = (
            ("seconds per slot", result["time_exponent"]),
            (f"memory above {rows[0]['peak_memory_mb']:.0f} MB", result["memory_exponent"]),
        )
        for axes, (what, fit) in zip(panels, notes, strict=True):
            if fit:
                text = f"{what} $\\sim M^{{{fit['exponent']:.2f}}}$, M from {fit['from']:,}"
                axes.set_title(text, loc="right", color=GREY, fontsize=SMALL)
    return figure
