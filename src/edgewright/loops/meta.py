"""Meta-training: rounds between a server and devices that live in different hidden scenarios.

The server keeps an initialisation; in each round some scenarios are drawn, one device in each
downloads it, plays and trains on its own slots, and uploads. What a device does and what a server
does are methods of the learner; this loop knows protocols only. All devices of a round are one
``vmap``, all rounds one jit.
"""

from __future__ import annotations

import functools
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from edgewright.core.protocols import Policy, Stream, World
from edgewright.core.records import Array, Labelled, record
from edgewright.loops.search import BestOfCandidates, label


class Tasks(Protocol):
    """Hidden scenarios. A pytree."""

    @property
    def params(self) -> Any:
        """Numbers of each scenario, leaves ``[count, ...]``."""
        ...

    def stream(self, params: Any) -> Stream[Any]:
        """Return what arrives from outside in one scenario."""
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
def init_training(key: Array, world: World, tasks: Tasks, learner: Any) -> MetaTraining:
    """Return the training before its first round. Consumes ``key``."""
    init_key, key = jax.random.split(key)
    params = jax.tree.map(lambda leaf: leaf[0], tasks.params)
    space = world.observation_space(params)
    return MetaTraining(server=learner.init(init_key, space), key=key)


@functools.partial(jax.jit, static_argnames=("world", "chunk"))
def advance(
    world: World,
    tasks: Tasks,
    learner: Any,
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
        params = jax.tree.map(lambda leaf: leaf[index], tasks.params)
        stream_key, device_key = jax.random.split(key)
        rows = first_rows(tasks.stream(params), stream_key, learner.slots)
        fitted = learner.fitted(world.observation_space(params))

        def labelled(key: Array, network: Any, rows: Any) -> Labelled:
            if learner.labels == "optimum":
                assert teacher is not None
                return label(key, world, params, teacher, rows)[0]
            own = BestOfCandidates(proposer=fitted.base.proposer(network), world=world)
            return label(key, world, params, own, rows)[0]

        return fitted.device(device_key, initial, labelled, rows)

    def once(training: MetaTraining) -> tuple[MetaTraining, dict[str, Array]]:
        choice_key, round_key, key = jax.random.split(training.key, 3)
        chosen = jax.random.choice(choice_key, count, (learner.tasks,), replace=False)
        initial = training.server.initial  # download
        keys = jax.random.split(round_key, learner.tasks)
        uploads, logs = jax.vmap(device, in_axes=(0, 0, None))(keys, chosen, initial)
        server = learner.outer(training.server, uploads)
        traffic = jnp.float32(learner.traffic_bytes(initial))
        log = {name: jnp.mean(leaf) for name, leaf in logs.items()}
        return MetaTraining(server=server, key=key), {**log, "traffic_bytes": traffic}

    return repeated(once, training, iterations, chunk)


def repeated(once: Any, training: Any, iterations: Array, chunk: int) -> Any:
    """Return ``once`` done ``iterations`` times, and its logs ``[chunk]``."""
    shapes = jax.eval_shape(once, training)[1]
    empty = {name: jnp.zeros(chunk, leaf.dtype) for name, leaf in shapes.items()}

    def body(index: Array, carry: Any) -> Any:
        training, logs = carry
        training, log = once(training)
        return training, {name: logs[name].at[index].set(log[name]) for name in logs}

    return jax.lax.fori_loop(0, iterations, body, (training, empty))
