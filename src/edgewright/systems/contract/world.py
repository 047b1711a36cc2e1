"""The world of EDMSAC, in which a cloud offers edge servers a contract over two periods.

Each round a market arrives and the cloud posts a whole menu. Servers have private types, work and
are paid, their types move, and they choose again. One round is one example: what a menu earns is an
exact expectation, so nothing is played out. Readings are in ``docs/concepts/contract.md``.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import jax.numpy as jnp

from edgewright.core.records import Array, Outcome
from edgewright.core.spaces import Box
from edgewright.physics import contract, contract_response
from edgewright.physics.contract import Market, Menu, Regime
from edgewright.streams.compose import Composite
from edgewright.streams.processes import Constant
from edgewright.systems.contract.decoding import Decoding, action_size, decode
from edgewright.systems.contract.features import features, observed
from edgewright.systems.contract.records import (
    ContractInputs,
    ContractMetrics,
    ContractParams,
    ContractState,
)

FEASIBLE = 1e-3
"""Total violation below which a menu counts as feasible."""


@dataclasses.dataclass(frozen=True)
class ContractWorld:
    """Two-period contracts for ``types`` types.

    Attributes:
        types: ``K``, at least 2.
        actions: how an action is read as a menu; see ``systems.contract.decoding``.
        participation: what a server may refuse (B.4).
        objective: what a learner maximises: the penalised profit, the profit from rational servers
            (``br``), or the profit of feasible menus and the floor for all others (``hard``).
    """

    types: int = 2
    actions: Decoding = "structured"
    participation: Regime = "per_period"
    objective: Literal["penalised", "br", "hard"] = "penalised"

    def inputs(self, params: ContractParams) -> Composite:
        """Return the nominal market in every round."""
        table = (self.types, self.types)
        single = {
            "sigma_1": params.sigma[0],
            "sigma_2": params.sigma[1],
            **{
                name: getattr(params, name)
                for name in ("eta", "linear_effort", "quadratic_effort", "discount", "servers")
            },
        }
        fields = {name: Constant(value=value) for name, value in single.items()}
        fields["theta"] = Constant(value=params.theta, shape=(self.types,))
        fields["prior"] = Constant(value=params.prior, shape=(self.types,))
        fields["transition"] = Constant(value=params.transition, shape=table)
        return Composite(into=ContractInputs, fields=dict(fields))

    def reset(self, params: ContractParams, x: ContractInputs) -> ContractState:
        """Return the state before the first round."""
        return ContractState(slot=jnp.zeros((), jnp.int32))

    def observe(self, params: ContractParams, state: ContractState, x: ContractInputs) -> Array:
        """Return the market ``[7 + 2 K + K^2]``; see ``systems.contract.features``."""
        return observed(x)

    def market(self, params: ContractParams, x: ContractInputs) -> Market:
        """Return the market of one round."""
        return Market(
            theta=x.theta,
            prior=x.prior,
            transition=x.transition,
            sigma=jnp.stack([x.sigma_1, x.sigma_2], axis=-1),
            eta=x.eta,
            linear=x.linear_effort,
            quadratic=x.quadratic_effort,
            discount=x.discount,
            q_max=jnp.broadcast_to(params.q_max, jnp.shape(x.eta)),
        )

    def menu(self, params: ContractParams, x: ContractInputs, action: Array) -> Menu:
        """Return the menu of an action in the market of one round."""
        market = self.market(params, x)
        return decode(params, market, action, self.actions, self.participation)

    def step(
        self, params: ContractParams, state: ContractState, action: Array, x: ContractInputs
    ) -> Outcome:
        """Post the menu of an action ``[action_size]`` and earn what it brings.

        The last round of an episode ends it: no later round depends on anything, so a learner
        has nothing to bootstrap from.
        """
        market = self.market(params, x)
        metrics = self._metrics(params, market, self.menu(params, x, action), x)
        slot = state.slot + 1
        return Outcome(
            state=ContractState(slot=slot),
            reward=metrics.reward,
            terminated=slot >= params.horizon_slots,
            truncated=jnp.zeros((), bool),
            metrics=metrics,
        )

    def _metrics(
        self, params: ContractParams, market: Market, menu: Menu, x: ContractInputs
    ) -> ContractMetrics:
        regime = self.participation
        paper = contract.profit(market, menu)
        lying = contract.incentive_violation(market, menu)
        short = contract.participation_violation(market, menu, regime)
        response = contract_response.best_response(market, menu, regime)
        earned = jnp.sum(market.prior * response.profit)
        feasible = (lying + short <= FEASIBLE).astype(jnp.float32)
        floor = -params.reward_floor
        objective = {
            "penalised": jnp.maximum(paper - params.violation_weight * (lying + short), floor),
            "br": jnp.maximum(earned, floor),
            "hard": jnp.where(feasible > 0, paper, floor),
        }[self.objective]
        return ContractMetrics(
            reward=params.reward_scale * objective,
            paper_profit=paper,
            best_response_profit=earned,
            ic_violation=lying,
            ir_violation=short,
            participation=contract_response.participation(market, menu, regime),
            server_utility=jnp.sum(market.prior * response.utility),
            total_profit=jnp.round(x.servers) * earned,
            feasible=feasible,
            objective=objective,
        )

    def observation_space(self, params: ContractParams) -> Box:
        """Return the features: names, usual ranges and bounds."""
        return Box.of(features(self.types))

    def action_space(self, params: ContractParams) -> Box:
        """Return ``2 K + 2 K^2`` numbers in [-1, 1], only amounts where ``structured``."""
        size = (action_size(self.types, self.actions),)
        if self.actions == "menu":
            return Box(-float("inf"), float("inf"), size)
        return Box(-1.0, 1.0, size)
