"""Turn uploads into bounded arrays whose weighted mean is all that a cloud needs, and back.

SecAgg+ (Bell et al., CCS 2020, doi:10.1145/3372297.3417885) gives a cloud the weighted mean of
vectors and no single vector. Parameters travel as changes. Statistics travel as means for each
sample, since the mean times all samples is their sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from edgewright.core.errors import InputError
from edgewright.federated.aggregation import MOST_PER_SAMPLE, Upload, names_of
from edgewright.federated.modules import Model, of_module
from edgewright.federated.rounds import Task, Work
from edgewright.federated.settings import AVERAGED

MIN_SERVERS = 3
"""Servers whose sum is taken at least: of two, each could tell what the other sent (R)."""

RANGE = 8.0
"""The largest entry of a change, weighted by its share of the samples; beyond, it is cut (R)."""

LEVELS = 2**25
"""Levels from -RANGE to RANGE. The sum over 50 servers, the most, stays below 2^32."""


def ordered(modules: Iterable[str]) -> list[str]:
    """Return the names of the arrays of some modules in the order in which they travel."""
    return sorted(names_of(tuple(modules)))


def packed(upload: Upload, model: Model) -> list[np.ndarray]:
    """Return an upload as float64 arrays with entries of at most 1 for usual statistics.

    Args:
        upload: of one server.
        model: what it downloaded.
    """
    arrays = []
    for name in sorted(upload.arrays):
        sent = np.asarray(upload.arrays[name], np.float64)
        if of_module(name) in AVERAGED:
            arrays.append(sent - model[name])
        else:
            arrays.append(sent / upload.samples / MOST_PER_SAMPLE[name])
    return arrays


def unpacked(arrays: list[np.ndarray], model: Model, modules: tuple[str, ...], total: int) -> Model:
    """Return the mean parameters and the summed statistics that a weighted mean stands for.

    Counts are rounded to whole numbers, and what has no count has no sum.

    Args:
        arrays: the mean of :func:`packed` over servers, weighted by their samples.
        model: what they downloaded.
        modules: that they trained.
        total: samples of all these servers.
    """
    result: Model = {}
    for name, mean in zip(ordered(modules), arrays, strict=True):
        if of_module(name) in AVERAGED:
            result[name] = model[name] + mean
        else:
            result[name] = mean * total * MOST_PER_SAMPLE[name]
    for name in [one for one in result if one.endswith("/counts")]:
        result[name] = np.round(result[name])
    for name, sums in result.items():
        if of_module(name) not in AVERAGED:
            counts = result[f"{of_module(name)}/counts"]
            counts = counts.reshape(counts.shape + (1,) * (sums.ndim - counts.ndim))
            result[name] = np.where(counts > 0, sums, 0.0)
    return result


def groups(tasks: Mapping[int, Task]) -> list[dict[int, Task]]:
    """Return tasks by server in groups that train the same modules, whose vectors add up."""
    result: dict[tuple[str, ...], dict[int, Task]] = {}
    for server, task in tasks.items():
        result.setdefault(task.modules, {})[server] = task
    return list(result.values())


def check_groups(work: Work) -> None:
    """Check that every sum of a construction hides its parts.

    Raises:
        InputError: fewer servers than :data:`MIN_SERVERS` train the same modules in a round.
    """
    for number, tasks in enumerate(work.rounds):
        for group in groups(tasks):
            if len(group) < MIN_SERVERS:
                names = ", ".join(next(iter(group.values())).modules)
                message = (
                    f"`aggregation=secure` must have at least {MIN_SERVERS} servers for each sum; "
                    f"in round {number + 1} only {len(group)} train {names}"
                )
                hint = "use more servers (--setting servers=N), mode=full, or aggregation=mean"
                raise InputError(message, where="--setting", hint=hint)


__all__ = [
    "LEVELS",
    "MIN_SERVERS",
    "RANGE",
    "check_groups",
    "groups",
    "ordered",
    "packed",
    "unpacked",
]
