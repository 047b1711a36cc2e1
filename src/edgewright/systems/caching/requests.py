"""Read the law of the requests of a problem, where there is one that does not change."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from edgewright.streams.compose import Composite
from edgewright.streams.popularity import ZipfRequests, zipf
from edgewright.streams.processes import Categorical
from edgewright.systems.problem import Problem


def fixed_law(problem: Problem) -> np.ndarray | None:
    """Return the probabilities ``[K]`` of the services in training.

    None where they change, differ between users, or are recorded.
    """
    stream: Any = problem.train_stream
    process = stream.fields["service"] if isinstance(stream, Composite) else None
    if isinstance(process, ZipfRequests):
        if float(jnp.asarray(process.drift)) > 0.0 or process.random_start:
            return None
        return np.asarray(zipf(process.exponent, process.services))
    if isinstance(process, Categorical) and np.ndim(process.probabilities) == 1:
        return np.asarray(process.probabilities)
    return None


__all__ = ["fixed_law"]
