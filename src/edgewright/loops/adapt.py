"""Adapt a learner to one task on a device that learns from its own slots.

In each step it observes some slots, labels them with the best of its proposals, stores them and
takes one gradient step. Between steps it is evaluated on held-out slots. Functions are written for
one device; callers ``vmap`` over tasks and seeds.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from edgewright.core.protocols import Stream, World
from edgewright.core.records import Array, record, static
from edgewright.loops.meta import Tasks
from edgewright.loops.repeat import repeated
from edgewright.loops.search import BestOfCandidates, label, prices


@record
class HeldOutSet:
    """Held-out slots of one task, with inputs ``rows`` ``[S, ...]`` and their least cost."""

    rows: Any
    optimum: Array  # [S]
    exact: bool = static(default=True)  # whether ``optimum`` is reached, or only a bound below


@record
class Scores:
    """Scores on a held-out set, such as the mean over its slots of the ratio optimum / cost."""

    q_hat: Array  # mean of per-slot ratios; 1 is the optimum
    q_hat_p05: Array  # 5th percentile of per-slot ratios
    ratio_of_means: Array
    optimal_fraction: Array  # share of slots whose cost is the least there is
    cost: Array  # mean cost


EXACT = 1e-5
"""Relative distance to the optimum that counts as reached: float32 sums of ten terms."""


def score(cost: Array, optimum: Array) -> Scores:
    """Return the scores of costs ``[S]`` against the least costs ``[S]``.

    A world that pays instead of charging has negative costs; there the ratio is cost / optimum.
    """
    ratio = _ratio(cost, optimum)
    return Scores(
        q_hat=jnp.mean(ratio),
        q_hat_p05=jnp.quantile(ratio, 0.05),
        ratio_of_means=_ratio(jnp.mean(cost), jnp.mean(optimum)),
        optimal_fraction=jnp.mean(ratio > 1.0 - EXACT),
        cost=jnp.mean(cost),
    )


def _ratio(cost: Array, optimum: Array) -> Array:
    return jnp.where(optimum > 0, optimum / cost, cost / optimum)


def evaluate_held_out(
    key: Array, world: World, params: Any, policy: Any, held_out: HeldOutSet
) -> Scores:
    """Return the scores of a policy that decides the held-out slots from observations."""

    def one(key: Array, x: Any) -> Array:
        observation = world.observe(params, world.reset(params, x), x)
        action = policy.act(key, policy.init_carry(key), observation)[1].action
        return prices(world, params, x, action[None])[0]

    keys = jax.random.split(key, held_out.optimum.shape[0])
    return score(jax.vmap(one)(keys, held_out.rows), held_out.optimum)


def evaluate_informed(
    key: Array, world: World, params: Any, policy: Any, held_out: HeldOutSet
) -> Scores:
    """Return the scores of a policy that knows the numbers and the inputs of the held-out slots."""
    decided, _ = label(key, world, params, policy, held_out.rows)

    def one(x: Any, action: Array) -> Array:
        return prices(world, params, x, action[None])[0]

    return score(jax.vmap(one)(held_out.rows, decided.action), held_out.optimum)


def both_ways(key: Array, world: World, params: Any, proposer: Any, held_out: HeldOutSet) -> Scores:
    """Return the scores ``[2]`` of a proposer with greedy rounding and with search."""
    alone = evaluate_held_out(key, world, params, proposer, held_out)
    priced = evaluate_informed(
        key, world, params, BestOfCandidates(proposer=proposer, world=world), held_out
    )
    return jax.tree.map(lambda a, b: jnp.stack([a, b]), alone, priced)


@record
class DeviceState:
    """The state of a device, with what it has learnt, the place in its stream, and its next key."""

    learner: Any
    stream: Any
    key: Array


def init_device(key: Array, stream: Stream[Any], state: Any) -> DeviceState:
    """Return a device that begins with the learner's ``state``. Consumes ``key``."""
    start_key, key = jax.random.split(key)
    return DeviceState(learner=state, stream=stream.init_carry(start_key), key=key)


def observe(
    world: World, params: Any, stream: Stream[Any], learner: Any, device: DeviceState, count: int
) -> DeviceState:
    """Let a device see ``count`` slots, label them with the best of its proposals, store them."""
    see_key, key = jax.random.split(device.key)
    learner = learner.fitted(world.observation_space(params))
    carry, rows = stream.next_rows(device.stream, count)
    policy = learner.policy(device.learner, explore=True)
    teacher = BestOfCandidates(proposer=policy, world=world, tried=learner.tried(device.learner))
    batch, winners = label(see_key, world, params, teacher, rows)
    return DeviceState(learner=learner.store(device.learner, batch, winners), stream=carry, key=key)


def learn(
    world: World, params: Any, learner: Any, device: DeviceState
) -> tuple[DeviceState, dict[str, Array]]:
    """Let a device take one gradient step from its memory."""
    learner = learner.fitted(world.observation_space(params))
    learn_key, key = jax.random.split(device.key)
    state, log = learner.learn(learn_key, device.learner)
    return DeviceState(learner=state, stream=device.stream, key=key), log


def adapt(
    world: World,
    params: Any,
    stream: Stream[Any],
    learner: Any,
    device: DeviceState,
    gaps: Array,
    held_out: HeldOutSet,
    shots: int = 0,
) -> tuple[DeviceState, Scores]:
    """Let a device learn, with an evaluation before its first step and after each gap.

    Args:
        learner: see :class:`edgewright.agents.droo.Droo`.
        device: its state, see :func:`init_device`.
        gaps: ``[M]`` int, gradient steps between two evaluations.
        shots: observe only this many slots, once, and reuse them in every step; 0 observes
            ``learner.rollout_steps`` new slots before each.

    Returns:
        the device's state afterwards, and scores ``[M + 1, 2]``: greedy rounding, with search.
    """
    if shots:
        device = observe(world, params, stream, learner, device, shots)

    def step(_: Array, device: DeviceState) -> DeviceState:
        if not shots:
            device = observe(world, params, stream, learner, device, learner.rollout_steps)
        return learn(world, params, learner, device)[0]

    def evaluated(device: DeviceState) -> Scores:
        fitted = learner.fitted(world.observation_space(params))
        policy = fitted.policy(device.learner, explore=False)
        return both_ways(jax.random.key(0), world, params, policy, held_out)

    def advance(device: DeviceState, gap: Array) -> tuple[DeviceState, Scores]:
        device = jax.lax.fori_loop(0, gap, step, device)
        return device, evaluated(device)

    before = evaluated(device)
    device, after = jax.lax.scan(advance, device, gaps)
    return device, jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), before, after)


@functools.partial(jax.jit, static_argnames=("world", "shots"))
def adapt_all(
    key: Array,
    world: World,
    tasks: Tasks,
    learner: Any,
    networks: Any,
    gaps: Array,
    held_out: HeldOutSet,
    shots: int = 0,
) -> Scores:
    """Let one device in each task adapt; return its scores ``[E, M + 1, 2]``.

    The slots of a device depend on ``key`` and on its place only, so two learners that are given
    the same key adapt on the same slots. Consumes ``key``.

    Args:
        networks: where each device begins, leaves ``[E, ...]``.
        gaps, shots: see :func:`adapt`.
        held_out: leaves ``[E, ...]``.
    """
    count = jax.tree.leaves(tasks.params)[0].shape[0]

    def one(key: Array, params: Any, network: Any, held_out: HeldOutSet) -> Scores:
        space, stream = world.observation_space(params), tasks.stream(params)
        device = init_device(key, stream, learner.start_from(network, space))
        return adapt(world, params, stream, learner, device, gaps, held_out, shots)[1]

    return jax.vmap(one)(jax.random.split(key, count), tasks.params, networks, held_out)


@functools.partial(jax.jit, static_argnames=("world",))
def evaluate_informed_all(
    key: Array, world: World, tasks: Tasks, policy: Any, held_out: HeldOutSet
) -> Scores:
    """Return the scores ``[E]`` of a policy that knows the numbers of each of ``E`` tasks."""
    count = jax.tree.leaves(tasks.params)[0].shape[0]
    return jax.vmap(lambda k, p, e: evaluate_informed(k, world, p, policy, e))(
        jax.random.split(key, count), tasks.params, held_out
    )


@functools.partial(jax.jit, static_argnames=("world",))
def evaluate_proposer_all(
    key: Array, world: World, tasks: Tasks, policy: Any, held_out: HeldOutSet
) -> Scores:
    """Evaluate a policy, from observations alone, on the held-out slots of every task.

    Returns:
        scores ``[E, 2]``: of its own decision, and of its best proposal if it makes proposals.
    """
    count = jax.tree.leaves(tasks.params)[0].shape[0]

    def one(key: Array, params: Any, held_out: HeldOutSet) -> Scores:
        if hasattr(policy, "propose"):
            return both_ways(key, world, params, policy, held_out)
        alone = evaluate_held_out(key, world, params, policy, held_out)
        return jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), alone)

    return jax.vmap(one)(jax.random.split(key, count), tasks.params, held_out)


@functools.partial(jax.jit, static_argnames=("world",))
def init_devices(key: Array, world: World, tasks: Tasks, learner: Any) -> DeviceState:
    """Return an untrained device in every scenario, leaves ``[E, ...]``. Consumes ``key``."""
    count = jax.tree.leaves(tasks.params)[0].shape[0]

    def one(key: Array, params: Any) -> DeviceState:
        network_key, device_key, _ = jax.random.split(key, 3)
        space = world.observation_space(params)
        state = learner.start_from(learner.network(network_key, space), space)
        return init_device(device_key, tasks.stream(params), state)

    return jax.vmap(one)(jax.random.split(key, count), tasks.params)


@functools.partial(jax.jit, static_argnames=("world", "chunk"))
def train_devices(
    world: World, tasks: Tasks, learner: Any, devices: DeviceState, iterations: Array, chunk: int
) -> tuple[DeviceState, dict[str, Array]]:
    """Let every device observe and learn ``iterations`` (at most ``chunk``) times.

    Returns:
        the devices, and logs ``[chunk]`` of which the first ``iterations`` entries are filled.
    """

    def one(params: Any, device: DeviceState) -> tuple[DeviceState, dict[str, Array]]:
        stream = tasks.stream(params)
        device = observe(world, params, stream, learner, device, learner.rollout_steps)
        return learn(world, params, learner, device)

    def once(devices: DeviceState) -> tuple[DeviceState, dict[str, Array]]:
        devices, logs = jax.vmap(one)(tasks.params, devices)
        return devices, {name: jnp.mean(leaf) for name, leaf in logs.items()}

    return repeated(once, devices, iterations, chunk)
