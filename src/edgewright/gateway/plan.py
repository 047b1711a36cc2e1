"""Make everything that a configuration stands for, so that a reload is one assignment."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import time
from pathlib import Path

from edgewright.gateway.backend import Backend
from edgewright.gateway.backends.paced import PacedDigits
from edgewright.gateway.config import load
from edgewright.gateway.jobs import Generator
from edgewright.gateway.keys import Keys
from edgewright.gateway.link import Link
from edgewright.gateway.literals import literal_levels
from edgewright.gateway.options import Chooser
from edgewright.gateway.policy import BundlePolicy, load_policy
from edgewright.gateway.rules import Rule
from edgewright.gateway.settings import BackendTable, BlocksTable, Config

POLICY = "policy"
"""The arm of a comparison that is the bundle, or the rule where there is none."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """A configuration and what was made from it.

    Attributes:
        digest: first 12 digits of the file's hash, which identify it.
        policy: the bundle that decides; None where the rule does.
        chooser: who decides outside of blocks.
        arms: who decides in the blocks of a comparison.
        levels: of the quality literals.
    """

    config: Config
    digest: str
    policy: BundlePolicy | None
    chooser: Chooser
    fallback: Rule
    shadows: dict[str, Chooser]
    arms: dict[str, Chooser]
    backends: dict[str, Backend]
    links: dict[str, Link]
    keys: Keys
    levels: dict[str, int]

    @property
    def locations(self) -> int:
        """Return the number of locations."""
        named = 1 + max(backend.table.location for backend in self.backends.values())
        return named if self.policy is None else self.policy.locations


class Blocks:
    """The order of a randomised comparison, with a fresh permutation of all arms in every round."""

    def __init__(self, table: BlocksTable) -> None:
        self.table, self._began = table, time.monotonic()
        self._rng = random.Random(table.seed)
        self._order: list[str] = []

    def now(self) -> tuple[int, str]:
        """Return the number of the block and its arm."""
        number = int((time.monotonic() - self._began) / self.table.seconds)
        return number, self.arm(number)

    def arm(self, number: int) -> str:
        """Return the arm of a block."""
        arms = sorted(self.table.arms)
        while len(self._order) <= number:
            self._order += self._rng.sample(arms, len(arms))
        return self._order[number]


def make_plan(file: Path, before: Plan | None = None) -> Plan:
    """Return the plan of a file.

    Args:
        before: the plan that runs; back ends, links and clients that did not change go on.

    Raises:
        InputError: the file, or a bundle that it names, cannot be used.
    """
    config, digest = load(file)
    policy = load_policy(config.policy.bundle, config, file) if config.policy.bundle else None
    count = len(config.quality.levels)
    fallback = Rule(config.policy.fallback, count)
    chooser: Chooser = policy or fallback

    def named(name: str, key: str) -> Chooser:
        if name == POLICY:
            return chooser
        return load_policy(name, config, file, key) if name.endswith(".edge") else Rule(name, count)

    shadows = {
        name: named(name, f"policy.shadow[{n}]") for n, name in enumerate(config.policy.shadow)
    }
    blocks = config.blocks.arms if config.blocks else {}
    arms = {arm: named(name, f"blocks.arms.{arm}") for arm, name in blocks.items()}
    links = _links(config, before)
    keys = Keys(config.key)
    plan = Plan(
        config,
        digest,
        policy,
        chooser,
        fallback,
        shadows,
        arms,
        _backends(config, links, before),
        links,
        keys,
        literal_levels(config.quality),
    )
    if before is not None:
        keys.keep(before.keys)
    return plan


def _links(config: Config, before: Plan | None) -> dict[str, Link]:
    old = before.links if before else {}
    result = {}
    for table in config.link:
        same = old.get(table.name)
        unchanged = same is not None and (same.table, same.signals) == (table, config.signals)
        result[table.name] = same if unchanged and same else Link(table, config.signals)
    return result


def _backends(config: Config, links: dict[str, Link], before: Plan | None) -> dict[str, Backend]:
    old = before.backends if before else {}
    result = {}
    for table in config.backend:
        link, same = links.get(table.link or ""), old.get(table.name)
        unchanged = same is not None and (same.table, same.breaker.table) == (table, config.breaker)
        if same is not None and unchanged and same.link is link:
            result[table.name] = same
        else:
            result[table.name] = Backend(table, config.breaker, _generator(table, link), link)
    return result


def _generator(table: BackendTable, link: Link | None) -> Generator:
    if table.kind == "digits":
        return PacedDigits(table)
    from edgewright.gateway.backends.upstream import Upstream

    return Upstream(table, link)


async def retire(old: Plan, new: Plan) -> None:
    """Close the generators that a new plan does not use, once their requests are answered."""
    used = {id(backend) for backend in new.backends.values()}
    for backend in old.backends.values():
        if id(backend) in used:
            continue
        while len(backend.ledger):
            await asyncio.sleep(0.1)
        await backend.generator.close()
