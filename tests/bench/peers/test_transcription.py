"""The plain-Python world gives what ours gives: rewards, states, ends, and the same inputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from edgewright.bench.peers.transcription import Row, TranscribedEnv, drawn
from edgewright.core.errors import InputError
from edgewright.loops.unroll import next_rows
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load

STEPS = 900


def rows_of(inputs: Any) -> list[Row]:
    """Return one copy's inputs ``[T, ...]`` as the transcription's rows."""
    columns = [
        np.asarray(inputs.input_mb)[:, 0].tolist(),
        np.asarray(inputs.work_gcycles)[:, 0].tolist(),
        np.asarray(inputs.mode)[:, 0].tolist(),
        np.asarray(inputs.bandwidth_mbps)[:, 0].tolist(),
        map(tuple, np.asarray(inputs.background_gcps).tolist()),
        np.asarray(inputs.initial_charge_pct)[:, 0].tolist(),
        np.asarray(inputs.gap_s).tolist(),
    ]
    return list(zip(*columns, strict=True))


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("aigc-heavy", {"params.horizon_slots": 50, "params.load_limit_gcycles": 40.0}),
        ("aigc-light", {"params.battery_j": 400.0, "params.idle_w": 0.5}),
    ],
)
def test_it_is_the_world(name: str, overrides: dict[str, Any]) -> None:
    scenario = load(name, overrides)
    problem = build(scenario)
    world, params = problem.world, problem.params
    carry = jax.vmap(problem.train_stream.init_carry)(jax.random.split(jax.random.key(1), 1))
    _, batch = jax.jit(next_rows, static_argnums=2)(problem.train_stream, carry, STEPS + 1)
    inputs = jax.tree.map(lambda leaf: leaf[:, 0], batch)
    rows = rows_of(inputs)
    actions = np.random.default_rng(0).integers(0, world.actions, STEPS)
    env = TranscribedEnv(scenario, lambda _: iter(rows))

    @jax.jit
    def play(state: Any, action: Any, x: Any, x_next: Any) -> Any:
        outcome = world.step(params, state, action, x)
        return outcome, world.observe(params, outcome.state, x_next), world.reset(params, x_next)

    at = [jax.tree.map(lambda leaf, t=t: leaf[t], inputs) for t in range(STEPS + 1)]
    state = world.reset(params, at[0])
    seen, _ = env.reset(seed=0)
    np.testing.assert_allclose(seen, world.observe(params, state, at[0])[0], rtol=1e-6)
    ends = []
    for step, action in enumerate(actions):
        outcome, final, fresh = play(state, np.full(1, action, np.int32), at[step], at[step + 1])
        seen, reward, terminated, truncated, info = env.step(action)
        np.testing.assert_allclose(seen, final[0], rtol=2e-4, atol=2e-5)
        np.testing.assert_allclose(reward, outcome.reward[0], rtol=1e-4, atol=1e-4)
        for metric, value in info.items():
            wanted = getattr(outcome.metrics, metric)[0]
            np.testing.assert_allclose(value, wanted, rtol=1e-4, atol=1e-4, err_msg=metric)
        assert (terminated, truncated) == (bool(outcome.terminated), bool(outcome.truncated))
        state = outcome.state
        if terminated or truncated:
            ends.append((terminated, truncated))
            env.reset()
            state = fresh
    assert (True, False) in ends
    assert name == "aigc-light" or (False, True) in ends


def test_its_own_inputs_have_the_scenarios_law() -> None:
    scenario = load("aigc-heavy")
    problem = build(scenario)
    carry = jax.vmap(problem.train_stream.init_carry)(jax.random.split(jax.random.key(0), 50))
    _, batch = jax.jit(next_rows, static_argnums=2)(problem.train_stream, carry, 400)
    ours = jax.tree.map(lambda leaf: np.asarray(leaf), batch)
    theirs: list[Row] = []
    for seed in range(50):
        source: Iterator[Row] = drawn(scenario, np.random.default_rng(seed))
        theirs += [next(source) for _ in range(400)]
    columns = list(zip(*theirs, strict=True))
    pairs = {
        "input_mb": (columns[0], ours.input_mb),
        "work_gcycles": (columns[1], ours.work_gcycles),
        "mode": (columns[2], ours.mode),
        "bandwidth_mbps": (columns[3], ours.bandwidth_mbps),
        "initial_charge_pct": (columns[5], ours.initial_charge_pct),
        "server_1": ([row[0] for row in columns[4]], ours.background_gcps[..., 0]),
        "server_2": ([row[1] for row in columns[4]], ours.background_gcps[..., 1]),
    }
    for name, (one, other) in pairs.items():
        mine, their = np.asarray(one, float), np.asarray(other, float).ravel()
        # Neighbours of a walk hang together: 20 000 rows of it are worth about 1 000.
        error = their.std() * np.sqrt(2 / (1000 if name == "bandwidth_mbps" else 20_000))
        assert abs(mine.mean() - their.mean()) < 4.5 * error, name
        assert mine.std() == pytest.approx(their.std(), rel=0.05), name
    walk = np.asarray(columns[3]).reshape(50, 400)
    steps = np.diff(walk, axis=1)
    assert steps.std() == pytest.approx(
        np.diff(ours.bandwidth_mbps[..., 0], axis=0).std(), rel=0.03
    )
    assert set(columns[6]) == {0.5}


def test_it_passes_gymnasiums_checker() -> None:
    """It says nothing but that the bounds are open, which they are."""
    with pytest.warns(UserWarning) as said:
        check_env(TranscribedEnv(load("aigc-heavy")), skip_render_check=True)
    low, high = (str(one.message) for one in said)
    assert "minimum value is -infinity" in low and "maximum value is infinity" in high


def test_what_is_not_transcribed_is_refused() -> None:
    with pytest.raises(InputError, match=r"aigc-markov: streams\.bandwidth_mbps"):
        TranscribedEnv(load("aigc-markov"))
    with pytest.raises(InputError, match=r"world\.overflow"):
        TranscribedEnv(load("aigc-heavy", {"world.overflow": "reject"}))
