"""The optimum, the bound and the rules of the binary world, against plain NumPy."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.core.errors import InputError
from edgewright.loops.search import label
from edgewright.systems.binary import (
    BinaryInputs,
    BinaryWorld,
    Needs,
    alone_s,
    load,
    needs,
    total_s,
)
from edgewright.systems.binary.baselines import (
    Fixed,
    Greedy,
    OneFlip,
    Optimum,
    Prefix,
    RandomActions,
    enumerate_actions,
    lower_bound,
    optimum,
    threshold,
)

SLOTS = 40


@pytest.fixture(scope="module")
def slots(binary_sampler: Any) -> tuple[Any, Any]:
    """Return five-device numbers and gains of 40 slots."""
    params = jax.jit(binary_sampler(5).draw)(jax.random.key(4))
    rng = np.random.default_rng(0)
    return params, jnp.asarray(10 ** rng.uniform(-12.5, -8.5, (SLOTS, 5)), jnp.float32)


def needs_of(params: Any, gain: Any) -> Needs:
    return jax.vmap(lambda one: needs(params, one))(gain)


def slow_optimum(need: Needs, objective: str) -> tuple[np.ndarray, np.ndarray]:
    """All actions one by one, in double precision."""
    u, v, c = (np.asarray(a, float) for a in (need.uplink, need.edge, need.local_s))
    costs = []
    actions = np.array(list(itertools.product([0, 1], repeat=u.shape[1])))
    for x in actions:
        local = c @ (1 - x)
        if objective == "coupled":
            costs.append((u @ x) ** 2 + (v @ x) ** 2 + local)
        elif objective == "equal_share":
            costs.append(x.sum() * ((u**2 + v**2) @ x) + local)
        else:
            costs.append((u**2 + v**2) @ x + local)
    best = np.argmin(costs, axis=0)
    return np.min(costs, axis=0), actions[best]


@pytest.mark.parametrize("objective", ["coupled", "separable", "equal_share"])
def test_enumeration_finds_the_least_of_all(slots: Any, objective: Any) -> None:
    need = needs_of(*slots)
    cost, action = enumerate_actions(objective, need)
    wanted, actions = slow_optimum(need, objective)
    np.testing.assert_allclose(cost, wanted, rtol=1e-5)
    assert np.mean(np.all(np.asarray(action) == actions, axis=1)) > 0.97  # ties within rounding


def test_more_devices_than_the_table_has_bits(binary_sampler: Any) -> None:
    params = jax.jit(binary_sampler(12).draw)(jax.random.key(5))
    rng = np.random.default_rng(1)
    need = needs_of(params, jnp.asarray(10 ** rng.uniform(-12, -9, (6, 12)), jnp.float32))
    cost, action = enumerate_actions("coupled", need)
    np.testing.assert_allclose(cost, slow_optimum(need, "coupled")[0], rtol=1e-5)
    np.testing.assert_allclose(cost, total_s("coupled", load(need, action)), rtol=1e-6)


def test_where_nothing_is_shared_a_comparison_is_the_optimum(slots: Any) -> None:
    need = needs_of(*slots)
    by_threshold = total_s("separable", load(need, threshold(need)))
    np.testing.assert_allclose(by_threshold, enumerate_actions("separable", need)[0], rtol=1e-6)


def test_permuting_the_devices_permutes_the_optimum(slots: Any) -> None:
    need = needs_of(*slots)
    order = np.array([3, 0, 4, 1, 2])
    cost, action = enumerate_actions("coupled", need)
    moved = jax.tree.map(lambda leaf: leaf[:, order], need)
    cost_moved, action_moved = enumerate_actions("coupled", moved)
    np.testing.assert_allclose(cost, cost_moved, rtol=1e-5)
    same = np.all(np.asarray(action)[:, order] == np.asarray(action_moved), axis=1)
    assert np.mean(same) > 0.97


def test_too_many_devices_are_refused() -> None:
    need = Needs(**{f.name: jnp.ones((1, 40)) for f in dataclasses.fields(Needs)})
    with pytest.raises(InputError, match=r"2\^40"):
        enumerate_actions("coupled", need)


@pytest.mark.parametrize("objective", ["coupled", "separable", "equal_share"])
def test_the_bound_is_below_the_optimum_and_near_it(slots: Any, objective: Any) -> None:
    need = needs_of(*slots)
    cost = np.asarray(enumerate_actions(objective, need)[0])
    bound = np.asarray(jax.jit(jax.vmap(functools.partial(lower_bound, objective)))(need))
    assert np.all(bound <= cost * (1 + 1e-5))
    assert (
        np.mean(bound / cost)
        > {"coupled": 0.97, "separable": 0.9999, "equal_share": 0.7}[objective]
    )


def test_the_bound_is_the_relaxed_optimum(slots: Any) -> None:
    from scipy.optimize import minimize

    need = needs_of(*slots)
    bound = np.asarray(jax.jit(jax.vmap(functools.partial(lower_bound, "coupled")))(need))
    for row in range(5):
        u, v, c = (np.asarray(a[row], float) for a in (need.uplink, need.edge, need.local_s))
        found = minimize(
            lambda x, u=u, v=v, c=c: (u @ x) ** 2 + (v @ x) ** 2 + c @ (1 - x),
            np.full(5, 0.5), bounds=[(0, 1)] * 5, tol=1e-14,
        )  # fmt: skip
        np.testing.assert_allclose(bound[row], found.fun, rtol=2e-4)


def costs(world: BinaryWorld, params: Any, gain: Any, policy: Any) -> tuple[np.ndarray, Any]:
    """Return the costs and the aux of a policy's decisions."""
    go = jax.jit(lambda key, rows: label(key, world, params, policy, rows))
    decided, aux = go(jax.random.key(0), BinaryInputs(gain=gain))
    need = needs_of(params, gain)
    return np.asarray(total_s(world.objective, load(need, decided.action))), aux


def test_rules_keep_their_order(slots: Any) -> None:
    params, gain = slots
    world = BinaryWorld(devices=5)
    best = np.asarray(optimum(world, params, gain))
    found = {
        name: best / costs(world, params, gain, policy)[0]
        for name, policy in {
            "local": Fixed(world=world),
            "away": Fixed(world=world, bit=1),
            "random": RandomActions(world=world),
            "random-8": RandomActions(world=world, candidates=8),
            "selfish": Greedy(world=world, kind="selfish"),
            "equal": Greedy(world=world, kind="equal"),
            "sequential": Greedy(world=world),
            "prefix": Prefix(world=world),
            "one-flip": OneFlip(world=world),
            "optimum": Optimum(world=world),
        }.items()
    }
    for name, ratio in found.items():
        assert np.all(ratio <= 1 + 1e-5), name
    mean = {name: ratio.mean() for name, ratio in found.items()}
    np.testing.assert_allclose(mean["optimum"], 1.0, atol=1e-6)
    assert mean["one-flip"] > 0.99
    assert mean["prefix"] > 0.99
    assert mean["prefix"] > mean["sequential"] > mean["selfish"]
    assert mean["random-8"] > mean["random"]


def test_one_flip_stops_where_no_flip_helps(slots: Any) -> None:
    params, gain = slots
    world = BinaryWorld(devices=5, objective="equal_share")
    policy = OneFlip(world=world)
    go = jax.jit(lambda rows: label(jax.random.key(0), world, params, policy, rows))
    decided, looks = go(BinaryInputs(gain=gain))
    need = needs_of(params, gain)
    action = np.asarray(decided.action)
    here = np.asarray(total_s("equal_share", load(need, decided.action)))
    for device in range(5):
        flipped = action.copy()
        flipped[:, device] ^= 1
        there = np.asarray(total_s("equal_share", load(need, jnp.asarray(flipped))))
        assert np.all(there >= here * (1 - 1e-5))
    assert np.all(np.asarray(looks) >= 5)


def test_a_hand_worked_slot() -> None:
    # Alone 0.4 s away against 1 s at home, so each of the first two gains alone. Together the
    # square-root law makes it (2 sqrt 0.4)^2 = 1.6 s against 2 s: still a gain over all local, but
    # 1.6 + 1 is more than one away, 0.4 + 2. The third needs 1.5 s alone and never gains.
    half = jnp.sqrt(jnp.array([0.4, 0.4, 1.5]) / 2)
    need = Needs(uplink=half, edge=half, local_s=jnp.ones(3), present=jnp.ones(3))
    np.testing.assert_allclose(alone_s(need), [0.4, 0.4, 1.5], rtol=1e-6)
    assert threshold(need).tolist() == [1, 1, 0]
    for action, wanted in (([1, 1, 0], 2.6), ([1, 0, 0], 2.4), ([0, 0, 0], 3.0)):
        cost = total_s("coupled", load(need, jnp.array(action)))
        np.testing.assert_allclose(cost, wanted, rtol=1e-6)
    cost, action = enumerate_actions("coupled", jax.tree.map(lambda leaf: leaf[None], need))
    np.testing.assert_allclose(cost, [2.4], rtol=1e-6)
    assert int(action.sum()) == 1
