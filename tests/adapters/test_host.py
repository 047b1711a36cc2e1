"""Worlds on the host: the same code, run by Python and NumPy, against JAX on the same inputs."""

from __future__ import annotations

import functools
import pickle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import edgewright.adapters.gymnasium as adapter
from edgewright.adapters import steppers
from edgewright.adapters.drawing import DrawnRows
from edgewright.adapters.host import program
from edgewright.adapters.host.graph import Graph, Untranslatable
from edgewright.adapters.host.emit import emit
from edgewright.adapters.host.translate import arguments, translate
from edgewright.adapters.host.steppers import HostSingle, HostVector
from edgewright.adapters.results import LazyInfo
from edgewright.core.errors import InputError
from edgewright.core.records import record
from edgewright.core.spaces import Discrete
from edgewright.loops.unroll import step_and_reset
from edgewright.scenarios.build import Problem, build
from edgewright.scenarios.load import load, shipped
from edgewright.systems.probes import ProbeWorld, probe

STEPS, COPIES = 160, 3

TOO_LARGE = {"aigc-city"}
"""Scenarios with more devices than are unrolled: 816."""


def presets() -> list[str]:
    return [name for name in shipped() if load(name).world.kind == "aigc"]


@functools.partial(jax.jit, static_argnums=0)
def played(world: Any, params: Any, inputs: Any, actions: Any) -> Any:
    """Return what JAX makes of the same inputs ``[T + 1, N, ...]`` and actions ``[T, N, ...]``."""

    def one(state: Any, row: Any) -> Any:
        x, x_next, action = row
        outcome, following = step_and_reset(world, params, state, action, x, x_next)
        shown = world.observe(params, following, x_next)
        ends = outcome.terminated, outcome.truncated
        return following, (shown, outcome.reward, *ends, outcome.metrics)

    first = jax.tree.map(lambda leaf: leaf[0], inputs)
    state = jax.vmap(lambda x: world.reset(params, x))(first)
    before, after = (
        jax.tree.map(lambda leaf, cut=cut: leaf[cut], inputs)
        for cut in (slice(None, -1), slice(1, None))
    )
    return jax.lax.scan(lambda s, row: jax.vmap(one)(s, row), state, (before, after, actions))[1]


def rows_of(problem: Problem, host: program.HostWorld) -> Any:
    """Return the inputs of copies 0, 1, 2 as records ``[T + 1, N, ...]``."""
    drawn = DrawnRows(problem.train_stream, host.x, COPIES, columns=True)
    drawn.reset(range(COPIES))
    rows = [next(drawn) for _ in range(STEPS + 1)]
    words = [np.stack(values) for values in zip(*rows, strict=True)]
    leaves, begin = [], 0
    for shape, dtype in zip(host.x.shapes, host.x.dtypes, strict=True):
        size = int(np.prod(shape))
        part = np.stack(words[begin : begin + size], axis=-1).astype(dtype)
        leaves.append(part.reshape(STEPS + 1, COPIES, *shape))
        begin += size
    return jax.tree.unflatten(host.x.structure, leaves)


@pytest.mark.parametrize("name", presets())
def test_all_presets_play_what_jax_plays(name: str) -> None:
    scenario = load(name, {"params.horizon_slots": 50})
    problem = build(scenario, None)
    parts = problem.world, problem.params, problem.train_stream
    host = program.host_world(*parts, COPIES)
    if name in TOO_LARGE:
        assert host is None
        return
    assert host is not None
    actions = np.random.default_rng(0).integers(
        problem.world.actions, size=(STEPS, COPIES, problem.world.devices), dtype=np.int32
    )
    wanted = played(problem.world, problem.params, rows_of(problem, host), actions)
    copies = HostVector(host, problem.train_stream, COPIES)
    copies.reset(range(COPIES))
    one = program.host_world(*parts)
    assert one is not None
    alone = HostSingle(one, problem.train_stream)
    alone.reset(1)
    close = functools.partial(np.testing.assert_allclose, rtol=2e-5, atol=2e-4)
    ended = 0
    for step in range(STEPS):
        shown, reward, terminated, truncated, metrics = jax.tree.map(
            lambda leaf, step=step: leaf[step], wanted
        )
        result = copies.step(actions[step])
        close(result.observation, shown)
        close(result.reward, reward)
        np.testing.assert_array_equal(result.terminated, terminated)
        np.testing.assert_array_equal(result.truncated, truncated)
        jax.tree.map(close, result.metrics(), metrics)
        single = alone.step(actions[step, 1])
        np.testing.assert_array_equal(single[0], result.final_observation[1])
        np.testing.assert_array_equal(np.array(single[1]), result.reward[1].reshape(-1))
        assert single[2:4] == (result.terminated[1], result.truncated[1])
        jax.tree.map(
            lambda a, b: np.testing.assert_array_equal(a, b[1]), single[4](), result.metrics()
        )
        if any(single[2:4]):
            np.testing.assert_array_equal(alone.restart(), result.observation[1])
            ended += 1
    assert ended, "no episode ended: the test does not see a reset"
