"""Name the policies that decide on a testbed, each in blocks of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Arm:
    """A policy that decides in blocks of its own.

    Attributes:
        policy: the table ``[policy]`` of the gateway.
        twin_of: name of the arm that it repeats.
        beside: whether it is compared with one other arm only, and has no rank.
    """

    name: str
    policy: Mapping[str, Any]
    about: str
    twin_of: str = ""
    beside: bool = False

    @property
    def ranked(self) -> bool:
        """Return whether it is a policy that one could choose."""
        return not self.twin_of and not self.beside


ABOUT = {
    "shadow-price": "greedy with prices of queues",
    "greedy": "best reward of this slot",
    "se-ppo": "learned on the calibrated scenario",
    "se-ppo-queue": "learned where uploads wait for one another",
}

ASSUMED_ARM = "assumed"


def bundle_arms(bundles: Mapping[str, str]) -> list[Arm]:
    """Return an arm for each bundle, by its name and file."""
    return [Arm(name, {"bundle": file}, ABOUT.get(name, "")) for name, file in bundles.items()]


def rule_arms(slo_s: float, shares: Sequence[Sequence[float]]) -> list[Arm]:
    """Return the rules of the gateway.

    Args:
        slo_s: delay that the cascade keeps.
        shares: of the linear program.
    """
    return [
        Arm("least-delay", {"fallback": "least-delay"}, "middle level, least predicted delay"),
        Arm("min-backlog", {"fallback": "min-backlog"}, "middle level, least work ahead"),
        Arm("local", {"fallback": "local"}, "middle level on the device"),
        Arm(
            "cascade",
            {"fallback": "cascade", "target_ms": round(1e3 * slo_s, 1)},
            "highest level within the objective, a cascade by threshold",
        ),
        Arm(
            "shares",
            {"fallback": "shares", "shares": [list(row) for row in shares]},
            "fixed division by a linear program",
        ),
    ]


def arms_of(
    bundles: Mapping[str, str],
    slo_s: float,
    shares: Sequence[Sequence[float]],
    assumed: str | None = None,
) -> list[Arm]:
    """Return the policies that are compared.

    Args:
        bundles: file of each bundle by its name, the learned one first.
        slo_s: delay that the cascade keeps.
        shares: of the linear program.
        assumed: file of the learned policy of the assumed curve of quality; None without one.
    """
    learned = next(iter(bundles))
    about = f"the same as {learned}"
    extra = [Arm("twin", {"bundle": bundles[learned]}, about, twin_of=learned)]
    if assumed is not None:
        about = f"as {learned}, with the assumed curve of quality"
        extra.append(Arm(ASSUMED_ARM, {"bundle": assumed}, about, beside=True))
    return [*bundle_arms(bundles), *extra, *rule_arms(slo_s, shares)]
