"""Write decisions and their outcomes into the decision log that ``edgewright serve`` keeps too."""

from __future__ import annotations

from pathlib import Path

from edgewright.gateway.decide import Decision
from edgewright.gateway.plan import Plan
from edgewright.gateway.receipts import DONE, Receipt
from edgewright.gateway.settings import LogTable
from edgewright.serve.log import DecisionLog, Entry, Report
from edgewright.serve.settings import Keep

MAX_WAITING = 10_000


class OutcomeLog:
    """A row for every decision, and one for what came of it.

    The reward of an outcome is the measured quality of its level, 0 where no answer was sent.

    Attributes:
        log: None where no file is named.

    Raises:
        InputError: the file cannot be opened.
    """

    def __init__(self, table: LogTable, file: Path) -> None:
        self.log = None
        if table.path is not None:
            path = file.parent / table.path
            self.log = DecisionLog(path, MAX_WAITING, keep=Keep(days=table.keep_days))
        self._written: set[str] = set()

    def decided(self, receipt: Receipt, decision: Decision) -> None:
        """Write a decision; of one that was made again, the first is kept."""
        if self.log is None or receipt.id in self._written:
            return
        option, outside = decision.option, decision.out_of_range
        chosen = {"location": option.location, "level": option.level, "backend": option.backend}
        observed = decision.observation or {}
        entry = Entry(
            receipt.id, receipt.at, receipt.policy, decision.decided_by, observed, chosen, outside
        )
        if self.log.add(entry):
            self._written.add(receipt.id)

    def finished(self, receipt: Receipt, plan: Plan) -> None:
        """Write an outcome."""
        if self.log is None or receipt.id not in self._written:
            return
        self._written.discard(receipt.id)
        reward, scores = 0.0, plan.config.quality.scores
        if receipt.status == DONE and receipt.option is not None and scores:
            reward = scores[receipt.option.level]
        predicted = receipt.option.facts() if receipt.option else {}
        metrics = {name: float(value) for name, value in receipt.actual.items()}
        metrics |= {
            f"predicted_{name}": float(value)
            for name, value in predicted.items()
            if name.endswith(("_ms", "_j"))
        }
        metrics["done"] = float(receipt.status == DONE)
        report = Report(receipt.id, receipt.at, reward, metrics, lambda answer: None)
        self.log.report(report)
