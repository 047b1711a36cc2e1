"""Make everything that a configuration stands for, so that a reload is one assignment."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

from edgewright.core.errors import InputError
from edgewright.gateway.backend import Backend
from edgewright.gateway.backends.digits_engine import DigitsEngine
from edgewright.gateway.backends.paced import Paced
from edgewright.gateway.backends.paced_text import PacedText
from edgewright.gateway.blocks import Blocks
from edgewright.gateway.canary import Trial
from edgewright.gateway.config import load
from edgewright.gateway.jobs import Generator
from edgewright.gateway.keys import Keys
from edgewright.gateway.link import Link
from edgewright.gateway.literals import literal_levels
from edgewright.gateway.options import Chooser
from edgewright.gateway.policy import BundlePolicy, load_policy
from edgewright.gateway.rules import SHARES, Rule, Shares
from edgewright.gateway.settings import BackendTable, Config

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
        blocks: their order; None without a comparison.
        canary: a bundle on trial; None without one.
        levels: of the quality literals.
    """

    config: Config
    digest: str
    policy: BundlePolicy | None
    chooser: Chooser
    fallback: Chooser
    shadows: dict[str, Chooser]
    arms: dict[str, Chooser]
    blocks: Blocks | None
    canary: Trial | None
    backends: dict[str, Backend]
    links: dict[str, Link]
    keys: Keys
    levels: dict[str, int]

    @property
    def locations(self) -> int:
        """Return the number of locations."""
        named = 1 + max(backend.table.location for backend in self.backends.values())
        return named if self.policy is None else self.policy.locations

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """Keep the back ends open while a request decides by this plan and is answered."""
        backends = [*self.backends.values()]
        for backend in backends:
            backend.users += 1
        try:
            yield
        finally:
            for backend in backends:
                backend.users -= 1

    def begin(self, before: Plan) -> None:
        """Take over the clients' counts of the plan that ran, and give settings to what goes on.

        Nothing that runs is changed before, as the plan may still be refused.
        """
        self.keys.keep(before.keys)
        for backend in self.backends.values():
            backend.breaker.use(self.config.breaker)
        for link in self.links.values():
            link.signals = self.config.signals
        trial = self.canary
        if trial is not None and self.policy is not None and trial.decides(self.policy):
            trial.problem = ""


def make_plan(file: Path, before: Plan | None = None) -> Plan:
    """Return the plan of a file.

    Args:
        before: the plan that runs, which is not changed; its back ends and links go on where they
            are the same in both.

    Raises:
        InputError: the file, or a bundle that it names, cannot be used.
    """
    config, digest = load(file)
    policy = load_policy(config.policy.bundle, config, file) if config.policy.bundle else None
    fallback = _rule(config, config.policy.fallback)
    chooser: Chooser = policy or fallback

    def named(name: str, key: str) -> Chooser:
        if name == POLICY:
            return chooser
        if name.endswith(".edge"):
            return load_policy(name, config, file, key)
        return _rule(config, name)

    shadows = {
        name: named(name, f"policy.shadow[{n}]") for n, name in enumerate(config.policy.shadow)
    }
    blocks = config.blocks.arms if config.blocks else {}
    arms = {arm: named(name, f"blocks.arms.{arm}") for arm, name in blocks.items()}
    links = _links(config, before)
    return Plan(
        config,
        digest,
        policy,
        chooser,
        fallback,
        shadows,
        arms,
        _blocks(config, before),
        _canary(config, file, policy, before),
        _backends(config, links, before, str(file)),
        links,
        Keys(config.key),
        literal_levels(config.quality),
    )


def _rule(config: Config, name: str) -> Chooser:
    """Return a rule by name; each use of one that counts has its own count."""
    if name == SHARES:
        return Shares(config.policy.shares)
    return Rule(name, len(config.quality.levels), 1e-3 * config.policy.target_ms)


def _blocks(config: Config, before: Plan | None) -> Blocks | None:
    old = before.blocks if before else None
    if config.blocks is None or old is None:
        return Blocks(config.blocks) if config.blocks else None
    return old if old.table == config.blocks else Blocks(config.blocks, old.number + 1)


def _canary(
    config: Config, file: Path, running: BundlePolicy | None, before: Plan | None
) -> Trial | None:
    """Return the canary of a configuration; the one that runs where nothing of it changed.

    Raises:
        InputError: it cannot be loaded, is not of the same kind as the bundle that decides, or
            there is no reward to compare it by.
    """
    table = config.canary
    if table is None or running is None:
        return None
    if running.reward is None:
        message = "must be left out: the scenario of policy.bundle defines no reward of an answer"
        hint = 'name bundles of a scenario with world.reading = "ours", or compare with [blocks]'
        raise InputError(message, where=f"{file}: canary", hint=hint)
    policy = load_policy(table.bundle, config, file, "canary.bundle")
    if policy.locations != running.locations:
        message = f"must decide among the {running.locations} locations of policy.bundle"
        hint = "name a bundle of the same scenario"
        where = f"{file}: canary.bundle"
        raise InputError(f"{message}; got {policy.locations}", where=where, hint=hint)
    old, version = before.canary if before else None, policy.bundle.version
    if old is not None and old.continues(table, version, running.bundle.version):
        return old
    return Trial(table, policy, running.bundle.version, file.parent / table.bundle)


def _links(config: Config, before: Plan | None) -> dict[str, Link]:
    old = before.links if before else {}
    result = {}
    for table in config.link:
        same = old.get(table.name)
        unchanged = same is not None and same.table == table
        result[table.name] = same if unchanged and same else Link(table, config.signals)
    return result


def _backends(
    config: Config, links: dict[str, Link], before: Plan | None, file: str
) -> dict[str, Backend]:
    old = before.backends if before else {}
    result = {}
    for number, table in enumerate(config.backend):
        link, same = links.get(table.link or ""), old.get(table.name)
        if same is not None and same.table == table and same.link is link:
            result[table.name] = same
        else:
            generator = _generator(table, link, f"{file}: backend[{number}].kind")
            result[table.name] = Backend(table, config.breaker, generator, link)
    return result


def _generator(table: BackendTable, link: Link | None, where: str) -> Generator:
    if table.kind == "digits":
        return Paced(table, DigitsEngine(table))
    if table.kind == "render":
        from edgewright.gateway.backends.render_engine import RenderEngine

        return Paced(table, RenderEngine(table, where))
    if table.kind == "text":
        return PacedText(table)
    from edgewright.gateway.backends.upstream import Upstream

    return Upstream(table, link)


async def retire(old: Plan, new: Plan) -> None:
    """Close the generators that a new plan does not use, once their requests are answered."""
    used = {id(backend) for backend in new.backends.values()}
    for backend in old.backends.values():
        if id(backend) in used:
            continue
        while backend.users:
            await asyncio.sleep(0.1)
        await backend.generator.close()
