"""Train on a Ray cluster: how a training finds its workers, and what it says of them."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from edgewright.agents.fleet import Fleet
from edgewright.cluster.crew import Crew
from edgewright.cluster.program import FleetProgram
from edgewright.cluster.reducer import Reducer, Total
from edgewright.cluster.runtime import cluster, import_ray
from edgewright.cluster.worker import FleetActor
from edgewright.core.errors import InputError
from edgewright.loops.repeat import Program
from edgewright.systems.trainer import OnlineTrainer, Trainer


@dataclasses.dataclass(frozen=True)
class ClusterTrainer(OnlineTrainer):
    """A trainer of a fleet whose devices are on the workers of a crew."""

    crew: Any = None

    def program(self, example: Any, chunk: int) -> Program:
        """Return rounds that the workers compute."""
        return FleetProgram(self, self.crew)


@dataclasses.dataclass
class RayEngine:
    """Workers on this machine, or on a cluster at an address.

    Attributes:
        workers: how many processes share the devices.
        address: of a running cluster; None starts one here.
        on_start: called with the crew, e.g. by a test that kills a worker.
    """

    workers: int
    address: str | None = None
    on_start: Callable[[Crew], None] | None = None
    crew: Crew | None = None

    @contextlib.contextmanager
    def running(self, trainer: Trainer) -> Iterator[Trainer]:
        """Return a trainer whose devices are on workers of the cluster.

        Raises:
            InputError: the learner is no fleet, there are more workers than devices, or the
                cluster is not there.
        """
        fleet = _checked_fleet(trainer, self.workers)
        assert isinstance(trainer, OnlineTrainer)
        with cluster(self.workers, self.address) as ray:
            reducer = None
            if fleet.mode == "synchronous":
                reducer = ray.remote(Reducer).options(num_cpus=0).remote(self.workers)
            make = _maker(ray, fleet, self, reducer)
            self.crew = Crew(ray, make, self.workers, reducer)
            try:
                if self.on_start is not None:
                    self.on_start(self.crew)
                values = {f.name: getattr(trainer, f.name) for f in dataclasses.fields(trainer)}
                yield ClusterTrainer(**values, crew=self.crew)
            finally:
                self.crew.close()

    def facts(self) -> dict[str, Any]:
        """Return the number of workers, of deaths, and the seconds that each recovery took."""
        crew = self.crew
        recoveries = [round(value, 3) for value in crew.recoveries_s] if crew else []
        return {
            "engine": "ray",
            "workers": self.workers,
            "worker_deaths": crew.deaths if crew else 0,
            "recovery_s": recoveries,
        }


def _maker(ray: Any, fleet: Fleet, engine: RayEngine, reducer: Any) -> Callable[[int], Any]:
    """Return what starts the worker of a rank."""
    actor = ray.remote(FleetActor).options(num_cpus=1)

    def make(rank: int) -> Any:
        core = rank if engine.address is None else None
        return actor.remote(fleet, None if reducer is None else RemoteAdd(reducer, rank), core)

    return make


@dataclasses.dataclass(frozen=True)
class RemoteAdd:
    """Ask the reducer of a cluster for the sum of a step."""

    reducer: Any
    rank: int

    def __call__(self, number: int, step: int, part: Total) -> Total:
        """Return the sum over all workers."""
        return import_ray().get(self.reducer.add.remote(number, step, self.rank, part))


def _checked_fleet(trainer: Trainer, workers: int) -> Fleet:
    """Return the fleet of a trainer.

    Raises:
        InputError: it has none, or fewer devices than there are workers.
    """
    fleet = trainer.plan.learner if isinstance(trainer, OnlineTrainer) else None
    if not isinstance(fleet, Fleet):
        message = "`--engine ray` must be given a fleet; this learner is none"
        raise InputError(message, where="--engine", hint="add --mode federated, or leave it out")
    assert isinstance(trainer, OnlineTrainer)
    devices = np.shape(jax.tree.leaves(trainer.shapes().learner.versions)[0])[0]
    most = 1 if fleet.mode == "centralised" else devices
    if workers > most:
        what = "1 with --mode centralised" if most == 1 else f"at most the devices, {devices}"
        message = f"`--workers` must be {what}; got {workers}"
        raise InputError(message, where="--workers", hint=f"e.g. --workers {min(most, 2)}")
    return fleet


__all__ = ["ClusterTrainer", "RayEngine"]
