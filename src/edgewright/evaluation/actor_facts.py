"""Measure the actor that draws as it is deployed: its size, its sparsity and its duration."""

from __future__ import annotations

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.agents.sac import DrawingPolicy
from edgewright.export.drawing import deployed
from edgewright.nets.phased import PhasedActor
from edgewright.rules.importance import widths_of
from edgewright.systems.system import PolicyEntry

BATCHES = (1, 256)
"""Observations of one call: an actor of this size is as slow for one as for some."""

WARM, CALLS, LONGEST_S = 5, 100, 1.0
"""Calls before the clock counts, calls that are timed, and seconds after which no other begins."""


def actor_facts(entry: PolicyEntry, features: int) -> dict[str, Any]:
    """Return size, sparsity and duration of the actor of a policy; nothing where it has none.

    ``parameters`` are those of the actor without its masked units; a bundle does not hold those
    that only exploration needs;
    ``sparsity`` is the share of hidden units and ``weight_sparsity`` that of parameters that the
    training took away; ``denoise_ms`` is by batch size, see :func:`denoise_ms`.

    Args:
        features: entries of an observation.
    """
    if not isinstance(entry.policy, DrawingPolicy):
        return {}
    actor = deployed(entry.policy).actor
    unpruned = entry.policy.actor
    unpruned = unpruned.dense if isinstance(unpruned, PhasedActor) else unpruned
    units, left = (sum(widths_of(one.network)) for one in (unpruned, actor))
    before, after = (_size(one) for one in (unpruned, actor))
    return {
        "parameters": after,
        "sparsity": 1.0 - left / units,
        "weight_sparsity": 1.0 - after / before,
        "denoise_ms": {f"batch_{n}": denoise_ms(actor, features, n) for n in BATCHES},
    }


def denoise_ms(actor: Any, features: int, batch: int) -> float:
    """Return the milliseconds in which an actor turns noise and ``batch`` observations to actions.

    It is the median of several calls of the compiled function, the first ones left out. It depends
    on the machine and on what else runs there.
    """
    rng = np.random.default_rng(0)
    numbers = int(np.prod(actor.space.shape))
    observed = jnp.asarray(rng.uniform(-1.0, 1.0, (batch, features)), jnp.float32)
    noise = jnp.asarray(rng.normal(size=(batch, actor.greedy_draws, numbers)), jnp.float32)
    greedy = jax.jit(lambda observed, noise: actor.greedy(observed, noise))
    taken, began = [], time.perf_counter()
    for number in range(WARM + CALLS):
        start = time.perf_counter()
        jax.block_until_ready(greedy(observed, noise))
        end = time.perf_counter()
        taken.append(1e3 * (end - start))
        if number >= WARM and end - began > LONGEST_S:
            break
    return float(np.median(taken[WARM:]))


def _size(actor: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(actor))


__all__ = ["BATCHES", "actor_facts", "denoise_ms"]
