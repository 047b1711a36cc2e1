"""Meta-train in rounds between a server and devices, each of which has its own task.

The server keeps an initialisation; in each round some tasks are drawn, one device in each
downloads it, plays and trains on its own slots, and uploads. What a device does and what a server
does are methods of the learner; this loop knows protocols only. All devices of a round are one
``vmap``, all rounds one jit.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from edgewright.core.protocols import MetaLearner, Policy, Stream, World
from edgewright.core.records import Array, Labelled, record
from edgewright.loops.repeat import repeated
from edgewright.loops.search import BestOfCandidates, label

Label = Callable[[Array, Any, Any], Labelled]
"""(key, network, rows of inputs) to labelled slots: plays on the device."""


@dataclasses.dataclass(frozen=True)
class DeviceSlots:
    """The slots of one device.

    Attributes:
        label: plays and labels slots with a given network; nothing flows back through it.
        rows: inputs ``[slots, ...]`` of this device's own slots.
    """

    label: Label
    rows: Any


class Tasks(Protocol):
    """Tasks that share a world and differ in its numbers. A pytree."""

    @property
    def params(self) -> Any:
        """Numbers of each task, leaves ``[count, ...]``."""
        ...

    def stream(self, params: Any) -> Stream[Any]:
        """Return the inputs that arrive from outside in one task."""
        ...


@record
class MetaTraining:
    """Everything a meta-training needs to go on."""

    server: Any
    key: Array


def first_rows(stream: Stream[Any], key: Array, length: int) -> Any:
    """Return ``length`` rows of a stream from a random phase. Consumes ``key``."""
    return stream.next_rows(stream.init_carry(key), length)[1]


@functools.partial(jax.jit, static_argnames=("world",))
def init_training(key: Array, world: World, tasks: Tasks, learner: MetaLearner) -> MetaTraining:
    """Return the training before its first round. Consumes ``key``."""
    init_key, key = jax.random.split(key)
    params = jax.tree.map(lambda leaf: leaf[0], tasks.params)
    space = world.observation_space(params)
    return MetaTraining(server=learner.init(init_key, space), key=key)


def next_round(
    learner: MetaLearner, count: int, training: MetaTraining
) -> tuple[Array, Array, Array]:
    """Draw the devices of a round.

    Args:
        learner: says how many.
        count: number of tasks.
        training: before the round; its key is consumed.

    Returns:
        keys of the devices, indices of their tasks, and the key of the training after the round.
    """
    choice_key, round_key, key = jax.random.split(training.key, 3)
    chosen = jax.random.choice(choice_key, count, (learner.tasks,), replace=False)
    return jax.random.split(round_key, learner.tasks), chosen, key


def train_device(
    world: World,
    tasks: Tasks,
    learner: MetaLearner,
    teacher: Policy | None,
    key: Array,
    index: Array,
    initial: Any,
) -> Any:
    """Return what one device of a round uploads, and scalars to log.

    Args:
        world, tasks, learner, teacher: as :func:`advance` has them.
        key: consumed.
        index: of the device's task.
        initial: what it downloaded.
    """
    params = jax.tree.map(lambda leaf: leaf[index], tasks.params)
    stream_key, device_key = jax.random.split(key)
    rows = first_rows(tasks.stream(params), stream_key, learner.slots)
    fitted = learner.fitted(world.observation_space(params))

    def labelled(key: Array, network: Any, rows: Any) -> Labelled:
        if learner.labels == "optimum":
            assert teacher is not None
            return label(key, world, params, teacher, rows)[0]
        own = BestOfCandidates(proposer=fitted.proposer(network), world=world)
        return label(key, world, params, own, rows)[0]

    return fitted.update(device_key, initial, DeviceSlots(label=labelled, rows=rows))


@functools.partial(jax.jit, static_argnames=("world", "chunk"))
def advance(
    world: World,
    tasks: Tasks,
    learner: MetaLearner,
    teacher: Policy | None,
    training: MetaTraining,
    iterations: Array,
    chunk: int,
) -> tuple[MetaTraining, dict[str, Array]]:
    """Run ``iterations`` (at most ``chunk``) rounds.

    Args:
        teacher: labels the slots where ``learner.labels`` is ``"optimum"``; otherwise a device
            labels its own: the best of its proposals.

    Returns:
        the training, and logs ``[chunk]`` of which the first ``iterations`` entries are filled.
    """
    count = jax.tree.leaves(tasks.params)[0].shape[0]

    def device(key: Array, index: Array, initial: Any) -> Any:
        return train_device(world, tasks, learner, teacher, key, index, initial)

    def once(training: MetaTraining) -> tuple[MetaTraining, dict[str, Array]]:
        keys, chosen, key = next_round(learner, count, training)
        initial = learner.model(training.server)  # download
        uploads, logs = jax.vmap(device, in_axes=(0, 0, None))(keys, chosen, initial)
        server = learner.aggregate(training.server, uploads)
        traffic = jnp.float32(learner.traffic_bytes(initial))
        log = {name: jnp.mean(leaf) for name, leaf in logs.items()}
        return MetaTraining(server=server, key=key), {**log, "traffic_bytes": traffic}

    return repeated(once, training, iterations, chunk)
