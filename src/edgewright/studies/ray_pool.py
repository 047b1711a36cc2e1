"""Run the jobs of a study on a Ray cluster, one actor for each worker.

Results and unfinished work are files, as they are with processes of one machine: so the folder must
be one that all machines of the cluster share.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgewright.cluster.runtime import SECONDS_TO_START, cluster, started, stay_on, versions
from edgewright.core.compilation import keep_compilations
from edgewright.core.errors import InputError
from edgewright.core.machine import cores
from edgewright.studies.job import Job
from edgewright.studies.pool import MakePool, Message, Pool, outcome_of
from edgewright.studies.workspace import Workspace
from edgewright.systems.plugins import load_plugins

SECONDS_BETWEEN_LOOKS = 0.5
"""How often progress is asked for [s]."""


class JobRunner:
    """An actor that runs jobs, one at a time, and says meanwhile how far it is.

    Args:
        short: whether the jobs take seconds, so that programs compile for a short use.
        core: the one core to run on; any if None.
    """

    def __init__(self, short: bool, core: int | None) -> None:
        stay_on(core)
        keep_compilations(short)
        load_plugins()  # before a job of a plug-in is unpickled
        self.fraction = 0.0

    def ready(self, folders: Mapping[str, str]) -> dict[str, str]:
        """Return the versions of this process, and which of the folders it does not see.

        Args:
            folders: folders, by option of the command.
        """
        missing = next((name for name, path in folders.items() if not Path(path).is_dir()), "")
        return {**versions(), "pid": str(os.getpid()), "missing": missing}

    def run(self, job: Job, files: Workspace) -> tuple[str, Any]:
        """Run a job, store its result, and return the message about it."""
        self.fraction = 0.0
        return outcome_of(job, files, self._progressed)

    def progress(self) -> float:
        """Return the completed fraction of the running job."""
        return self.fraction

    def _progressed(self, fraction: float) -> None:
        self.fraction = fraction


class RayPool:
    """Actors of a cluster that run jobs.

    Args:
        ray: the connected module.
        count: number of actors.
        files: files of the jobs, with absolute paths.
        pinned: whether each actor has a core of this machine.
    """

    def __init__(self, ray: Any, count: int, files: Workspace, pinned: bool) -> None:
        self.ray, self.files, self.pinned = ray, files, pinned
        self.numbers = list(range(count))
        self.runner = ray.remote(JobRunner).options(num_cpus=1, max_concurrency=2)
        self.actors = [self._made(n) for n in range(count)]
        self.pids = [0] * count
        self.dead: set[int] = set()
        self.seconds_to_start = SECONDS_TO_START
        self.running: dict[Any, int] = {}
        self._check(self.numbers)

    def _made(self, n: int) -> Any:
        return self.runner.remote(self.files.short, n if self.pinned else None)

    def _check(self, numbers: Sequence[int]) -> None:
        """Wait until actors run, and check their versions and that they see the folders.

        Raises:
            InputError: an actor does not start in time, or lacks a version or a folder.
        """
        out = next(iter(self.files.results.values())).parent
        folders = {"--out": str(out), **({"--data": self.files.data} if self.files.data else {})}
        refs = {n: self.actors[n].ready.remote(folders) for n in numbers}
        for n, answer in started(self.ray, refs, self.seconds_to_start, "--processes").items():
            if option := answer["missing"]:
                message = f"`{option}` must be a folder that all machines share; worker {n} has no"
                message += f" '{folders[option]}'"
                raise InputError(message, where=option, hint="name a folder on shared storage")
            self.pids[n] = int(answer["pid"])

    def start(self, n: int, job: Job) -> bool:
        """Let actor ``n`` run a job, and return whether it does.

        A new actor takes over from a dead one. If none starts, the number is given up.

        Raises:
            InputError: the new actor does not start, and no other actor is left.
        """
        if n in self.dead:
            self.ray.kill(self.actors[n])  # it may have lost a part of the cluster and live on
            self.actors[n] = self._made(n)
            try:
                self._check([n])
            except InputError:
                self.numbers.remove(n)
                self.ray.kill(self.actors[n])
                if not self.numbers:
                    raise
                return False
            self.dead.remove(n)
        self.running[self.actors[n].run.remote(job, self.files)] = n
        return True

    def messages(self) -> list[Message]:
        """Return what became of jobs, or how far all are if none has ended for a while."""
        ready, _ = self.ray.wait(list(self.running), timeout=SECONDS_BETWEEN_LOOKS)
        if ready:
            return [self._outcome(ref) for ref in ready]
        asked = {self.actors[n].progress.remote(): n for n in self.running.values()}
        done, _ = self.ray.wait(list(asked), num_returns=len(asked), timeout=SECONDS_BETWEEN_LOOKS)
        messages: list[Message] = []
        for ref in done:
            with contextlib.suppress(self.ray.exceptions.RayError):  # its job says that it died
                messages.append((asked[ref], "progress", self.ray.get(ref)))
        return messages

    def _outcome(self, ref: Any) -> Message:
        n = self.running.pop(ref)
        try:
            return (n, *self.ray.get(ref))
        except self.ray.exceptions.RayActorError:
            self.dead.add(n)
            self.numbers.remove(n)
            self.numbers.append(n)  # those that live get the next job
            return n, "died", "unknown"
        except self.ray.exceptions.RayError as error:
            return n, "failed", (str(error).strip().splitlines()[-1], None)

    def close(self) -> None:
        """End all actors; what running jobs saved is resumed by the same command."""
        for actor in self.actors:
            self.ray.kill(actor)


def ray_pool(address: str | None = None, asked: int | None = None) -> MakePool:
    """Return what makes a pool of the cluster at an address, or of a new one on this machine.

    Args:
        address: ``HOST:PORT`` of a running cluster, ``auto``, or None for a new one.
        asked: number of workers; one for each core of the cluster if None.
    """

    @contextlib.contextmanager
    def made(most: int, files: Workspace) -> Iterator[Pool]:
        first = min(asked or (cores() if address is None else 1), most)
        with cluster(first, address, "--processes") as ray:
            available = int(ray.cluster_resources()["CPU"])
            count = min(asked or available, most)
            yield RayPool(ray, count, files, pinned=address is None)

    return made


__all__ = ["JobRunner", "RayPool", "ray_pool"]
