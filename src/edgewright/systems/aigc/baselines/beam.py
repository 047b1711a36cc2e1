"""Search with a beam for the best plan of one device that knows all inputs in advance.

The plan is feasible in hindsight, so its value is a lower bound on the perfect-information optimum;
no certificate says how far below. Together with an upper bound it brackets that optimum.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp

from edgewright.core.errors import InputError
from edgewright.core.records import Array, Decision, Memoryless, record
from edgewright.loops.evaluate import PrivilegedObservation
from edgewright.systems.aigc import AigcInputs, AigcParams, AigcState, AigcWorld
from edgewright.systems.aigc.baselines.shadow_prices import TARIFFS, Tariff, tariff

SHORTLIST = 3
"""How many times the width is looked at before plans that came to the same queues are dropped."""

LOOKALIKE_S = 0.2
"""Queues that differ by less than this many seconds of work count as the same."""


@record
class Plan(Memoryless):
    """A policy that follows a plan of ``actions`` ``[T, M]``, with the reward of the plan."""

    actions: Array
    value: Array  # mean reward of the episode

    def act(
        self, key: Array, carry: tuple[()], insight: PrivilegedObservation
    ) -> tuple[tuple[()], Decision]:
        """Return what the plan says for this slot."""
        return carry, Decision(action=self.actions[insight.state.slot], aux=())


@record
class _Node:
    """One plan so far. Leaves ``[W, ...]`` in a beam."""

    state: AigcState
    earned: Array  # sum of rewards, the missed slots included once the episode has ended
    worst: Array  # what a missed slot counts
    alive: Array


def beam_search(
    world: AigcWorld,
    params: AigcParams,
    inputs: AigcInputs,
    post_termination_reward: float,
    width: int = 64,
) -> Plan:
    """Return the best plan found for each episode, leaves ``[E, ...]``.

    In every slot each of ``width`` plans takes each action in the world itself. Those are kept that
    earn most with their charge and their backlogs valued by a :class:`Tariff`: reward so far, plus
    the price of the joules left, less the waits that the backlogs will cause. Of plans with the
    same queues only the best is kept, or all would soon be copies of one. The search is made with
    every tariff of :data:`TARIFFS`, and each episode keeps its best plan.

    Raises:
        InputError: more than one device: the number of joint actions is beyond a beam.
    """
    if world.devices > 1:
        message = f"beam search plans for one device, and there are {world.devices}"
        raise InputError(message, where="world.devices", hint="use the clairvoyant planner")
    return _search(world, params, inputs, jnp.float32(post_termination_reward), width)


@functools.partial(jax.jit, static_argnames=("world", "width"))
def _search(
    world: AigcWorld, params: AigcParams, inputs: AigcInputs, missed: Array, width: int
) -> Plan:
    def plans(pair: Array) -> Plan:
        prices = tariff(world, params, pair[0], pair[1])
        return jax.vmap(
            lambda rows: _episode(world, params, rows, missed, prices, width), in_axes=1
        )(inputs)

    result = jax.lax.map(plans, jnp.asarray(TARIFFS))
    best = jnp.argmax(result.value, axis=0)
    each = jnp.arange(best.size)
    return jax.tree.map(lambda leaf: leaf[best, each], result)


def _episode(
    world: AigcWorld,
    params: AigcParams,
    rows: AigcInputs,
    missed: Array,
    prices: Tariff,
    width: int,
) -> Plan:
    played = jax.tree.map(lambda leaf: leaf[:-1], rows)
    horizon = jnp.minimum(played.gap_s.shape[0], params.horizon_slots)
    actions = jnp.arange(world.actions)

    def child(node: _Node, action: Array, x: AigcInputs) -> _Node:
        outcome = world.step(params, node.state, action[None], x)
        reward = outcome.metrics.reward[0]
        worst = jnp.minimum(node.worst, reward)
        slots_left = horizon - outcome.state.slot
        earned = node.earned + reward + jnp.where(outcome.terminated, slots_left * worst, 0.0)
        grown = _Node(state=outcome.state, earned=earned, worst=worst, alive=~outcome.terminated)
        # a plan that has ended stays as it is, once; so do all behind the horizon
        ended = dataclasses.replace(node, earned=jnp.where(action == 0, node.earned, -jnp.inf))
        going = node.alive & (node.state.slot < horizon)
        return jax.tree.map(lambda new, old: jnp.where(going, new, old), grown, ended)

    def worth(node: _Node) -> Array:
        joules = node.state.charge_pct - params.charge_floor_pct
        joules = jnp.maximum(joules, 0.0) / 100.0 * params.battery_j
        left = jnp.sum(prices.joule * joules) - prices.left(world, params, node.state)
        return node.earned + jnp.where(node.alive, left, 0.0)

    def slot(beam: _Node, x: AigcInputs) -> tuple[_Node, tuple[Array, Array]]:
        grow = jax.vmap(lambda node: jax.vmap(lambda action: child(node, action, x))(actions))
        grown = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), grow(beam))
        scores = jax.vmap(worth)(grown)
        top, short = jax.lax.top_k(scores, min(SHORTLIST * width, scores.size))
        repeated = _repeated(world, params, jax.tree.map(lambda leaf: leaf[short], grown.state))
        _, among = jax.lax.top_k(jnp.where(repeated, -jnp.inf, top), width)
        chosen = short[among]
        left = jax.tree.map(lambda leaf: leaf[chosen], grown)
        return left, (chosen // world.actions, chosen % world.actions)

    def follow_back(index: Array, pair: tuple[Array, Array]) -> tuple[Array, Array]:
        parent, action = pair
        return parent[index], action[index]

    start = world.reset(params, jax.tree.map(lambda leaf: leaf[0], rows))
    one = _Node(state=start, earned=jnp.zeros(()), worst=missed, alive=jnp.ones((), bool))
    beam = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (width, *leaf.shape)), one)
    beam = dataclasses.replace(beam, earned=jnp.where(jnp.arange(width) == 0, 0.0, -jnp.inf))
    last, choices = jax.lax.scan(slot, beam, played)
    best = jnp.argmax(last.earned)
    _, plan = jax.lax.scan(follow_back, best, choices, reverse=True)
    return Plan(actions=plan[:, None].astype(jnp.int32), value=last.earned[best] / horizon)


def _repeated(world: AigcWorld, params: AigcParams, states: AigcState) -> Array:
    """Return which of the states ``[S, ...]`` have the same queues as one before them."""
    local_s = states.local_backlog_gcycles / params.device_ghz
    server_s = states.server_backlog_gcycles / world.at_queues(params, params.server_ghz)
    depths = jnp.round(jnp.concatenate([local_s, server_s], axis=1) / LOOKALIKE_S)
    same = jnp.all(depths[:, None] == depths[None], axis=-1)
    return jnp.any(jnp.tril(same, -1), axis=1)
