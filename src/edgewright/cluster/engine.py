"""Find the workers of a training on a Ray cluster, and report what became of them."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, cast

from edgewright.agents.fleet import Fleet
from edgewright.agents.maml import Maml
from edgewright.cluster.crew import Crew
from edgewright.cluster.meta_program import MetaProgram
from edgewright.cluster.meta_worker import MetaActor
from edgewright.cluster.program import FleetProgram
from edgewright.cluster.reducer import Reducer, Total
from edgewright.cluster.runtime import cluster, import_ray
from edgewright.cluster.worker import FleetActor
from edgewright.core.errors import InputError
from edgewright.loops.repeat import Program
from edgewright.systems.trainer import Trainer


class ClusterTrainer:
    """A trainer whose updates the workers of a crew compute; the rest is the one it is around.

    Args:
        trainer: the trainer of the same learner in one process.
        program: the rounds that the workers compute.
    """

    def __init__(self, trainer: Trainer, program: Program) -> None:
        self.trainer, self.rounds = trainer, program

    def program(self, example: Any, chunk: int) -> Program:
        """Return rounds that the workers compute."""
        return self.rounds

    def __getattr__(self, name: str) -> Any:
        """Return what the trainer in one process has."""
        return getattr(self.trainer, name)


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
            InputError: the learner is not a fleet, there are more workers than devices, or the
                cluster is not there.
        """
        plan: Any = getattr(trainer, "plan", None)
        learner = getattr(plan, "learner", None)
        if not isinstance(learner, (Fleet, Maml)):
            message = "`--engine ray` must be given a fleet or a meta-learner; this is neither"
            hint = "add --mode federated, or leave out --engine"
            raise InputError(message, where="--engine", hint=hint)
        around: Any = trainer
        _check_workers(around, learner, self.workers)
        with cluster(self.workers, self.address) as ray:
            reducer = None
            if isinstance(learner, Fleet) and learner.mode == "synchronous":
                reducer = ray.remote(Reducer).options(num_cpus=0).remote(self.workers)
            make = _maker(ray, around, self.address is None, reducer)
            self.crew = Crew(ray, make, self.workers, reducer)
            try:
                if self.on_start is not None:
                    self.on_start(self.crew)
                yield cast(Trainer, ClusterTrainer(trainer, _program(around, self.crew)))
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
            "engine_s": {n: round(v, 3) for n, v in crew.seconds.items()} if crew else {},
        }


def _program(trainer: Any, crew: Crew) -> Program:
    """Return the rounds that workers compute."""
    if isinstance(trainer.plan.learner, Maml):
        return MetaProgram(trainer.arguments, crew)
    return FleetProgram(trainer, crew)


def _maker(ray: Any, trainer: Any, pinned: bool, reducer: Any) -> Callable[[int], Any]:
    """Return what starts the worker of a rank."""
    learner = trainer.plan.learner
    kind = MetaActor if isinstance(learner, Maml) else FleetActor
    actor = ray.remote(kind).options(num_cpus=1)

    def make(rank: int) -> Any:
        core = rank if pinned else None
        if isinstance(learner, Maml):
            return actor.remote(trainer.plan.train_world, trainer.arguments, core)
        return actor.remote(learner, None if reducer is None else RemoteAdd(reducer, rank), core)

    return make


@dataclasses.dataclass(frozen=True)
class RemoteAdd:
    """Ask the reducer of a cluster for the sum of a step."""

    reducer: Any
    rank: int

    def __call__(self, number: int, step: int, part: Total) -> Total:
        """Return the sum over all workers."""
        return import_ray().get(self.reducer.add.remote(number, step, self.rank, part))


def _check_workers(trainer: Any, learner: Any, workers: int) -> None:
    """Check that every worker has a device.

    Raises:
        InputError: there are more workers than devices, or the mode has one engine.
    """
    if isinstance(learner, Fleet) and learner.mode == "distilled":
        message = "`--engine` must be local with --mode distilled; got 'ray'"
        raise InputError(message, where="--engine", hint="leave out --engine")
    central = isinstance(learner, Fleet) and learner.mode == "centralised"
    if isinstance(learner, Maml):
        devices = learner.tasks
    else:
        devices = 1 if central else trainer.shapes().learner.versions.size
    if workers > devices:
        what = "1 with --mode centralised" if central else f"at most the devices, {devices}"
        message = f"`--workers` must be {what}; got {workers}"
        raise InputError(message, where="--workers", hint=f"e.g. --workers {min(devices, 2)}")


__all__ = ["ClusterTrainer", "RayEngine"]
