"""Keep one Ray actor for each worker, and replace those that die.

Every call since the last snapshot is kept. A new process gets the snapshot and all these calls
again. What a worker does depends on these alone, so it ends where the dead one would have: nothing
is lost and nothing is counted twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from edgewright.cluster.runtime import reason_of, started
from edgewright.core.errors import CheckFailed

MAX_DEATHS = 3
"""A call fails after a worker has died this often in it."""

PARTS = ("play", "workers", "server", "snapshot")
"""What the command waits for."""

Call = tuple[str, tuple[Any, ...]]


class Crew:
    """Workers of a cluster, which are called side by side.

    Args:
        ray: the connected module.
        make: starts the worker of a rank and returns its actor.
        count: number of workers.
        reducer: the actor that adds their gradients, or None.
    """

    def __init__(
        self, ray: Any, make: Callable[[int], Any], count: int, reducer: Any = None
    ) -> None:
        self.ray, self.make, self.count, self.reducer = ray, make, count, reducer
        self.actors = [make(rank) for rank in range(count)]
        self.calls: list[list[Call]] = [[] for _ in range(count)]
        self.pids = [0] * count
        self.deaths, self.recoveries_s = 0, []
        self.seconds: dict[str, float] = dict.fromkeys(PARTS, 0.0)
        self._check(range(count))

    def _check(self, ranks: Sequence[int]) -> None:
        """Wait until workers run, and check their versions."""
        refs = {rank: self.actors[rank].ready.remote() for rank in ranks}
        for rank, answer in started(self.ray, refs).items():
            self.pids[rank] = int(answer["pid"])

    def snapshot(self, calls: Sequence[Call]) -> None:
        """Begin a new record of calls, with one for each worker that restores its state.

        The call is not made: the workers have that state.
        """
        self.calls = [[call] for call in calls]
        if self.reducer is not None:
            self.ray.get(self.reducer.forget.remote())

    def forget_calls(self) -> None:
        """Begin a new record of calls for workers that have no state."""
        self.calls = [[] for _ in range(self.count)]

    def start(self, calls: Sequence[Call]) -> list[Any]:
        """Make one call at each worker that restores its state, and begin a new record."""
        self.forget_calls()
        return self.call(calls)

    def call(self, calls: Sequence[Call]) -> list[Any]:
        """Make one call at each worker and return the answers in order of ranks.

        Raises:
            CheckFailed: workers died again and again, or a call failed.
        """
        running = {}
        for rank, (name, arguments) in enumerate(calls):
            self.calls[rank].append((name, arguments))
            running[getattr(self.actors[rank], name).remote(*arguments)] = rank
        answers: dict[int, Any] = {}
        begun: dict[int, float] = {}
        deaths = 0
        while running:
            [ref], _ = self.ray.wait(list(running), num_returns=1)
            rank = running.pop(ref)
            try:
                answers[rank] = self.ray.get(ref)
            except self.ray.exceptions.RayActorError as error:
                deaths += 1
                if deaths > MAX_DEATHS:
                    raise self._failure(error) from error
                begun.setdefault(rank, time.perf_counter())
                running[self._replaced(rank)] = rank
            except self.ray.exceptions.RayError as error:
                raise self._failure(error) from error
            else:
                if rank in begun:
                    self.recoveries_s.append(time.perf_counter() - begun.pop(rank))
        return [answers[rank] for rank in range(self.count)]

    def _replaced(self, rank: int) -> Any:
        """Start a worker again, repeat its calls, and return what waits for the last one."""
        self.deaths += 1
        self.ray.kill(self.actors[rank])  # it may have lost a part of the cluster and live on
        self.actors[rank] = self.make(rank)
        self._check([rank])
        actor = self.actors[rank]
        return [getattr(actor, name).remote(*args) for name, args in self.calls[rank]][-1]

    def _failure(self, error: Exception) -> CheckFailed:
        return CheckFailed(
            f"a worker failed: {reason_of(error)}; the last checkpoint is kept. "
            "hint: the same command goes on from there"
        )

    def close(self) -> None:
        """End all workers."""
        for actor in [*self.actors, *([self.reducer] if self.reducer is not None else [])]:
            self.ray.kill(actor)


__all__ = ["MAX_DEATHS", "Crew"]
