"""Rules of the caching world as bundles: what they decide, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import edgewright as ew
from edgewright.core.errors import InputError
from edgewright.deploy.export_run import export_rule
from edgewright.loops.evaluate import full_information
from edgewright.physics import caching
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load
from edgewright.serve.decider import prepare
from edgewright.serve.settings import Settings
from edgewright.systems.caching.answers import placed_by_turns
from edgewright.systems.caching.latency import served_share
from edgewright.systems.caching.policies import policy

FEW = {"world.users": 6, "evaluation.episodes": 3}


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("lfu+hit-root", {}),
        ("all+nearest-equal", {}),
        ("none+search-root", {}),
        ("lfu+hit", {"world.shares": "square_root"}),
    ],
)
def test_a_bundle_decides_as_the_rule(name: str, changes: dict[str, Any], tmp_path: Path) -> None:
    scenario = load("caching-es2", {**FEW, **changes, "streams.fading": CONSTANT})
    problem = build(scenario)
    bundle = export_rule(name, scenario, tmp_path / "r.edge")
    entry = policy(name, problem)
    assert entry is not None
    for seed in range(4):
        state, x = moment(problem, seed)
        row = np.asarray(problem.world.observe(problem.params, state, x)).tolist()
        answer = dict(zip(bundle.engine.outputs, bundle.engine.one(row), strict=True))
        shown = full_information(problem.params, state, x)
        wanted = entry.policy.act(jax.random.key(0), (), shown)[1].action
        for part, value in wanted.items():
            np.testing.assert_allclose(np.reshape(answer[part], value.shape), value, atol=1e-4)


CONSTANT = {"kind": "constant", "value": 1.0}
"""Without fading the server with the strongest link is the nearest one."""


def moment(problem: Any, seed: int) -> tuple[Any, Any]:
    """Return a state in which requests are asked and half of the services are cached."""
    stream, key = problem.test_stream, jax.random.key(seed)
    _, rows = stream.next_rows(stream.init_carry(key), 1)
    x = jax.tree.map(lambda leaf: leaf[0], rows)
    state = problem.world.reset(problem.params, x)
    shape = state.cached.shape
    cached = jax.random.bernoulli(key, 0.5, shape).astype(jnp.float32)
    demand = jax.random.randint(key, shape, 0, 4).astype(jnp.float32)  # some were never asked for
    return dataclasses.replace(state, cached=cached, demand=demand, slot=jnp.int32(1)), x


@pytest.mark.parametrize(
    ("name", "scenario", "text"),
    [
        ("lru+hit-root", "caching-es2", "the time of the last request"),
        ("spread+hit-root", "caching-es2", "a search among sets"),
        ("all+nearest-random", "caching-es2", "chance"),
        ("all+cem-root", "caching-es2", "plays the world to decide"),
        ("random", "caching-es2", "draws its decisions"),
        ("all+nearest-equal", "caching-paper-es2", "links are not observed"),
    ],
)
def test_what_a_row_does_not_show_is_refused(
    name: str, scenario: str, text: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=text) as refused:
        export_rule(name, load(scenario, {"evaluation.episodes": 2}), tmp_path / "r.edge")
    assert refused.value.hint
    assert not (tmp_path / "r.edge").exists()


def test_a_service_falls_back_on_a_rule_beside_a_network(tmp_path: Path) -> None:
    run = ew.train(
        ew.make("caching-es2", FEW),
        "ppo-ppo",
        steps=400,
        settings={"upper.hidden_sizes": [8], "lower.hidden_sizes": [8]},
    )
    file = tmp_path / "p.edge"
    assert run.export(file, rules=["lfu+hit-root"]).rules == ["lfu+hit-root"]
    serving = prepare(Settings(bundle=str(file), fallback="lfu+hit-root"))
    assert serving.fallback is not None
    action, answers = {"cache", "server", "bandwidth", "speed"}, {"cached"}
    answers |= {"bandwidth_share", "speed_share"}
    assert set(serving.fallback.outputs) == action | answers
    rule = tmp_path / "r.edge"
    export_rule("all+nearest-equal", load("caching-es2", FEW), rule)
    serving = prepare(Settings(bundle=str(file), fallback=str(rule)))
    assert serving.fallback_name == "all+nearest-equal on caching-es2"


def test_answers_are_what_the_world_makes_of_the_action(tmp_path: Path) -> None:
    scenario = load("caching-es2", {**FEW, "streams.fading": CONSTANT, "params.cache_gib": 9.0})
    problem = build(scenario)
    world, params = problem.world, problem.params
    bundle = export_rule("lfu+hit-root", scenario, tmp_path / "r.edge")
    held = []
    for seed in range(4):
        state, x = moment(problem, seed)
        row = np.asarray(world.observe(params, state, x)).tolist()
        answer = dict(zip(bundle.engine.outputs, bundle.engine.one(row), strict=True))
        priority = jnp.asarray(np.reshape(answer["cache"], (2, 10)), jnp.float32)
        cached = world.placed(params, state.cached, priority)
        np.testing.assert_array_equal(np.reshape(answer["cached"], (2, 10)), cached)
        held.append(float(jnp.sum(cached)))
        server = np.ravel(answer["server"]).astype(int)
        chosen = world.chosen(jnp.asarray(server))
        for name in ("bandwidth", "speed"):
            weight = jnp.asarray(np.ravel(answer[name]), jnp.float32)
            share = np.ravel(answer[f"{name}_share"])
            np.testing.assert_allclose(share, served_share(world, params, weight, chosen), 1e-5)
    assert 0 < max(held) < 20


def test_caches_are_filled_without_a_sort_as_with_one() -> None:
    rng = np.random.default_rng(0)
    priority = rng.choice([-0.5, 0.0, 0.2, 0.7, *rng.normal(size=3)], (500, 7))
    size, capacity = rng.uniform(1.0, 5.0, (500, 7)), rng.uniform(0.0, 15.0, 500)
    given = [jnp.asarray(one, jnp.float32) for one in (priority, size, capacity)]
    ours, theirs = (jax.jit(jax.vmap(f))(*given) for f in (placed_by_turns, caching.fit))
    np.testing.assert_array_equal(ours, theirs)
    assert 0.1 < float(jnp.mean(ours)) < 0.9
