"""Train a fleet on workers, which have the devices; the world and the server are here."""

from __future__ import annotations

import dataclasses
import itertools
import threading
import time
from typing import Any

import jax
import numpy as np

from edgewright.agents.fleet import Fleet, FleetState
from edgewright.agents.per_device import by_device
from edgewright.cluster.crew import Crew
from edgewright.cluster.plain import joined, plain, restored, rows
from edgewright.cluster.worker import STEPS
from edgewright.core.records import Trajectory
from edgewright.loops.online import Training, play, play_log
from edgewright.systems.trainer import OnlineTrainer


class FleetProgram:
    """Rounds of playing and learning, as :data:`edgewright.loops.repeat.Program`.

    The numbers are those of ``Fleet.update`` in one process, up to the order of sums.

    Args:
        trainer: the trainer of the same fleet in one process.
        crew: the workers.
    """

    def __init__(self, trainer: OnlineTrainer, crew: Crew) -> None:
        self.trainer, self.crew = trainer, crew
        self.learner: Fleet = trainer.plan.learner
        self.central = self.learner.mode == "centralised"
        self.lock = threading.Lock()
        self.current: Training | None = None
        self.policy: Any = None
        self.expected: Any = None
        self.seconds = crew.seconds
        self._play = jax.jit(_played, static_argnames=("world",))
        self._received = jax.jit(lambda learner, *args: learner.received(*args))
        self._keys = jax.jit(lambda learner, key, count: learner.round_keys(key, count),
                             static_argnames=("count",))  # fmt: skip

    def __call__(self, training: Training, rounds: Any) -> tuple[Training, dict[str, Any]]:
        """Return the training after some rounds, and the logs of each."""
        with self.lock:
            if training is not self.current:
                self._load(training)
            logs = []
            for _ in range(int(rounds)):
                training, log = self._round(training)
                logs.append(log)
            training = self._gathered(training)
            self.current = training
        return training, {name: np.stack([log[name] for log in logs]) for name in logs[0]}

    def _parts(self, count: int) -> list[slice]:
        """Return which devices each worker has."""
        ends = np.linspace(0, count, self.crew.count + 1).astype(int)
        return [slice(a, b) for a, b in itertools.pairwise(ends.tolist())]

    def _states(self, state: FleetState) -> list[Any]:
        """Return the calls that give all workers their devices."""
        if self.central:
            return [("load_all", (plain(state),))]
        devices, based = plain(state.devices), plain(state.based)
        parts = self._parts(state.versions.size)
        return [("load", (rows(devices, part), rows(based, part))) for part in parts]

    def _load(self, training: Training) -> None:
        """Give the workers the devices of a training."""
        if not self.central:
            state = training.learner
            keys = self._keys(self.learner, training.key, state.versions.size)
            shapes = jax.eval_shape(self.learner.sent, keys.send, state.based, state.devices)
            self.expected = shapes[0]
        self._adopt(self.crew.start(self._states(training.learner)))

    def _adopt(self, policies: list[Any]) -> None:
        self.policy = policies[0] if self.central else joined(policies)

    def _gathered(self, training: Training) -> Training:
        """Return a training with the devices of the workers, who go on from there."""
        begun = time.perf_counter()
        answers = self.crew.call([("state", ())] * self.crew.count)
        if self.central:
            state = restored(answers[0])
        else:
            devices = restored(joined(answers))
            state = dataclasses.replace(training.learner, devices=devices)
        self.crew.snapshot(self._states(state))
        self.seconds["snapshot"] += time.perf_counter() - begun
        return dataclasses.replace(training, learner=state)

    def _round(self, training: Training) -> tuple[Training, dict[str, Any]]:
        """Return the training after one round, devices left out, and its logs."""
        begun = time.perf_counter()
        state: FleetState = training.learner
        bare = dataclasses.replace(training, learner=())
        key, bare, batch, log = self._play(
            self.trainer.plan.train_world, self.trainer.arguments, restored(self.policy), bare
        )
        jax.block_until_ready(batch)
        self.seconds["play"] += time.perf_counter() - begun
        if self.central:
            logs, policy = self._timed("workers", [("learn", (plain(key), plain(batch)))])[0]
            self.policy = policy
            return dataclasses.replace(bare, learner=state), {**logs, **_numbers(log)}
        state, logs = self._learned(key, state, batch)
        return dataclasses.replace(bare, learner=state), {**logs, **_numbers(log)}

    def _learned(
        self, key: Any, state: FleetState, batch: Trajectory
    ) -> tuple[FleetState, dict[str, Any]]:
        """Return the server's side after an update of all devices, and logs."""
        fleet, count = self.learner, state.versions.size
        keys = self._keys(fleet, key, count)
        state = fleet.trained(state, ())
        due = fleet.mode != "independent" and (fleet.mode != "federated" or bool(fleet.due(state)))
        data, train, send = plain(by_device(batch)[0]), plain(keys.train), plain(keys.send)
        number = int(state.updates)
        answers = self._timed("workers", [
            ("train", (number, rows(train, part), rows(send, part) if due else None,
                       _part(data, part)))
            for part in self._parts(count)
        ])  # fmt: skip
        logs = {k: v.mean(axis=0) for k, v in joined([answer[0] for answer in answers]).items()}
        if not due:
            self._adopt([answer[2] for answer in answers])
            names = ("set_aside", "missed_share") if fleet.mode == "federated" else ()
            nothing = dict.fromkeys(names, np.float32(0))
            return state, {**logs, **nothing, **_numbers(fleet.traffic(state, 0.0, 0))}
        return self._exchanged(keys.server, state, [answer[1] for answer in answers], logs)

    def _exchanged(
        self, keys: Any, state: FleetState, answers: list[Any], logs: dict[str, Any]
    ) -> tuple[FleetState, dict[str, Any]]:
        """Return the server's side after an exchange, and all logs."""
        begun = time.perf_counter()
        parts = self._parts(state.versions.size)
        sent = joined([
            checked(answer, self.expected, part.stop - part.start)
            for answer, part in zip(answers, parts, strict=True)
        ])  # fmt: skip
        state, chosen, extra = self._received(self.learner, keys, state, restored(sent))
        models, taken = plain(state.based), np.asarray(chosen)
        extra = _numbers(extra)
        self.seconds["server"] += time.perf_counter() - begun
        calls = [("download", (rows(models, part), taken[part])) for part in parts]
        self._adopt(self._timed("workers", calls))
        if self.learner.mode == "synchronous":
            sent = 1.0 - logs["missed_share"]
            traffic = self.learner.traffic(state, 1.0, logs.pop(STEPS), sent)
        elif "arrived" in extra:
            traffic = self.learner.traffic(state, extra["arrived"] / state.versions.size, 1)
        else:
            traffic = self.learner.traffic(state, 1.0, 1, 1.0 - extra["missed_share"])
        return state, {**logs, **extra, **_numbers(traffic)}

    def _timed(self, name: str, calls: list[Any]) -> list[Any]:
        begun = time.perf_counter()
        answers = self.crew.call(calls)
        self.seconds[name] += time.perf_counter() - begun
        return answers


def checked(answer: Any, expected: Any, count: int) -> Any:
    """Return what a worker sent, or numbers that the server sets aside where its shape is wrong.

    Args:
        answer: plain.
        expected: shapes of what all devices send, leaves ``[M, ...]``.
        count: of the worker's devices.
    """
    leaves, structure = jax.tree.flatten(expected)
    sent, ours = jax.tree.flatten(answer)
    right = structure == ours and all(
        np.shape(a) == (count, *b.shape[1:]) and np.asarray(a).dtype == b.dtype
        for a, b in zip(sent, leaves, strict=False)
    )
    if right:
        return answer
    blank = [np.full((count, *leaf.shape[1:]), np.nan, leaf.dtype) for leaf in leaves]
    return jax.tree.unflatten(structure, blank)


def _played(world: Any, arguments: Any, policy: Any, training: Training) -> Any:
    """Return the key of the update, the training after its slots, the trajectory, and logs."""
    params, stream, learner = arguments
    key, training, batch = play(world, params, stream, learner, policy, training)
    return key, training, dataclasses.replace(batch, metrics=()), play_log(batch)


def _part(data: Trajectory, part: slice) -> Trajectory:
    """Return the trajectory of some devices; ends are shared by all."""
    ends = {"terminated": data.terminated, "truncated": data.truncated}
    own = jax.tree.map(
        lambda leaf: leaf[:, :, part], dataclasses.replace(data, terminated=(), truncated=())
    )
    return dataclasses.replace(own, **ends)


def _numbers(logs: dict[str, Any]) -> dict[str, Any]:
    return {name: np.asarray(value) for name, value in logs.items()}


__all__ = ["FleetProgram", "checked"]
