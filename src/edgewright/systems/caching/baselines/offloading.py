"""Choose by rules the server of each user in a slot, and the weights of the shares."""

from __future__ import annotations

from typing import Any, Literal

import jax
import jax.numpy as jnp

from edgewright.core.records import Array, record, static
from edgewright.loops.evaluate import PrivilegedObservation
from edgewright.systems.caching.latency import Task, cell_of, cloud_s, task
from edgewright.systems.caching.world import CachingWorld

Association = Literal["nearest", "hit", "search", "random"]
Shares = Literal["equal", "root", "random", "zero"]

SWEEPS = 3
"""Rounds of the local search over the users; a further one changes almost nothing."""


@record
class Offloading:
    """One rule for the servers and one for the shares.

    Attributes:
        association: ``nearest`` takes the server of the cell; ``hit`` the least-loaded server that
            holds the service, user by user; ``search`` improves that user by user under the exact
            shares; ``random`` draws.
        shares: ``equal``, by the square-``root`` law, ``random``, or ``zero`` for everybody, which
            pays only where the world has the published fallback.
    """

    world: CachingWorld = static()
    association: Association = static()
    shares: Shares = static()

    def offload(self, key: Array, known: PrivilegedObservation) -> dict[str, Array]:
        """Return ``server``, ``bandwidth`` and ``speed`` ``[U]`` each. Consumes ``key``."""
        asked = task(self.world, known.params, known.state, known.x)
        return self.decide(key, known, asked, cell_of(self.world, known.params, known.x))

    def decide(
        self, key: Array, known: PrivilegedObservation, asked: Task, cell: Array
    ) -> dict[str, Array]:
        """Return the same for requests, links and cells ``[U]`` that are given."""
        return self._shared(key, known, asked, self._server(key, known, asked, cell))

    def at(self, server: Array, known: PrivilegedObservation) -> dict[str, Array]:
        """Return the same for given servers ``[U]``, with shares that are not drawn."""
        asked = task(self.world, known.params, known.state, known.x)
        return self._shared(jax.random.key(0), known, asked, server)

    def _shared(
        self, key: Array, known: PrivilegedObservation, asked: Task, server: Array
    ) -> dict[str, Array]:
        if self.world.shares != "action":
            return {"server": server}
        bandwidth, speed = self._weights(key, known, asked, server)
        return {"server": server, "bandwidth": bandwidth, "speed": speed}

    def _server(self, key: Array, known: PrivilegedObservation, asked: Task, cell: Array) -> Array:
        if self.association == "random":
            return jax.random.randint(key, (self.world.users,), 0, self.world.servers)
        if self.association == "nearest":
            return cell
        load = _Loads.of(known, asked)
        first = least_loaded_hit(load, cell)
        return first if self.association == "hit" else improved(load, first)

    def _weights(
        self, key: Array, known: PrivilegedObservation, asked: Task, server: Array
    ) -> tuple[Array, Array]:
        each = (self.world.users,)
        if self.shares == "random":
            low = 0.0 if self.world.zero_share == "budget" else -1.0
            drawn = jax.random.uniform(jax.random.fold_in(key, 1), (2, *each), minval=low)
            return drawn[0], drawn[1]
        if self.shares in ("equal", "zero"):
            same = jnp.full(each, 1.0 if self.shares == "equal" else 0.0)
            return same, same
        load, chosen = _Loads.of(known, asked), self.world.chosen(server) > 0
        least = known.params.least_weight if self.world.zero_share == "budget" else 0.0
        roots = (jnp.sum(jnp.where(chosen, root, 0.0), axis=1) for root in (load.band, load.speed))
        bandwidth, speed = (_raised(root, least) for root in roots)
        return bandwidth, speed


def _raised(root: Array, least: Array | float) -> Array:
    """Return weights that, after the world has added ``least``, are in proportion to ``root``."""
    share = root / jnp.maximum(jnp.max(root), 1e-30)
    return jnp.clip(share * (1.0 + least) - least, 0.0, 1.0)


@record
class _Loads:
    """Loads that each user would bring to each server ``[U, M]``.

    With the exact shares the latency of a slot is the sum over the servers of
    ``(sum band)^2 + (sum speed)^2`` and of ``other`` over the users.
    """

    band: Array  # root of the transmission time with the whole band
    speed: Array  # root of the computing time with the whole server, 0 for a miss
    other: Array  # what no share changes: the wait, or the way to the cloud
    available: Array

    @classmethod
    def of(cls, known: PrivilegedObservation, asked: Task) -> _Loads:
        """Return the loads of the requests of one slot."""
        params, hit = known.params, asked.available
        wait_s = known.state.backlog_gcycles / params.server_ghz
        cloud = cloud_s(params, asked)[:, None]
        alone_s = asked.input_mbit[:, None] / (asked.efficiency * params.bandwidth_mhz)
        return cls(
            band=jnp.sqrt(alone_s),
            speed=jnp.sqrt(hit * asked.work_gcycles[:, None] / params.server_ghz),
            other=hit * wait_s + (1.0 - hit) * cloud,
            available=hit,
        )


def least_loaded_hit(load: _Loads, cell: Array) -> Array:
    """Return for user after user the server that holds the service and has the least work so far.

    A user whose service no server holds goes to the server of its cell.
    """
    servers = load.band.shape[1]

    def choose(sums: Array, row: tuple[Array, Array, Array, Array]) -> tuple[Array, Array]:
        speed, wait, available, cell = row
        held = available > 0
        cost = jnp.where(held, wait + jnp.square(sums + speed), jnp.inf)
        server = jnp.where(jnp.any(held), jnp.argmin(cost), cell).astype(jnp.int32)
        return sums + speed * (jnp.arange(servers) == server), server

    rows = (load.speed, load.other, load.available, cell)
    return jax.lax.scan(choose, jnp.zeros(servers), rows)[1]


def improved(load: _Loads, server: Array) -> Array:
    """Return the choice after each user in turn moved to where the total latency is least.

    A move changes the total by ``(S + r)^2 - S^2 = r (2 S + r)`` at the server that is joined,
    ``S`` being the sum of the others there: one sweep costs ``O(U M)``.
    """
    servers = load.band.shape[1]
    chosen = (server[:, None] == jnp.arange(servers)).astype(jnp.float32)
    sums = jnp.sum(chosen * load.band, axis=0), jnp.sum(chosen * load.speed, axis=0)

    def move(sums: tuple[Array, Array], row: Any) -> tuple[tuple[Array, Array], Array]:
        band, speed, other, old = row
        rest = sums[0] - old * band, sums[1] - old * speed
        cost = band * (2 * rest[0] + band) + speed * (2 * rest[1] + speed) + other
        new = (jnp.arange(servers) == jnp.argmin(cost)).astype(jnp.float32)
        return (rest[0] + new * band, rest[1] + new * speed), new

    def sweep(carry: Any, _: None) -> tuple[Any, None]:
        return jax.lax.scan(move, carry[0], (load.band, load.speed, load.other, carry[1])), None

    (_, chosen), _ = jax.lax.scan(sweep, (sums, chosen), None, length=SWEEPS)
    return jnp.argmax(chosen, axis=1).astype(jnp.int32)
