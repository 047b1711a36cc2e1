"""Train and export the policies of a testbed on its calibrated scenario."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edgewright.core.compilation import keep_compilations
from edgewright.core.errors import InputError
from edgewright.deploy.export_run import export_rule, export_run
from edgewright.scenarios.load import training_identity
from edgewright.training.runs import Request, train

LEARNER = "se-ppo"


@dataclasses.dataclass(frozen=True)
class Bundles:
    """The files of policies that were trained or exported on one scenario, by their names.

    Attributes:
        files: ``[seeds]`` of each policy; a rule has one. The first one decides on the testbed.
        left_out: why a rule was not exported.
    """

    files: dict[str, list[Path]]
    left_out: dict[str, str]

    @property
    def first(self) -> dict[str, str]:
        """Return the absolute path of the bundle that decides, for each policy."""
        return {name: str(files[0].resolve()) for name, files in self.files.items()}


def bundles_of(
    names: Sequence[str],
    scenario: Any,
    folder: Path,
    training: tuple[float, int],
    on_progress: Callable[[str], None],
) -> Bundles:
    """Return the bundles of policies on a scenario.

    A rule whose numbers a graph does not reproduce on this machine is left out.

    Args:
        names: the learner :data:`LEARNER`, or rules that can be exported.
        scenario: the calibrated one, or one that was made from it.
        folder: for bundles and runs; an earlier scenario in it has a run of its own.
        training: environment steps of the learner, and number of seeds.

    Raises:
        InputError: the learner cannot be trained or exported, or all rules were left out.
    """
    keep_compilations()
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, list[Path]] = {}
    left_out: dict[str, str] = {}
    for name in names:
        file = folder / f"{name}.edge"
        if name != LEARNER:
            on_progress(f"export {name}")
            try:
                export_rule(name, scenario, file)
                files[name] = [file]
            except InputError as error:
                left_out[name] = error.message
            continue
        on_progress(f"train {name}")
        files[name] = _learned(scenario, folder, training)
    if not files:
        hint = "use another version of onnxruntime"
        raise InputError(f"must be exported: {left_out}", where="testbed policies", hint=hint)
    return Bundles(files, left_out)


def _learned(scenario: Any, folder: Path, training: tuple[float, int]) -> list[Path]:
    """Return a bundle for each seed of the learner."""
    steps, seeds = training
    request = Request(scenario=scenario, learner=LEARNER, steps=steps, seeds=seeds, data=None)
    run = folder / f"run-{training_identity(scenario)}"
    train(request, run)
    files = [folder / f"{LEARNER}-{seed}.edge" for seed in range(seeds)]
    for seed, file in enumerate(files):
        export_run(run, file, seed=seed, rules=[])
    return files
