"""Let another bundle decide a small share of requests, until it is promoted or withdrawn."""

from __future__ import annotations

import dataclasses
import math
from collections import OrderedDict
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from edgewright.bundle import Bundle, load
from edgewright.bundle.history import replace_bundle
from edgewright.core.errors import InputError
from edgewright.serve.counters import PROMOTED, WITHDRAWN
from edgewright.serve.sequential import Arm, Bets, Difference, Known

MAX_OPEN = 100_000
"""Decisions whose outcome is waited for; older ones count no more."""

MAX_SHARE = 0.5


@dataclasses.dataclass(frozen=True)
class CanaryTest:
    """The settings of a canary.

    Attributes:
        file: of the bundle.
        share: of requests that it decides, above 0 and at most :data:`MAX_SHARE`.
        error: probability of a wrong result, however long it runs.
        margin: loss of mean reward that is accepted, in its unit.
        rewards: least and largest reward that count; others are cut to them. If None, a reward is
            cut to the range of all rewards before it.
    """

    file: Path
    share: float = 0.05
    error: float = 0.05
    margin: float = 0.0
    rewards: tuple[float, float] | None = None


class Deciding(Protocol):
    """A policy of a bundle, with what names it."""

    @property
    def bundle(self) -> Bundle: ...
    @property
    def facts(self) -> dict[str, str]: ...


Policy = TypeVar("Policy", bound=Deciding)


class Canary(Generic[Policy]):
    """A bundle that decides a share of the requests while its rewards are compared."""

    def __init__(self, serving: Policy, test: CanaryTest) -> None:
        self.serving, self.test = serving, test
        self._open: OrderedDict[str, tuple[bool, Known]] = OrderedDict()
        self.restart()

    def drawn(self, rng: np.random.Generator) -> bool:
        """Return whether the canary decides the next request."""
        return bool(rng.random() < self.test.share)

    def decided(self, decision: str, by_canary: bool) -> None:
        """Remember who took a decision and what was known then, until its outcome arrives.

        Of requests that were drawn together, one decision may be remembered: the test takes each as
        drawn for itself.
        """
        self._open[decision] = by_canary, self.bets.known()
        if len(self._open) > MAX_OPEN:
            self._open.popitem(last=False)

    def reported(self, decision: str, reward: float) -> str:
        """Count an outcome; return :data:`PROMOTED`, :data:`WITHDRAWN`, or "" to go on.

        The canary is promoted where the confidence sequence excludes minus the margin and what is
        below, and withdrawn where it excludes 0 and what is above.
        """
        opened = self._open.pop(decision, None)
        if opened is None:
            return ""
        by_canary, known = opened
        (self.canary if by_canary else self.running).add(reward)
        self.bets.add(reward, float(by_canary), known)
        return ("", PROMOTED, WITHDRAWN)[int(self.bets.clear)]

    def restart(self) -> None:
        """Forget all outcomes, because another policy is the running one now."""
        test = self.test
        self.canary, self.running = Arm(), Arm()
        self.bets = Bets(test.share, test.error, test.margin, test.rewards)
        self._open.clear()

    @property
    def difference(self) -> Difference:
        """Return canary minus running policy, of rewards cut to the range that counts."""
        return self.bets.difference

    def facts(self) -> dict[str, Any]:
        """Return how the comparison stands."""
        now, bets = self.difference, self.bets
        return {
            **self.serving.facts,
            "share": self.test.share,
            "error": self.test.error,
            "outcomes": {"canary": self.canary.count, "running": self.running.count},
            "difference": now.estimate,
            "low": now.low if math.isfinite(now.low) else None,
            "high": now.high if math.isfinite(now.high) else None,
            "rewards": [float(bets.low), float(bets.high)] if bets.low <= bets.high else None,
            "cut": int(bets.cut),
        }


def result_text(facts: dict[str, Any], result: str, each: str) -> str:
    """Return what is reported of a result: the difference and its confidence sequence.

    Args:
        facts: of :meth:`Canary.facts`.
        each: what has a reward, ``decision`` or ``request``.
    """
    low, high = (
        f"{side}inf" if facts[end] is None else f"{facts[end]:+.4g}"
        for end, side in (("low", "-"), ("high", "+"))
    )
    difference = f"{facts['difference']:+.4g} a {each} [{low}, {high}]"
    return f"canary {facts['version']} is {result}: {difference}"


def promote(file: Path, canary: Canary[Any], expected: str) -> None:
    """Put the bundle of a canary in the place of the running one, which goes to the history.

    Args:
        file: of the running bundle.
        expected: version of the bundle that the canary was compared with.

    Raises:
        InputError, OSError: a file cannot be read or written, or holds another bundle now.
    """
    before = load(file)
    if before.version != expected:
        message = "the file holds another bundle than the one that the canary was compared with"
        hint = "compare the canary with it"
        raise InputError(message, where=str(file), hint=hint)
    content = canary.test.file.read_bytes()
    if load(canary.test.file).version != canary.serving.bundle.version:
        message = "the file holds another bundle than the one that was compared"
        hint = "start the service again with it"
        raise InputError(message, where=str(canary.test.file), hint=hint)
    replace_bundle(file, content, before, "promote")


__all__ = [
    "MAX_SHARE", "PROMOTED", "WITHDRAWN", "Canary", "CanaryTest", "promote", "result_text",
]  # fmt: skip
