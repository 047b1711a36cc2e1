"""Train one learner on many devices, which exchange parameters, gradients, data or nothing.

``centralised`` and ``independent`` are the two controls. ``synchronous`` averages gradients in
every gradient step. ``federated`` is FedAvg (McMahan et al., AISTATS 2017, arXiv:1602.05629), with
``proximal`` FedProx (Li et al., MLSys 2020, arXiv:1812.06127). ``asynchronous`` adds each device's
change when it arrives, weighted by its age (FedAsync: Xie, Koyejo and Gupta, arXiv:1903.03934).
``distilled`` exchanges predictions, so that networks may differ (see :mod:`.fleet_distilled`).
Devices are an axis of one compiled program.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp

from edgewright.agents.fleet_central import central, centralised
from edgewright.agents.fleet_checks import check_settings
from edgewright.agents.fleet_distilled import predictions_exchanged, states_of_widths
from edgewright.agents.fleet_exchange import (
    FleetClient,
    FleetServer,
    OnDevice,
    Shared,
    arriving,
    bytes_of_a_round,
    chosen_rows,
    held_target,
    shared_of,
    usable,
    with_shared,
    with_statistics,
    with_target,
)
from edgewright.agents.fleet_state import (
    AsyncServer,
    FleetState,
    RoundKeys,
    published,
    repeated,
    split_keys,
)
from edgewright.agents.per_device import EachPolicy, by_device, misfit_of_devices, of_one
from edgewright.core.protocols import Learner, Policy
from edgewright.core.records import Array, Trajectory, record, static
from edgewright.core.settings import Share, ShareBelowOne
from edgewright.core.spaces import Box, Discrete, Space
from edgewright.rules import exchange
from edgewright.rules.gradient_hooks import Averaged, GradientHook, Proximal

Mode = Literal[
    "centralised", "synchronous", "federated", "asynchronous", "independent", "distilled"
]
MODES: tuple[Mode, ...] = (
    "centralised", "synchronous", "federated", "asynchronous", "independent", "distilled",
)  # fmt: skip
OWN: tuple[Mode, ...] = ("independent", "distilled")
"""Modes in which every device has parameters of its own."""
AXIS = "devices"
MISSED = 77
"""What a key is folded with to draw who misses a round."""


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
        aggregate: how the server of ``federated`` puts changes together.
        clip_norm: largest norm of a device's change; 0 for none.
        noise_multiplier: noise of the mean in multiples of ``clip_norm``; see ``rules.exchange``.
        async_rate: share of a fresh change that the server adds in ``asynchronous``.
        slowest: how often the slowest device finishes, in shares of the fastest one.
        max_staleness: versions beyond which a change is dropped.
        dropout: chance that a device misses a round, or all steps of an update in ``synchronous``.
            What it learned in a round of ``federated`` is lost; the others' weights sum to one.
            In ``synchronous`` its gradients and its statistics are.
        deadline_s: seconds that a round of ``federated`` lasts on recorded links at most. A device
            that is later misses it. 0 waits for all; see ``training.recorded_rounds``.
        late: which devices each recorded round misses, ``[rounds, M]`` bool, again from the first
            one after the last; None without a deadline.
        widths: of the hidden layers of the devices' networks in turn, in modes whose devices have
            their own; all ``hidden_sizes`` of the inner learner are the largest. Empty for equal.
        probe_size: observations that devices of ``distilled`` predict action values for.
        distil_steps: gradient steps of a device towards the mean prediction, in every round.
        distil_learning_rate: of these steps.
        malicious_devices: how many devices, the first ones, send their changes multiplied by
            ``malicious_scale``: an attack to test ``clip_norm`` and ``aggregate`` with.
    """

    inner: Learner
    mode: Mode = static(default="federated")
    encoding: exchange.Encoding = static(default="float32")
    top_percent: int = static(default=10)
    local_updates: int = static(default=1)
    proximal: Array | float = 0.0
    aggregate: exchange.Aggregate = static(default="mean")
    clip_norm: Array | float = 0.0
    noise_multiplier: Array | float = 0.0
    async_rate: Share = 0.25
    slowest: Share = 0.25
    max_staleness: Array | float = 64.0
    dropout: ShareBelowOne = 0.0
    deadline_s: Array | float = 0.0
    late: Array | None = dataclasses.field(default=None, metadata={"setting": False})
    widths: tuple[int, ...] = static(default=())
    probe_size: int = static(default=128)
    distil_steps: int = static(default=16)
    distil_learning_rate: Array | float = 1e-3
    malicious_devices: int = static(default=0)
    malicious_scale: Array | float = 100.0

    def misfit(self, observations: Box, actions: Space) -> str:
        """Return why a fleet cannot learn with these spaces; empty if it can."""
        if not hasattr(type(self.inner), "PARAMETERS"):
            return "its inner learner must name its parameters, as DQN and PPO do"
        if self.mode == "distilled" and not hasattr(self.inner, "predictions"):
            return "its inner learner must predict action values, as DQN does"
        return misfit_of_devices(observations, actions)

    def check_sizes(self, observations: Box, actions: Space) -> None:
        """Check the sizes of the inner learner, and the settings against each other.

        Raises:
            InputError: they do not fit each other.
        """
        assert isinstance(actions, Discrete)
        check_settings(self, observations.shape[0], self.statistics)
        check = getattr(self.inner, "check_sizes", None)
        if check is not None:
            check(*of_one(observations, actions))

    @property
    def gamma(self) -> Any:
        """Return the discount of the inner learner."""
        return getattr(self.inner, "gamma", 1.0)

    @property
    def statistics(self) -> bool:
        """Return whether the inner learner uses running statistics, which are exchanged then."""
        return any(getattr(self.inner, f"normalize_{of}") for of in ("observations", "rewards"))

    @property
    def follows(self) -> bool:
        """Return whether targets of the devices follow the server's model, not their own."""
        return self.mode in ("federated", "asynchronous") and hasattr(self.inner, "FOLLOWER")

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
            one = dataclasses.replace(one, memory=self.averaged(key).init_memory(size))
        if self.mode == "centralised":
            state = central(self.inner, count).init(key, observations, actions)
        elif self.widths:
            spaces = of_one(observations, actions)
            state = states_of_widths(self.inner, key, spaces, self.widths, count)
        else:
            state = repeated(one, count)
        probe = (self.probe_size, observations.shape[-1])
        return FleetState(
            probe=jnp.zeros(probe) if self.mode == "distilled" else (),
            devices=OnDevice(
                state=state,
                memory=repeated(left, count),
                since=jnp.zeros((count,)) if self.follows else (),
            ),
            shared=shared,
            based=repeated(shared, count),
            versions=jnp.zeros((count,), jnp.int32),
            version=jnp.zeros((), jnp.int32),
            updates=jnp.zeros((), jnp.int32),
        )

    def policy(self, state: FleetState, explore: bool) -> Policy:
        """Return the policies of all devices, or the server's for evaluation.

        While exploring, each device acts with what it has. ``independent`` and ``distilled``
        devices are evaluated with their own networks too.
        """
        if self.mode == "centralised":
            return self.inner.policy(state.devices.state, explore)
        if explore or self.mode in OWN:
            policies = jax.vmap(lambda one: self.inner.policy(one, explore))(state.devices.state)
            return EachPolicy(policies=policies, padded=bool(self.widths))
        first = jax.tree.map(lambda leaf: leaf[0], state.devices.state)
        return self.inner.policy(with_shared(self.inner, first, state.shared), explore)

    def update(
        self, key: Array, state: FleetState, batch: Trajectory
    ) -> tuple[FleetState, dict[str, Array]]:
        """Let all devices learn from their parts of ``[T, N, M, ...]`` and exchange what is due."""
        if self.mode == "centralised":
            return centralised(self.inner, key, state, batch)
        keys = self.round_keys(key, batch.reward.shape[2])
        parts, axes = by_device(batch)
        before = state.devices.state
        trained, each = self.train_devices(keys.train, before, state.based, parts, axes)
        logs = jax.tree.map(jnp.mean, each)
        after = self.trained(state, dataclasses.replace(state.devices, state=trained))
        if self.mode == "independent":
            return after, {**logs, **self.traffic(after, 0.0, 0)}
        if self.mode == "distilled":
            after, extra = predictions_exchanged(self, keys.server[0], after, batch.observation)
            return after, {**logs, **extra}
        if self.mode == "federated":
            due = self.due(after)
            exchanged = functools.partial(self._exchanged, keys, after)
            shapes = jax.eval_shape(exchanged)[1]
            nothing = {name: jnp.zeros((), leaf.dtype) for name, leaf in shapes.items()}
            after, extra = jax.lax.cond(due, exchanged, lambda: (after, nothing))
            sent = 1.0 - extra["missed_share"]
            return after, {**logs, **extra, **self.traffic(after, due, 1, sent)}
        after, extra = self._exchanged(keys, after)
        if self.mode == "synchronous":
            steps = trained.memory[1][0] - before.memory[1][0]
            sent = 1.0 - logs["missed_share"]
            return after, {**logs, **extra, **self.traffic(after, 1.0, steps, sent)}
        share = extra["arrived"] / after.versions.size
        return after, {**logs, **extra, **self.traffic(after, share, 1)}

    def round_keys(self, key: Array, count: int) -> RoundKeys:
        """Return the keys of one update of ``count`` devices. Consumes ``key``."""
        keys = split_keys(key, count, server=2 if self.mode == "asynchronous" else 1)
        if self.mode != "synchronous":
            return keys
        # The server must know who missed the update, which the keys of the training say.
        return dataclasses.replace(keys, server=(*keys.server, keys.train))

    def train_devices(
        self,
        keys: Array,
        states: Any,
        based: Shared,
        parts: Trajectory,
        axes: Any,
        across: Callable[[Array], Averaged] | None = None,
    ) -> tuple[Any, dict[str, Array]]:
        """Train some devices on their own data, without an exchange of parameters.

        Args:
            keys: one for each device, ``[k]``; consumed.
            states: of the inner learners, leaves ``[k, ...]``.
            based: what each device downloaded last, leaves ``[k, ...]``.
            parts, axes: data of these devices, and where their axis is.
            across: makes the gradient's hook of ``synchronous`` from a key where other devices
                are elsewhere; these devices are all there are if None.

        Returns:
            the states, and scalars to log of each device ``[k]``.
        """

        def one(key: Array, device: Any, based: Shared, part: Trajectory) -> Any:
            train_key, hook_key = jax.random.split(key)
            hook = self._hook(hook_key, based, across)
            after, log = self._client().train(train_key, device, part, hook)
            if self.follows:
                after = held_target(self.inner, device, after)
            if self.mode == "synchronous":
                log["missed_share"] = 1.0 - self.arrivals(hook_key, ()).astype(jnp.float32)
            return after, log

        train = jax.vmap(one, in_axes=(0, 0, 0, axes), axis_name=AXIS)
        return train(keys, states, based, parts)

    def sent(self, keys: Array, based: Shared, devices: OnDevice) -> tuple[Any, OnDevice]:
        """Return what some trained devices send to the server, and the devices after it.

        Args:
            keys: of stochastic rounding, ``[k]``; consumed.
            based: what each device downloaded before it trained, leaves ``[k, ...]``.
            devices: leaves ``[k, ...]``.
        """
        if self.mode == "synchronous":
            return jax.vmap(lambda one: shared_of(self.inner, one))(devices.state), devices
        (uploads, devices), _ = jax.vmap(self._client().update)(keys, based, devices)
        return uploads, devices

    def received(
        self, keys: tuple[Array, ...], state: FleetState, sent: Any
    ) -> tuple[FleetState, Array, dict[str, Array]]:
        """Return the server's side after an exchange; ``state.devices`` is not read.

        Args:
            keys: of :meth:`round_keys`, ``server``; consumed.
            state: before the exchange.
            sent: by all devices, see :meth:`sent`, leaves ``[M, ...]``.

        Returns:
            the state; which devices download their row of its ``based``, ``[M]``; scalars to log.
        """
        count = state.versions.size
        if self.mode != "synchronous":
            attack = (self.malicious_devices, self.malicious_scale)
            sent = arriving(sent, self.clip_norm, *attack)
        if self.mode == "asynchronous":
            missed = ~self.arrivals(keys[0], (count,))
            server = AsyncServer(
                missed=missed,
                async_rate=self.async_rate,
                slowest=self.slowest,
                max_staleness=self.max_staleness,
                statistics=self.statistics,
            )
            return server.received(keys, state, sent)
        if self.mode == "synchronous":
            hook_keys = jax.vmap(jax.random.split)(keys[1])[:, 1]
            arrived = jax.vmap(lambda one: self.arrivals(one, ()))(hook_keys)
            shared, refused = self._pooled(state, sent, arrived)
            return published(state, shared), jnp.ones((count,), bool), {"set_aside": refused}
        arrived = self._in_time(keys[0], state)
        server = self._server(keys[0], count, arrived)
        shared = server.aggregate(state.shared, sent)
        logs = {
            "set_aside": jnp.sum(arrived & ~usable(sent)).astype(jnp.float32),
            "missed_share": jnp.mean(~arrived, dtype=jnp.float32),
        }
        return published(state, server.model(shared)), arrived, logs

    def arrivals(self, key: Array, shape: tuple[int, ...]) -> Array:
        """Return which devices of an array ``[*shape]`` do not miss a round, by chance.

        ``key`` may be used for something else beside this.
        """
        chance = jax.random.uniform(jax.random.fold_in(key, MISSED), shape)
        return chance >= self.dropout

    def _in_time(self, key: Array, state: FleetState) -> Array:
        """Return whose changes of this round the server takes, ``[M]``."""
        arrived = self.arrivals(key, state.versions.shape)
        if self.late is None:
            return arrived
        number = state.updates // self.local_updates - 1
        return arrived & ~self.late[number % self.late.shape[0]]

    def downloaded(
        self, before: OnDevice, after: OnDevice, rows: Shared, chosen: Array
    ) -> OnDevice:
        """Return some devices after those that are ``chosen`` downloaded their rows.

        Args:
            before, after: devices before and after they sent, leaves ``[k, ...]``.
            rows: the model for each device, leaves ``[k, ...]``.
            chosen: ``[k]`` bool. Others in ``federated`` missed the round: they download too, and
                count nothing as sent.
        """

        def one(old: OnDevice, new: OnDevice, model: Shared, taken: Array) -> OnDevice:
            # Replays are large and no part of a download, so they are not chosen between.
            memory = jnp.where(taken, new.memory, old.memory)
            adopted = taken | (self.mode == "federated")
            own = shared_of(self.inner, old.state)
            model = jax.tree.map(lambda a, b: jnp.where(adopted, a, b), model, own)
            state = with_shared(self.inner, old.state, model)
            after_it = dataclasses.replace(old, state=state, memory=memory)
            return with_target(self.inner, after_it, adopted) if self.follows else after_it

        return jax.vmap(one)(before, after, rows, chosen)

    def trained(self, state: FleetState, devices: Any) -> FleetState:
        """Return the fleet with devices that trained once more."""
        return dataclasses.replace(state, devices=devices, updates=state.updates + 1)

    def due(self, state: FleetState) -> Array:
        """Return whether a round follows the update that was counted last."""
        return state.updates % self.local_updates == 0

    def _exchanged(self, keys: RoundKeys, state: FleetState) -> tuple[FleetState, dict[str, Array]]:
        """Return the fleet after its devices sent, and those that are due downloaded."""
        devices = state.devices
        sent, after = self.sent(keys.send, state.based, devices)
        state, chosen, logs = self.received(keys.server, state, sent)
        devices = self.downloaded(devices, after, state.based, chosen)
        return dataclasses.replace(state, devices=devices), logs

    def _hook(self, key: Array, based: Shared, across: Any) -> GradientHook | None:
        """Return what changes the gradients of one device."""
        if self.mode == "synchronous":
            hook = self.averaged(key) if across is None else across(key)
            return dataclasses.replace(hook, arrived=self.arrivals(key, ()))
        if self.mode == "federated":
            return Proximal(anchor=based.parameters, strength=self.proximal)
        return None

    def averaged(self, key: Array) -> Averaged:
        """Return what averages gradients over devices of one program."""
        return Averaged(key=key, axis=AXIS, encoding=self.encoding, percent=self.top_percent)

    def _client(self) -> FleetClient:
        return FleetClient(
            inner=self.inner,
            encoding=self.encoding,
            percent=self.top_percent,
        )

    def _server(self, key: Array, clients: int, arrived: Array) -> FleetServer:
        return FleetServer(
            arrived=arrived,
            clients=clients,
            statistics=self.statistics,
            aggregation=self.aggregate,
            encoding=self.encoding,
            percent=self.top_percent,
            clip_norm=self.clip_norm,
            noise_multiplier=self.noise_multiplier,
            key=key,
        )

    def _pooled(self, state: FleetState, own: Shared, arrived: Array) -> tuple[Shared, Array]:
        """Return the server's model after equal parameters and some statistics arrived.

        Args:
            own: of all devices, leaves ``[M, ...]``.
            arrived: whose statistics arrived, ``[M]`` bool.

        Returns:
            the model, and how many of these devices sent what is not finite.
        """
        right = usable(own)
        parameters = jnp.where(
            jnp.any(right), own.parameters[jnp.argmax(right)], state.shared.parameters
        )
        shared = dataclasses.replace(state.shared, parameters=parameters)
        refused = jnp.sum(arrived & ~right).astype(jnp.float32)
        if not self.statistics:
            return shared, refused
        inputs, rewards = chosen_rows(
            right & arrived, (own.inputs, own.rewards), (state.based.inputs, state.based.rewards)
        )
        return with_statistics(shared, state.shared, inputs, rewards), refused

    def traffic(
        self, state: FleetState, rounds: Any, messages: Any, sent: Any = 1.0
    ) -> dict[str, Array]:
        """Return bytes up and down of one update of all devices, and exchanges of each of them.

        Args:
            rounds: rounds of all devices; a share where some of them took part.
            messages: vectors of parameters or gradients in a round, in each direction.
            sent: share of the devices that did not miss it; all download.
        """
        count, rounds = state.versions.size, jnp.float32(rounds)
        messages = jnp.float32(messages)
        up, down = self.bytes_of_a_round(state.shared, messages)
        return {
            "uplink_bytes": count * rounds * sent * up,
            "downlink_bytes": count * rounds * down,
            "exchanges": rounds * messages,
        }

    def bytes_of_a_round(self, shared: Shared, messages: Any = 1) -> tuple[Any, Any]:
        """Return the bytes that one device uploads and downloads in a round that it takes part in.

        Args:
            shared: the server's model, or its shapes.
            messages: vectors of parameters or gradients in the round, in each direction.
        """
        code = (self.encoding, self.top_percent)
        return bytes_of_a_round(shared, self.statistics, *code, messages=messages)


__all__ = ["AXIS", "MODES", "Fleet", "FleetState", "Mode", "RoundKeys"]
