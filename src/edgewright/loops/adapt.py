"""Adaptation: a device that lives in one hidden scenario and learns from its own slots.

In each step it observes some slots, labels them with the best of its proposals, stores them and
takes one gradient step. Between steps it sits an exam on slots that it never learns from. Write for
one device; ``vmap`` over scenarios and seeds outside.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from edgewright.core.protocols import Stream, World
from edgewright.core.records import Array, record
from edgewright.loops.search import Searching, label, prices


@record
class Exam:
    """Held-out slots of one scenario: ``rows`` ``[S, ...]`` of inputs and their least cost."""

    rows: Any
    optimum: Array  # [S]


@record
class Marks:
    """What an exam came to: means over its slots of the ratio optimum / cost, and more."""

    q_hat: Array  # mean of per-slot ratios; 1 is the optimum
    q_hat_p5: Array  # 5th percentile of per-slot ratios
    ratio_of_means: Array
    exact: Array  # share of slots whose cost is the least there is
    cost: Array  # mean cost


EXACT = 1e-5
"""Relative distance to the optimum that counts as reached: float32 sums of ten terms."""


def marks(cost: Array, optimum: Array) -> Marks:
    """Return the marks of costs ``[S]`` against the least ones ``[S]``.

    A world that pays instead of charging has negative costs; there the ratio is cost / optimum.
    """
    ratio = _ratio(cost, optimum)
    return Marks(
        q_hat=jnp.mean(ratio),
        q_hat_p5=jnp.quantile(ratio, 0.05),
        ratio_of_means=_ratio(jnp.mean(cost), jnp.mean(optimum)),
        exact=jnp.mean(ratio > 1.0 - EXACT),
        cost=jnp.mean(cost),
    )


def _ratio(cost: Array, optimum: Array) -> Array:
    return jnp.where(optimum > 0, optimum / cost, cost / optimum)


def examine(key: Array, world: World, params: Any, policy: Any, exam: Exam) -> Marks:
    """Let a policy that sees what a learner sees decide the slots of an exam."""

    def one(key: Array, x: Any) -> Array:
        seen = world.observe(params, world.reset(params, x), x)
        action = policy.act(key, policy.start(key), seen)[1].action
        return prices(world, params, x, action[None])[0]

    keys = jax.random.split(key, exam.optimum.shape[0])
    return marks(jax.vmap(one)(keys, exam.rows), exam.optimum)


def examine_told(key: Array, world: World, params: Any, policy: Any, exam: Exam) -> Marks:
    """Let a policy that is told the numbers and the inputs decide the slots of an exam."""
    decided, _ = label(key, world, params, policy, exam.rows)

    def one(x: Any, action: Array) -> Array:
        return prices(world, params, x, action[None])[0]

    return marks(jax.vmap(one)(exam.rows, decided.action), exam.optimum)


def both_ways(key: Array, world: World, params: Any, proposer: Any, exam: Exam) -> Marks:
    """Return the marks ``[2]`` of a proposer without and with its proposals priced."""
    alone = examine(key, world, params, proposer, exam)
    priced = examine_told(key, world, params, Searching(proposer=proposer, world=world), exam)
    return jax.tree.map(lambda a, b: jnp.stack([a, b]), alone, priced)


def adapt(
    key: Array,
    world: World,
    params: Any,
    stream: Stream[Any],
    learner: Any,
    state: Any,
    gaps: Array,
    exam: Exam,
    shots: int = 0,
) -> tuple[Any, Marks]:
    """Let a device learn, with an exam before its first step and after each gap.

    Args:
        key: consumed.
        learner, state: see :class:`edgewright.agents.droo.Droo`; ``state`` is where it begins.
        gaps: ``[M]`` int, gradient steps between two exams.
        shots: observe only this many slots, once, and reuse them in every step; 0 observes
            ``learner.frames`` new slots before each.

    Returns:
        the last state, and the marks ``[M + 1, 2]``: without and with priced proposals.
    """
    start_key, shot_key, key = jax.random.split(key, 3)
    carry = stream.start(start_key)

    def observed(key: Array, state: Any, carry: Any, count: int) -> tuple[Any, Any]:
        carry, rows = stream.take(carry, count)
        policy = learner.proposer(state.network)
        teacher = Searching(proposer=policy, world=world, tried=learner.tried(state))
        batch, winners = label(key, world, params, teacher, rows)
        return learner.store(state, batch, winners), carry

    if shots:
        state, carry = observed(shot_key, state, carry, shots)

    def step(_: Array, inner: Any) -> Any:
        key, state, carry = inner
        see_key, learn_key, key = jax.random.split(key, 3)
        if not shots:
            state, carry = observed(see_key, state, carry, learner.frames)
        state, _log = learner.learn(learn_key, state)
        return key, state, carry

    def examined(state: Any) -> Marks:
        return both_ways(jax.random.key(0), world, params, learner.proposer(state.network), exam)

    def stretch(inner: Any, gap: Array) -> tuple[Any, Marks]:
        inner = jax.lax.fori_loop(0, gap, step, inner)
        return inner, examined(inner[1])

    before = examined(state)
    (_, state, _), after = jax.lax.scan(stretch, (key, state, carry), gaps)
    return state, jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), before, after)
