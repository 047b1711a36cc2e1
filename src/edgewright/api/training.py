"""Train a learner on a problem, and what comes of it."""

from __future__ import annotations

import dataclasses
import functools
import shutil
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgewright.api.problem import EdgeProblem, make
from edgewright.api.table import Table
from edgewright.bundle import Bundle
from edgewright.core.compilation import keep_compilations
from edgewright.core.errors import InputError, nearest
from edgewright.evaluation.gap import sentence
from edgewright.evaluation.score_run import finish
from edgewright.training import checkpoint
from edgewright.training.runs import Request
from edgewright.training.runs import train as train_into
from edgewright.training.seed import OnProgress

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True)
class TrainedRun:
    """A finished training with its folder, score and learning curve.

    Attributes:
        problem: what it was trained on.
        learner: name of the learner.
        folder: where it is kept; a temporary one is deleted with this object.
        result: score and reward with 95 % intervals, steps per second, and more.
    """

    problem: EdgeProblem
    learner: str
    folder: Path
    result: dict[str, Any]

    @functools.cached_property
    def history(self) -> Table:
        """The greedy policy on the evaluation episodes while it learned: a row a seed and step."""
        rows: list[dict[str, Any]] = []
        for seed in range(self.result["seeds"]):
            log = checkpoint.read_log(self.folder / f"seed-{seed}", "evaluation")
            rows += [{"seed": seed, **row} for row in log]
        columns = (
            ("seed", "seed", ""),
            ("steps", "steps", ",d"),
            ("reward", "reward/slot", "+.4f"),
        )
        return Table(f"{self.learner} on {self.problem.name}, evaluations", rows, columns)

    def plot(self) -> Figure:
        """Return the learning curve: the mean over seeds of the reward per slot, with its band.

        Raises:
            InputError: the run was evaluated less than twice.
        """
        from edgewright.reporting.figures import learning_curve
        from edgewright.reporting.run_curves import run_curve

        curve = run_curve(self.folder, self.learner)
        if curve is None:
            message = "the run must hold two evaluations to be drawn"
            raise InputError(message, where=str(self.folder), hint="train it for longer")
        return learning_curve([curve], ylabel="reward per slot")

    def export(
        self,
        file: str | Path,
        *,
        seed: int = 0,
        rules: list[str] | None = None,
        level: str | None = None,
        amortise: bool = False,
    ) -> Bundle:
        """Write the policy of one seed as a bundle and return it.

        Args:
            file: the bundle, e.g. ``"p.edge"``.
            seed: which seed of the run.
            rules: names of rules to pack beside it, for the service to fall back on.
            level: ``"upper"`` or ``"lower"``, to export one level of a policy of two time scales;
                both in one file if absent.
            amortise: train a network to decide like the planner of the run, and export that; the
                bundle's ``facts["scores"]`` say what share of the planner's score it keeps.

        Raises:
            InputError: the seed or level does not exist, or the policy or a rule cannot be
                exported.
        """
        from edgewright.deploy.export_amortised import export_amortised
        from edgewright.deploy.export_run import export_run
        from edgewright.deploy.subject import Part
        from edgewright.export.networks import LEVELS

        if level not in (None, *LEVELS):
            message = f"`level` must be one of {', '.join(LEVELS)}; got {level!r}"
            raise InputError(message, where="level", hint=nearest(str(level), LEVELS))
        if amortise and rules:
            message = "rules cannot be packed beside an amortised planner"
            raise InputError(message, where="rules", hint="leave one of the two out")
        given = {"seed": seed, "part": Part(level=level), "data": self.problem.data}
        if amortise:
            return export_amortised(self.folder, Path(file), **given).bundle
        return export_run(self.folder, Path(file), rules=rules, **given)

    def __repr__(self) -> str:
        """Return learner, scenario, reward with its interval, share of the gap and folder."""
        reward = self.result["reward"]
        text = f"{self.learner} on {self.problem.name}, {self.result['seeds']} seeds: reward/slot "
        text += f"{reward['mean']:+.4f} [{reward['low']:+.4f}, {reward['high']:+.4f}]"
        return f"{text}; {sentence(self.result, self.result['baseline'])}\nin {self.folder}"


def train(
    problem: EdgeProblem | str,
    learner: str | None = None,
    *,
    steps: float | None = None,
    seeds: int = 1,
    settings: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    on_progress: OnProgress | None = None,
) -> TrainedRun:
    """Train a learner for several seeds and score it on the scenario's evaluation episodes.

    Args:
        problem: from :func:`edgewright.make`, or the name of a scenario.
        learner: a name of :func:`edgewright.list_learners`; the scenario's own if absent.
        steps: environment steps of each seed; as the scenario says if absent.
        seeds: how many: 0, 1, ...
        settings: of the learner, e.g. ``{"clip_eps": 0.1}``.
        out: folder of the run. Interrupted or killed, the same call goes on there and ends with
            the same weights. If absent, a temporary folder that is deleted with the result.
        on_progress: called with the steps of all seeds, those taken now, seconds and reward.

    Raises:
        InputError: an unknown learner or setting, or a folder that holds another run.
    """
    problem = make(problem) if isinstance(problem, str) else problem
    changes = {f"learner.{name}": value for name, value in (settings or {}).items()}
    problem = make(problem.origin, {**problem.overrides, **changes}, data=problem.data)
    scenario = problem.scenario
    keep_compilations()
    request = Request(
        scenario=scenario,
        learner=learner or scenario.training.learner,
        steps=float(steps or scenario.training.steps),
        seeds=seeds,
        data=problem.data,
    )
    folder = Path(tempfile.mkdtemp(prefix="edgewright-run-") if out is None else out)
    try:
        timing = train_into(request, folder, on_progress)
        run = TrainedRun(problem, request.learner, folder, finish(request, folder, timing))
    except BaseException:
        if out is None:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    if out is None:
        weakref.finalize(run, shutil.rmtree, folder, ignore_errors=True)
    return run


__all__ = ["TrainedRun", "train"]
