"""Compute the exact optimum of a small caching world by backward induction over its caches.

Where requests are independent and nothing else varies, the state between two epochs is what the
caches hold. The best servers of every slot are found by trying all, under the exact shares.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.errors import InputError
from edgewright.core.records import Array, Decision, Memoryless, record, static
from edgewright.loops.evaluate import PrivilegedObservation
from edgewright.physics.caching import fetch_s
from edgewright.streams.compose import Composite
from edgewright.streams.processes import Constant
from edgewright.systems.caching.latency import latency, task
from edgewright.systems.caching.records import CachingInputs, CachingParams
from edgewright.systems.caching.requests import fixed_law
from edgewright.systems.caching.world import CachingWorld
from edgewright.systems.problem import Problem

MAX_COMBINATIONS = 200_000
"""Caches times requests times choices of servers that are tried."""


@record
class TablePolicy(Memoryless):
    """The best caches of each epoch, and the best servers of each slot, from tables.

    Attributes:
        caches: ``[caches, M, K]``, all that fit.
        after: ``[epochs, caches]`` int32, the best caches after those before the epoch.
    """

    caches: Array
    after: Array
    choices: Array  # [choices, U]
    world: CachingWorld = static()

    def act(
        self, key: Array, carry: tuple[()], known: PrivilegedObservation
    ) -> tuple[tuple[()], Decision]:
        """Return the optimal action."""
        world, params, state = self.world, known.params, known.state
        apart = jnp.sum(jnp.abs(self.caches - state.cached), axis=(1, 2))
        epoch = jnp.minimum(state.slot // world.period, self.after.shape[0] - 1)
        best = self.caches[self.after[epoch, jnp.argmin(apart)]]
        asked = task(world, params, state, known.x)
        total = jax.vmap(
            lambda server: jnp.sum(latency(world, params, state, asked, server, None).total_s)
        )(self.choices)
        server = self.choices[jnp.argmin(total)]
        return carry, Decision(action={"cache": 2.0 * best - 1.0, "server": server}, aux=())


def solvable(problem: Problem) -> bool:
    """Return whether :func:`optimum` has an answer."""
    return not _obstacle(problem)


def optimum(problem: Problem) -> TablePolicy:
    """Return the policy of the largest expected mean reward of an episode.

    Raises:
        InputError: inputs other than the requests vary, or the world is too large.
    """
    reason = _obstacle(problem)
    if reason:
        hint = "use the scenario caching-toy, or leave this policy out: `bounds` bounds all of them"
        raise InputError(f"the exact optimum is not known: {reason}", where="optimum", hint=hint)
    world, params = problem.world, problem.params
    caches, choices = _caches(world, params), _vectors(world.servers, world.users)
    cost_s = expected_latency_s(problem, caches, choices)
    fetch = jax.vmap(jax.vmap(fetch_s, (None, 0, None, None)), (0, None, None, None))(
        caches, caches, params.service_mib, params.backhaul_mib_s
    )
    price = np.asarray(cost_s)[None, :] + float(params.switch_weight) * np.asarray(fetch)
    value, after = np.zeros(len(caches)), []
    for _ in range(problem.horizon // world.period):
        total = price + value[None, :]
        after.append(np.argmin(total, axis=1))
        value = np.min(total, axis=1)
    table = np.stack(after[::-1]).astype(np.int32)
    return TablePolicy(
        caches=caches, after=jnp.asarray(table), choices=jnp.asarray(choices), world=world
    )


def expected_latency_s(problem: Problem, caches: Array, choices: np.ndarray) -> Array:
    """Return the expected mean latency ``[caches]`` [s] of a slot under the best servers."""
    world, params = problem.world, problem.params
    stream, law = problem.train_stream, fixed_law(problem)
    assert law is not None
    _, rows = stream.next_rows(stream.init_carry(jax.random.key(0)), 1)
    row = jax.tree.map(lambda leaf: leaf[0], rows)
    vectors = _vectors(world.services, world.users)
    chance = jnp.asarray(np.prod(law.astype(np.float64)[vectors], axis=1), jnp.float32)

    def of_cache(cached: Array) -> Array:
        state = world.reset(params, row)
        state = _with_cache(state, cached)
        best = functools.partial(_best_s, world, params, state, row, jnp.asarray(choices))
        return jnp.sum(chance * jax.vmap(best)(jnp.asarray(vectors, jnp.int32)))

    return jax.jit(lambda all_caches: jax.lax.map(of_cache, all_caches))(caches)


def _with_cache(state: Any, cached: Array) -> Any:
    return dataclasses.replace(state, cached=cached)


def _best_s(
    world: CachingWorld,
    params: CachingParams,
    state: Any,
    row: CachingInputs,
    choices: Array,
    service: Array,
) -> Array:
    """Return the least mean latency of a slot in which users ask for ``service`` ``[U]``."""
    x = dataclasses.replace(row, service=service)
    asked = task(world, params, state, x)
    total = jax.vmap(lambda server: latency(world, params, state, asked, server, None).total_s)
    return jnp.min(jnp.mean(total(choices), axis=1))


def _vectors(count: int, length: int) -> np.ndarray:
    """Return all vectors ``[count^length, length]`` of numbers from 0 to ``count - 1``."""
    return np.array(list(itertools.product(range(count), repeat=length)), np.int32)


def _caches(world: CachingWorld, params: CachingParams) -> Array:
    """Return all contents ``[caches, M, K]`` that fit."""
    sets = _vectors(2, world.services).astype(np.float32)
    size = sets @ np.asarray(params.service_mib)
    capacity = 1024.0 * np.asarray(params.cache_gib)
    fitting = [sets[size <= capacity[server]] for server in range(world.servers)]
    return jnp.asarray([np.stack(rows) for rows in itertools.product(*fitting)])


def _obstacle(problem: Problem) -> str:
    """Return what keeps the exact optimum from being computed; empty if nothing does."""
    world, stream = problem.world, problem.train_stream
    if world.shares != "square_root" or world.objective != "latency" or world.queues:
        return "it needs shares = 'square_root', objective = 'latency' and no queues"
    if world.capacity != "projected" or not isinstance(stream, Composite):
        return "it needs capacity = 'projected' and drawn inputs"
    combinations = 2 ** (world.servers * world.services)  # integers: floats overflow
    combinations *= (world.services * world.servers) ** world.users
    if combinations > MAX_COMBINATIONS:
        return f"some 10^{len(str(combinations)) - 1} combinations are more than {MAX_COMBINATIONS}"
    if fixed_law(problem) is None:
        return "the law of the requests changes"
    varying = [
        n for n, p in stream.fields.items() if n != "service" and not isinstance(p, Constant)
    ]
    return f"{', '.join(varying)} vary" if varying else ""
