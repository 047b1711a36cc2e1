"""Write every decision of a comparison as a row of a CSV file."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from edgewright.core.errors import InputError
from edgewright.core.files import replacing
from edgewright.evaluation.actions import columns, decisions
from edgewright.loops.evaluate import EpisodeBatch
from edgewright.scenarios.build import Problem
from edgewright.systems.registry import system_of
from edgewright.systems.system import PolicyEntry

KEYS = ("policy", "seed", "episode", "slot", "agent")
"""Columns before the action and the metrics; all are counted from 0."""


class TaskFile:
    """A CSV file with a row for each decision; it is whole or not there.

    Raises:
        InputError: the system keeps no record of single decisions.
    """

    def __init__(self, path: Path, problem: Problem) -> None:
        if not system_of(problem.kind).keeps_episodes:
            raise _no_record(problem)
        self.problem, self.rows = problem, 0
        self._replacing = replacing(path)

    def __enter__(self) -> TaskFile:
        self._text = io.TextIOWrapper(self._replacing.__enter__(), "utf-8", newline="")
        self._writer = csv.writer(self._text, lineterminator="\n")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._text.flush()
        self._text.detach()
        self._replacing.__exit__(kind, error, trace)

    def write(self, name: str, seed: int, entry: PolicyEntry, played: EpisodeBatch | None) -> None:
        """Add the decisions of one seed of a policy.

        Raises:
            InputError: the system keeps no record of single decisions.
        """
        if played is None:
            raise _no_record(self.problem)
        agents = math.prod(entry.world.observation_space(self.problem.params).shape[:-1])
        table = _places(played, agents)
        table |= self._actions(entry, played) | _metrics(played, agents)
        if not self.rows:
            self._writer.writerow([*KEYS[:2], *table])
        values = [_written(column) for column in table.values()]
        self._writer.writerows((name, seed, *row) for row in zip(*values, strict=True))
        self.rows += len(values[0])

    def _actions(self, entry: PolicyEntry, played: EpisodeBatch) -> dict[str, np.ndarray]:
        """Return the parts of the action of every row, but those that the metrics hold."""
        taken = decisions(played.actions, played.alive)
        metrics = {field.name for field in dataclasses.fields(played.metrics)}
        result: dict[str, np.ndarray] = {}
        for name, (what, values) in columns(self.problem, entry.world, taken).items():
            if name in metrics:
                continue
            if isinstance(what, tuple):
                result[name] = np.asarray(what, object)[values]
                continue
            flat = values.reshape(len(values), math.prod(values.shape[1:]))
            count = flat.shape[1]
            named = [name] if count == 1 else [f"{name}_{n}" for n in range(1, count + 1)]
            result |= dict(zip(named, flat.T, strict=True))
        return result


def _no_record(problem: Problem) -> InputError:
    message = f"the system '{problem.kind}' keeps no record of single decisions"
    return InputError(message, where="--tasks", hint="leave the option out")


def _written(column: np.ndarray) -> list[Any]:
    """Return the cells of a column; a number in 32 bits gets no more digits than it has."""
    return (column.astype(str) if column.dtype.kind == "f" else column).tolist()


def _places(played: EpisodeBatch, agents: int) -> dict[str, np.ndarray]:
    """Return episode, slot and agent of every row."""
    slot, episode = np.nonzero(np.asarray(played.alive))
    agent = np.tile(np.arange(agents), len(slot))
    return {"episode": episode.repeat(agents), "slot": slot.repeat(agents), "agent": agent}


def _metrics(played: EpisodeBatch, agents: int) -> dict[str, np.ndarray]:
    """Return the metrics of every row; one that all agents share is repeated."""
    mask = np.asarray(played.alive)
    result: dict[str, np.ndarray] = {}
    for field in dataclasses.fields(played.metrics):
        values: Any = np.asarray(getattr(played.metrics, field.name))[mask]
        if values.size == mask.sum() * agents:
            result[field.name] = values.reshape(-1)
        elif values.size == mask.sum():
            result[field.name] = values.reshape(-1).repeat(agents)
    return result


__all__ = ["KEYS", "TaskFile"]
