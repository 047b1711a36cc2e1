"""The outcomes of all actions against a slow reference that plays them one by one."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.core.spaces import Bits, Box, Discrete
from edgewright.loops.alternatives import MAX_ACTIONS, alternatives, misfit
from edgewright.loops.look_ahead import LookAhead
from edgewright.loops.unroll import init_rollout, next_rows, unroll
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load
from edgewright.scenarios.policies import baseline


def moment(problem: Any, steps: int) -> tuple[Any, Any, Any]:
    """Return a state after some random steps, its inputs and the next ones."""
    world, params, stream = problem.world, problem.params, problem.train_stream
    _, rows = stream.next_rows(stream.init_carry(jax.random.key(3)), steps + 2)
    row = [jax.tree.map(lambda leaf, n=n: leaf[n], rows) for n in range(steps + 2)]
    state, space = world.reset(params, row[0]), world.action_space(params)
    for n in range(steps):
        state = world.step(params, state, space.sample(jax.random.key(n)), row[n]).state
    return state, row[steps], row[steps + 1]


@pytest.mark.parametrize("scenario", ["aigc-heavy", "aigc-fleet"])
def test_every_action_is_what_the_world_would_have_answered(scenario: str) -> None:
    problem = build(load(scenario))
    world, params = problem.world, problem.params
    state, x, x_next = moment(problem, 4)
    space = world.action_space(params)
    taken = space.sample(jax.random.key(9))
    found = jax.jit(lambda: alternatives(world, params, state, taken, x, x_next))()
    step = jax.jit(lambda action: world.step(params, state, action, x))
    (agents,) = space.shape
    assert found.reward.shape == (agents, space.n)
    for agent in {0, agents - 1}:
        for choice in range(space.n):
            outcome = step(taken.at[agent].set(choice))
            seen = world.observe(params, outcome.state, x_next)
            np.testing.assert_allclose(
                found.reward[agent, choice], outcome.reward[agent], rtol=1e-5
            )
            np.testing.assert_allclose(
                found.next_observation[agent, choice], seen[agent], rtol=1e-5
            )
            assert bool(found.ended[agent, choice]) == bool(outcome.terminated)


def test_outcomes_for_all_agents_are_those_of_the_world() -> None:
    problem = build(load("aigc-fleet"))
    world, params = problem.world, problem.params
    state, x, x_next = moment(problem, 4)
    taken = world.action_space(params).sample(jax.random.key(9))
    outcomes = jax.jit(lambda: alternatives(world, params, state, taken, x, x_next, team=True))()
    assert outcomes.team.reward.shape == (16, 12, 16)
    agent, choice = 5, 7
    outcome = world.step(params, state, taken.at[agent].set(choice), x)
    after = world.observe(params, outcome.state, x_next)
    np.testing.assert_allclose(outcomes.team.reward[agent, choice], outcome.reward, rtol=1e-5)
    np.testing.assert_allclose(outcomes.team.next_observation[agent, choice], after, rtol=1e-5)
    own = np.einsum("iai->ia", outcomes.team.reward)
    np.testing.assert_array_equal(own, outcomes.reward)


def test_the_action_that_was_taken_is_among_them() -> None:
    problem = build(load("aigc-heavy"))
    world, params, stream = problem.world, problem.params, problem.train_stream
    policy = baseline("random", problem).policy
    carry = jax.vmap(stream.init_carry)(jax.random.split(jax.random.key(0), 3))
    _, rows = next_rows(stream, carry, 21)
    first, rest = (jax.tree.map(lambda leaf, p=p: leaf[p], rows) for p in (0, slice(1, None)))
    envs = init_rollout(jax.random.key(1), world, params, policy, first)
    _, plain = unroll(jax.random.key(2), world, params, policy, envs, rest)
    _, batch = unroll(jax.random.key(2), world, params, policy, envs, rest, all_actions=True)
    assert plain.alternatives == ()
    others = batch.alternatives

    def of_taken(leaf: Any) -> np.ndarray:
        index = np.asarray(batch.action)[..., None]
        extra = (1,) * (leaf.ndim - index.ndim)
        return np.take_along_axis(np.asarray(leaf), index.reshape(*index.shape, *extra), 3)[
            :, :, :, 0
        ]

    np.testing.assert_array_equal(batch.action, plain.action)
    np.testing.assert_allclose(of_taken(others.reward), batch.reward, rtol=1e-5)
    np.testing.assert_allclose(of_taken(others.next_observation), batch.next_observation, rtol=1e-5)
    assert np.array_equal(of_taken(others.ended)[..., 0], np.asarray(batch.terminated))
    # Actions differ: some alternative is better than what a random policy did.
    assert jnp.any(jnp.max(others.reward, axis=-1) > batch.reward + 1e-3)


@pytest.mark.parametrize("space", [Box(0.0, 1.0, (2,)), Bits((3,)), Discrete(MAX_ACTIONS + 1)])
def test_what_cannot_be_evaluated_is_said(space: Any) -> None:
    assert "every action" in misfit(space)
    assert misfit(Discrete(MAX_ACTIONS, (4,))) == ""


def test_a_city_is_refused_and_a_fleet_is_not() -> None:
    """816 devices with 12 actions would take 9792 steps of their world in the place of one."""
    assert misfit(Discrete(12, (16,))) == ""
    assert "every action of every agent, at most 4096; got 816 x 12" in misfit(Discrete(12, (816,)))


def test_outcomes_for_all_agents_are_for_small_fleets() -> None:
    """They grow with the square of the agents."""
    assert misfit(Discrete(12, (26,)), team=True) == ""
    assert misfit(Discrete(12, (64,))) == ""
    assert "at most 16384 observations; got 64 x 64 x 12" in misfit(Discrete(12, (64,)), team=True)


def test_a_longer_look_is_the_policy_on_the_same_inputs_after_each_action() -> None:
    problem = build(load("aigc-heavy", {"params.horizon_slots": 9}))
    world, params, stream = problem.world, problem.params, problem.train_stream
    policy = baseline("local-2", problem).policy
    ahead, length = 3, 8
    carry = jax.vmap(stream.init_carry)(jax.random.split(jax.random.key(1), 2))
    carry, rows = next_rows(stream, carry, length + 1)
    later = next_rows(stream, carry, ahead)[1]
    first, rest = (jax.tree.map(lambda leaf, s=s: leaf[s], rows) for s in (0, slice(1, None)))
    envs = init_rollout(jax.random.key(2), world, params, policy, first)
    played = unroll(
        jax.random.key(3), world, params, policy, envs, rest, all_actions=LookAhead(rows=later)
    )[1]
    found = played.alternatives.later
    everything = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), rows, later)
    step = jax.jit(lambda state, action, x: world.step(params, state, action, x))
    see = jax.jit(lambda state, x: world.observe(params, state, x))
    act = jax.jit(lambda seen: policy.act(jax.random.key(0), (), seen)[1].action)
    space, copy = world.action_space(params), 1
    state = jax.tree.map(lambda leaf: leaf[copy], envs.state)
    cut = 0
    for slot in range(length):
        row = [
            jax.tree.map(lambda leaf, n=n: leaf[n, copy], everything)
            for n in range(slot, slot + ahead + 2)
        ]
        for choice in (0, space.n - 1):
            after = step(state, jnp.full(space.shape, choice), row[0])
            rewards, taken = [after.reward], 1
            for n in range(1, ahead + 1):
                if after.terminated | after.truncated:
                    break
                after = step(after.state, act(see(after.state, row[n])), row[n])
                rewards.append(after.reward)
                taken += 1
            cut += taken <= ahead
            given = found.reward[slot, copy].reshape(space.n, -1)[choice]
            wanted = np.pad(np.ravel(rewards), (0, ahead + 1 - taken))
            np.testing.assert_allclose(given, wanted, rtol=1e-4, atol=1e-4)
            assert int(found.steps[slot, copy].reshape(-1)[choice]) == taken
            assert bool(found.ended[slot, copy].reshape(-1)[choice]) == bool(after.terminated)
            last = see(after.state, row[taken]).reshape(-1)
            shown = found.next_observation[slot, copy].reshape(space.n, -1)[choice]
            np.testing.assert_allclose(shown, last, rtol=1e-4, atol=1e-4)
        action = played.action[slot, copy]
        state = step(state, action, row[0]).state
    assert cut > 0  # the horizon is met on the way
