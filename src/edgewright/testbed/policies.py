"""Train and export the policies of a testbed on its calibrated scenario."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edgewright.core.compilation import keep_compilations
from edgewright.deploy.export_run import export_rule, export_run
from edgewright.training.runs import Request, train

LEARNER = "se-ppo"


def bundles_of(
    names: Sequence[str],
    scenario: Any,
    folder: Path,
    steps: float,
    on_progress: Callable[[str], None],
) -> dict[str, Path]:
    """Return the bundles that decide in the gateway, in the order of their names.

    Args:
        names: the learner :data:`LEARNER`, or rules that can be exported.
        scenario: the calibrated one.
        steps: environment steps of the learner.

    Raises:
        InputError: a policy cannot be trained or exported.
    """
    keep_compilations()
    result = {}
    for name in names:
        result[name] = folder / f"{name}.edge"
        if name != LEARNER:
            on_progress(f"export {name}")
            export_rule(name, scenario, result[name])
            continue
        on_progress(f"train {name}")
        request = Request(scenario=scenario, learner=name, steps=steps, seeds=1, data=None)
        train(request, folder / "run")
        export_run(folder / "run", result[name], rules=[])
    return result
