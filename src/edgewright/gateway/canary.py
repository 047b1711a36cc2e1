"""Let another bundle decide a small share of requests, until it is promoted or withdrawn.

The test is that of ``edgewright serve --canary``. Here the gateway measures the rewards itself.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgewright.gateway.policy import BundlePolicy
from edgewright.gateway.settings import CanaryTable
from edgewright.serve.canary import (
    PROMOTED,
    WITHDRAWN,
    Canary,
    CanaryTest,
    promote,
    result_text,
)

if TYPE_CHECKING:
    from edgewright.gateway.app import Gateway

RUNNING, SAME = "running", "same"
"""States before a result: a comparison, or the bundle that decides already."""


class Trial:
    """A canary beside the bundle of a gateway.

    Attributes:
        policy: the canary.
        running: version of the bundle that it is compared with.
        state: :data:`RUNNING`, :data:`SAME`, or the result.
        problem: why a promotion could not be carried out; empty where nothing is wrong.
    """

    def __init__(self, table: CanaryTable, policy: BundlePolicy, running: str, file: Path) -> None:
        self.table, self.policy, self.running = table, policy, running
        rewards = (table.rewards[0], table.rewards[1]) if table.rewards else None
        self.test = CanaryTest(file, table.share, table.error, table.margin, rewards)
        self._canary = Canary(policy, self.test)
        self._rng = np.random.default_rng()
        self.state = SAME if policy.bundle.version == running else RUNNING
        self.problem = ""

    def continues(self, table: CanaryTable, version: str, running: str) -> bool:
        """Return whether this comparison is still the one of a configuration that is read again.

        Args:
            version, running: of the bundles of canary and policy, as they are now.
        """
        same = table == self.table and version == self.policy.bundle.version
        return same and running in (self.running, version if self.state == PROMOTED else None)

    def decides(self, running: BundlePolicy) -> bool:
        """Return whether the canary was promoted and is the bundle that decides."""
        return self.state == PROMOTED and running.bundle.version == self.policy.bundle.version

    def draws(self) -> bool:
        """Return whether the canary decides the next request."""
        return self.state == RUNNING and self._canary.drawn(self._rng)

    def decided(self, receipt: str, by_canary: bool) -> None:
        """Remember who decides a request."""
        if self.state == RUNNING:
            self._canary.decided(receipt, by_canary)

    def reported(self, receipt: str, reward: float) -> str:
        """Count the reward of a request; return a result, or "" where there is none now."""
        if self.state != RUNNING:
            return ""
        result = self._canary.reported(receipt, reward)
        self.state = result or RUNNING
        return result

    @property
    def share(self) -> float:
        """Return the share of requests that the canary decides now."""
        return self.table.share if self.state == RUNNING else 0.0

    def outcomes(self) -> dict[str, int]:
        """Return how many rewards of either arm were counted."""
        return {"canary": self._canary.canary.count, "running": self._canary.running.count}

    def facts(self) -> dict[str, Any]:
        """Return how the comparison stands."""
        facts = {"state": self.state, "problem": self.problem, **self._canary.facts()}
        return {**facts, "share": self.share, "running": self.running}

    def promote(self, file: Path) -> None:
        """Put the canary in the place of the bundle ``file``, which goes to its history.

        Raises:
            InputError, OSError: see :func:`edgewright.serve.canary.promote`.
        """
        promote(file, self._canary, self.running)


async def settle(gateway: Gateway, trial: Trial, result: str) -> None:
    """Report the result of a canary, and let the canary decide from now on where it is promoted."""
    try:
        await _settled(gateway, trial, result)
    except Exception as error:
        trial.problem = f"the result was not carried out: {str(error) or repr(error)}"
        raise


async def _settled(gateway: Gateway, trial: Trial, result: str) -> None:
    """Do what :func:`settle` says."""
    gateway.counters.canaries[result,] += 1
    gateway.emit(result_text(trial.facts(), result, "request"))
    bundle = gateway.plan.config.policy.bundle
    if result != PROMOTED or bundle is None or gateway.plan.canary is not trial:
        return  # nothing is to be done, or another configuration was read meanwhile
    file = gateway.file.parent / bundle
    try:
        await asyncio.to_thread(trial.promote, file)
    except Exception as error:  # whatever is wrong with a file, the running bundle goes on
        trial.problem = f"{trial.running} stays in {file}: {str(error) or repr(error)}"
        gateway.emit(f"the file was not replaced, {trial.problem}")
        return
    if not await gateway.watcher.reload():
        trial.problem = f"the canary is in {file}, and was not taken up: {gateway.watcher.message}"
        gateway.emit(trial.problem)


__all__ = ["PROMOTED", "RUNNING", "SAME", "WITHDRAWN", "Trial", "settle"]
