"""Build a problem, a scenario with its world, numbers, inputs and a learner planned for it."""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

from edgewright.core.protocols import Stream
from edgewright.core.records import record, static
from edgewright.loops.meta import Tasks


class TaskSet(Tasks, Protocol):
    """Tasks that were drawn; see :class:`edgewright.loops.meta.Tasks`."""

    @property
    def count(self) -> int:
        """Number of tasks."""
        ...

    def one(self, index: int) -> Any:
        """Return the numbers of one task."""
        ...


class TaskSplit(Protocol):
    """Tasks to train on and tasks to evaluate on; none is in both."""

    @property
    def train(self) -> TaskSet:
        """Tasks of the training."""
        ...

    @property
    def test(self) -> TaskSet:
        """Tasks of the evaluation."""
        ...

    def only(self, index: int, count: int | None = None) -> TaskSplit:
        """Return ``count`` copies of one task of the evaluation, in both parts."""
        ...


@record
class Problem:
    """A scenario as objects, with the physics and its inputs for training and for evaluation.

    ``placement`` says where positions come from, ``"recorded"`` or ``"drawn"``; None without any.
    Where a file describes a distribution of tasks, ``tasks`` holds those that were drawn, and
    ``params`` and the streams are those of the first task of the evaluation.
    """

    kind: str = static()
    world: Any = static()  # the system's own class
    horizon: int = static()
    placement: str | None = static(default=None)
    params: Any
    train_stream: Stream[Any]
    test_stream: Stream[Any]
    tasks: Any = None  # a TaskSplit; None where there is one task

    def only(self, index: int, count: int | None = None) -> Problem:
        """Return the same problem with one task of the evaluation in the place of all others.

        Args:
            count: copies of it to be evaluated in; as many as there were tasks if None.
        """
        tasks = self.tasks.only(index, count)
        params = tasks.test.one(0)
        return dataclasses.replace(
            self,
            params=params,
            train_stream=tasks.train.stream(params),
            test_stream=tasks.test.stream(params),
            tasks=tasks,
        )


@dataclasses.dataclass(frozen=True)
class LearnerPlan:
    """A learner, the world it trains in and the world it plays in.

    ``learner`` has the type that the system's trainer asks for: a ``Learner`` for
    ``OnlineTrainer``, a ``MetaLearner`` where tasks are drawn.
    """

    name: str
    learner: Any
    train_world: Any  # the system's own class, as ``world``
    world: Any
    train_params: Any = None  # None for those of the problem

    def params_of(self, problem: Problem) -> Any:
        """Return the numbers that ``train_world`` takes."""
        return problem.params if self.train_params is None else self.train_params


__all__ = ["LearnerPlan", "Problem", "TaskSet", "TaskSplit"]
