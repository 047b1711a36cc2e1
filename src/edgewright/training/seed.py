"""Train one seed of a run, evaluate and log it on the way, and save what a killed run resumes."""

from __future__ import annotations

import dataclasses
import math
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.errors import CheckFailed
from edgewright.core.files import write_bytes
from edgewright.core.version import __version__
from edgewright.loops.repeat import Program
from edgewright.systems.trainer import Trainer
from edgewright.training import checkpoint
from edgewright.training.warm_start import warm_started

CHUNK = 64
"""Most iterations between two looks at the clock; the compiled program runs any number up to it."""

SECONDS_BETWEEN_REPORTS = 0.5
SECONDS_BETWEEN_CHECKPOINTS = 2.0

OnProgress = Callable[[int, int, float, float], None]
"""Called with steps of all seeds, steps of this call, seconds so far and latest mean reward."""


def iterations(trainer: Trainer, steps: float) -> int:
    """Return how many iterations ``steps`` environment steps need, rounded up."""
    return math.ceil(steps / trainer.steps)


class Progress:
    """The steps of all seeds of a run, counted over threads.

    Attributes:
        stop: set to ask all seeds to save and stop.
        fresh_steps: environment steps that this call trained, without those of a resumed run.
    """

    def __init__(self, on_progress: OnProgress | None) -> None:
        self.on_progress = on_progress
        self.lock, self.stop = threading.Lock(), threading.Event()
        self.started = time.perf_counter()
        self.steps, self.fresh_steps = 0, 0
        self.rewards: dict[int, float] = {}

    def add(self, seed: int, steps: int, *, fresh: bool, reward: float | None = None) -> None:
        """Count steps of a seed, note its latest reward, and report both."""
        with self.lock:
            self.steps += steps
            self.fresh_steps += steps * fresh
            if reward is not None:
                self.rewards[seed] = reward
            mean = sum(self.rewards.values()) / len(self.rewards) if self.rewards else math.nan
            if self.on_progress:
                elapsed = time.perf_counter() - self.started
                self.on_progress(self.steps, self.fresh_steps, elapsed, mean)


@dataclasses.dataclass(frozen=True)
class SeedTraining:
    """The training of one seed.

    Attributes:
        seed: number of the seed.
        folder: folder of its logs and its checkpoints.
        request: hash of the request that it belongs to.
        steps: environment steps to train.
        trainer: trains the learner.
        program: trains any number of iterations up to :data:`CHUNK`; shared by all seeds.
        judge: scores a training on the evaluation episodes; shared by all seeds.
        evaluations: how often it does, at equal shares of the iterations.
        start: an earlier training whose weights this one begins with; None begins afresh.
    """

    seed: int
    folder: Path
    request: str
    steps: float
    trainer: Trainer
    program: Program
    judge: Callable[[Any], dict[str, float]]
    evaluations: int
    start: Any = None

    def run(self, example: Any, progress: Progress) -> None:
        """Train, or resume from the checkpoint, until all steps are done or ``progress.stop``.

        Args:
            example: a training with the structure of the one to load.
            progress: counts the steps of all seeds.

        Raises:
            CheckFailed: a loss is not finite.
        """
        needed, size = iterations(self.trainer, self.steps), self.trainer.steps
        training, done = self._resume(example)
        progress.add(self.seed, done * size, fresh=False)
        parts = self.evaluations
        due = sorted({math.ceil(needed * n / parts) for n in range(parts + 1)})
        saved = time.perf_counter()
        chunk = 1
        while done < needed and not progress.stop.is_set():
            begun = time.perf_counter()
            count = min(chunk, next(at for at in due if at > done) - done)
            training, logs = self.program(training, jnp.int32(count))
            rows = {name: np.asarray(values[:count]) for name, values in logs.items()}
            took = time.perf_counter() - begun
            bad = [name for name, values in rows.items() if not np.all(np.isfinite(values))]
            if bad:
                raise CheckFailed(
                    f"seed {self.seed}: {bad[0]} is not finite after iteration {done}; the last "
                    "checkpoint is kept. hint: lower the learning rates, or look at the settings"
                )
            chunk = int(np.clip(chunk * SECONDS_BETWEEN_REPORTS / max(took, 1e-6), 1, CHUNK))
            done += count
            self._log("metrics", done, {name: np.mean(values) for name, values in rows.items()})
            progress.add(self.seed, count * size, fresh=True)
            if done in due:
                scores = self.judge(training)
                self._log("evaluation", done, scores)
                progress.add(self.seed, 0, fresh=True, reward=scores["reward"])
            if done == needed or time.perf_counter() - saved > SECONDS_BETWEEN_CHECKPOINTS:
                self._save(training, done)
                saved = time.perf_counter()
        if done < needed:
            self._save(training, done)

    def _resume(self, example: Any) -> tuple[Any, int]:
        if not checkpoint.exists(self.folder):
            for name in checkpoint.LOGS:
                write_bytes(self.folder / f"{name}.jsonl", b"")
            fresh = self.trainer.init_training(jax.random.key(self.seed))
            return fresh if self.start is None else warm_started(fresh, self.start), 0
        facts = {"seed": self.seed, "request": self.request}
        training, note = checkpoint.load(self.folder, example, facts)
        checkpoint.drop_newer_rows(self.folder, note)
        if note["damage"]:
            warnings.warn(
                f"{note['damage']}; iteration {note['iteration']} of seed {self.seed} is resumed",
                stacklevel=2,
            )
        return training, note["iteration"]

    def _log(self, name: str, iteration: int, values: dict[str, Any]) -> None:
        steps = iteration * self.trainer.steps
        row = {"iteration": iteration, "steps": steps}
        row |= {key: float(value) for key, value in values.items()}
        checkpoint.append_row(self.folder, name, row)

    def _save(self, training: Any, iteration: int) -> None:
        facts = {"iteration": iteration, "seed": self.seed, "request": self.request}
        checkpoint.save(self.folder, training, {**facts, "version": __version__})
