"""What is measured of the planner, and its transcription in PyTorch."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.agents.planning import imagined, model_step
from edgewright.bench import planner
from edgewright.core.spaces import Box


def test_a_published_decision_is_of_the_published_size() -> None:
    """The specification counts 2.89 TFLOP for two servers and 30 users."""
    assert planner.work_flop(planner.published(7)) / 1e12 == pytest.approx(2.89, abs=0.01)


def test_the_transcription_scores_plans_as_we_do() -> None:
    torch = pytest.importorskip("torch")
    from edgewright.bench.peers.planner_torch import transcribed

    learner = dataclasses.replace(
        planner.published(2), ensemble_size=3, hidden_sizes=(16, 16), reward_hidden_sizes=(8,),
        plan_horizon=4, num_candidates=12, num_elites=4, particles="mean",
    )  # fmt: skip
    spaces = Box(-1.0, 1.0, (5,)), Box(-1.0, 1.0, (2,))
    state = learner.init(jax.random.key(0), *spaces)
    policy = learner.policy(dataclasses.replace(state, goal=jnp.float32(2.0)), explore=False)
    plans = jax.random.normal(jax.random.key(1), (12, 4, 2))
    at = jnp.linspace(-0.5, 0.5, 5)
    step = model_step(policy.model, policy.objective, "mean")
    ours = imagined(
        jax.random.key(2), step, lambda count: jnp.broadcast_to(at, (3, count, 5)), plans
    )
    peer = transcribed(policy)
    tensors = torch.from_numpy(np.array(at)), torch.from_numpy(np.array(plans))
    np.testing.assert_allclose(peer.scores(*tensors, sampled=False), ours, rtol=1e-4)
    assert peer.decide(tensors[0], 2, 2).shape == (2,)


def test_rates_of_a_small_decision_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = dataclasses.replace(
        planner.published(1), ensemble_size=2, hidden_sizes=(8,), reward_hidden_sizes=(8,),
        plan_horizon=2, num_candidates=8, num_elites=2,
    )  # fmt: skip
    monkeypatch.setattr(
        planner, "published", lambda count: dataclasses.replace(tiny, plan_iterations=count)
    )
    monkeypatch.setattr(planner, "_on_one_core", lambda explore: (1.0, 2.0))
    monkeypatch.setattr(planner, "SQUARE", 64)
    monkeypatch.setattr(planner, "PRODUCTS_S", 0.05)
    stages: list[str] = []
    result = planner.bench(stages.append)
    assert len(stages) == planner.STAGES
    assert result["full"]["iterations"] == 7  # well under a minute
    assert result["small"]["exploring_processor_ms"] == 2.0
    assert result["full"]["memory_mb"] > 0.0
    assert result["full"]["share_of_product_rate"] > 0.0
