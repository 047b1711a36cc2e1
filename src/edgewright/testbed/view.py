"""Show a simulated state to a policy as the gateway shows its measurements."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

from edgewright.gateway.options import Chooser, Option, nearest_delay
from edgewright.testbed.fit import Fitted
from edgewright.testbed.objective import Arrival

_SERVER = re.compile(r"server_(\d+)_backlog_gcycles")


@dataclasses.dataclass(frozen=True)
class State:
    """Measurements that a policy may see besides the request.

    Attributes:
        queue_s: ``[1 + N]`` seconds of work ahead at each location.
        mbps: bandwidth of the link.
        number: requests before this one.
        uplink_mb: left to send before a new upload.
    """

    queue_s: Sequence[float]
    mbps: float
    number: int
    uplink_mb: float = 0.0


def observation(
    names: Sequence[str], arrival: Arrival, state: State, fitted: Fitted
) -> dict[str, Any] | None:
    """Return the values of the fields of a bundle of the calibrated scenario.

    Args:
        names: of the fields; none for a rule, which observes nothing.
    """
    if not names:
        return None
    values: dict[str, Any] = {
        "input_mb": 1e-6 * arrival.request_bytes,
        "work_gcycles": fitted.work_gcycles(arrival.size),
        "mode": arrival.mode,
        "charge_pct": 100.0,
        "bandwidth_mbps": state.mbps,
        "local_backlog_gcycles": state.queue_s[0] * fitted.ghz[0],
        "task_number": float(state.number),
        "uplink_backlog_mb": state.uplink_mb,
        "phase": 0.0,
    }
    for name in names:
        if match := _SERVER.fullmatch(name):
            server = int(match[1])
            values[name] = state.queue_s[server] * fitted.ghz[server]
    return {name: values[name] for name in names}


def chosen(chooser: Chooser, options: Sequence[Option], row: dict[str, Any] | None) -> Option:
    """Return what a policy chooses; the fastest where it cannot decide."""
    ranked = chooser.rank(options, row)
    return ranked[0] if ranked else nearest_delay(options)
