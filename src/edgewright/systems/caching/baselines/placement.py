"""Choose by rules which services each server caches in an epoch.

Each returns priorities ``[M, K]`` from the state of the world; see ``CachingWorld.placed``.
"""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from edgewright.core.errors import InputError
from edgewright.core.records import Array, record, static
from edgewright.loops.evaluate import PrivilegedObservation
from edgewright.physics.caching import fit
from edgewright.systems.caching.latency import miss_s
from edgewright.systems.caching.records import CachingParams as Params

MAX_ENUMERATED = 14
"""Services whose subsets are enumerated; beyond, a knapsack is filled by value per size."""

_TIES_SEED = 1
"""Of the numbers that settle ties, the same in every run."""


@record
class Fixed:
    """The same caches ``[M, K]`` in every epoch."""

    priority: Array

    def place(self, key: Array, known: PrivilegedObservation) -> Array:
        """Return the priorities."""
        return without_ties(self.priority)


@record
class RandomCache:
    """Priorities drawn evenly from [-1, 1]: half of the services are wanted."""

    def place(self, key: Array, known: PrivilegedObservation) -> Array:
        """Draw priorities. Consumes ``key``."""
        return jax.random.uniform(key, known.state.cached.shape, minval=-1.0)


@record
class LeastFrequentlyUsed:
    """Keep what a server's cell asked for most often, by the running averages.

    They begin equal for all services.
    """

    def place(self, key: Array, known: PrivilegedObservation) -> Array:
        """Return the demand, in [0, 1)."""
        return without_ties(known.state.demand / (1.0 + known.state.demand))


@record
class LeastRecentlyUsed:
    """Keep what a server's cell asked for last."""

    def place(self, key: Array, known: PrivilegedObservation) -> Array:
        """Return ``1 / (1 + steps since the last request)``; -1 for what nobody asked for yet."""
        age = known.state.last_request
        return jnp.where(age < known.params.horizon_slots, without_ties(1.0 / (1.0 + age)), -1.0)


def without_ties(priority: Array) -> Array:
    """Return priorities ``[M, K]``, each lowered by up to 0.01 %, by fixed numbers drawn once.

    Of equal ones the first counts more, and services are numbered by popularity and size: a rule
    would know the law of the requests from their order.
    """
    drawn = jax.random.uniform(jax.random.key(_TIES_SEED), priority.shape)
    return priority * (1.0 - 1e-4 * drawn)


@record
class Popular:
    """Cache the set that fits and saves the most latency, by the running averages of requests.

    The value of a service is the latency that a hit saves times its demand, so each server solves a
    knapsack; up to ``MAX_ENUMERATED`` services exactly, by trying every set, beyond by value per
    size.

    Attributes:
        subsets: ``[sets, K]``; empty to fill by value per size.
        spread: whether servers share their services: the demand is that of all cells, and a server
            leaves out what one before it holds. Else each goes by its own cell alone.
    """

    subsets: Array
    spread: bool = static(default=False)

    @classmethod
    def of(cls, services: int, spread: bool = False) -> Popular:
        """Return the rule for ``services`` services."""
        if services > MAX_ENUMERATED:
            return cls(subsets=jnp.zeros((0, services)), spread=spread)
        sets = np.array(list(itertools.product([0.0, 1.0], repeat=services)), np.float32)
        return cls(subsets=jnp.asarray(sets), spread=spread)

    def place(self, key: Array, known: PrivilegedObservation) -> Array:
        """Return 1 for the services of the best sets, -1 for the others."""
        params, demand = known.params, known.state.demand
        if self.spread:
            demand = jnp.broadcast_to(jnp.sum(demand, axis=0), demand.shape)

        def fill(rest: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
            value, capacity_mib = row
            best = self._best(rest * value, params.service_mib, capacity_mib)
            return rest * (1.0 - best) if self.spread else rest, best

        rows = (demand * miss_s(params), params.cache_gib * 1024.0)
        _, best = jax.lax.scan(fill, jnp.ones(demand.shape[1]), rows)
        return 2.0 * best - 1.0

    def _best(self, value: Array, size_mib: Array, capacity_mib: Array) -> Array:
        """Return the set ``[K]`` of the largest value that fits."""
        if not self.subsets.shape[0]:
            return fit(value / size_mib, size_mib, capacity_mib)
        fits = self.subsets @ size_mib <= capacity_mib
        worth = jnp.where(fits, self.subsets @ value, -1.0)
        return self.subsets[jnp.argmax(worth)] * (value > 0)


def knapsack(value: np.ndarray, size: np.ndarray, capacity: np.ndarray) -> np.ndarray:
    """Return the caches ``[M, K]`` of the largest total value that fit, exactly (HiGHS).

    A service counts once, wherever it is: users may choose any server.

    Args:
        value, size: of each service, not negative.
        capacity: ``[M]`` in the unit of ``size``.

    Raises:
        InputError: the solver ended without an answer.
    """
    servers, services = len(capacity), len(value)
    scale = max(float(np.max(value)), 1e-30)
    fits = np.kron(np.eye(servers), np.asarray(size, np.float64)[None])
    once = np.tile(np.eye(services), servers)
    solved = milp(
        -np.tile(np.asarray(value, np.float64) / scale, servers),
        constraints=[LinearConstraint(fits, ub=capacity), LinearConstraint(once, ub=1.0)],  # pyright: ignore[reportArgumentType]
        integrality=np.ones(servers * services),
        bounds=Bounds(0, 1),
    )
    if solved.x is None:
        hint = "use a policy that begins with spread+"
        raise InputError(f"the solver ended with: {solved.message}", where="knapsack", hint=hint)
    return np.round(solved.x).reshape(servers, services)


def known_law(params: Params, probabilities: np.ndarray) -> Fixed:
    """Return the best caches for requests whose law is known and does not change."""
    value = np.asarray(probabilities, np.float64) * np.asarray(miss_s(params), np.float64)
    size, capacity = np.asarray(params.service_mib), 1024.0 * np.asarray(params.cache_gib)
    best = knapsack(value, np.asarray(size, np.float64), np.asarray(capacity, np.float64))
    return Fixed(priority=jnp.asarray(2.0 * best - 1.0, jnp.float32))
