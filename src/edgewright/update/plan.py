"""Define the settings and the evidence of an update, and write the new bundle."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgewright.bundle import Bundle
from edgewright.bundle.bundle import pack_again
from edgewright.bundle.history import replace_bundle
from edgewright.core.errors import CheckFailed, InputError
from edgewright.core.sealed import digest
from edgewright.evaluation.statistics import Interval
from edgewright.scenarios.load import training_identity
from edgewright.serve.log_reader import DecisionLogReader
from edgewright.serve.log_table import LogTable
from edgewright.specs.calibration import Calibration
from edgewright.training.runs import Run, load_run
from edgewright.update import estimates
from edgewright.update.gate import MAX_LOSS, Gate, explained
from edgewright.update.trust import Trust

HELD_OUT = 0.3
"""Share of the decisions, the newest, that nothing is learned from."""

STEPS = 1.0
"""Steps of the retraining, as a share of those of the old training. With fewer, what the old law
taught stays visible beside a policy that was trained on the new law for as long."""

UPDATE = "update"
"""Name of the stage in the lineage."""

OnShare = Callable[[float, str], None]


@dataclasses.dataclass(frozen=True)
class UpdatePlan:
    """All settings of an update.

    Attributes:
        bundle: the running bundle, which decided in ``log``.
        run: folder of the run that the bundle was exported from: a bundle holds the actor alone.
        out: file of the new bundle.
        work: folder of the retraining, which resumes there and is the ``run`` of the next update.
        steps: of the retraining; :data:`STEPS` of the old training if None.
        newest: how many of the newest decisions count; all if None.
        max_loss: see :func:`edgewright.update.gate.gate`.
        episodes: of the comparison in simulation; as the scenario says if None.
    """

    bundle: Path
    log: Path
    run: Path
    out: Path
    work: Path
    steps: float | None = None
    newest: int | None = None
    max_loss: float = MAX_LOSS
    episodes: int | None = None
    data: str | None = None


@dataclasses.dataclass(frozen=True)
class Evidence:
    """The findings of an update so far; parts that it did not reach are None."""

    trust: Trust
    left_out: dict[str, int]
    calibration: Calibration
    agreement: float
    gate: Gate
    comparison: estimates.PolicyComparison | None = None
    simulated: Interval | None = None

    def facts(self) -> dict[str, Any]:
        """Return the findings as plain data."""
        simulated = self.simulated
        return {
            "trust": self.trust.facts(),
            "left_out": self.left_out,
            "calibration": self.calibration.facts(),
            "agreement": self.agreement,
            "held_out": self.comparison.facts() if self.comparison is not None else None,
            "simulation": simulated.columns("difference") if simulated is not None else None,
            "gate": self.gate.facts(),
        }


class GateClosed(CheckFailed):
    """The error of a gate that does not pass.

    Attributes:
        evidence: what was found.
    """

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        super().__init__(explained(evidence.gate))


def run_of(bundle: Bundle, plan: UpdatePlan) -> Run:
    """Return the run that a bundle was exported from.

    Raises:
        InputError: the folder is none, or of another training.
    """
    origin = bundle.facts["provenance"]
    if "learner" not in origin:
        message = "the bundle holds a rule, which has no weights to train"
        raise InputError(message, where=str(plan.bundle), hint="name the bundle of a trained run")
    run = load_run(plan.run, plan.data)
    identity = training_identity(run.request.scenario)
    for key, there in (("learner", run.request.learner), ("training_identity", identity)):
        if origin.get(key) != there:
            message = f"the run must be the one that {plan.bundle} was exported from; its {key} is"
            hint = "name that folder with --run: a bundle holds the actor, not what training needs"
            raise InputError(f"{message} {there}", where=str(plan.run), hint=hint)
    return run


def read_log(plan: UpdatePlan, bundle: Bundle) -> LogTable:
    """Return the newest decisions of the log of a bundle; see :class:`.DecisionLogReader`."""
    with DecisionLogReader(plan.log, bundle.version) as reader:
        rows = list(reader.rows())
    return LogTable(rows[-plan.newest :] if plan.newest is not None else rows)


def written(
    plan: UpdatePlan, bundle: Bundle, candidate: Bundle, table: LogTable, evidence: Evidence
) -> dict[str, Any]:
    """Write a candidate that passed the gate in the place of the old bundle; return what was found.

    Args:
        bundle: the running one.
        table: the decisions that were learned from and judged by.
    """
    lineage = [*bundle.facts["lineage"], _stage(bundle, table, evidence)]
    facts = {**candidate.facts, "lineage": lineage}
    content, made = pack_again(facts, candidate.members, str(plan.out))
    replace_bundle(plan.out, content, bundle if plan.out.exists() else None, UPDATE)
    return {
        "out": str(plan.out),
        "version": made.version,
        "from": bundle.version,
    } | evidence.facts()


def _stage(bundle: Bundle, table: LogTable, evidence: Evidence) -> dict[str, Any]:
    """Return what the manifest records of an update."""
    rows = table.rows
    return {
        "stage": UPDATE,
        "from": bundle.version,
        "log": {
            "decisions": len(rows),
            "first_at": rows[0].at,
            "last_at": rows[-1].at,
            "sha256": digest([[row.id, row.reward] for row in rows]),
        },
        "calibration": evidence.calibration.changes,
        "gate": evidence.gate.facts(),
    }


__all__ = [
    "HELD_OUT",
    "STEPS",
    "Evidence",
    "GateClosed",
    "OnShare",
    "UpdatePlan",
    "read_log",
    "run_of",
    "written",
]
