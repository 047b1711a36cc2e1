"""Draw requests for services by Zipf's law, with a ranking that may drift.

Recorded requests are mapped to services by :func:`recorded_services`.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.errors import InputError
from edgewright.core.records import Array, Number, record, static
from edgewright.streams.channel import RecordedRows, part_of
from edgewright.streams.processes import unit
from edgewright.streams.traces import Part, PathLike, Reading, load_requests


def zipf(exponent: Number, services: int) -> Array:
    """Return ``r^-s / sum of r^-s`` for the ranks ``r = 1 .. K``: probabilities that sum to one."""
    weight = jnp.arange(1, services + 1, dtype=jnp.float32) ** -jnp.asarray(exponent, jnp.float32)
    return weight / jnp.sum(weight)


@record
class ZipfRequests:
    """Independent requests of every element of a row, by Zipf's law over ``services``.

    Service 0 is the most popular at first. In each row the ranking moves by one place, up or down,
    with probability ``drift``: then service ``k`` has the rank ``(k - shift) mod K``. With drift,
    or with ``random_start``, the shift begins anywhere; all elements of a row share it.

    Attributes:
        exponent: of the law; 0 makes all services equally popular.
        drift: probability of a move in each row.
        random_start: whether the first ranking is drawn where nothing drifts, too.
    """

    exponent: Number
    drift: Number = 0.0
    services: int = static()
    shape: tuple[int, ...] = static(default=())
    random_start: bool = static(default=False)
    words: int = static(default=2)

    def init_carry(self, key: Array) -> Array:
        shift = jax.random.randint(key, (), 0, self.services)
        return jnp.where(self._is_shifted(), shift, 0).astype(jnp.int32)

    def _is_shifted(self) -> Array:
        return (jnp.asarray(self.drift) > 0) | self.random_start

    def next_rows(self, memory: Array, bits: Array) -> tuple[Array, Array]:
        length = bits.shape[1]
        edges = jnp.cumsum(zipf(self.exponent, self.services))[:-1]
        rank = jnp.sum(unit(bits[0])[..., None] >= edges, axis=-1, dtype=jnp.int32)
        chance = unit(bits[1].reshape(length, -1)[:, 0])
        half = 0.5 * jnp.asarray(self.drift)
        move = (chance < half).astype(jnp.int32) - (chance > 1.0 - half).astype(jnp.int32)
        shift = (memory + jnp.cumsum(move)) % self.services
        ones = (1,) * len(self.shape)
        return shift[-1], (rank + shift.reshape(length, *ones)) % self.services

    def resume(self, key: Array, x: Array) -> Array:
        """Return the shift under which the requests of the row ``x`` are likeliest."""
        rank = jnp.arange(1, self.services + 1, dtype=jnp.float32)
        log_law = -jnp.asarray(self.exponent) * jnp.log(rank)  # up to a constant
        count = jnp.sum(x[..., None] == jnp.arange(self.services), axis=tuple(range(x.ndim)))
        likelihood = jax.vmap(lambda shift: jnp.sum(count * jnp.roll(log_law, shift)))(
            jnp.arange(self.services)
        )
        likeliest = jnp.argmax(likelihood).astype(jnp.int32)
        return jnp.where(self._is_shifted(), likeliest, 0)


def service_of(tokens: np.ndarray, services: int) -> np.ndarray:
    """Return a service for each request by the length of its prompt, ``[n]`` int32 from 0.

    The services are bins of equal width in the logarithm of ``1 + tokens``, between the 1st and the
    99th percentile of the log; what lies outside is in the first or last bin. Requests of similar
    length so ask for one service, and the order of the log, with its bursts, is kept. It is an
    assumption: no open log of edge services names what was asked for.
    """
    length = np.log1p(np.asarray(tokens, np.float64))
    low, high = np.percentile(length, [1, 99])
    if not high > low:
        message = "all requests have one length, so services cannot be separated"
        raise InputError(message, where="recorded_services", hint="give another log")
    index = np.floor((length - low) / (high - low) * services)
    return np.clip(index, 0, services - 1).astype(np.int32)


def recorded_services(
    path: PathLike,
    *,
    services: int,
    shape: tuple[int, ...],
    part: Part = "train",
    reading: Reading | None = None,
) -> RecordedRows:
    """Return the requests of a log as services, in their order: one row for each slot.

    The users of a slot make consecutive requests of the log, which is looped; the first 80 % of it
    is for training.

    Args:
        path: a log, see :func:`edgewright.streams.traces.load_requests`.
        services: number of services; see :func:`service_of` for the mapping.
        shape: axes of one row, e.g. ``(users,)``.
    """
    log = load_requests(path, reading)
    asked, users = service_of(log.input_tokens, services), int(np.prod(shape))
    rows = asked[: len(asked) // users * users].reshape(-1, *shape)
    chosen = part_of(rows, part)
    if not len(chosen):
        message = f"its {len(asked)} requests are too few for {users} in each slot"
        raise InputError(message, where=str(path), hint="give a longer log, or fewer users")
    return RecordedRows(values=jnp.asarray(chosen), scale=1, shape=shape)
