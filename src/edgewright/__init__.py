"""Train, prove and deploy learned decisions at the network edge.

    import edgewright as ew

    problem = ew.make("aigc-heavy")
    run = ew.train(problem, "se-ppo", steps=1e5, seeds=3)
    print(ew.compare(problem, ["greedy", run]))
    run.export("p.edge")

Every public name is imported when it is first used: ``import edgewright`` imports neither JAX nor
matplotlib. What is not in ``__all__`` may change without notice.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from edgewright.core.version import __version__

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
"""XLA looks at it once, when JAX is imported. Its loader reports preferences of the compiler
(``prefer-no-scatter``) as features that the processor lacks, in kilobytes for every program that
comes from the cache; ``core.compilation`` keeps processors apart itself."""

_PUBLIC = {
    "EdgeProblem": "api.problem",
    "make": "api.problem",
    "TrainedRun": "api.training",
    "train": "api.training",
    "ComparisonTable": "api.comparison",
    "compare": "api.comparison",
    "evaluate": "api.comparison",
    "sweep": "api.sweep",
    "SweepTable": "api.sweep",
    "Table": "api.table",
    "list_scenarios": "api.listing",
    "list_learners": "api.listing",
    "list_policies": "api.listing",
    "list_studies": "api.listing",
    "load_bundle": "api.listing",
    "check_world": "testing",
    "check_policy": "testing",
    "check_learner": "testing",
    "register_system": "systems.registry",
    "register_learner": "scenarios.learners",
    "register_policy": "scenarios.policies",
    "register_study": "papers",
    "World": "core.protocols",
    "Policy": "core.protocols",
    "Learner": "core.protocols",
    "Stream": "core.protocols",
    "EdgewrightError": "core.errors",
    "InputError": "core.errors",
    "CheckFailed": "core.errors",
}
"""The module of every public name, below this package."""

__all__ = [
    "CheckFailed",
    "ComparisonTable",
    "EdgeProblem",
    "EdgewrightError",
    "InputError",
    "Learner",
    "Policy",
    "Stream",
    "SweepTable",
    "Table",
    "TrainedRun",
    "World",
    "__version__",
    "check_learner",
    "check_policy",
    "check_world",
    "compare",
    "evaluate",
    "list_learners",
    "list_policies",
    "list_scenarios",
    "list_studies",
    "load_bundle",
    "make",
    "register_learner",
    "register_policy",
    "register_study",
    "register_system",
    "sweep",
    "train",
]

if TYPE_CHECKING:
    from edgewright.api.comparison import ComparisonTable, compare, evaluate
    from edgewright.api.listing import (
        list_learners,
        list_policies,
        list_scenarios,
        list_studies,
        load_bundle,
    )
    from edgewright.api.problem import EdgeProblem, make
    from edgewright.api.sweep import SweepTable, sweep
    from edgewright.api.table import Table
    from edgewright.api.training import TrainedRun, train
    from edgewright.core.errors import CheckFailed, EdgewrightError, InputError
    from edgewright.core.protocols import Learner, Policy, Stream, World
    from edgewright.papers import register_study
    from edgewright.scenarios.learners import register_learner
    from edgewright.scenarios.policies import register_policy
    from edgewright.systems.registry import register_system
    from edgewright.testing import check_learner, check_policy, check_world


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'edgewright' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"edgewright.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
