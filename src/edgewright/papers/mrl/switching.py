"""Measure a device whose task changes while it learns, for Fig. 7 of MRL.

There are two readings. A device informed of the change restarts from the initialisation with an
empty memory (``restart``). A device that is not informed keeps its network, its optimiser and its
old samples (``continue``).
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.protocols import World
from edgewright.core.records import Array
from edgewright.loops.adapt import HeldOutSet, Scores, adapt, init_device
from edgewright.loops.initialisation import Initialisation, adaptation_key
from edgewright.loops.meta import Tasks
from edgewright.papers.mrl.measuring import columns, kept, scene
from edgewright.studies.job import JobContext, JobResult

IN_A_ROW = 4
"""Scenarios that a device goes through: three switches."""

STEPS = (0, 1, 2, 5, 10, 20, 30, 50, 75, 100)
"""Gradient steps after each switch at which it is evaluated."""


@functools.partial(jax.jit, static_argnames=("world",))
def sequences(
    key: Array,
    world: World,
    tasks: Tasks,
    learner: Any,
    networks: Any,
    held_out: HeldOutSet,
    restart: Array,
) -> Scores:
    """Return scores ``[sequences, IN_A_ROW, steps, 2]`` of devices on sequences of tasks.

    Sequence ``j`` goes through the tasks ``4 j`` to ``4 j + 3``; with ``restart`` (``[]``) it
    begins again in each. Consumes ``key``.
    """
    count = jax.tree.leaves(tasks.params)[0].shape[0] // IN_A_ROW
    gaps = jnp.asarray(np.diff(STEPS), jnp.int32)

    def folded(tree: Any) -> Any:
        return jax.tree.map(
            lambda leaf: leaf[: count * IN_A_ROW].reshape(count, IN_A_ROW, *leaf.shape[1:]), tree
        )

    def one(key: Array, params: Any, held_out: HeldOutSet, networks: Any) -> Scores:
        first = jax.tree.map(lambda leaf: leaf[0], (params, held_out.rows, networks))
        space = world.observation_space(first[0])

        def arrive(state: Any, task: Any) -> tuple[Any, Scores]:
            key, params, held_out, network = task
            fresh = learner.start_from(network, space)
            state = jax.tree.map(lambda new, old: jnp.where(restart, new, old), fresh, state)
            stream = tasks.stream(params)
            device = init_device(key, stream, state)
            device, scores = adapt(world, params, stream, learner, device, gaps, held_out)
            return device.learner, scores

        keys = jax.random.split(key, IN_A_ROW)
        begin = learner.start_from(first[2], space)
        return jax.lax.scan(arrive, begin, (keys, params, held_out, networks))[1]

    keys = jax.random.split(key, count)
    return jax.vmap(one)(keys, folded(tasks.params), folded(held_out), folded(networks))


def switches(
    context: JobContext, preset: str, changes: dict[str, Any], start: str, learner: str, seeds: int
) -> JobResult:
    """Adapt initialisations along task sequences: ``[seeds, sequences, tasks * steps]``."""
    _, problem, held_out = scene(preset, changes)
    tasks = problem.tasks.test
    arrays: dict[str, np.ndarray] = {}
    for name, restart in (("continue", False), ("restart", True)):
        results = []
        flags = jnp.asarray(restart)
        for seed, one in enumerate(kept(context.folders[start], learner, preset, changes, seeds)):
            own = one.policy
            assert isinstance(own, Initialisation)
            networks = own.networks(tasks.count)
            results.append(
                sequences(
                    adaptation_key(seed), one.world, tasks, own.learner, networks, held_out, flags
                )
            )
        scores = jax.tree.map(lambda *leaves: np.stack([np.asarray(x) for x in leaves]), *results)
        flat = jax.tree.map(lambda leaf: leaf.reshape(*leaf.shape[:2], -1, 2), scores)
        arrays |= {
            f"switch/{key.split('/')[1]}_{name}": values
            for key, values in columns(flat, "switch").items()
            if "q_hat" in key
        }
    facts = {"steps": list(STEPS), "in_a_row": IN_A_ROW}
    return JobResult(arrays, {**facts, "labels": {"preset": preset, "learner": learner}})
