"""Keep a receipt of every request, with its decision, predictions and measurements."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import secrets
from collections import OrderedDict
from typing import Any

from edgewright.gateway.blocks import Blocks
from edgewright.gateway.observation import Signals
from edgewright.gateway.options import Option

DONE, RUNNING, CANCELLED, FAILED, REFUSED = "done", "running", "cancelled", "failed", "refused"


@dataclasses.dataclass
class Receipt:
    """A record of one request.

    Attributes:
        client: whose it is; only that key may read it.
        asked: what the client asked for: model, quality, size, n.
        block, blocks: number of the block of a comparison, and the comparison.
        canary: whether a bundle on trial decided it.
        score: measured quality of the level, where the configuration states it.
        option, runner_up: what was chosen, and the best of the others.
        observation: what the policy saw; None without a bundle.
        signals: measurements that it was made from; None without any bundle.
        actual: times in ms as they were.
        shadows: what each would have chosen; None where it could not decide.
        flags: ``out_of_range``, ``stale``, ``late`` and so on, where they apply.
    """

    id: str
    at: float
    client: str
    asked: dict[str, Any]
    option: Option | None = None
    runner_up: Option | None = None
    level_name: str = ""
    decided_by: str = ""
    policy: str = ""
    block: str = ""
    blocks: Blocks | None = None
    canary: bool = False
    score: float | None = None
    deadline_ms: float | None = None
    observation: dict[str, Any] | None = None
    signals: Signals | None = None
    flags: dict[str, Any] = dataclasses.field(default_factory=dict)
    backend: dict[str, Any] = dataclasses.field(default_factory=dict)
    actual: dict[str, float] = dataclasses.field(default_factory=dict)
    shadows: dict[str, Option | None] = dataclasses.field(default_factory=dict)
    not_accepted: list[str] = dataclasses.field(default_factory=list)
    status: str = RUNNING
    problem: str = ""

    @property
    def version(self) -> str:
        """Return the version of the bundle that decides, or the rule, for the log."""
        return self.policy.removeprefix("policy@")

    def short(self) -> dict[str, Any]:
        """Return what is sent with the answer."""
        result: dict[str, Any] = {"receipt": self.id, "decided_by": self.decided_by}
        if self.option is not None:
            result |= {
                "location": self.option.location,
                "backend": self.option.backend,
                "level": self.option.level,
                "quality": self.level_name,
                "predicted": _rounded(self.option.facts()),
            }
        if self.score is not None:
            result["score"] = self.score
        if self.block:
            result["block"] = self.block
        if self.canary:
            result["canary"] = True
        return result | {**self.flags, **self.backend, "actual": _rounded(self.actual)}

    def full(self) -> dict[str, Any]:
        """Return everything but whose it is."""
        return {
            "id": self.id,
            "at": self.at,
            "status": self.status,
            "problem": self.problem,
            "asked": self.asked,
            **self.short(),
            "policy": self.policy,
            "deadline_ms": self.deadline_ms,
            "runner_up": None if self.runner_up is None else _rounded(self.runner_up.facts()),
            "observation": self.observation,
            "shadows": {name: self._beside(one) for name, one in self.shadows.items()},
            "not_accepted": self.not_accepted,
        }

    def _beside(self, option: Option | None) -> dict[str, Any] | None:
        """Return what a shadow would have chosen; None where it could not decide."""
        return None if option is None else {**option.facts(), "agrees": option == self.option}

    def headers(self) -> dict[str, str]:
        """Return the headers that carry it."""
        result = {"x-request-id": self.id, "x-edgewright-receipt": self.id}
        if self.option is not None:
            predicted = self.option
            result |= {
                "x-edgewright-location": str(predicted.location),
                "x-edgewright-backend": predicted.backend,
                "x-edgewright-quality": f"{predicted.level}/{self.level_name}",
                "x-edgewright-decided-by": self.decided_by,
                "x-edgewright-predicted-ms": f"{1e3 * predicted.delay_s:.1f}",
                "x-edgewright-energy-j": f"{predicted.energy_j:.3f}",
            }
        if self.block:
            result["x-edgewright-block"] = self.block
        if self.canary:
            result["x-edgewright-canary"] = "true"
        if names := self.flags.get("out_of_range"):
            result["x-edgewright-out-of-range"] = ",".join(names)
        if self.backend.get("paced"):
            result["x-edgewright-paced"] = f"{self.backend['speed']:g}"
        if (lateness := self.backend.get("lateness")) is not None:
            result["x-edgewright-lateness"] = f"{lateness:.4f}"
        for name in ("queue", "service", "transfer", "overhead"):
            if (value := self.actual.get(f"{name}_ms")) is not None:
                result[f"x-edgewright-{name}-ms"] = f"{value:.2f}"
        if (total := self.actual.get("total_ms")) is not None:
            result["openai-processing-ms"] = str(round(total))
        return result


class Receipts:
    """The newest receipts, by their ids."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._kept: OrderedDict[str, Receipt] = OrderedDict()
        self._start, self._number = secrets.token_hex(6), 0
        self._secret = secrets.token_bytes(32)

    @property
    def number(self) -> int:
        """Return how many were made."""
        return self._number

    def new(self, at: float, client: str, asked: dict[str, Any]) -> Receipt:
        """Return a receipt with an id of its own, which is kept from now on."""
        receipt = Receipt(f"{self._start}-{self._number:x}", at, client, asked)
        self._number += 1
        self._kept[receipt.id] = receipt
        while len(self._kept) > self.most:
            self._kept.popitem(last=False)
        return receipt

    def get(self, id: str, client: str) -> Receipt | None:
        """Return a receipt of this client; None where there is none of that id."""
        receipt = self._kept.get(id)
        return receipt if receipt is not None and receipt.client == client else None

    def after(self, id: str | None, client: str, most: int) -> list[Receipt]:
        """Return the receipts of a client that were made after one of them, the oldest first."""
        ids = [*self._kept]
        first = ids.index(id) + 1 if id in self._kept else 0
        own = [self._kept[one] for one in ids[first:] if self._kept[one].client == client]
        return own[:most] if id in self._kept else own[-most:]

    def prompt_hash(self, prompt: bytes) -> str:
        """Return a hash by which equal prompts of one run are recognised, and nothing else."""
        return hmac.new(self._secret, prompt, hashlib.sha256).hexdigest()[:16]


def _rounded(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        name: round(value, 3) if isinstance(value, float) else value
        for name, value in facts.items()
    }
