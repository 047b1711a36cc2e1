"""Write decisions and their outcomes into the decision log that ``edgewright serve`` keeps too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgewright.gateway.decide import Decision
from edgewright.gateway.plan import Plan
from edgewright.gateway.receipts import DONE, REFUSED, Receipt
from edgewright.gateway.reward import Measured, TaskReward
from edgewright.gateway.settings import LogTable
from edgewright.serve.log import DecisionLog, Entry, Report
from edgewright.serve.settings import Keep

MAX_WAITING = 10_000


def measured_of(receipt: Receipt, plan: Plan) -> Measured | None:
    """Return the measurements of an answer; None without an answer, or a reward of the bundle."""
    reward, option, signals = _reward(plan), receipt.option, receipt.signals
    if receipt.status != DONE or reward is None or option is None or signals is None:
        return None
    return reward.measured(option, signals, receipt.actual, plan.config.quality.scores)


def reward_of(receipt: Receipt, plan: Plan) -> float:
    """Return the reward of a request, as the scenario of the bundle defines it.

    A request without an answer earns the scenario's ``rejected_reward``. Without a bundle, the
    reward is the stated quality of the level, and 0 where no answer was sent.
    """
    reward, scores = _reward(plan), plan.config.quality.scores
    if reward is not None:
        measured = measured_of(receipt, plan)
        if measured is None or receipt.signals is None:
            return reward.rejected
        return reward.reward(measured, receipt.signals.mode, receipt.signals.charge_pct)
    if receipt.status == DONE and receipt.option is not None and scores:
        return float(scores[receipt.option.level])
    return 0.0


def _reward(plan: Plan) -> TaskReward | None:
    return plan.policy.reward if plan.policy is not None else None


class OutcomeLog:
    """A row for every decision, and one for what came of it; see :func:`reward_of`.

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
        self._written: dict[str, str] = {}  # the row of the last decision for each receipt
        self._number: dict[str, int] = {}

    def decided(self, receipt: Receipt, decision: Decision, plan: Plan) -> None:
        """Write a decision. One that is made again has a row of its own, and the one before ends.

        The first row has the id of the receipt, a later one that id with ``.1``, ``.2``.
        """
        if self.log is None:
            return
        number = self._number.get(receipt.id, -1) + 1
        if row := self._written.pop(receipt.id, None):
            reward = _reward(plan)
            earned = reward.rejected if reward is not None else 0.0
            self._report(row, receipt, earned, {"done": 0.0, "accepted": 0.0, "served": 0.0})
        option, outside = decision.option, decision.out_of_range
        chosen = {"location": option.location, "level": option.level, "backend": option.backend}
        if plan.policy is not None:
            chosen = {"action": plan.policy.action(option), **chosen}
        row = receipt.id if not number else f"{receipt.id}.{number}"
        self._number[receipt.id] = number
        observed = decision.observation or {}
        entry = Entry(
            row, receipt.at, receipt.version, decision.decided_by, observed, chosen, outside,
            propensity=decision.propensity, client=receipt.client,
        )  # fmt: skip
        if self.log.add(entry):
            self._written[receipt.id] = row

    def finished(self, receipt: Receipt, plan: Plan) -> None:
        """Write the outcome of the last decision."""
        self._number.pop(receipt.id, None)
        row = self._written.pop(receipt.id, None)
        if row is None:
            return
        predicted = receipt.option.facts() if receipt.option else {}
        metrics = {name: float(value) for name, value in receipt.actual.items()}
        metrics |= {
            f"predicted_{name}": float(value)
            for name, value in predicted.items()
            if name.endswith(("_ms", "_j"))
        }
        if measured := measured_of(receipt, plan):
            metrics |= measured.metrics()
            metrics["service_s"] = 1e-3 * receipt.actual["service_ms"]
        metrics["done"] = metrics["served"] = float(receipt.status == DONE)
        metrics["accepted"] = float(receipt.status != REFUSED)
        self._report(row, receipt, reward_of(receipt, plan), metrics)

    def _report(
        self, row: str, receipt: Receipt, reward: float, metrics: Mapping[str, float]
    ) -> None:
        assert self.log is not None, "a row is in it"
        self.log.report(Report(row, receipt.at, reward, metrics, lambda answer: None))
