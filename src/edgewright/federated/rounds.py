"""Assign tasks to servers for each federated round, and run the rounds in this process."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from edgewright.core.errors import InputError
from edgewright.federated.aggregation import Round, Upload, aggregate
from edgewright.federated.modules import Model, init_model, of_module, trained
from edgewright.federated.settings import AVERAGED, MODULES, Settings
from edgewright.federated.shares import fresh_samples, share

FAULTS = ("nan", "shape", "scale")
"""Faults that a server can be given: it sends NaN, a wrong shape, or its update times 100."""
SCALE = 100.0


@dataclasses.dataclass(frozen=True)
class Task:
    """A task that the cloud gives one server in one round.

    Attributes:
        server: its number.
        number: of the round, counted from 0 over both periods.
        modules: that it trains.
        first: its first sample of this period.
        count: samples of this period, at least one.
    """

    server: int
    number: int
    modules: tuple[str, ...]
    first: int
    count: int


@dataclasses.dataclass(frozen=True)
class Work:
    """A construction as rounds of tasks.

    Attributes:
        settings: of the construction.
        seed: of data and training.
        rounds: tasks by server, of every round of both periods; empty where nobody works.
        faults: fault of :data:`FAULTS` by server.
        missing: samples that the contract asked for and the shares do not hold.
    """

    settings: Settings
    seed: int
    rounds: tuple[Mapping[int, Task], ...]
    faults: Mapping[int, str]
    missing: int


OnRound = Callable[[str], None]
Engine = Callable[[Work, OnRound], list[Round]]
"""What runs the rounds of some work and returns the model after each."""


def work_of(settings: Settings, seed: int, samples: np.ndarray, faults: Mapping[int, str]) -> Work:
    """Return the rounds that follow from the samples ``[servers, 2]`` of a contract.

    In mode ``split`` server ``e`` has module ``e mod 4``. Statistics are asked for in the first
    round of a period only, since the same samples must not be added twice.

    Raises:
        InputError: a fault is unknown, or of a server that does not exist.
    """
    check_faults(settings, faults)
    sizes = np.array([len(share(settings, seed, e).digits) for e in range(settings.servers)])
    first = np.minimum(samples[:, 0], sizes)
    second = np.minimum(samples[:, 1], sizes - first)
    rounds = []
    for number in range(2 * settings.rounds):
        period, begins = divmod(number, settings.rounds)
        tasks = {}
        for server in range(settings.servers):
            count = int((first, second)[period][server])
            modules = _modules(settings, server, begins == 0)
            if count and modules:
                start = 0 if period == 0 else int(first[server])
                tasks[server] = Task(server, number, modules, start, count)
        rounds.append(tasks)
    missing = int(samples.sum() - first.sum() - second.sum())
    return Work(settings, seed, tuple(rounds), dict(faults), missing)


def check_faults(settings: Settings, faults: Mapping[int, str]) -> None:
    """Check the faults that servers are given.

    Raises:
        InputError: a fault is unknown, or of a server that does not exist.
    """
    for server, name in faults.items():
        if not 0 <= server < settings.servers:
            message = f"the server must be from 0 to {settings.servers - 1}; got {server}"
            raise InputError(message, where="--fault", hint="servers are counted from 0")
        if name not in FAULTS:
            message = f"the fault must be one of {', '.join(FAULTS)}; got '{name}'"
            raise InputError(message, where="--fault", hint="e.g. --fault 3:nan")


def client_update(settings: Settings, seed: int, model: Model, task: Task, fault: str) -> Upload:
    """Train one server's modules on its own samples and return its upload, in float32.

    Args:
        settings: of the construction.
        seed: of data and training.
        model: what the server downloaded.
        task: what it is asked for.
        fault: how it misbehaves; empty for an honest server.
    """
    samples = fresh_samples(settings, seed, task.server, task.first, task.count)
    order = [seed, 7, task.server, task.number]
    arrays = trained(settings, model, task.modules, samples, order)
    for name in arrays if fault else ():
        before = model[name] if of_module(name) in AVERAGED else np.zeros_like(model[name])
        arrays[name] = _faulty(fault, before, arrays[name])
    wire = {name: array.astype(np.float32) for name, array in arrays.items()}
    return Upload(server=task.server, arrays=wire, samples=len(samples.digits))


def run_local(work: Work, on_round: OnRound) -> list[Round]:
    """Run all rounds in this process, one server after the other: the engine ``local``.

    Raises:
        InputError: uploads are to be summed in secret.
    """
    check_local(work.settings)
    model, results = init_model(), []
    for number, tasks in enumerate(work.rounds):
        on_round(f"round {number + 1}")
        uploads = [
            client_update(work.settings, work.seed, model, task, work.faults.get(server, ""))
            for server, task in tasks.items()
        ]
        modules = {server: task.modules for server, task in tasks.items()}
        results.append(aggregate(work.settings, model, uploads, modules))
        model = results[-1].model
    return results


def check_local(settings: Settings) -> None:
    """Check that the engine ``local`` can aggregate as the settings ask for.

    Raises:
        InputError: uploads are to be summed in secret, from a cloud that is this process.
    """
    if settings.aggregation == "secure":
        message = "`aggregation=secure` must run on Flower's messages; got --engine local"
        raise InputError(message, where="--engine", hint="add --engine flower, or processes")


def _modules(settings: Settings, server: int, first: bool) -> tuple[str, ...]:
    own = MODULES if settings.mode == "full" else (MODULES[server % len(MODULES)],)
    return tuple(name for name in own if first or name in AVERAGED)


def _faulty(fault: str, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return what a faulty server sends in the place of an array."""
    if fault == "nan":
        return np.full_like(after, np.nan)
    if fault == "shape":
        return after.reshape(-1)[:-1]
    return before + SCALE * (after - before)


__all__ = [
    "FAULTS",
    "Engine",
    "Task",
    "Work",
    "check_faults",
    "check_local",
    "client_update",
    "run_local",
    "work_of",
]
