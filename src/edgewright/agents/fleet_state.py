"""Hold the state of a fleet, and let a server take changes in as they arrive, one by one.

FedAsync: Xie, Koyejo and Gupta, arXiv:1903.03934.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from edgewright.agents.fleet_exchange import (
    OnDevice,
    Shared,
    Upload,
    chosen_rows,
    usable,
    with_statistics,
)
from edgewright.core.records import Array, Number, record, static


@record
class FleetState:
    """Everything that changes while a fleet learns.

    Attributes:
        devices: leaves ``[M, ...]``; the one learner's state in ``centralised``.
        shared: the server's model.
        based: the model that each device downloaded last, leaves ``[M, ...]``.
        versions: of those downloads, ``[M]``; ``version`` is the server's.
        updates: updates of the devices so far.
        probe: observations ``[P, F]`` that devices of ``distilled`` predict values for.
    """

    devices: OnDevice
    shared: Shared
    based: Shared
    versions: Array
    version: Array
    updates: Array
    probe: Any = ()


@record
class RoundKeys:
    """The keys of one update.

    Attributes:
        train: of each device's training, ``[M]``.
        send: of what each device sends, ``[M]``.
        server: those of the server.
    """

    train: Array
    send: Array
    server: tuple[Array, ...]


def split_keys(key: Array, count: int, server: int) -> RoundKeys:
    """Return the keys of an update of ``count`` devices, with ``server`` ones for the server."""
    train_key, exchange_key = jax.random.split(key)
    *own, send_key = jax.random.split(exchange_key, server + 1)
    return RoundKeys(
        train=jax.random.split(train_key, count),
        send=jax.random.split(send_key, count),
        server=tuple(own),
    )


@record
class AsyncServer:
    """A server that adds each device's change when it arrives, weighted by its age.

    Attributes:
        async_rate: share of a fresh change that is added.
        slowest: how often the slowest device finishes, in shares of the fastest one.
        max_staleness: versions beyond which a change is dropped.
        missed: which devices cannot send although they finished, ``[M]``; they try again later.
        statistics: whether running statistics are exchanged.
    """

    async_rate: Number
    slowest: Number
    max_staleness: Number
    missed: Array
    statistics: bool = static()

    def received(
        self, keys: tuple[Array, ...], state: FleetState, uploads: Upload
    ) -> tuple[FleetState, Array, dict[str, Array]]:
        """Return the server's side after those devices that finished sent their changes.

        Args:
            keys: of the order and of who finishes; consumed.
            state: before; ``state.devices`` is not read.
            uploads: of all devices, leaves ``[M, ...]``.

        Returns:
            the state; which devices finished, ``[M]``; scalars to log.
        """
        count = state.versions.size
        speeds = jnp.linspace(1.0, self.slowest, count)
        ready = jax.random.uniform(keys[1], (count,)) < speeds
        finished = ready & ~self.missed
        order = jax.random.permutation(keys[0], count)
        right = usable(uploads)
        uploads = _cleaned(uploads, state.based, right)

        def arrive(carry: FleetState, index: Array) -> tuple[FleetState, tuple[Array, Array]]:
            upload = jax.tree.map(lambda leaf: leaf[index], uploads)
            stale = (carry.version - carry.versions[index]).astype(jnp.float32)
            dropped = stale > self.max_staleness
            after = self._arrived(carry, index, upload, stale, dropped)
            chosen = jax.tree.map(
                lambda new, old: jnp.where(finished[index], new, old), after, carry
            )
            return chosen, (stale * finished[index], dropped & finished[index])

        server: Any = dataclasses.replace(state, devices=())  # pyright: ignore[reportArgumentType]
        after, (stale, dropped) = jax.lax.scan(arrive, server, order)
        arrived = jnp.sum(finished).astype(jnp.float32)
        logs = {
            "arrived": arrived,
            "staleness": jnp.sum(stale) / jnp.maximum(arrived, 1.0),
            "dropped": jnp.sum(dropped).astype(jnp.float32),
            "missed_share": jnp.mean(ready & self.missed, dtype=jnp.float32),
            "set_aside": jnp.sum(finished & ~right).astype(jnp.float32),
        }
        return dataclasses.replace(after, devices=state.devices), finished, logs

    def _arrived(
        self, state: FleetState, index: Array, upload: Upload, stale: Array, dropped: Array
    ) -> FleetState:
        """Return the server's side after the change of one device arrived."""
        rate = jnp.where(dropped, 0.0, self.async_rate * jax.lax.rsqrt(1.0 + stale))
        parameters = state.shared.parameters + rate * upload.change
        shared = dataclasses.replace(state.shared, parameters=parameters)
        if self.statistics:
            based = jax.tree.map(lambda leaf: leaf[index], state.based)
            fresh = jax.tree.map(lambda leaf: leaf[None], (upload.inputs, upload.rewards))
            shared = with_statistics(shared, based, *fresh)
        version = state.version + 1
        return dataclasses.replace(
            state,
            based=jax.tree.map(lambda rows, one: rows.at[index].set(one), state.based, shared),
            shared=shared,
            version=version,
            versions=state.versions.at[index].set(version),
        )


def _cleaned(uploads: Upload, based: Shared, right: Array) -> Upload:
    """Return uploads of which those that are not usable change nothing."""
    nothing = Upload(
        change=jnp.zeros_like(uploads.change), inputs=based.inputs, rewards=based.rewards
    )
    return chosen_rows(right, uploads, nothing)


def published(state: FleetState, shared: Shared) -> FleetState:
    """Return the server's side after it published a model for every device."""
    count, version = state.versions.size, state.version + 1
    return dataclasses.replace(
        state,
        shared=shared,
        based=repeated(shared, count),
        versions=jnp.full((count,), version),
        version=version,
    )


def repeated(tree: Any, count: int) -> Any:
    """Return leaves ``[count, ...]`` of equal rows."""
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (count, *jnp.shape(leaf))), tree)


__all__ = [
    "AsyncServer", "FleetState", "RoundKeys", "published", "repeated", "split_keys",
]  # fmt: skip
