"""Exchange parameters and statistics between devices and a server, in rounds.

``FleetClient`` and ``FleetServer`` follow the protocols ``Client`` and ``Server`` of
:mod:`edgewright.core.protocols`. They know of the inner learner only the field of its state that
holds the parameters, and its running statistics.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from edgewright.core.protocols import Learner
from edgewright.core.records import Array, Number, record, static
from edgewright.rules import exchange
from edgewright.rules.gradient_hooks import GradientHook
from edgewright.rules.normalise import Moments

BYTES = 4
"""Bytes of a number that is sent as it is."""


@record
class Shared:
    """A model that devices download.

    Attributes:
        parameters: of the networks, one vector ``[n]``.
        inputs, rewards: running statistics of observations and returns.
    """

    parameters: Array
    inputs: Moments
    rewards: Moments


@record
class Upload:
    """An upload of one device; leaves of all devices are ``[M, ...]``.

    Attributes:
        change: of the parameters since the download, as decoded by the server.
        inputs, rewards: the device's own statistics, which continue those it downloaded.
    """

    change: Array
    inputs: Moments
    rewards: Moments


@record
class OnDevice:
    """A device with everything that stays on it.

    Attributes:
        state: of the inner learner, replay included.
        memory: what encodings left out, see :func:`edgewright.rules.exchange.init_memory`.
        since: environment steps at the last download, where a target follows the server's model.
    """

    state: Any
    memory: Array
    since: Any = ()


@record
class FleetClient:
    """A device that trains on its own data and uploads how its parameters changed."""

    inner: Learner
    encoding: exchange.Encoding = static()
    percent: int = static()

    def train(
        self, key: Array, device: Any, batch: Any, hook: GradientHook | None
    ) -> tuple[Any, dict[str, Array]]:
        """Return the inner state after one update with a hook, and scalars to log."""
        inner: Any = self.inner
        return dataclasses.replace(inner, hook=hook).update(key, device, batch)

    def update(
        self, key: Array, model: Shared, examples: OnDevice
    ) -> tuple[tuple[Upload, OnDevice], dict[str, Array]]:
        """Return what a trained device uploads, the device after it, and nothing to log.

        Args:
            key: of stochastic rounding; consumed.
            model: what the device downloaded before it trained.
            examples: the device; what it was trained on never leaves it.
        """
        change = parameters_of(self.inner, examples.state) - model.parameters
        decoded, memory = exchange.transmitted(
            key, change, examples.memory, self.encoding, self.percent
        )
        upload = Upload(
            change=decoded,
            inputs=examples.state.inputs.moments,
            rewards=examples.state.rewards.moments,
        )
        return (upload, dataclasses.replace(examples, memory=memory)), {}


@record
class FleetServer:
    """A server that averages what devices upload, with noise where it is asked to.

    ``arrived`` ``[M]`` says whose uploads it has; all if None.
    """

    clients: int = static()
    statistics: bool = static(default=True)
    aggregation: exchange.Aggregate = static(default="mean")
    encoding: exchange.Encoding = static()
    percent: int = static()
    clip_norm: Number
    noise_multiplier: Number
    key: Array
    arrived: Array | None = None

    def model(self, state: Shared) -> Shared:
        """Return what devices download: all that the server has."""
        return state

    def aggregate(self, state: Shared, uploads: Upload) -> Shared:
        """Return the model after a round: FedAvg of equal weights, and pooled statistics.

        Uploads that are not finite are set aside. With ``median`` every parameter changes by the
        median over devices.
        """
        right = usable(uploads)
        if self.arrived is not None:
            right = right & self.arrived
        if self.aggregation == "median":
            change = exchange.median(uploads.change, right)
        else:
            change = exchange.private_mean(
                self.key, uploads.change, self.clip_norm, self.noise_multiplier, right
            )
        after = dataclasses.replace(state, parameters=state.parameters + change)
        if not self.statistics:
            return after
        base = jax.tree.map(lambda leaf: leaf[None], (state.inputs, state.rewards))
        own = chosen_rows(right, (uploads.inputs, uploads.rewards), base)
        return with_statistics(after, state, *own)

    def uplink_bytes(self, model: Shared) -> int:
        """Return the bytes that all devices upload in a round."""
        return self.clients * self._bytes(model)[0]

    def downlink_bytes(self, model: Shared) -> int:
        """Return the bytes that all devices download in a round, in float32."""
        return self.clients * self._bytes(model)[1]

    def traffic_bytes(self, model: Shared) -> int:
        """Return the bytes of one round in both directions."""
        return self.uplink_bytes(model) + self.downlink_bytes(model)

    def _bytes(self, model: Shared) -> tuple[int, int]:
        return bytes_of_a_round(model, self.statistics, self.encoding, self.percent)


def arriving(uploads: Upload, norm: Number, malicious: int, scale: Number) -> Upload:
    """Return the uploads ``[M]`` as the server takes them.

    Args:
        uploads: of all devices.
        norm: to which changes are shortened; 0 for no limit.
        malicious: number of devices, the first ones, whose changes are multiplied by ``scale``.
        scale: of those changes.
    """
    change = uploads.change
    if malicious:
        attack = jnp.arange(change.shape[0]) < malicious
        change = jnp.where(attack[:, None], scale * change, change)
    change = jax.vmap(exchange.shortened, in_axes=(0, None))(change, norm)
    return dataclasses.replace(uploads, change=change)


def chosen_rows(right: Array, rows: Any, instead: Any) -> Any:
    """Return rows where ``right`` ``[M]`` is true, and those of ``instead`` elsewhere."""

    def one(leaf: Array, other: Array) -> Array:
        return jnp.where(right.reshape(-1, *[1] * (leaf.ndim - 1)), leaf, other)

    return jax.tree.map(one, rows, instead)


def usable(uploads: Upload | Shared) -> Array:
    """Return which of the uploads ``[M]`` hold finite numbers alone."""
    rows = [
        jnp.all(jnp.isfinite(leaf.reshape(leaf.shape[0], -1)), axis=1)
        for leaf in jax.tree.leaves(uploads)
    ]
    return jnp.all(jnp.stack(rows), axis=0)


def bytes_of_a_round(
    model: Shared, statistics: bool, encoding: exchange.Encoding, percent: int, messages: Any = 1
) -> tuple[Any, Any]:
    """Return the bytes that one device uploads and downloads in a round that it takes part in.

    Args:
        model: the server's, or its shapes.
        statistics: whether running statistics travel, once in each direction.
        encoding: of what goes up; what comes down is float32.
        percent: of the entries that ``top-k`` sends.
        messages: vectors of parameters or gradients in the round, in each direction.
    """
    size, own = model.parameters.size, statistics_bytes(model) if statistics else 0
    up = exchange.wire_bytes(size, encoding, percent)
    return messages * up + own, messages * BYTES * size + own


def statistics_bytes(model: Shared) -> int:
    """Return the bytes of the running statistics."""
    return BYTES * sum(leaf.size for leaf in jax.tree.leaves((model.inputs, model.rewards)))


def parameters_of(inner: Any, state: Any) -> Array:
    """Return the parameters of an inner learner's state as one vector ``[n]``."""
    return ravel_pytree(getattr(state, inner.PARAMETERS))[0]


def shared_of(inner: Any, state: Any) -> Shared:
    """Return what an inner learner's state shares with others."""
    return Shared(
        parameters=parameters_of(inner, state),
        inputs=state.inputs.moments,
        rewards=state.rewards.moments,
    )


def with_shared(inner: Any, state: Any, model: Shared) -> Any:
    """Return a state with the parameters and statistics of a model; all else stays."""
    restore = ravel_pytree(getattr(state, inner.PARAMETERS))[1]
    changes = {inner.PARAMETERS: restore(model.parameters)}
    changes["inputs"] = dataclasses.replace(state.inputs, moments=model.inputs)
    changes["rewards"] = dataclasses.replace(state.rewards, moments=model.rewards)
    return dataclasses.replace(state, **changes)


def held_target(inner: Any, before: Any, after: Any) -> Any:
    """Return an inner learner's state after an update, with the target of before."""
    return dataclasses.replace(after, **{inner.FOLLOWER: getattr(before, inner.FOLLOWER)})


def with_target(inner: Any, device: OnDevice, adopted: Array) -> OnDevice:
    """Return a device whose target followed the model that it downloaded, if it did.

    A target that followed the device's own network would be that of no server's model: devices
    then learn the values of networks that have gone apart.

    Args:
        inner: the learner, which has ``FOLLOWER`` and ``followed``.
        device: with the parameters of the server.
        adopted: whether it downloaded them.
    """
    name, state = inner.FOLLOWER, device.state
    after = inner.followed(state, device.since)
    target = jax.tree.map(
        lambda new, old: jnp.where(adopted, new, old), getattr(after, name), getattr(state, name)
    )
    return dataclasses.replace(
        device,
        state=dataclasses.replace(state, **{name: target}),
        since=jnp.where(adopted, state.steps, device.since),
    )


def with_statistics(now: Shared, base: Shared, inputs: Moments, rewards: Moments) -> Shared:
    """Return a model with the statistics of what devices saw since they downloaded ``base``.

    Args:
        now: the server's model.
        base: what those devices downloaded.
        inputs, rewards: of the devices, leaves ``[M, ...]``, which continue those of ``base``.
    """
    return dataclasses.replace(
        now,
        inputs=pooled(now.inputs, base.inputs, inputs),
        rewards=pooled(now.rewards, base.rewards, rewards),
    )


def pooled(now: Moments, base: Moments, each: Moments) -> Moments:
    """Return moments after those of everything that devices saw since a base were added.

    A device's own sums are those of its moments less those of the base, both about the base's
    mean; sums are added by Chan, Golub and LeVeque (1983), equation 2.1.

    Args:
        now: of the server.
        base: what all devices started from.
        each: leaves ``[M, ...]``, which continue the base.
    """
    column = each.count.reshape(-1, *[1] * base.mean.ndim)
    shift = each.mean - base.mean
    count = jnp.sum(each.count - base.count)
    lead = jnp.sum(column * shift, axis=0) / jnp.maximum(count, 1.0)
    about = each.deviation + column * jnp.square(shift) - base.deviation
    own = jnp.sum(about, axis=0) - count * jnp.square(lead)
    total = jnp.maximum(now.count + count, 1.0)
    apart = base.mean + lead - now.mean
    between = jnp.square(apart) * now.count * count / total
    return Moments(
        count=now.count + count,
        mean=now.mean + apart * count / total,
        deviation=now.deviation + jnp.maximum(own, 0.0) + between,
    )


__all__ = [
    "FleetClient",
    "FleetServer",
    "OnDevice",
    "Shared",
    "Upload",
    "arriving",
    "bytes_of_a_round",
    "chosen_rows",
    "held_target",
    "parameters_of",
    "pooled",
    "shared_of",
    "statistics_bytes",
    "usable",
    "with_shared",
    "with_statistics",
    "with_target",
]
