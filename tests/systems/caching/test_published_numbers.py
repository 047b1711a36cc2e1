"""The published presets against the numbers of another transcription, and a learner against truth.

The transcription of the published environment was measured over six episodes of 300 slots, see
section 8 of the system's specification: mean latency of a user in seconds, and hit ratio.
"""

from __future__ import annotations

import pytest

import edgewright as ew

LATENCY_S = {
    "none+nearest-equal": (8.66, 6.18, 6.16, 6.16),
    "all+nearest-equal": (0.797, 1.000, 0.764, 0.798),
    "all+nearest-root": (0.665, 0.830, 0.640, 0.667),
    "all+nearest-zero": (0.267, 0.500, 0.335, 0.333),
}
"""Of two to five servers."""


@pytest.mark.parametrize("servers", [2, 4])
def test_rules_have_the_latency_of_the_published_environment(servers: int) -> None:
    problem = ew.make(f"caching-paper-es{servers}", {"params.epochs": 50})
    table = ew.compare(problem, list(LATENCY_S), episodes=6)
    for name, published in LATENCY_S.items():
        row = table.row(name)
        assert row["latency_s"] == pytest.approx(published[servers - 2], rel=0.02), name
        assert row["hit_ratio"] == float(name.startswith("all")), name


def test_a_learner_comes_close_to_the_exact_optimum_and_passes_every_rule() -> None:
    problem = ew.make("caching-toy", {"evaluation.episodes": 50, "training.evaluations": 1})
    run = ew.train(problem, "ddpg-search", steps=4000)
    table = ew.compare(problem, ["optimum", "spread+hit", "spread+search", run])
    reward = {name: table.row(name)["reward"] for name in ("random", "optimum", "spread+search")}
    learned = table.row("ddpg-search")["reward"]
    closed = (learned - reward["random"]) / (reward["optimum"] - reward["random"])
    assert 0.85 < closed < 1.02
    assert learned > reward["spread+search"]
