"""Train and export the policies of a testbed on its calibrated scenario."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edgewright.core.compilation import keep_compilations
from edgewright.core.errors import InputError
from edgewright.deploy.export_run import export_rule, export_run
from edgewright.scenarios.load import training_identity
from edgewright.training.runs import Request, train

LEARNER = "se-ppo"


def bundles_of(
    names: Sequence[str],
    scenario: Any,
    folder: Path,
    steps: float,
    on_progress: Callable[[str], None],
) -> tuple[dict[str, Path], dict[str, str]]:
    """Return the bundles that decide in the gateway, and why rules were left out, by their names.

    A rule whose numbers a graph does not reproduce on this machine is left out.

    Args:
        names: the learner :data:`LEARNER`, or rules that can be exported.
        scenario: the calibrated one.
        steps: environment steps of the learner.

    Raises:
        InputError: the learner cannot be trained or exported, or all rules were left out.
    """
    keep_compilations()
    result: dict[str, Path] = {}
    left_out: dict[str, str] = {}
    for name in names:
        file = folder / f"{name}.edge"
        if name != LEARNER:
            on_progress(f"export {name}")
            try:
                export_rule(name, scenario, file)
                result[name] = file
            except InputError as error:
                left_out[name] = error.message
            continue
        on_progress(f"train {name}")
        request = Request(scenario=scenario, learner=name, steps=steps, seeds=1, data=None)
        run = folder / f"run-{training_identity(scenario)}"  # an earlier scenario has its own
        train(request, run)
        export_run(run, file, rules=[])
        result[name] = file
    if not result:
        hint = "use another version of onnxruntime"
        raise InputError(f"must be exported: {left_out}", where="testbed policies", hint=hint)
    return result, left_out
