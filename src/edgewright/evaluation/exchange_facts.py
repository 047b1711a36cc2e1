"""Sum up what a fleet exchanged while it trained, from its logs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgewright.agents.fleet import Fleet
from edgewright.core.errors import InputError
from edgewright.core.settings import settings_of
from edgewright.evaluation.link_facts import link_facts
from edgewright.evaluation.privacy import DELTA, epsilon
from edgewright.scenarios.build import build, build_learner
from edgewright.training import checkpoint
from edgewright.training.recorded_rounds import bytes_of_a_device
from edgewright.training.runs import Request

LOGGED = ("uplink_bytes", "downlink_bytes")


def exchange_facts(request: Request, out: Path) -> dict[str, Any]:
    """Return ``{"exchange": ...}`` of a run whose learner is a fleet; nothing of others.

    Bytes are those of all devices for a thousand environment steps, each of which is a slot with a
    decision of every device, as means over seeds. ``privacy`` is there where noise was added, and
    ``links`` where there are recordings of bandwidth, see :mod:`.link_facts`. ``missed_share`` is
    the share of rounds that a device missed, where some did.
    """
    logs = [checkpoint.read_log(out / f"seed-{seed}", "metrics") for seed in request.numbers]
    if not all(rows and LOGGED[0] in rows[0] for rows in logs):
        return {}
    per_step = {name: np.mean([_per_step(rows, name) for rows in logs]) for name in LOGGED}
    facts: dict[str, Any] = {
        f"{name}_per_thousand_steps": float(1e3 * value) for name, value in per_step.items()
    }
    settings = _settings(request)
    facts["mode"], facts["encoding"] = settings["mode"], settings["encoding"]
    noise = float(settings["noise_multiplier"])
    if noise and facts["mode"] == "federated":
        rounds = int(logs[0][-1]["iteration"]) // int(settings["local_updates"])
        facts["privacy"] = _privacy(noise, rounds)
    steps = float(logs[0][-1]["steps"])
    devices = request.scenario.world.devices
    up, down = (per_step[name] * steps / devices for name in LOGGED)
    counted = "exchanges" in logs[0][0]  # logs of before do not count them
    exchanges = (
        steps * float(np.mean([_per_step(r, "exchanges") for r in logs])) if counted else 0.0
    )
    missed = _missed_share(logs, settings)
    if missed:
        facts["missed_share"] = missed
    if missed and exchanges and facts["mode"] in ("federated", "synchronous"):
        up = exchanges * _upload_bytes(
            request, logs, exchanges
        )  # not all send, and a round is for all
    deadline = float(settings["deadline_s"])
    links = link_facts(request.data, devices, exchanges, up, down, facts["mode"], deadline)
    return {"exchange": {**facts, **links}}


def _settings(request: Request) -> dict[str, Any]:
    """Return the settings of the fleet of a request."""
    defaults = {name: default for name, (default, _) in settings_of(Fleet).items()}
    return {**defaults, **request.scenario.learner}


def _missed_share(logs: list[list[dict[str, Any]]], settings: dict[str, Any]) -> float:
    """Return the share of rounds that a device missed, a mean over devices and seeds."""
    if "missed_share" not in logs[0][0]:
        return 0.0
    each = int(settings["local_updates"]) if settings["mode"] in ("federated", "distilled") else 1
    shares = []
    for rows in logs:
        rounds = int(rows[-1]["iteration"]) // each
        missed = _per_step(rows, "missed_share") * rows[-1]["steps"]  # of all rounds together
        shares.append(missed / rounds if rounds else 0.0)
    return float(np.mean(shares))


def _upload_bytes(request: Request, logs: list[list[dict[str, Any]]], exchanges: float) -> float:
    """Return the bytes that a device sends in one of its exchanges, in which it does not miss.

    Args:
        exchanges: of the training. Those of an update of ``synchronous`` share its statistics.
    """
    problem = build(request.scenario, request.data)
    plan = build_learner(request.learner, request.scenario, problem, request.steps)
    fleet = plan.learner
    assert isinstance(fleet, Fleet)
    messages = exchanges / logs[0][-1]["iteration"] if fleet.mode == "synchronous" else 1.0
    return float(bytes_of_a_device(fleet, plan, problem, messages)[0]) / messages


def _per_step(rows: list[dict[str, Any]], name: str) -> float:
    """Return the mean over all updates of a log, divided by the steps of an update.

    A row is a mean over the updates since the row before.
    """
    ends = np.array([row["iteration"] for row in rows], np.float64)
    weights = np.diff(ends, prepend=0.0)
    steps = rows[-1]["steps"] / ends[-1]
    return float(np.average([row[name] for row in rows], weights=weights) / steps)


def _privacy(noise: float, rounds: int) -> dict[str, Any]:
    """Return noise, rounds, delta and epsilon; None and the remedy without the accountant."""
    facts = {"noise_multiplier": noise, "rounds": rounds, "delta": DELTA, "protects": "a device"}
    try:
        return {**facts, "epsilon": epsilon(noise, rounds)}
    except InputError as error:
        return {**facts, "epsilon": None, "why": f"{error.message}: {error.hint}"}


__all__ = ["exchange_facts"]
