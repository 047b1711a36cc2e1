"""Learn binary actions by imitating the best of a network's own proposals (DROO).

Huang, Bi, Zhang (IEEE TMC 19(11), 2020). The network gives a relaxed action, a quantiser makes a
few binary actions of it, and whoever can evaluate an action exactly says which is best: that
becomes the label. The method needs neither value function nor return, for slots are independent.
With other labels (the optimum) the same record is a supervised network.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from edgewright.core.errors import InputError
from edgewright.core.records import (
    Array,
    Decision,
    Labelled,
    Memoryless,
    Trajectory,
    record,
    static,
)
from edgewright.core.spaces import Box, Discrete, Space
from edgewright.nets.mlp import MLP, init_mlp
from edgewright.rules import batches, quantiser
from edgewright.rules.replay import Replay, add, draw, empty
from edgewright.rules.scaling import InputScaler


@record
class RelaxedPolicy(Memoryless):
    """A network of the whole observation ``[N, F]`` with one relaxed bit for each device.

    ``act`` rounds; ``propose`` gives ``candidates`` actions to whoever can price them. An empty
    place (the last feature is 0 where ``masked``) is never offloaded and flips last.
    """

    network: MLP
    inputs: InputScaler | None = None
    num_candidates: int = static(default=10)
    quantiser: Literal["order", "nearest", "noisy"] = static(default="order")
    masked: bool = static(default=False)

    def act(self, key: Array, carry: tuple[()], observation: Array) -> tuple[tuple[()], Decision]:
        """Return the rounding ``[N]`` of the relaxed action: no critic."""
        return carry, Decision(action=quantiser.rounded(self.relaxed(observation)), aux=())

    def propose(self, key: Array, observation: Array) -> Array:
        """Return candidates ``[candidates, N]``, the rounding first. Consumes ``key``."""
        relaxed = self.relaxed(observation)
        if self.quantiser == "nearest":
            return quantiser.nearest_neighbours(relaxed, self.num_candidates)
        if self.quantiser == "noisy":
            return quantiser.noisy_order_preserving(key, relaxed, self.num_candidates)
        return quantiser.order_preserving(relaxed, self.num_candidates)

    def relaxed(self, observation: Array) -> Array:
        """Return the relaxed action ``[N]`` in (0, 1)."""
        chances = jax.nn.sigmoid(logits(self.network, self.inputs, observation))
        return chances * observation[..., -1] if self.masked else chances


def logits(network: MLP, inputs: InputScaler | None, observation: Array) -> Array:
    """Return ``[..., N]`` from observations ``[..., N, F]``, scaled first if there is a scaler."""
    observation = observation if inputs is None else inputs(observation)
    return network(observation.reshape(*observation.shape[:-2], -1))


@record
class DrooState:
    """Everything that changes while DROO learns."""

    network: MLP
    optimiser: Any
    replay: Replay
    count: Array  # candidates that are tried now
    winner: Array  # largest index of a winner in this window
    frames: Array  # slots seen


@record
class Droo:
    """The self-labelling learner. Numbers marked (S) are MRL's, (D) those of DROO's paper.

    ``adapt = "bias"`` moves the biases of the last layer only: a control that shows how much of an
    adaptation is nothing but N constants. ``"none"`` learns nothing more.

    Attributes:
        inputs: how observations are scaled; :meth:`fitted` takes it from an observation space.
    """

    learning_rate: Array | float = 0.01  # (S) Adam, with its moments kept from step to step
    hidden_sizes: tuple[int, ...] = static(default=(120, 80))  # (D)
    num_candidates: int = static(default=10)  # phi; (R) the number of devices
    quantiser: Literal["order", "nearest", "noisy"] = static(default="order")
    loss_kind: Literal["bce", "mse"] = static(default="bce")  # (D); (S) squared error, equation (8)
    buffer_size: int = static(default=1024)  # (S) samples
    batch_size: int = static(default=128)  # (S)
    rollout_steps: int = static(default=10)  # (D) slots observed between two gradient steps
    adapt: Literal["all", "bias", "none"] = static(default="all")
    adaptive_count: bool = static(default=False)  # (D) optional
    window: int = static(default=32)  # (D) slots after which the count is set anew
    masked: bool = static(default=False)
    inputs: InputScaler | None = dataclasses.field(default=None, metadata={"setting": False})

    def check_sizes(self, observations: Box, actions: Space) -> None:
        """Check that the quantiser has as many proposals, and that the replay holds one rollout.

        Raises:
            InputError: it has fewer, or the replay is smaller.
        """
        devices = observations.shape[0]
        proposals = {"order": devices + 1, "noisy": 2 * devices + 2, "nearest": 2**devices}
        most = proposals[self.quantiser]
        if self.num_candidates > most:
            message = f"must be at most {most}; got {self.num_candidates}"
            hint = f"{devices} devices and quantiser = '{self.quantiser}' have no more proposals"
            raise InputError(message, where="learner.num_candidates", hint=hint)
        if self.rollout_steps > self.buffer_size:
            message = f"must hold the {self.rollout_steps} slots of a step; got {self.buffer_size}"
            hint = "raise it, or lower learner.rollout_steps"
            raise InputError(message, where="learner.buffer_size", hint=hint)

    def fitted(self, observations: Box) -> Droo:
        """Return the learner with the constants of a world's observations."""
        return dataclasses.replace(self, inputs=InputScaler.of(observations))

    @property
    def num_envs(self) -> int:
        """Return the number of copies of the world between two updates, which is 1."""
        return 1

    def network(self, key: Array, observations: Box) -> MLP:
        """Return an untrained network for observations ``[N, F]``. Consumes ``key``."""
        devices, features = observations.shape
        sizes = (devices * features, *self.hidden_sizes, devices)
        return init_mlp(key, sizes, activation="relu")

    def init(self, key: Array, observations: Box, actions: Discrete) -> DrooState:
        """Return a fresh network and an empty memory. Consumes ``key``."""
        return self.start_from(self.network(key, observations), observations)

    def start_from(self, network: MLP, observations: Box) -> DrooState:
        """Return the state of a device that begins with a given network and knows nothing else."""
        example = Labelled(
            observation=jnp.zeros(observations.shape),
            action=jnp.zeros(observations.shape[:1], jnp.int32),
        )
        return DrooState(
            network=network,
            optimiser=optax.scale_by_adam().init(ravel_pytree(network)[0]),
            replay=empty(example, self.buffer_size),
            count=jnp.int32(self.num_candidates),
            winner=jnp.zeros((), jnp.int32),
            frames=jnp.zeros((), jnp.int32),
        )

    def policy(self, state: DrooState, explore: bool) -> RelaxedPolicy:
        """Return the network as a policy; exploring and greedy play are the same."""
        return self.proposer(state.network)

    def proposer(self, network: MLP) -> RelaxedPolicy:
        """Return a network as a policy with this learner's quantiser."""
        return RelaxedPolicy(
            network=network,
            inputs=self.inputs,
            num_candidates=self.num_candidates,
            quantiser=self.quantiser,
            masked=self.masked,
        )

    def tried(self, state: DrooState) -> Array:
        """Return which candidates ``[candidates]`` are tried now."""
        return jnp.arange(self.num_candidates) < state.count

    def loss(self, network: MLP, batch: Labelled) -> Array:
        """Return the mean loss over samples and devices; labels carry no gradient."""
        label = jax.lax.stop_gradient(batch.action).astype(jnp.float32)
        given = logits(network, self.inputs, batch.observation)
        if self.loss_kind == "bce":
            cost = optax.sigmoid_binary_cross_entropy(given, label)
        else:
            cost = jnp.square(jax.nn.sigmoid(given) - label)
        if self.masked:
            there = batch.observation[..., -1]
            return jnp.sum(cost * there) / jnp.maximum(jnp.sum(there), 1.0)
        return jnp.mean(cost)

    def update(
        self, key: Array, state: DrooState, batch: Trajectory
    ) -> tuple[DrooState, dict[str, Array]]:
        """Imitate the actions of a trajectory ``[T, N, ...]``: store them, then one step."""
        labelled = Labelled(
            observation=batches.samples(batch.observation, 2),
            action=batches.samples(batch.action, 1),
        )
        return self.learn(key, self.store(state, labelled))

    def store(self, state: DrooState, batch: Labelled, winners: Array | None = None) -> DrooState:
        """Return the state after labelled slots ``[B, ...]`` went into the memory.

        Args:
            winners: ``[B]`` index of the candidate that became the label; it sets ``count``.
        """
        slots = batch.action.shape[0]
        frames = state.frames + slots
        count, winner = state.count, state.winner
        if self.adaptive_count and winners is not None:
            winner = jnp.maximum(winner, jnp.max(winners).astype(jnp.int32))
            turn = frames // self.window > state.frames // self.window
            adapted = quantiser.adapted_count(winner, self.num_candidates)
            count, winner = jnp.where(turn, adapted, count), jnp.where(turn, 0, winner)
        return DrooState(
            network=state.network,
            optimiser=state.optimiser,
            replay=add(state.replay, batch),
            count=count,
            winner=winner,
            frames=frames,
        )

    def learn(self, key: Array, state: DrooState) -> tuple[DrooState, dict[str, Array]]:
        """Take one Adam step on a batch from the memory. Consumes ``key``."""
        batch = draw(key, state.replay, (self.batch_size,))
        flat, restore = ravel_pytree(state.network)
        cost, gradient = jax.value_and_grad(lambda one: self.loss(restore(one), batch))(flat)
        if self.adapt == "bias":  # the biases of the last layer are the last of all
            last = state.network.biases[-1].size
            gradient = gradient * (jnp.arange(flat.size) >= flat.size - last)
        elif self.adapt == "none":
            gradient = jnp.zeros_like(gradient)
        change, optimiser = optax.scale_by_adam().update(gradient, state.optimiser)
        after = DrooState(
            network=restore(flat - self.learning_rate * jnp.asarray(change)),
            optimiser=optimiser,
            replay=state.replay,
            count=state.count,
            winner=state.winner,
            frames=state.frames,
        )
        return after, {"loss": cost, "candidates": state.count.astype(jnp.float32)}
