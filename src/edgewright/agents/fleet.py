"""Train one learner on many devices, which exchange parameters, gradients, data or nothing.

``centralised`` and ``independent`` are the two controls. ``synchronous`` averages gradients in
every gradient step. ``federated`` is FedAvg (McMahan et al., AISTATS 2017, arXiv:1602.05629), with
``proximal`` FedProx (Li et al., MLSys 2020, arXiv:1812.06127). ``asynchronous`` adds each device's
change when it arrives, weighted by its age (FedAsync: Xie, Koyejo and Gupta, arXiv:1903.03934).
Devices are an axis of one compiled program.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import jax
import jax.numpy as jnp

from edgewright.agents.fleet_exchange import (
    BYTES,
    FleetClient,
    FleetServer,
    OnDevice,
    Shared,
    shared_of,
    statistics_bytes,
    with_shared,
    with_statistics,
)
from edgewright.agents.per_device import EachPolicy, by_device, misfit_of_devices, of_one
from edgewright.core.errors import InputError
from edgewright.core.protocols import Learner, Policy
from edgewright.core.records import Array, Trajectory, record, static
from edgewright.core.settings import Share
from edgewright.core.spaces import Box, Discrete, Space
from edgewright.rules import exchange
from edgewright.rules.gradient_hooks import Averaged, GradientHook, Proximal

Mode = Literal["centralised", "synchronous", "federated", "asynchronous", "independent"]
MODES: tuple[Mode, ...] = (
    "centralised", "synchronous", "federated", "asynchronous", "independent",
)  # fmt: skip
AXIS = "devices"


@record
class FleetState:
    """Everything that changes while a fleet learns.

    Attributes:
        devices: leaves ``[M, ...]``; the one learner's state in ``centralised``.
        shared: the server's model.
        based: the model that each device downloaded last, leaves ``[M, ...]``.
        versions: of those downloads, ``[M]``; ``version`` is the server's.
        updates: updates of the devices so far.
    """

    devices: OnDevice
    shared: Shared
    based: Shared
    versions: Array
    version: Array
    updates: Array


@record
class Fleet:
    """A learner for each of ``M`` devices, and how they exchange what they learned.

    Attributes:
        inner: the learner, which names the field of its state that holds the parameters.
        mode: what travels, and when.
        encoding: of gradients and changes on their way to the server.
        top_percent: of the entries that ``top-k`` sends.
        local_updates: updates of a device between two rounds of ``federated``.
        proximal: strength of FedProx; 0 is FedAvg.
        clip_norm: largest norm of a device's change; 0 for none.
        noise_multiplier: noise of the mean in multiples of ``clip_norm``; see ``rules.exchange``.
        async_rate: share of a fresh change that the server adds in ``asynchronous``.
        slowest: how often the slowest device finishes, in shares of the fastest one.
        max_staleness: versions beyond which a change is dropped.
    """

    inner: Learner
    mode: Mode = static(default="federated")
    encoding: exchange.Encoding = static(default="float32")
    top_percent: int = static(default=10)
    local_updates: int = static(default=1)
    proximal: Array | float = 0.0
    clip_norm: Array | float = 0.0
    noise_multiplier: Array | float = 0.0
    async_rate: Share = 0.25
    slowest: Share = 0.25
    max_staleness: Array | float = 64.0

    def misfit(self, observations: Box, actions: Space) -> str:
        """Return why a fleet cannot learn with these spaces; empty if it can."""
        if not hasattr(type(self.inner), "PARAMETERS"):
            return "its inner learner must name its parameters, as DQN and PPO do"
        return misfit_of_devices(observations, actions)

    def check_sizes(self, observations: Box, actions: Space) -> None:
        """Check the sizes of the inner learner, and the settings against each other.

        Raises:
            InputError: they do not fit each other.
        """
        assert isinstance(actions, Discrete)
        if self.noise_multiplier and not self.clip_norm:
            message = "must be above 0 where noise_multiplier is; got 0"
            hint = "set learner.clip_norm, or learner.noise_multiplier = 0"
            raise InputError(message, where="learner.clip_norm", hint=hint)
        if self.noise_multiplier and self._statistics:
            message = "must be 0 where statistics are exchanged, which noise does not protect"
            hint = "set learner.normalize_observations and learner.normalize_rewards to false"
            raise InputError(message, where="learner.noise_multiplier", hint=hint)
        if self.top_percent > 100:
            message = f"must be from 1 to 100; got {self.top_percent}"
            raise InputError(message, where="learner.top_percent", hint="e.g. 10")
        check = getattr(self.inner, "check_sizes", None)
        if check is not None:
            check(*of_one(observations, actions))

    @property
    def gamma(self) -> Any:
        """Return the discount of the inner learner."""
        return getattr(self.inner, "gamma", 1.0)

    @property
    def _statistics(self) -> bool:
        """Return whether the inner learner uses running statistics, which are exchanged then."""
        return any(getattr(self.inner, f"normalize_{of}") for of in ("observations", "rewards"))

    @property
    def num_envs(self) -> int:
        """Number of copies of the world played side by side between two updates."""
        return self.inner.num_envs

    @property
    def rollout_steps(self) -> int:
        """Number of steps of each copy between two updates."""
        return self.inner.rollout_steps

    def init(self, key: Array, observations: Box, actions: Discrete) -> FleetState:
        """Return the state of all devices, which begin with one network. Consumes ``key``."""
        count = observations.shape[0]
        one = self.inner.init(key, *of_one(observations, actions))
        shared = shared_of(self.inner, one)
        size = shared.parameters.size
        left = exchange.init_memory(size, self.encoding)
        if self.mode == "synchronous":
            one = dataclasses.replace(one, memory=self._averaged(key).init_memory(size))
        if self.mode == "centralised":
            state = self._central(count).init(key, observations, actions)
        else:
            state = _repeated(one, count)
        return FleetState(
            devices=OnDevice(state=state, memory=_repeated(left, count)),
            shared=shared,
            based=_repeated(shared, count),
            versions=jnp.zeros((count,), jnp.int32),
            version=jnp.zeros((), jnp.int32),
            updates=jnp.zeros((), jnp.int32),
        )

    def policy(self, state: FleetState, explore: bool) -> Policy:
        """Return the policies of all devices, or the server's for evaluation.

        While exploring, each device acts with what it has. ``independent`` devices are evaluated
        with their own networks too.
        """
        if self.mode == "centralised":
            return self.inner.policy(state.devices.state, explore)
        if explore or self.mode == "independent":
            policies = jax.vmap(lambda one: self.inner.policy(one, explore))(state.devices.state)
            return EachPolicy(policies=policies)
        first = jax.tree.map(lambda leaf: leaf[0], state.devices.state)
        return self.inner.policy(with_shared(self.inner, first, state.shared), explore)

    def update(
        self, key: Array, state: FleetState, batch: Trajectory
    ) -> tuple[FleetState, dict[str, Array]]:
        """Let all devices learn from their parts of ``[T, N, M, ...]`` and exchange what is due."""
        if self.mode == "centralised":
            return self._centralised(key, state, batch)
        train_key, exchange_key = jax.random.split(key)
        after, logs = self._trained(train_key, state, batch)
        if self.mode == "synchronous":
            steps = after.devices.state.memory[1][0] - state.devices.state.memory[1][0]
            after = self._synchronised(after)
            return after, {**logs, **self._traffic(after, 1.0, steps)}
        if self.mode == "independent":
            return after, {**logs, **self._traffic(after, 0.0, 0)}
        if self.mode == "asynchronous":
            after, extra = self._asynchronous(exchange_key, after)
            share = extra["arrived"] / after.versions.size
            return after, {**logs, **extra, **self._traffic(after, share, 1)}
        due = after.updates % self.local_updates == 0
        after = jax.lax.cond(due, lambda: self._round(exchange_key, after), lambda: after)
        return after, {**logs, **self._traffic(after, due, 1)}

    def _centralised(
        self, key: Array, state: FleetState, batch: Trajectory
    ) -> tuple[FleetState, dict[str, Array]]:
        """Return the one learner after all transitions arrived at it."""
        count = batch.reward.shape[2]
        one, logs = self._central(count).update(key, state.devices.state, batch)
        devices = dataclasses.replace(state.devices, state=one)
        after = dataclasses.replace(state, devices=devices, updates=state.updates + 1)
        numbers = batch.observation.shape[-1] + 2  # observation, action and reward
        up = batch.reward.size * (BYTES * numbers + 1)  # and a flag for both ends
        down = count * (BYTES * state.shared.parameters.size + statistics_bytes(state.shared))
        return after, {**logs, "uplink_bytes": jnp.float32(up), "downlink_bytes": jnp.float32(down)}

    def _central(self, count: int) -> Any:
        """Return the inner learner with ``count`` times the minibatch and the replay."""
        inner: Any = self.inner
        sizes = ("batch_size", "buffer_size")
        return dataclasses.replace(
            inner, **{n: count * getattr(inner, n) for n in sizes if hasattr(inner, n)}
        )

    def _trained(
        self, key: Array, state: FleetState, batch: Trajectory
    ) -> tuple[FleetState, dict[str, Array]]:
        """Return the fleet after one update of every device, before any exchange of a round."""
        parts, axes = by_device(batch)
        keys = jax.random.split(key, batch.reward.shape[2])

        def one(key: Array, device: Any, based: Shared, part: Trajectory) -> Any:
            train_key, hook_key = jax.random.split(key)
            hook = self._hook(hook_key, based)
            return self._client().train(train_key, device, part, hook)

        train = jax.vmap(one, in_axes=(0, 0, 0, axes), axis_name=AXIS)
        devices, logs = train(keys, state.devices.state, state.based, parts)
        after = dataclasses.replace(
            state,
            devices=dataclasses.replace(state.devices, state=devices),
            updates=state.updates + 1,
        )
        return after, jax.tree.map(jnp.mean, logs)

    def _hook(self, key: Array, based: Shared) -> GradientHook | None:
        """Return what changes the gradients of one device."""
        if self.mode == "synchronous":
            return self._averaged(key)
        if self.mode == "federated":
            return Proximal(anchor=based.parameters, strength=self.proximal)
        return None

    def _averaged(self, key: Array) -> Averaged:
        return Averaged(key=key, axis=AXIS, encoding=self.encoding, percent=self.top_percent)

    def _client(self) -> FleetClient:
        return FleetClient(
            inner=self.inner,
            encoding=self.encoding,
            percent=self.top_percent,
            clip_norm=self.clip_norm,
        )

    def _server(self, key: Array, clients: int) -> FleetServer:
        return FleetServer(
            clients=clients,
            statistics=self._statistics,
            encoding=self.encoding,
            percent=self.top_percent,
            clip_norm=self.clip_norm,
            noise_multiplier=self.noise_multiplier,
            key=key,
        )

    def _synchronised(self, state: FleetState) -> FleetState:
        """Return the fleet with pooled statistics; parameters are equal on all devices already."""
        first = jax.tree.map(lambda leaf: leaf[0], state.devices.state)
        own, base = state.devices.state, state.shared
        shared = Shared(
            parameters=shared_of(self.inner, first).parameters,
            inputs=base.inputs,
            rewards=base.rewards,
        )
        if self._statistics:
            moments = (own.inputs.moments, own.rewards.moments)
            shared = with_statistics(shared, base, *moments)
        return self._downloaded(state, shared)

    def _round(self, key: Array, state: FleetState) -> FleetState:
        """Return the fleet after one federated round."""
        count = state.versions.size
        noise_key, send_key = jax.random.split(key)
        keys = jax.random.split(send_key, count)
        client, server = self._client(), self._server(noise_key, count)
        (uploads, devices), _ = jax.vmap(client.update)(keys, state.based, state.devices)
        shared = server.aggregate(state.shared, uploads)
        return self._downloaded(dataclasses.replace(state, devices=devices), server.model(shared))

    def _downloaded(self, state: FleetState, shared: Shared) -> FleetState:
        """Return the fleet after every device downloaded a model."""
        count = state.versions.size
        adopt = jax.vmap(lambda one: with_shared(self.inner, one, shared))
        version = state.version + 1
        return dataclasses.replace(
            state,
            devices=dataclasses.replace(state.devices, state=adopt(state.devices.state)),
            shared=shared,
            based=_repeated(shared, count),
            versions=jnp.full((count,), version),
            version=version,
        )

    def _asynchronous(self, key: Array, state: FleetState) -> tuple[FleetState, dict[str, Array]]:
        """Return the fleet after those devices that finished sent their changes, one by one."""
        count = state.versions.size
        order_key, finish_key, send_key = jax.random.split(key, 3)
        speeds = jnp.linspace(1.0, self.slowest, count)
        finished = jax.random.uniform(finish_key, (count,)) < speeds
        order = jax.random.permutation(order_key, count)
        keys = jax.random.split(send_key, count)

        def arrive(carry: FleetState, index: Array) -> tuple[FleetState, tuple[Array, Array]]:
            stale = (carry.version - carry.versions[index]).astype(jnp.float32)
            after, dropped = self._arrived(keys[index], carry, index, stale)
            chosen = jax.tree.map(
                lambda new, old: jnp.where(finished[index], new, old), after, carry
            )
            return chosen, (stale * finished[index], dropped & finished[index])

        after, (stale, dropped) = jax.lax.scan(arrive, state, order)
        arrived = jnp.sum(finished).astype(jnp.float32)
        return after, {
            "arrived": arrived,
            "staleness": jnp.sum(stale) / jnp.maximum(arrived, 1.0),
            "dropped": jnp.sum(dropped).astype(jnp.float32),
        }

    def _arrived(
        self, key: Array, state: FleetState, index: Array, stale: Array
    ) -> tuple[FleetState, Array]:
        """Return the fleet after the change of one device arrived, and whether it was too old."""
        device, based = jax.tree.map(lambda leaf: leaf[index], (state.devices, state.based))
        (upload, device), _ = self._client().update(key, based, device)
        dropped = stale > self.max_staleness
        rate = jnp.where(dropped, 0.0, self.async_rate * jax.lax.rsqrt(1.0 + stale))
        fresh = jax.tree.map(lambda leaf: leaf[None], (upload.inputs, upload.rewards))
        shared = Shared(
            parameters=state.shared.parameters + rate * upload.change,
            inputs=state.shared.inputs,
            rewards=state.shared.rewards,
        )
        if self._statistics:
            shared = with_statistics(shared, based, *fresh)
        adopted = OnDevice(
            state=with_shared(self.inner, device.state, shared), memory=device.memory
        )
        version = state.version + 1
        devices, bases = jax.tree.map(
            lambda all_, one: all_.at[index].set(one), (state.devices, state.based),
            (adopted, shared),
        )  # fmt: skip
        after = dataclasses.replace(
            state,
            devices=devices,
            based=bases,
            shared=shared,
            version=version,
            versions=state.versions.at[index].set(version),
        )
        return after, dropped

    def _traffic(self, state: FleetState, rounds: Any, messages: Any) -> dict[str, Array]:
        """Return bytes up and down of one update of all devices.

        Args:
            rounds: rounds of all devices; a share where some of them took part.
            messages: vectors of parameters or gradients in a round, in each direction.
        """
        count, size = state.versions.size, state.shared.parameters.size
        statistics = statistics_bytes(state.shared) if self._statistics else 0
        up = exchange.wire_bytes(size, self.encoding, self.top_percent)
        rounds, messages = jnp.float32(rounds), jnp.float32(messages)
        return {
            "uplink_bytes": count * rounds * (messages * up + statistics),
            "downlink_bytes": count * rounds * (messages * BYTES * size + statistics),
        }


def _repeated(tree: Any, count: int) -> Any:
    """Return leaves ``[count, ...]`` of equal rows."""
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (count, *jnp.shape(leaf))), tree)


__all__ = ["MODES", "Fleet", "FleetState", "Mode"]
