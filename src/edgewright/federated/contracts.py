"""Turn a contract into work of edge servers, by the best responses of servers with private types.

Menus come from an exact mechanism of ``systems.contract`` or from a trained run. Servers have
types of their own, choose items as rational servers do, and their types move between the periods
(systems/contract, sections B.9 and F.2).
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.errors import InputError, nearest
from edgewright.federated.settings import Settings
from edgewright.physics import contract, contract_response
from edgewright.physics.contract import Market, Menu
from edgewright.scenarios.build import build
from edgewright.specs.schema import Scenario
from edgewright.systems.contract.baselines import float64
from edgewright.systems.contract.baselines.mechanisms import BEST, MECHANISMS, menus
from edgewright.systems.contract.markets import market_rows
from edgewright.systems.contract.world import ContractWorld
from edgewright.training.runs import evaluation_inputs, load_run

NO_CONTRACT = "none"
"""Nobody is paid, so nobody works: what an agent without contracts is worth."""

NAMES = (*sorted({*BEST, *MECHANISMS} - {"complete-information"}), NO_CONTRACT)
"""Mechanisms that post menus to servers whose types are private."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """The work and the payments of all servers in both periods.

    Attributes:
        types: ``[servers, 2]``, counted from 0; private.
        contribution: ``q`` ``[servers, 2]``; 0 for a server that stays away.
        payment: ``[servers, 2]``, in the currency of the contract.
        value: what the market model says that the work is worth to the cloud ``[servers, 2]``.
        discount: of period 2.
        expected_profit: of all servers together, before their types are known.
    """

    types: np.ndarray
    contribution: np.ndarray
    payment: np.ndarray
    value: np.ndarray
    discount: float
    expected_profit: float

    def samples(self, settings: Settings) -> np.ndarray:
        """Return the fresh samples ``[servers, 2]`` that the contract asks for."""
        return np.round(settings.samples_per_unit * self.contribution).astype(np.int64)

    def profit(self) -> float:
        """Return the realised profit of the market model, period 2 discounted."""
        gain = (self.value - self.payment).sum(axis=0)
        return float(gain[0] + self.discount * gain[1])


def plan(scenario: Scenario, name: str, settings: Settings, seed: int, run: str | None) -> Plan:
    """Return what the servers of one seed do under a contract.

    Args:
        scenario: of the system ``contract``.
        name: a mechanism of :data:`NAMES`, with ``_`` or ``-``, or the learner of ``run``.
        settings: with the number of servers.
        seed: of types; the same types meet every mechanism.
        run: folder of a trained run, or None for a mechanism.

    Raises:
        InputError: the scenario, the mechanism or the run does not fit.
    """
    check_scenario(scenario)
    problem = build(scenario)
    inputs = evaluation_inputs(scenario, problem)
    index = seed % scenario.evaluation.episodes
    first = jax.tree.map(lambda leaf: leaf[0, index], inputs)
    if run is None:
        one_round = jax.tree.map(lambda leaf: leaf[: problem.horizon, index : index + 1], inputs)
        market = float64.one(market_rows(problem, one_round)[1], slice(0, 1))
        menu = _as_jax(_menu(mechanism(name), market))
    else:
        menu = _menu_of_run(run, name, problem, first)
    market = problem.world.market(problem.params, first)
    return _played(market, menu, problem.world.participation, settings.servers, seed)


def check_scenario(scenario: Scenario) -> None:
    """Check that a scenario is one of contracts.

    Raises:
        InputError: it is of another system.
    """
    if scenario.world.kind != "contract":
        message = f"`world.kind` must be contract; got {scenario.world.kind}"
        raise InputError(message, where=scenario.name, hint="use contract-d2 or contract-d3")


def mechanism(name: str) -> str:
    """Return the name of a mechanism as ``systems.contract`` writes it.

    Raises:
        InputError: no mechanism of private types has that name.
    """
    plain = name.replace("_", "-")
    if plain not in NAMES:
        message = f"`--mechanism` must be a mechanism of private types; got '{name}'"
        hint = f"{nearest(plain, NAMES)}; the menus of a trained run need --policy RUN"
        raise InputError(message, where="--mechanism", hint=hint)
    return plain


def _menu(name: str, market: Any) -> Any:
    if name != NO_CONTRACT:
        return float64.one(menus(name, market), 0)
    count = market.theta.shape[-1]
    nothing, table = np.zeros(count), np.zeros((count, count))
    return float64.as_menu(x1=nothing, r1=nothing, x2=table, r2=table)


def _menu_of_run(folder: str, name: str, problem: Any, x: Any) -> Menu:
    """Return the menu that the first seed of a run posts in a market."""
    run = load_run(Path(folder))
    if run.problem.kind != "contract" or run.problem.world.types != problem.world.types:
        message = f"the run must be of contracts with {problem.world.types} types"
        hint = "train it on the scenario that is named here, or on contract-k3 for three types"
        raise InputError(message, where=folder, hint=hint)
    if name not in (run.request.learner, ""):
        message = f"`--mechanism` must be the run's learner; got '{name}'"
        hint = f"write --mechanism {run.request.learner}, or leave --policy out"
        raise InputError(message, where="--mechanism", hint=hint)
    policy, world = run.trainer.policy_entry(run.trainings[0])
    assert isinstance(world, ContractWorld)
    state = world.reset(problem.params, x)
    carry = policy.init_carry(jax.random.key(0))
    observation = world.observe(problem.params, state, x)
    _, decision = policy.act(jax.random.key(0), carry, observation)
    return world.menu(problem.params, x, decision.action)


def _played(market: Market, menu: Menu, regime: Any, servers: int, seed: int) -> Plan:
    """Draw the types of all servers and return what they choose."""
    types = _types(market, servers, seed)
    work, _ = contract_response.played(market, menu, regime, jnp.asarray(types))
    amounts = [contract.contribution(market, work.x1), contract.contribution(market, work.x2)]
    worth = [contract.value(market, work.x1, 0), contract.value(market, work.x2, 1)]
    expected = contract_response.best_response_profit(market, menu, regime)
    return Plan(
        types=types,
        contribution=_columns(amounts),
        payment=_columns([work.r1, work.r2]),
        value=_columns(worth),
        discount=float(market.discount),
        expected_profit=servers * float(expected),
    )


def _types(market: Market, servers: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, 6])
    prior = np.asarray(market.prior, np.float64)
    transition = np.asarray(market.transition, np.float64)
    points = rng.random((servers, 2))
    first = _drawn(prior, points[:, 0])
    second = np.array([_drawn(transition[i], p) for i, p in zip(first, points[:, 1], strict=True)])
    return np.stack([first, second], axis=1).astype(np.int32)


def _drawn(law: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the types at points from 0 to 1 of a law's distribution function."""
    ends = np.cumsum(law / law.sum())
    return np.minimum(np.searchsorted(ends, points, side="right"), len(law) - 1)


def _as_jax(menu: Any) -> Menu:
    fields = {f.name: jnp.asarray(getattr(menu, f.name), jnp.float32) for f in _fields(menu)}
    return Menu(**fields)


def _fields(menu: Any) -> tuple[Any, ...]:
    return dataclasses.fields(menu)


def _columns(periods: list[Any]) -> np.ndarray:
    return np.stack([np.asarray(one, np.float64) for one in periods], axis=1)


__all__ = ["NAMES", "NO_CONTRACT", "Plan", "check_scenario", "mechanism", "plan"]
