"""The slots of the caching world once more, user by user in plain Python and NumPy.

The baseline of the speed comparison, with the loops over users that the published scripts have, and
the reference that tests hold the world to. It imports nothing of JAX.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Numbers = dict[str, Any]
"""The numbers of the world by name, as NumPy arrays and floats."""


def slot_latency_s(
    numbers: Numbers,
    switches: dict[str, Any],
    cached: np.ndarray,
    action: dict[str, np.ndarray],
    x: dict[str, np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Return latency [s] and hit of every user ``[U]``.

    Args:
        switches: ``channel``, ``fading``, ``zero_share`` of the world, by name.
        cached: ``[M, K]``.
        action: ``server``, ``bandwidth``, ``speed``, ``[U]`` each.
        x: ``service``, ``x_m``, ``y_m`` ``[U]`` and ``fading`` ``[U, M]``.
    """
    users = len(x["service"])
    latency, hits = np.zeros(users), np.zeros(users)
    servers = len(cached)
    totals = {name: _totals(numbers, switches, servers, action, name) for name in SHARED}
    for user in range(users):
        server, service = int(action["server"][user]), int(x["service"][user])
        shares = [
            _share(numbers, switches, float(action[name][user]), totals[name][server])
            for name in SHARED
        ]
        band_mhz = shares[0] * numbers["bandwidth_mhz"][server]
        rate = band_mhz * _efficiency(numbers, switches, x, user, server)
        latency[user] = numbers["input_mbit"][service] / rate
        if cached[server, service] > 0:
            hits[user] = 1.0
            speed = shares[1] * numbers["server_ghz"][server]
            latency[user] += numbers["work_gcycles"][service] / speed
        else:
            latency[user] += numbers["input_mbit"][service] / numbers["cloud_mbps"]
            latency[user] += numbers["work_gcycles"][service] / numbers["cloud_ghz"]
            latency[user] += numbers["cloud_delay_s"]
    return latency, hits


SHARED = ("bandwidth", "speed")


def _totals(
    numbers: Numbers,
    switches: dict[str, Any],
    servers: int,
    action: dict[str, np.ndarray],
    name: str,
) -> list[float]:
    """Return the sum of the weights at each server."""
    sums = [0.0] * servers
    for server, weight in zip(action["server"], action[name], strict=True):
        sums[int(server)] += _weight(numbers, switches, float(weight))
    return sums


def _weight(numbers: Numbers, switches: dict[str, Any], weight: float) -> float:
    least = numbers["least_weight"] if switches["zero_share"] == "budget" else 0.0
    return min(max(weight, 0.0), 1.0) + least


def _share(numbers: Numbers, switches: dict[str, Any], weight: float, total: float) -> float:
    share = _weight(numbers, switches, weight) / (total if total > 0 else 1.0)
    if switches["zero_share"] == "budget":
        return share
    rounded = round(share, 3)
    return rounded if rounded > 0 else numbers["fallback_share"]


def _efficiency(
    numbers: Numbers, switches: dict[str, Any], x: dict[str, np.ndarray], user: int, server: int
) -> float:
    """Return bit/s/Hz of the link that the choice of a server uses."""
    linked = int(numbers["cell"][user]) if switches["channel"] == "cell" else server
    apart_x = float(x["x_m"][user]) - (linked + 0.5) * numbers["cell_m"]
    apart_y = float(x["y_m"][user]) - 0.5 * numbers["cell_m"]
    distance_m = max(math.hypot(apart_x, apart_y), numbers["nearest_m"])
    loss_db = 128.1 + 37.6 * math.log10(distance_m / 1000.0)
    fading = float(x["fading"][user, linked])
    if switches["fading"] == "amplitude":
        fading = math.sqrt(2.0 * fading)
    ratio_db = numbers["transmit_dbm"] - numbers["noise_dbm"] - loss_db
    return math.log2(1.0 + 10.0 ** (ratio_db / 10.0) * fading)


def play(
    numbers: Numbers,
    switches: dict[str, Any],
    law: np.ndarray,
    slots: int,
    random: np.random.Generator,
) -> float:
    """Play slots with everything cached, drawn user by user; return the mean latency [s].

    Args:
        law: probabilities of the services.
    """
    servers, services = len(numbers["server_ghz"]), len(law)
    users, cell_m = len(numbers["cell"]), float(numbers["cell_m"])
    cached, total = np.ones((servers, services)), 0.0
    for _ in range(slots):
        drawn: dict[str, Any] = {"service": [], "x_m": [], "y_m": [], "fading": []}
        for user in range(users):
            drawn["service"].append(random.choice(services, p=law))
            drawn["x_m"].append(random.uniform(0.0, cell_m) + numbers["cell"][user] * cell_m)
            drawn["y_m"].append(random.uniform(0.0, cell_m))
            drawn["fading"].append(random.exponential(size=servers))
        x = {name: np.array(values) for name, values in drawn.items()}
        weights = np.ones(users)
        action = {"server": numbers["cell"], "bandwidth": weights, "speed": weights}
        total += float(np.mean(slot_latency_s(numbers, switches, cached, action, x)[0]))
    return total / slots


__all__ = ["play", "slot_latency_s"]
