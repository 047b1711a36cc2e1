"""Check the uploads of edge servers and aggregate them into one model, in plain NumPy.

Averages weighted by samples are FedAvg (McMahan et al., AISTATS 2017, arXiv:1602.05629). The
coordinate-wise median is a robust aggregate (Yin et al., ICML 2018, arXiv:1803.01498).
"""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np

from edgewright.federated.courier import COST_HIGH, COST_NOISE, ROOMS
from edgewright.federated.modules import SHAPES, Model, of_module
from edgewright.federated.settings import AVERAGED, Settings
from edgewright.federated.shares import PIXELS

MOST_PER_SAMPLE = {
    "memory/sums": 10.0,
    "memory/squares": 100.0 * PIXELS,
    "memory/counts": 1.0,
    "planning/sums": COST_HIGH + 6 * COST_NOISE,
    "planning/counts": 1.0,
}
"""The most that one sample adds to an entry of a statistic, six standard deviations and more."""


@dataclasses.dataclass(frozen=True)
class Upload:
    """An upload of one server after a round.

    Attributes:
        server: its number.
        arrays: of the modules that it was asked for.
        samples: samples that it trained on, its weight.
    """

    server: int
    arrays: Model
    samples: int


@dataclasses.dataclass(frozen=True)
class Round:
    """A model after one round of aggregation, and who was set aside.

    Attributes:
        model: the new model.
        used: numbers of the servers whose uploads are in it.
        set_aside: reason by number of the server.
        clipped: numbers of the servers whose updates were shortened.
        traffic: messages, bytes each way and seconds, where messages of Flower were counted.
    """

    model: Model
    used: tuple[int, ...]
    set_aside: dict[int, str]
    clipped: tuple[int, ...]
    traffic: dict[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Screened:
    """Uploads after the checks.

    Attributes:
        usable: in the order of servers.
        set_aside: reason by number of the server.
        clipped: numbers of the servers whose updates were shortened.
    """

    usable: list[Upload]
    set_aside: dict[int, str]
    clipped: tuple[int, ...]


def names_of(modules: tuple[str, ...]) -> set[str]:
    """Return the names of the arrays of some modules."""
    return {name for name in SHAPES if of_module(name) in modules}


def fault(upload: Upload, modules: tuple[str, ...]) -> str:
    """Return why an upload cannot be used; empty if it can.

    Args:
        modules: what the server was asked for.
    """
    if set(upload.arrays) != names_of(modules):
        return f"sent the arrays {sorted(upload.arrays)}, asked for {sorted(names_of(modules))}"
    if upload.samples < 1:
        return f"says that it trained on {upload.samples} samples"
    for name, array in upload.arrays.items():
        if array.shape != SHAPES[name]:
            return f"`{name}` must have the shape {SHAPES[name]}; got {array.shape}"
        if not np.all(np.isfinite(array)):
            return f"`{name}` must be finite; got {np.sum(~np.isfinite(array))} other values"
    return _impossible(upload)


def screened(
    settings: Settings, model: Model, uploads: list[Upload], modules: dict[int, tuple[str, ...]]
) -> Screened:
    """Return the uploads that may be aggregated, in the order of servers.

    Args:
        settings: with the aggregation; ``clipped`` shortens updates that are too long.
        model: what all servers downloaded.
        uploads: one of each server that answered.
        modules: what each server was asked for, by its number.
    """
    set_aside = {one.server: why for one in uploads if (why := fault(one, modules[one.server]))}
    usable = [one for one in uploads if one.server not in set_aside]
    usable = [as_float64(one) for one in sorted(usable, key=lambda one: one.server)]
    clipped: tuple[int, ...] = ()
    if settings.aggregation == "clipped":
        usable, clipped = clipped_updates(settings.clip_factor, model, usable)
    return Screened(usable=usable, set_aside=set_aside, clipped=clipped)


def aggregate(
    settings: Settings, model: Model, uploads: list[Upload], modules: dict[int, tuple[str, ...]]
) -> Round:
    """Return the model after a round; a faulty upload is set aside and leaves no trace.

    The arguments are those of :func:`screened`. Statistics are added once, so a server is asked
    for them in one round of a period only.
    """
    chosen = screened(settings, model, uploads, modules)
    after = add_statistics(model, chosen.usable)
    for name in names_of(AVERAGED):
        sent = [(one.arrays[name], one.samples) for one in chosen.usable if name in one.arrays]
        if sent and settings.aggregation == "median":
            after[name] = np.median([array for array, _ in sent], axis=0)
        elif sent:
            after[name] = weighted_mean(*zip(*sent, strict=True))
    used = tuple(one.server for one in chosen.usable)
    return Round(model=after, used=used, set_aside=chosen.set_aside, clipped=chosen.clipped)


def add_statistics(model: Model, uploads: list[Upload]) -> Model:
    """Return a model with the sums of all uploads added to those of memory and planning."""
    after = dict(model)
    for name in set(SHAPES) - names_of(AVERAGED):
        sent = [one.arrays[name] for one in uploads if name in one.arrays]
        if sent:
            after[name] = model[name] + np.sum(sent, axis=0)
    return after


def as_float64(upload: Upload) -> Upload:
    """Return an upload with its arrays in float64, in which averages and sums are taken."""
    arrays = {name: array.astype(np.float64) for name, array in upload.arrays.items()}
    return dataclasses.replace(upload, arrays=arrays)


def weighted_mean(arrays: tuple[np.ndarray, ...], weights: tuple[int, ...]) -> np.ndarray:
    """Return the mean of arrays weighted by samples."""
    return np.average(np.stack(arrays), axis=0, weights=np.asarray(weights, np.float64))


def clipped_updates(
    factor: float, model: Model, uploads: list[Upload]
) -> tuple[list[Upload], tuple[int, ...]]:
    """Return uploads whose updates are at most ``factor`` times as long as their median.

    Norms are taken over all averaged arrays of one module; a longer update is scaled down.

    Returns:
        the uploads, and the numbers of the servers whose updates were shortened.
    """
    arrays = {one.server: dict(one.arrays) for one in uploads}
    shortened: set[int] = set()
    for module in AVERAGED:
        names = names_of((module,))
        steps = {
            one.server: {name: one.arrays[name] - model[name] for name in names}
            for one in uploads
            if names <= set(one.arrays)
        }
        norms = {n: np.sqrt(sum(np.sum(s**2) for s in step.values())) for n, step in steps.items()}
        limit = factor * float(np.median(list(norms.values()))) if norms else 0.0
        for server, norm in norms.items():
            if norm > limit:
                shortened.add(server)
                scaled = {n: model[n] + step * limit / norm for n, step in steps[server].items()}
                arrays[server] |= scaled
    after = [dataclasses.replace(one, arrays=arrays[one.server]) for one in uploads]
    return after, tuple(sorted(shortened))


def count_faults(rounds: list[Round]) -> Counter[str]:
    """Return how often each server was set aside, by its number as text."""
    return Counter(str(server) for one in rounds for server in one.set_aside)


def _impossible(upload: Upload) -> str:
    """Return why statistics cannot come from that many samples; empty if they can.

    Counts are whole numbers that sum to the samples. Means lie within six standard deviations of
    what pictures and costs can be, so scaled sums are seen here.
    """
    for name, total in (("memory/counts", upload.samples), ("planning/counts", upload.samples)):
        counts = upload.arrays.get(name)
        if counts is None:
            continue
        if np.any(counts < 0) or np.any(counts != np.round(counts)) or counts.sum() != total:
            return f"`{name}` must be whole numbers that sum to {total}; got {counts.sum():g}"
    for name in ("memory/sums", "memory/squares", "planning/sums"):
        if name in upload.arrays:
            most, counts = MOST_PER_SAMPLE[name], upload.arrays[f"{of_module(name)}/counts"]
            counts = counts.reshape(ROOMS, -1)
            values = np.abs(upload.arrays[name].reshape(ROOMS, -1))
            if np.any(values > most * counts):
                return f"`{name}` must lie within {most:g} for each sample"
    return ""


__all__ = [
    "MOST_PER_SAMPLE",
    "Round",
    "Screened",
    "Upload",
    "add_statistics",
    "aggregate",
    "count_faults",
    "fault",
    "names_of",
    "screened",
    "weighted_mean",
]
