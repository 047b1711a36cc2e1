"""Adapt a learner to one task on a device that learns from its own slots.

In each step it observes some slots, labels them with the best of its proposals, stores them and
takes one gradient step. Between steps it sits an exam on slots that it never learns from. Write for
one device; ``vmap`` over scenarios and seeds outside.
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


def marks(cost: Array, optimum: Array) -> Scores:
    """Return the marks of costs ``[S]`` against the least ones ``[S]``.

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
    key: Array, world: World, params: Any, policy: Any, exam: HeldOutSet
) -> Scores:
    """Let a policy that sees what a learner sees decide the slots of an exam."""

    def one(key: Array, x: Any) -> Array:
        observation = world.observe(params, world.reset(params, x), x)
        action = policy.act(key, policy.init_carry(key), observation)[1].action
        return prices(world, params, x, action[None])[0]

    keys = jax.random.split(key, exam.optimum.shape[0])
    return marks(jax.vmap(one)(keys, exam.rows), exam.optimum)


def evaluate_informed(
    key: Array, world: World, params: Any, policy: Any, exam: HeldOutSet
) -> Scores:
    """Let a policy that is told the numbers and the inputs decide the slots of an exam."""
    decided, _ = label(key, world, params, policy, exam.rows)

    def one(x: Any, action: Array) -> Array:
        return prices(world, params, x, action[None])[0]

    return marks(jax.vmap(one)(exam.rows, decided.action), exam.optimum)


def both_ways(key: Array, world: World, params: Any, proposer: Any, exam: HeldOutSet) -> Scores:
    """Return the marks ``[2]`` of a proposer without and with its proposals priced."""
    alone = evaluate_held_out(key, world, params, proposer, exam)
    priced = evaluate_informed(
        key, world, params, BestOfCandidates(proposer=proposer, world=world), exam
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
    world: World, params: Any, stream: Stream[Any], learner: Any, life: DeviceState, count: int
) -> DeviceState:
    """Let a device see ``count`` slots, label them with the best of its proposals, store them."""
    see_key, key = jax.random.split(life.key)
    learner = learner.fitted(world.observation_space(params))
    carry, rows = stream.next_rows(life.stream, count)
    policy = learner.policy(life.learner, explore=True)
    teacher = BestOfCandidates(proposer=policy, world=world, tried=learner.tried(life.learner))
    batch, winners = label(see_key, world, params, teacher, rows)
    return DeviceState(learner=learner.store(life.learner, batch, winners), stream=carry, key=key)


def learn(
    world: World, params: Any, learner: Any, life: DeviceState
) -> tuple[DeviceState, dict[str, Array]]:
    """Let a device take one gradient step from its memory."""
    learner = learner.fitted(world.observation_space(params))
    learn_key, key = jax.random.split(life.key)
    state, log = learner.learn(learn_key, life.learner)
    return DeviceState(learner=state, stream=life.stream, key=key), log


def adapt(
    world: World,
    params: Any,
    stream: Stream[Any],
    learner: Any,
    life: DeviceState,
    gaps: Array,
    exam: HeldOutSet,
    shots: int = 0,
) -> tuple[DeviceState, Scores]:
    """Let a device learn, with an exam before its first step and after each gap.

    Args:
        learner: see :class:`edgewright.agents.droo.Droo`.
        life: where the device stands, see :func:`born`.
        gaps: ``[M]`` int, gradient steps between two exams.
        shots: observe only this many slots, once, and reuse them in every step; 0 observes
            ``learner.rollout_steps`` new slots before each.

    Returns:
        where it stands afterwards, and the marks ``[M + 1, 2]``: without and with priced proposals.
    """
    if shots:
        life = observe(world, params, stream, learner, life, shots)

    def step(_: Array, life: DeviceState) -> DeviceState:
        if not shots:
            life = observe(world, params, stream, learner, life, learner.rollout_steps)
        return learn(world, params, learner, life)[0]

    def examined(life: DeviceState) -> Scores:
        fitted = learner.fitted(world.observation_space(params))
        policy = fitted.policy(life.learner, explore=False)
        return both_ways(jax.random.key(0), world, params, policy, exam)

    def stretch(life: DeviceState, gap: Array) -> tuple[DeviceState, Scores]:
        life = jax.lax.fori_loop(0, gap, step, life)
        return life, examined(life)

    before = examined(life)
    life, after = jax.lax.scan(stretch, life, gaps)
    return life, jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), before, after)


@functools.partial(jax.jit, static_argnames=("world", "shots"))
def adapt_all(
    key: Array,
    world: World,
    tasks: Tasks,
    learner: Any,
    networks: Any,
    gaps: Array,
    exams: HeldOutSet,
    shots: int = 0,
) -> Scores:
    """Let one device in each hidden scenario adapt; return its marks ``[E, M + 1, 2]``.

    The slots of a device depend on ``key`` and on its place only, so two learners that are given
    the same key adapt on the same slots. Consumes ``key``.

    Args:
        networks: where each device begins, leaves ``[E, ...]``.
        gaps, shots: see :func:`adapt`.
        exams: leaves ``[E, ...]``.
    """
    count = jax.tree.leaves(tasks.params)[0].shape[0]

    def one(key: Array, params: Any, network: Any, exam: HeldOutSet) -> Scores:
        space, stream = world.observation_space(params), tasks.stream(params)
        life = init_device(key, stream, learner.start_from(network, space))
        return adapt(world, params, stream, learner, life, gaps, exam, shots)[1]

    return jax.vmap(one)(jax.random.split(key, count), tasks.params, networks, exams)


@functools.partial(jax.jit, static_argnames=("world",))
def evaluate_informed_all(
    key: Array, world: World, tasks: Tasks, policy: Any, exams: HeldOutSet
) -> Scores:
    """Let a policy that is told the numbers sit the exam of every scenario; marks ``[E]``."""
    count = jax.tree.leaves(tasks.params)[0].shape[0]
    return jax.vmap(lambda k, p, e: evaluate_informed(k, world, p, policy, e))(
        jax.random.split(key, count), tasks.params, exams
    )


@functools.partial(jax.jit, static_argnames=("world",))
def evaluate_proposer_all(
    key: Array, world: World, tasks: Tasks, policy: Any, exams: HeldOutSet
) -> Scores:
    """Let a policy that sees what a learner sees sit every exam.

    Returns:
        marks ``[E, 2]``: what it decides alone, and the best of its proposals if it has any.
    """
    count = jax.tree.leaves(tasks.params)[0].shape[0]

    def one(key: Array, params: Any, exam: HeldOutSet) -> Scores:
        if hasattr(policy, "propose"):
            return both_ways(key, world, params, policy, exam)
        alone = evaluate_held_out(key, world, params, policy, exam)
        return jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), alone)

    return jax.vmap(one)(jax.random.split(key, count), tasks.params, exams)


@functools.partial(jax.jit, static_argnames=("world",))
def init_devices(key: Array, world: World, tasks: Tasks, learner: Any) -> DeviceState:
    """Return an untrained device in every scenario, leaves ``[E, ...]``. Consumes ``key``."""
    count = jax.tree.leaves(tasks.params)[0].shape[0]

    def one(key: Array, params: Any) -> DeviceState:
        network_key, life_key, _ = jax.random.split(key, 3)
        space = world.observation_space(params)
        state = learner.start_from(learner.network(network_key, space), space)
        return init_device(life_key, tasks.stream(params), state)

    return jax.vmap(one)(jax.random.split(key, count), tasks.params)


@functools.partial(jax.jit, static_argnames=("world", "chunk"))
def train_devices(
    world: World, tasks: Tasks, learner: Any, lives: DeviceState, iterations: Array, chunk: int
) -> tuple[DeviceState, dict[str, Array]]:
    """Let every device observe and learn ``iterations`` (at most ``chunk``) times.

    Returns:
        the devices, and logs ``[chunk]`` of which the first ``iterations`` entries are filled.
    """

    def one(params: Any, life: DeviceState) -> tuple[DeviceState, dict[str, Array]]:
        stream = tasks.stream(params)
        life = observe(world, params, stream, learner, life, learner.rollout_steps)
        return learn(world, params, learner, life)

    def once(lives: DeviceState) -> tuple[DeviceState, dict[str, Array]]:
        lives, logs = jax.vmap(one)(tasks.params, lives)
        return lives, {name: jnp.mean(leaf) for name, leaf in logs.items()}

    return repeated(once, lives, iterations, chunk)
