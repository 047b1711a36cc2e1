"""Fig. 7: a device whose scenario changes under it, and what becomes of what it has learnt.

Two readings. A device that is told of the change begins again from the start with an empty memory
(``restart``); one that is not goes on with its network, its optimiser and its old samples
(``continue``).
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
"""Gradient steps after each switch at which it is examined."""


@functools.partial(jax.jit, static_argnames=("world",))
def journeys(
    key: Array,
    world: World,
    tasks: Tasks,
    learner: Any,
    networks: Any,
    exams: HeldOutSet,
    restart: Array,
) -> Scores:
    """Return the marks ``[journeys, IN_A_ROW, marks, 2]`` of devices on their ways.

    Journey ``j`` goes through the scenarios ``4 j`` to ``4 j + 3``; with ``restart`` (``[]``) it
    begins again in each. Consumes ``key``.
    """
    count = jax.tree.leaves(tasks.params)[0].shape[0] // IN_A_ROW
    gaps = jnp.asarray(np.diff(STEPS), jnp.int32)

    def folded(tree: Any) -> Any:
        return jax.tree.map(
            lambda leaf: leaf[: count * IN_A_ROW].reshape(count, IN_A_ROW, *leaf.shape[1:]), tree
        )

    def one(key: Array, params: Any, exam: HeldOutSet, networks: Any) -> Scores:
        first = jax.tree.map(lambda leaf: leaf[0], (params, exam.rows, networks))
        space = world.observation_space(first[0])

        def arrive(state: Any, task: Any) -> tuple[Any, Scores]:
            key, params, exam, network = task
            fresh = learner.start_from(network, space)
            state = jax.tree.map(lambda new, old: jnp.where(restart, new, old), fresh, state)
            stream = tasks.stream(params)
            life = init_device(key, stream, state)
            life, marks = adapt(world, params, stream, learner, life, gaps, exam)
            return life.learner, marks

        keys = jax.random.split(key, IN_A_ROW)
        begin = learner.start_from(first[2], space)
        return jax.lax.scan(arrive, begin, (keys, params, exam, networks))[1]

    keys = jax.random.split(key, count)
    return jax.vmap(one)(keys, folded(tasks.params), folded(exams), folded(networks))


def switches(
    context: JobContext, preset: str, changes: dict[str, Any], start: str, learner: str, seeds: int
) -> JobResult:
    """Send the starts of another job on journeys: ``[seeds, journeys, scenarios * marks]``."""
    _, problem, exams = scene(preset, changes)
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
                journeys(
                    adaptation_key(seed), one.world, tasks, own.learner, networks, exams, flags
                )
            )
        marks = jax.tree.map(lambda *leaves: np.stack([np.asarray(x) for x in leaves]), *results)
        flat = jax.tree.map(lambda leaf: leaf.reshape(*leaf.shape[:2], -1, 2), marks)
        arrays |= {
            f"switch/{key.split('/')[1]}_{name}": values
            for key, values in columns(flat, "switch").items()
            if "q_hat" in key
        }
    facts = {"steps": list(STEPS), "in_a_row": IN_A_ROW}
    return JobResult(arrays, {**facts, "labels": {"preset": preset, "learner": learner}})
