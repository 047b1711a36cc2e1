"""Draw random gaps between tasks and the random load of other users, as processes.

The interface is that of :mod:`edgewright.streams.processes`.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from edgewright.core.records import Array, Memoryless, Number, record, static
from edgewright.streams.processes import unit


@record
class PoissonArrivals(Memoryless):
    """Gaps between the arrivals of a Poisson process: exponential with mean ``mean``."""

    mean: Number
    shape: tuple[int, ...] = static(default=())
    words: int = static(default=1)

    def next_rows(self, memory: tuple[()], bits: Array) -> tuple[tuple[()], Array]:
        return memory, -self.mean * jnp.log(unit(bits[0]))

    def resume(self, key: Array, x: Array) -> tuple[()]:
        return ()


@record
class ModulatedArrivals:
    """Gaps of a Markov-modulated Poisson process with a calm and a busy phase.

    The mean gap is ``mean * calm_factor`` or ``mean * busy_factor``; after each arrival the phase
    changes with probability ``switch``. The overall mean is ``mean`` when the two factors average
    to 1. The memory is the phase, which a planner cannot see: ``resume`` draws it afresh.
    """

    mean: Number
    calm_factor: Number
    busy_factor: Number
    switch: Number
    shape: tuple[int, ...] = static(default=())
    words: int = static(default=2)

    def init_carry(self, key: Array) -> Array:
        return jax.random.bernoulli(key, 0.5, self.shape).astype(jnp.int32)

    def next_rows(self, memory: Array, bits: Array) -> tuple[Array, Array]:
        flips = (unit(bits[0]) < self.switch).astype(jnp.int32)
        phase = jnp.mod(memory + jnp.cumsum(flips, axis=0), 2)
        factor = jnp.where(phase == 1, self.busy_factor, self.calm_factor)
        return phase[-1], -self.mean * factor * jnp.log(unit(bits[1]))

    def resume(self, key: Array, x: Array) -> Array:
        return self.init_carry(key)


@record
class CompoundPoisson(Memoryless):
    """Load that other users bring to a server, as mean work per second over one row.

    A Poisson number of jobs, each uniform on ``[job_low, job_high]`` times one of ``multipliers``,
    at a rate that makes the mean ``utilisation * capacity``. Jobs beyond ``most_jobs`` in a row are
    cut: with 12 and at most 1.8 jobs a row on average, less than once in 10^7 rows (see
    :func:`poisson_tail`).

    Attributes:
        utilisation: ``[*shape]`` share of the capacity that is taken on average.
        capacity: ``[*shape]`` work the server can do per second.
        interval: seconds of one row.
        job_low, job_high: bounds of a job's work, in the unit of ``capacity`` times seconds.
        multipliers: ``[k]`` equally likely factors (quality levels of the others' jobs).
    """

    utilisation: Number
    capacity: Number
    interval: Number
    job_low: Number
    job_high: Number
    multipliers: Array
    shape: tuple[int, ...] = static(default=())
    most_jobs: int = static(default=12)

    @property
    def words(self) -> int:
        """Return one word for the number of jobs and half a word for each."""
        return 1 + (self.most_jobs + 1) // 2

    def mean_jobs(self) -> Array:
        """Return the Poisson mean of the number of jobs in a row."""
        mean_job = (self.job_low + self.job_high) / 2 * jnp.mean(jnp.asarray(self.multipliers))
        return self.utilisation * self.capacity * self.interval / mean_job

    def next_rows(self, memory: tuple[()], bits: Array) -> tuple[tuple[()], Array]:
        rate = jnp.broadcast_to(jnp.asarray(self.mean_jobs(), jnp.float32), self.shape)
        chance = unit(bits[0])
        mass = jnp.exp(-rate)
        reached = mass
        total = jnp.zeros(chance.shape, jnp.float32)
        for number in range(
            1, self.most_jobs + 1
        ):  # the count is at least `number`: add one more job
            word = bits[(number + 1) // 2]
            half = (word >> 16) if number % 2 else (word & 0xFFFF)
            total = total + jnp.where(chance >= reached, self._job(half), 0.0)
            mass = mass * rate / number
            reached = reached + mass
        return memory, total / self.interval

    def _job(self, half: Array) -> Array:
        """Return the work of a job from 16 random bits: which level, and how far within it."""
        levels = jnp.asarray(self.multipliers, jnp.float32)
        spread = half * levels.shape[0]
        level = spread >> 16
        share = (spread & 0xFFFF).astype(jnp.float32) * (1 / 2**16)
        factor = jnp.broadcast_to(levels[0], share.shape)
        for position in range(1, levels.shape[0]):  # selects: a gather is ten times slower here
            factor = jnp.where(level == position, levels[position], factor)
        return factor * (self.job_low + (self.job_high - self.job_low) * share)

    def resume(self, key: Array, x: Array) -> tuple[()]:
        return ()


def poisson_tail(rate: float, most: int) -> float:
    """Return the probability that a Poisson count exceeds ``most``."""
    if rate <= 0:
        return 0.0
    inside = sum(math.exp(n * math.log(rate) - rate - math.lgamma(n + 1)) for n in range(most + 1))
    return max(0.0, 1.0 - inside)
