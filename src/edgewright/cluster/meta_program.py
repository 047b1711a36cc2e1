"""Meta-train on workers, which train the inner models; the outer model is here."""

from __future__ import annotations

import itertools
import time
from typing import Any

import jax
import numpy as np

from edgewright.cluster.crew import Crew
from edgewright.cluster.plain import joined, plain, restored, rows
from edgewright.loops.meta import MetaTraining, next_round


class MetaProgram:
    """Rounds of a meta-learner, as :data:`edgewright.loops.repeat.Program`.

    The numbers are those of ``loops.meta.advance``, up to the order of sums.

    Args:
        arguments: the tasks, the learner and its teacher.
        crew: the workers.
    """

    def __init__(self, arguments: tuple[Any, Any, Any], crew: Crew) -> None:
        tasks, self.learner, _ = arguments
        self.crew = crew
        count = jax.tree.leaves(tasks.params)[0].shape[0]
        self._begin = jax.jit(lambda learner, training: next_round(learner, count, training))
        self._aggregate = jax.jit(lambda learner, *args: learner.aggregate(*args))
        ends = np.linspace(0, self.learner.tasks, crew.count + 1).astype(int).tolist()
        self.parts = [slice(a, b) for a, b in itertools.pairwise(ends)]

    def __call__(self, training: MetaTraining, rounds: Any) -> tuple[MetaTraining, dict[str, Any]]:
        """Return the training after some rounds, and the logs of each."""
        logs = []
        for _ in range(int(rounds)):
            training, log = self._round(training)
            logs.append(log)
        return training, {name: np.stack([log[name] for log in logs]) for name in logs[0]}

    def _round(self, training: MetaTraining) -> tuple[MetaTraining, dict[str, Any]]:
        """Return the training after one round, and its logs."""
        keys, chosen, key = self._begin(self.learner, training)
        initial = self.learner.model(training.server)
        sent, which, model = plain(keys), np.asarray(chosen), plain(initial)
        begun = time.perf_counter()
        self.crew.forget_calls()  # workers have no state to restore
        answers = self.crew.call(
            [("update", (rows(sent, part), which[part], model)) for part in self.parts]
        )
        self.crew.seconds["workers"] += time.perf_counter() - begun
        uploads = restored(joined([answer[0] for answer in answers]))
        logs = {k: v.mean(axis=0) for k, v in joined([answer[1] for answer in answers]).items()}
        server = self._aggregate(self.learner, training.server, uploads)
        traffic = np.float32(self.learner.traffic_bytes(initial))
        return MetaTraining(server=server, key=key), {**logs, "traffic_bytes": traffic}


__all__ = ["MetaProgram"]
