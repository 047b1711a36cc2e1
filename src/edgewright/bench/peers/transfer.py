"""Run the other side in processes of its own, and score its policies as ours."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import jax
import numpy as np

from edgewright.adapters import weights
from edgewright.bench.peers import sb3
from edgewright.bench.peers.arena import Arena
from edgewright.core.protocols import Policy
from edgewright.core.spaces import Box
from edgewright.loops.evaluate import evaluate


def policy_of(kind: sb3.Kind, arena: Arena, trained: dict[str, Any]) -> Policy:
    """Return what the other side trained as a policy of ours."""
    observations = weights.Statistics(*trained["observations"])
    if kind not in ("td3", "sac"):
        return weights.policy_of(trained["arrays"], trained["activation"], observations)
    space = arena.world.action_space(arena.params)
    assert isinstance(space, Box)
    return weights.numbers_policy_of(trained["arrays"], trained["activation"], observations, space)


def score(arena: Arena, policy: Policy) -> np.ndarray:
    """Return the reward of each evaluation episode."""
    missed = arena.post_termination_reward
    key = jax.random.key(0)  # a greedy policy does not use it
    result = evaluate(
        key, arena.world, arena.params, policy, arena.inputs, post_termination_reward=missed
    )
    return np.asarray(result["reward"])


def workers(count: int) -> ProcessPoolExecutor:
    """Return a pool of ``count`` fresh processes."""
    return ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"))


def apart(call: Callable[[], Any]) -> Any:
    """Return what ``call`` returns in a fresh process of its own."""
    with workers(1) as pool:
        return pool.submit(call).result()


__all__ = ["apart", "policy_of", "score", "workers"]
