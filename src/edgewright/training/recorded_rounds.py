"""Find which devices of a fleet miss the deadline of a round, from recordings of bandwidth."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.agents.fleet import Fleet
from edgewright.agents.fleet_exchange import shared_of
from edgewright.agents.per_device import of_one
from edgewright.core.errors import InputError
from edgewright.streams.links import MAX_EXCHANGES, link_files, link_times, recorded_links
from edgewright.systems.problem import LearnerPlan, Problem


def with_recorded_rounds(
    plan: LearnerPlan, problem: Problem, data: str | None, steps: float
) -> LearnerPlan:
    """Return a plan whose fleet knows who is late in each round; others unchanged.

    Device i has the i-th recording. A round follows the one before at once, as in the times that
    ``edgewright train`` states. At most :data:`~edgewright.streams.links.MAX_EXCHANGES` rounds are
    simulated; a longer training goes through them again.

    Args:
        data: folder of recordings, or None.
        steps: environment steps of the training.

    Raises:
        InputError: the fleet has a deadline, and there are no recordings or nobody meets it.
    """
    fleet = plan.learner
    if not isinstance(fleet, Fleet) or not float(fleet.deadline_s):
        return plan
    devices = problem.world.devices
    links = recorded_links(data, devices)
    if not links:
        message = f"must stand beside recordings of bandwidth; got {fleet.deadline_s} without any"
        hint = "add --data FOLDER, in which the folder bandwidth holds them"
        raise InputError(message, where="learner.deadline_s", hint=hint)
    up, down = bytes_of_a_device(fleet, plan, problem)
    updates = math.ceil(steps / (fleet.num_envs * fleet.rollout_steps))
    rounds = min(max(updates // fleet.local_updates, 1), MAX_EXCHANGES)
    late = link_times(links, rounds, up, down, deadline_s=float(fleet.deadline_s)).late
    if np.all(late):
        message = f"must be so long that a device is in time; got {fleet.deadline_s}"
        raise InputError(message, where="learner.deadline_s", hint=f"{up} bytes go up, e.g. 1.0")
    learner = dataclasses.replace(fleet, late=jnp.asarray(late))
    return dataclasses.replace(plan, learner=learner)


def bytes_of_a_device(
    fleet: Fleet, plan: LearnerPlan, problem: Problem, messages: float = 1
) -> tuple[Any, Any]:
    """Return the bytes that a device uploads and downloads in a round that it takes part in.

    Args:
        messages: vectors of parameters or gradients in the round, in each direction.
    """
    spaces = of_one(
        plan.world.observation_space(problem.params), plan.world.action_space(problem.params)
    )
    state = jax.eval_shape(lambda key: fleet.inner.init(key, *spaces), jax.random.key(0))
    shared = jax.eval_shape(lambda state: shared_of(fleet.inner, state), state)
    return fleet.bytes_of_a_round(shared, messages)


def rounds_fingerprint(learner: Mapping[str, Any], data: str | None) -> str | None:
    """Return a hash of the recordings that decide who is late; None where there is no deadline.

    Args:
        learner: the settings that a scenario states for the learner.
        data: folder of recordings, or None.
    """
    if not learner.get("deadline_s"):
        return None
    digest = hashlib.sha256()
    for path in link_files(data):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


__all__ = ["bytes_of_a_device", "rounds_fingerprint", "with_recorded_rounds"]
