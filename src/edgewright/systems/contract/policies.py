"""Policies of the contract world that need no training, by name."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np

from edgewright.core.errors import InputError
from edgewright.core.protocols import Policy
from edgewright.loops.evaluate import full_information
from edgewright.systems.contract.baselines import float64
from edgewright.systems.contract.baselines.mechanisms import BEST, MECHANISMS, menus
from edgewright.systems.contract.baselines.menu_table import MenuTable, RandomMenu
from edgewright.systems.contract.decoding import as_numbers
from edgewright.systems.contract.formula import NAME, FormulaPolicy
from edgewright.systems.contract.markets import market_rows
from edgewright.systems.contract.world import ContractWorld
from edgewright.systems.system import PolicyEntry, Problem

TRIES = 1000
"""Menus among which the best is sought by default."""

USUAL = (
    "random",
    "random-structured",
    f"best-of-{TRIES}",
    f"best-of-{TRIES}-structured",
    NAME,
    *reversed(MECHANISMS),
)
"""Policies that need no training, in the order of tables."""

MAX_TRIES = 100_000


def policy_names(problem: Problem) -> list[str]:
    """Return the names of the policies that need no training, in the order of tables."""
    return list(USUAL)


def policy(name: str, problem: Problem) -> PolicyEntry | None:
    """Return a policy by name: a mechanism of B.7, ``virtual-cost``, ``random`` or ``best-of-M``.

    The last two draw actions of the scenario's decoding; with ``-structured`` behind them, of
    structured menus. Mechanisms are computed for every market and post their menus as they are.

    Raises:
        InputError: ``M`` is not a whole number from 1 to 100,000.
    """
    world: ContractWorld = problem.world
    if name in (*MECHANISMS, *BEST):
        offered = dataclasses.replace(world, actions="menu")
        group = "oracle" if name == "complete-information" else "rule"

        def computed(inputs: Any) -> Policy:
            return menu_table(problem, inputs, name)

        return PolicyEntry(name, group, None, full_information, offered, computed)
    if name == NAME:
        offered = dataclasses.replace(world, actions="structured")
        made = FormulaPolicy(types=world.types, q_max=float(problem.params.q_max))
        return PolicyEntry(name, "rule", made, None, offered)
    kind = name.removesuffix("-structured")
    if kind != name:
        world = dataclasses.replace(world, actions="structured")
    if kind == "random":
        return PolicyEntry(name, "rule", RandomMenu(world=world), full_information, world)
    if kind.startswith("best-of-"):
        made = RandomMenu(world=world, tries=_tries(kind.removeprefix("best-of-"), name))
        return PolicyEntry(name, "oracle", made, full_information, world)
    return None


def menu_table(problem: Problem, inputs: Any, name: str) -> MenuTable:
    """Return the menus of a mechanism for every episode, leaves ``[E, T, 2 K + 2 K^2]``."""
    rows, market = market_rows(problem, inputs)
    _, first, back = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    numbers = np.asarray(as_numbers(menus(name, float64.one(market, first))))[back.ravel()]
    table = numbers.reshape(problem.horizon, -1, numbers.shape[-1]).swapaxes(0, 1)
    return MenuTable(numbers=jnp.asarray(table, jnp.float32))


def _tries(number: str, name: str) -> int:
    if number.isdecimal() and 1 <= int(number) <= MAX_TRIES:
        return int(number)
    message = f"the number of menus must be from 1 to {MAX_TRIES}; got '{number}'"
    raise InputError(message, where=name, hint=f"write best-of-{TRIES}")
