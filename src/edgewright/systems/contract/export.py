"""Answer menus of contributions and payments, computed in the graph of a bundle."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.bundle.interface import INPUT, Interface, Output
from edgewright.core.records import Array
from edgewright.core.spaces import Box
from edgewright.export.graph import GraphBuilder
from edgewright.export.heads import READERS
from edgewright.export.layers import Layer, Program
from edgewright.export.networks import layers_of
from edgewright.export.observation import head_of
from edgewright.export.record_head import RecordHead, cut, emit_cut
from edgewright.export.trace import write_program
from edgewright.physics.contract import (
    Market,
    Regime,
    contribution,
    incentive_violation,
    participation_violation,
)
from edgewright.systems.contract.decoding import Decoding, decode
from edgewright.systems.contract.features import RANGES
from edgewright.systems.contract.formula import FormulaPolicy, formula_action
from edgewright.systems.contract.world import FEASIBLE, ContractWorld

TURNS = {2: 4, 3: 12}
"""Exchanges of the simplex method in a graph, by the number of types.

4000 random menus in the frozen test markets took 2 and 8 at most (two and three types)."""

MORE_TURNS = 6
"""Exchanges for each type where there are more than three of them."""

SMALLEST = 1e-3
"""Least number that a market is divided by: a row may hold anything."""

NUDGES, JUMP = 8, 1e-3
"""Changes of the scores that must not turn a settled menu, and by how much one may move."""


FEASIBLE_MEANS = (
    "1 where the menu meets all constraints; a structured one that would not is replaced by nothing"
)


@dataclasses.dataclass(frozen=True)
class Scales:
    """Scales of actions that are read as menus, see ``ContractParams``."""

    q_max: float
    payment_max: float
    rent_max: float


@dataclasses.dataclass(frozen=True)
class MenuHead(RecordHead):
    """The action of the world, and behind it the menu that it stands for in the row's market.

    Of a market in which no payments for the chosen amounts meet the constraints, which happens
    where types do not keep stochastic dominance, a structured answer is nothing: zeros.

    Attributes:
        scales: of actions.
        types: ``K``.
        decoding, regime: as in the world.
    """

    scales: Scales = Scales(1.0, 1.0, 1.0)
    types: int = 2
    decoding: Decoding = "structured"
    regime: Regime = "per_period"
    kind: ClassVar[str] = "menu"

    @property
    def outputs(self) -> tuple[Output, ...]:
        action = super().outputs[0]
        table = (self.types, self.types)
        q, r = "contribution", "payment"
        rows = "by the item of period 1 and the type of period 2"
        return (
            action,
            Output(f"{q}_1", "of period 1, for each type", (), table[:1], "number", "work unit"),
            Output(f"{q}_2", f"of period 2, {rows}", (), table, "number", "work unit"),
            Output(f"{r}_1", "for period 1, for each type", (), table[:1], "number", "profit unit"),
            Output(f"{r}_2", f"for period 2, {rows}", (), table, "number", "profit unit"),
            Output("feasible", FEASIBLE_MEANS, (), (), "integer"),
        )

    def __call__(self, scores: Array, rows: Array) -> dict[str, Array]:
        return self.decoded(super().__call__(scores, rows)["action"], rows)

    def decoded(self, action: Array, rows: Array) -> dict[str, Array]:
        flat = jax.vmap(self._numbers)(jnp.concatenate([rows, action], axis=-1))
        return {"action": action, **cut(flat, self.outputs[1:])}

    def action(self, outputs: Mapping[str, Array], agents: tuple[int, ...]) -> Any:
        return outputs["action"].reshape((*agents, *self._shape))

    def settled(self, scores: np.ndarray, rows: np.ndarray, tolerance: float) -> np.ndarray:
        """Return which outputs no rounding changes: the payments of equal programs may jump."""
        rng = np.random.default_rng(0)
        decide = jax.jit(self.__call__)
        first = jax.tree.map(np.asarray, decide(jnp.asarray(scores), jnp.asarray(rows)))
        steady = np.ones((len(rows), len(self.outputs)), bool)
        for _ in range(NUDGES):
            signs = rng.choice([-1.0, 1.0], scores.shape)
            moved = jnp.asarray(scores + tolerance * signs, jnp.float32)
            other = jax.tree.map(np.asarray, decide(moved, jnp.asarray(rows)))
            for index, output in enumerate(self.outputs):
                jumps = np.abs(other[output.name] - first[output.name]) > JUMP * output.span
                steady[:, index] &= ~jumps.reshape(len(rows), -1).any(axis=1)
        return steady

    def emit(self, graph: GraphBuilder, scores: str) -> None:
        super().emit(graph, scores)
        self._emit_menu(graph, "action")

    def emit_decoded(self, graph: GraphBuilder, action: str) -> None:
        super().emit_decoded(graph, action)
        self._emit_menu(graph, "action")

    def facts(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("types", "decoding", "regime")}
        return {**super().facts(), **own, "scales": dataclasses.asdict(self.scales)}

    @classmethod
    def read(cls, facts: Mapping[str, Any], outputs: tuple[Output, ...]) -> MenuHead:
        action = RecordHead.read(facts, outputs[:1])
        own = {name: facts[name] for name in ("types", "decoding", "regime")}
        scales = Scales(**{name: float(value) for name, value in facts["scales"].items()})
        head = cls(action.space, action.meanings, scales, squash=action.squash, **own)
        if head.outputs != outputs:
            raise ValueError("its parts are not the outputs")
        return head

    @property
    def _shape(self) -> tuple[int, ...]:
        assert isinstance(self.space, Box), "an action of this world is a row of numbers"
        return self.space.shape

    def _emit_menu(self, graph: GraphBuilder, action: str) -> None:
        features, numbers = graph.columns, math.prod(self._shape)
        joined = graph.node("Concat", [INPUT, action], axis=1)
        flat = write_program(graph, joined, self._numbers, features + numbers)
        emit_cut(graph, flat, self.outputs[1:])

    def _numbers(self, row: Array) -> Array:
        """Return contributions, payments and the certificate of one row with its action behind."""
        numbers = math.prod(self._shape)
        market = market_of(row, self.types, self.scales.q_max)
        turns = TURNS.get(self.types, MORE_TURNS * self.types)
        params: Any = self.scales
        menu = decode(params, market, row[-numbers:], self.decoding, self.regime, turns)
        missed = incentive_violation(market, menu)
        missed += participation_violation(market, menu, self.regime)
        feasible = missed <= FEASIBLE
        amounts = [contribution(market, x).reshape(-1) for x in (menu.x1, menu.x2)]
        parts = jnp.concatenate([*amounts, menu.r1.reshape(-1), menu.r2.reshape(-1)])
        if self.decoding == "structured":
            parts = jnp.where(feasible, parts, 0.0)
        return jnp.concatenate([parts, feasible.astype(jnp.float32)[None]])


def market_of(row: Array, types: int, q_max: float) -> Market:
    """Return the market that the features of a row describe, made a possible one.

    Willingness rises, probabilities are not negative and sum to one, values are positive.
    """
    single = {name: row[index] for index, name in enumerate(RANGES)}
    first = len(RANGES)
    theta, least = [], jnp.asarray(SMALLEST)
    for k in range(types):
        theta.append(jnp.maximum(row[first + k], least))
        least = theta[-1] + SMALLEST
    prior = _shares(row[first + types : first + 2 * types])
    rows = [_shares(row[first + (2 + i) * types : first + (3 + i) * types]) for i in range(types)]
    sigma = jnp.stack([single["sigma_1"], single["sigma_2"]])
    return Market(
        theta=jnp.stack(theta),
        prior=prior,
        transition=jnp.stack(rows),
        sigma=jnp.maximum(sigma, SMALLEST),
        eta=jnp.maximum(single["eta"], SMALLEST),
        linear=jnp.maximum(single["linear_effort"], SMALLEST),
        quadratic=jnp.maximum(single["quadratic_effort"], 0.0),
        discount=jnp.clip(single["discount"], SMALLEST, 1.0),
        q_max=jnp.asarray(q_max, jnp.float32),
    )


def _shares(numbers: Array) -> Array:
    positive = jnp.maximum(numbers, 0.0)
    return (positive + 1e-9) / jnp.sum(positive + 1e-9)


@head_of.register
def _(world: ContractWorld, params: Any) -> MenuHead:
    space = world.action_space(params)
    assert isinstance(space, Box)
    about = (("action", "how the menu is coded, see world.actions"),)
    names = ("q_max", "payment_max", "rent_max")
    scales = Scales(**{name: float(getattr(params, name)) for name in names})
    return MenuHead(space, about, scales, world.types, world.actions, world.participation)


@layers_of.register
def _(policy: FormulaPolicy, params: Any, interface: Interface) -> tuple[Layer, ...]:
    def decide(row: Array) -> Array:
        return formula_action(market_of(row, policy.types, policy.q_max))

    return (Program(function=decide, columns=interface.columns),)


READERS[MenuHead.kind] = MenuHead.read

__all__ = ["TURNS", "MenuHead", "Scales", "market_of"]
