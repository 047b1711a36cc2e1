"""The AIGC world against a slow reference: plain Python, float64, one device after another.

The reference is written from sections 1, 3 and 5 of the specification of the AIGC system. Run this
file as a script to write the golden trace again.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.systems.aigc import AigcInputs, AigcWorld

GOLDEN = Path(__file__).with_name("golden_aigc_trace.json")
DEFAULTS = {f: AigcWorld.__dataclass_fields__[f].default for f in AigcWorld.__dataclass_fields__}


def clip01(value: float) -> float:
    return min(1.0, max(0.0, value))


def reference_weights(p: dict[str, Any], w: dict[str, Any], s: dict[str, Any], d: int, mode: int):
    if not w["adaptive_weights"]:
        return [1 / 3] * 3
    need = clip01((p["low_charge_pct"] - s["charge"][d]) / p["low_charge_span_pct"])
    load = min(s["server"]) / p["load_limit_gcycles"]
    if w["reading"] == "paper":
        need = max(need, clip01((p["load_threshold"] - load) / p["load_span"]))
    w_q, w_t, w_e = p["mode_weights"][mode]
    return [w_q - p["shift_fraction"] * need * w_q, w_t, w_e + p["shift_fraction"] * need * w_q]


def reference_step(
    p: dict[str, Any], w: dict[str, Any], s: dict[str, Any], actions: list[int], x: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the next state and what happened; ``s`` and ``x`` hold lists of plain numbers."""
    devices, servers, levels = range(w["devices"]), range(w["servers"]), w["qualities"]
    gap = x["gap_s"]
    chosen = [divmod(a, levels) if w["quality_action"] else (a, levels // 2) for a in actions]
    work = []
    for d in devices:
        work.append(x["work_gcycles"][d] * p["quality_multiplier"][chosen[d][1]])
    active = [s["charge"][d] >= p["charge_floor_pct"] for d in devices]
    sent = [sum(work[d] for d in devices if active[d] and chosen[d][0] == n + 1) for n in servers]
    over = [sent[n] > 0 and s["server"][n] + sent[n] > p["load_limit_gcycles"] for n in servers]
    refusing = w["overflow"] == "reject"
    out: dict[str, Any] = {
        name: [] for name in ("delay", "energy", "edge", "drawn", "quality", "served", "price")
    }
    kept = [0.0 for _ in devices]
    for d in devices:
        place, level = chosen[d]
        up = 8 * x["input_mb"][d] / x["bandwidth_mbps"][d] + p["network_delay_s"]
        down = 8 * p["output_mb"] / x["bandwidth_mbps"][d] + p["network_delay_s"]
        served = active[d] and not (refusing and place > 0 and over[place - 1])
        if place == 0:
            speed, queue, idle = p["device_ghz"], s["local"][d], s["local_idle"][d]
            device_j, edge_j, air = p["kappa"] * (speed * 1e9) ** 2 * work[d] * 1e9, 0.0, 0.0
            if served:
                kept[d] = work[d]
        else:
            speed, queue = p["server_ghz"][place - 1], s["server"][place - 1]
            idle = s["server_idle"][place - 1]
            others = sum(work[o] for o in devices if o != d and active[o] and chosen[o][0] == place)
            queue += others / 2
            device_j = p["transmit_w"] * up + p["receive_w"] * down
            if w["reading"] == "paper":
                edge_j = p["kappa"] * (speed * 1e9) ** 2 * work[d] * 1e9
            else:
                edge_j = p["edge_j_per_gcycle"] * work[d]
            air = up + down
        if w["reading"] == "paper":
            slots = math.ceil(queue / (speed * p["slot_s"])) if queue > 0 else -idle
            wait = slots * p["slot_s"]
        else:
            wait = queue / speed
        delay = air + wait + work[d] / speed
        energy = device_j + edge_j
        if w["reading"] == "paper":
            energy = device_j if place == 0 else edge_j
        w_q, w_t, w_e = reference_weights(p, w, s, d, x["mode"][d])
        score = p["quality_score"][level]
        reward = w_q * score - w_t * delay / p["delay_norm_s"] - w_e * energy / p["energy_norm_j"]
        reward = p["reward_scale"] * reward if served else p["rejected_reward"]
        happened = {
            "delay": delay, "energy": energy, "edge": edge_j, "quality": score, "served": 1.0,
        }  # fmt: skip
        for name, value in happened.items():
            out[name].append(value if served else 0.0)
        out["drawn"].append((device_j if served else 0.0) + p["idle_w"] * gap)
        out["price"].append(reward)
    charge = [s["charge"][d] - 100 * out["drawn"][d] / p["battery_j"] for d in devices]
    spent = [c < p["charge_floor_pct"] for c in charge]
    overload = any(over) and not refusing
    after: dict[str, Any] = {"charge": charge, "slot": s["slot"] + 1, "local": [], "server": []}
    after["local_idle"], after["server_idle"] = [], []
    for d in devices:
        queue = s["local"][d] + kept[d]
        after["local"].append(max(0.0, queue - p["device_ghz"] * gap))
        after["local_idle"].append(0.0 if queue > 0 else s["local_idle"][d] + 1)
    for n in servers:
        queue = s["server"][n] + (0.0 if refusing and over[n] else sent[n])
        room = max(0.0, p["background_cap"] * p["load_limit_gcycles"] - queue)
        queue += min(x["background_gcps"][n] * gap, room)
        after["server"].append(max(0.0, queue - p["server_ghz"][n] * gap))
        after["server_idle"].append(0.0 if queue > 0 else s["server_idle"][n] + 1)
    out["terminated"] = overload or all(spent)
    out["truncated"] = after["slot"] >= p["horizon_slots"] and not out["terminated"]
    out["reward"] = [
        (out["price"][d] + (p["terminal_reward"] if spent[d] or overload else 0.0))
        if active[d]
        else 0.0
        for d in devices
    ]
    return after, out


def start(w: dict[str, Any], charge: list[float]) -> dict[str, Any]:
    devices, servers = w["devices"], w["servers"]
    return {
        "charge": list(charge), "local": [0.0] * devices, "local_idle": [0.0] * devices,
        "server": [0.0] * servers, "server_idle": [0.0] * servers, "slot": 0,
    }  # fmt: skip


def row(x: AigcInputs, t: int) -> dict[str, Any]:
    return {name: np.asarray(getattr(x, name), np.float64)[t].tolist() for name in (
        "input_mb", "work_gcycles", "bandwidth_mbps", "background_gcps", "gap_s",
    )} | {"mode": np.asarray(x.mode)[t].tolist()}  # fmt: skip


def play_reference(
    p: dict[str, Any], w: dict[str, Any], charge: list[float], actions: Any, rows: list[Any]
) -> dict[str, np.ndarray]:
    state, lines = start(w, charge), []
    for choice, x in zip(actions, rows, strict=True):
        state, out = reference_step(p, w, state, list(choice), x)
        lines.append({**state, **out, "charge_after": state["charge"]})
    return {name: np.array([line[name] for line in lines], np.float64) for name in lines[0]}


def play_world(world: AigcWorld, params: Any, actions: Any, rows: AigcInputs) -> dict[str, Any]:
    @functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
    def scan(params: Any, actions: Any, rows: Any) -> Any:
        first = world.reset(params, jax.tree.map(lambda leaf: leaf[0], rows))

        def body(state: Any, line: Any) -> Any:
            outcome = world.step(params, state, *line)
            return outcome.state, outcome

        return jax.lax.scan(body, first, (actions, rows))[1]

    made = scan(params, jnp.asarray(actions, jnp.int32), rows)
    return {
        "reward": made.reward, "terminated": made.terminated, "truncated": made.truncated,
        "charge": made.state.charge_pct, "local": made.state.local_backlog_gcycles,
        "server": made.state.server_backlog_gcycles, "slot": made.state.slot,
        "local_idle": made.state.local_idle_slots, "server_idle": made.state.server_idle_slots,
        "delay": made.metrics.delay_s, "energy": made.metrics.energy_j,
        "drawn": made.metrics.device_energy_j, "edge": made.metrics.edge_energy_j,
        "quality": made.metrics.quality, "served": made.metrics.served,
        "price": made.metrics.reward,
    }  # fmt: skip


SWITCHES: list[dict[str, Any]] = [
    {},
    {"reading": "paper"},
    {"overflow": "reject"},
    {"reading": "paper", "overflow": "reject"},
    {"adaptive_weights": False},
    {"quality_action": False},
]


ALONE = [{}, {"overflow": "reject"}, {"reading": "paper"}]


@pytest.mark.parametrize(
    ("devices", "switches"), [*((3, s) for s in SWITCHES), *((1, s) for s in ALONE)], ids=str
)
def test_random_rollouts_follow_the_reference(
    devices: int,
    switches: dict[str, Any],
    aigc_numbers: Callable[..., dict[str, Any]],
    aigc_params: Callable[..., Any],
    aigc_rows: Callable[..., AigcInputs],
) -> None:
    """150 slots of random actions, played on through every ending: all numbers agree."""
    changed = {
        "server_ghz": [16.0, 11.0], "load_limit_gcycles": 25.0, "battery_j": 6e3, "idle_w": 0.5,
        "horizon_slots": 20.0, "quality_score": [0.5, 0.8, 0.95], "reward_scale": 1.5,
    }  # fmt: skip
    world = AigcWorld(devices=devices, **switches)
    steps, rng = 150, np.random.default_rng(7)
    gaps = rng.uniform(0.2, 0.8, steps)
    rows = aigc_rows(rng, steps, devices, load_gcps=9.0, gap_s=gaps, charge=(15.0, 40.0))
    actions = rng.integers(0, world.actions, (steps, devices))
    assert set(actions.ravel().tolist()) == set(range(world.actions))

    p, w = aigc_numbers(**changed), {**DEFAULTS, "devices": devices, **switches}
    charge = np.asarray(rows.initial_charge_pct, np.float64)[0].tolist()
    expected = play_reference(p, w, charge, actions, [row(rows, t) for t in range(steps)])
    made = play_world(world, aigc_params(**changed), actions, rows)
    for name, values in made.items():
        np.testing.assert_allclose(values, expected[name], rtol=2e-4, atol=2e-4, err_msg=name)

    assert expected["terminated"].any()
    assert expected["truncated"].any()
    before = np.concatenate([[charge], expected["charge"][:-1]])
    refused = (expected["served"] == 0) & (before >= p["charge_floor_pct"])
    assert refused.any() == (switches.get("overflow") == "reject")
    if devices > 1:  # a device ran out while others went on
        alone = expected["served"].max(axis=1) > expected["served"].min(axis=1)
        assert alone.any()


def test_golden_trace(aigc_params: Callable[..., Any]) -> None:
    """20 slots whose numbers were written by the reference above, not by the world."""
    golden = json.loads(GOLDEN.read_text())
    rows = golden["inputs"]
    fields = {n: jnp.asarray([r[n] for r in rows], jnp.float32) for n in rows[0] if n != "mode"}
    inputs = AigcInputs(
        mode=jnp.asarray([r["mode"] for r in rows], jnp.int32),
        initial_charge_pct=jnp.full((len(rows), 1), golden["initial_charge_pct"]),
        **fields,
    )
    made = play_world(AigcWorld(), aigc_params(), golden["actions"], inputs)
    assert len(golden["expected"]["reward"]) == 20
    for name, values in golden["expected"].items():
        np.testing.assert_allclose(made[name], values, rtol=1e-4, atol=1e-4, err_msg=name)


def write_golden(p: dict[str, Any]) -> None:
    """Write the trace: the `heavy` numbers, one device, every action, charge near the bend."""
    rng = np.random.default_rng(20)
    rows = [
        {
            "input_mb": [round(rng.uniform(10, 25), 2)],
            "work_gcycles": [round(rng.uniform(3, 8), 2)],
            "bandwidth_mbps": [round(rng.uniform(50, 150), 1)],
            "background_gcps": [round(float(v), 1) for v in rng.exponential(9, 2)],
            "gap_s": 0.5,
            "mode": [int(rng.integers(0, 3))],
        }
        for _ in range(20)
    ]
    actions = [[(4 * t) % 9] for t in range(20)]
    made = play_reference(p, DEFAULTS, [35.0], actions, rows)
    names = ["reward", "delay", "energy", "drawn", "quality", "charge", "local", "server"]
    golden = {
        "origin": "written by reference_step of test_aigc_reference.py (float64 Python from the "
        "specification), heavy numbers of tests/conftest.py; not by edgewright.systems.aigc",
        "initial_charge_pct": 35.0,
        "actions": actions,
        "inputs": rows,
        "expected": {name: np.round(made[name], 6).tolist() for name in names},
    }
    GOLDEN.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    import runpy

    write_golden(runpy.run_path(str(Path(__file__).parents[2] / "conftest.py"))["HEAVY"])
