"""What a fleet exchanged, from logs of which the numbers are known by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgewright.evaluation import exchange_facts as module
from edgewright.evaluation.exchange_facts import exchange_facts
from edgewright.scenarios.load import load
from edgewright.training.runs import Request

SIZES: dict[str, Any] = {
    "world.devices": 2,
    "world.overflow": "reject",
    "learner.num_envs": 2,
    "learner.rollout_steps": 8,
    "learner.batch_size": 8,
    "learner.hidden_sizes": [8],
    "learner.buffer_size": 64,
    "learner.normalize_observations": False,
    "learner.normalize_rewards": False,
}
PARAMETERS = 11 * 8 + 8 + 8 * 10 + 10
"""Of a network of 11 features, 9 actions and a value beside them."""


def facts_of(
    monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, float]], **settings: Any
) -> tuple[dict[str, Any], list[Any]]:
    """Return the facts of one seed with these logs, and what was asked of the links."""
    asked: list[Any] = []
    monkeypatch.setattr(module.checkpoint, "read_log", lambda *_: rows)
    monkeypatch.setattr(module, "link_facts", lambda *args: asked.append(args) or {})
    values = {**SIZES, **{f"learner.{name}": value for name, value in settings.items()}}
    request = Request(load("aigc-heavy", values), "dqn-fleet", rows[-1]["steps"], 1)
    return exchange_facts(request, Path("unused"))["exchange"], asked


def row(update: int, missed: float, exchanges: float, up: float) -> dict[str, float]:
    return {
        "iteration": update,
        "steps": 16.0 * update,
        "uplink_bytes": up,
        "downlink_bytes": 2 * exchanges * 4 * PARAMETERS,
        "exchanges": exchanges,
        "missed_share": missed,
    }


def test_updates_after_the_last_round_do_not_count_as_rounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seven updates with a round after four: half of the devices missed one of one round."""
    each = 4 * PARAMETERS
    rows = [row(n, 0.5 * (n == 4), float(n == 4), each * (n == 4)) for n in range(1, 8)]
    facts, [asked] = facts_of(monkeypatch, rows, mode="federated", local_updates=4, dropout=0.5)
    assert facts["missed_share"] == pytest.approx(0.5)
    exchanges, up, down = asked[2:5]
    assert exchanges == pytest.approx(1.0)
    assert up == pytest.approx(each)
    assert down == pytest.approx(each)


@pytest.mark.parametrize("mode", ["federated", "synchronous"])
def test_where_all_missed_every_round_an_upload_still_has_a_size(
    monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    steps = 3.0 if mode == "synchronous" else 1.0
    rows = [row(n, 1.0, steps, 0.0) for n in range(1, 4)]
    facts, [asked] = facts_of(monkeypatch, rows, mode=mode, dropout=0.5)
    assert facts["missed_share"] == pytest.approx(1.0)
    assert facts["uplink_bytes_per_thousand_steps"] == 0.0
    assert asked[3] / asked[2] == pytest.approx(4 * PARAMETERS)
