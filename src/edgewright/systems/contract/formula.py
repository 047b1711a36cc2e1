"""Offer the amounts of the closed form, made to rise, with the least payments for them.

A rule that a bundle can hold: no solver and no search, only the virtual costs of B.6.
"""

from __future__ import annotations

import itertools

import jax.numpy as jnp

from edgewright.core.records import Array, Decision, Memoryless, record, static
from edgewright.physics.contract import Market
from edgewright.physics.screening import efficient_contribution, virtual_costs
from edgewright.systems.contract.features import RANGES

NAME = "virtual-cost"


@record
class FormulaPolicy(Memoryless):
    """The rule as a policy that observes the market.

    Attributes:
        types: ``K``.
        q_max: the most that a server can contribute.
    """

    types: int = static()
    q_max: float = static()

    def act(self, key: Array, carry: tuple[()], observation: Array) -> tuple[tuple[()], Decision]:
        """Return a structured action ``[K + K^2]``."""
        market = observed_market(observation, self.types, self.q_max)
        return carry, Decision(action=formula_action(market), aux=())


def observed_market(observation: Array, types: int, q_max: float) -> Market:
    """Return the market of an observation ``[7 + 2 K + K^2]`` in physical units."""
    single = {name: observation[index] for index, name in enumerate(RANGES)}
    parts = observation[len(RANGES) :]
    return Market(
        theta=parts[:types],
        prior=parts[types : 2 * types],
        transition=parts[2 * types : 2 * types + types * types].reshape(types, types),
        sigma=jnp.stack([single["sigma_1"], single["sigma_2"]]),
        eta=single["eta"],
        linear=single["linear_effort"],
        quadratic=single["quadratic_effort"],
        discount=single["discount"],
        q_max=jnp.asarray(q_max, jnp.float32),
    )


def formula_action(market: Market) -> Array:
    """Return the structured action of the amounts at virtual costs (B.6), each raised to rise.

    They are optimal for ``exit`` in markets whose amounts rise by themselves. For ``per_period``
    they are not, but least payments meet all constraints.
    """
    first, second = virtual_costs(market)
    q1 = efficient_contribution(market, first, 0) / market.q_max
    q2 = efficient_contribution(market, second, 1) / market.q_max
    count = q1.shape[0]
    rising, table = [q1[0]], [[q2[i, j] for j in range(count)] for i in range(count)]
    for k in range(1, count):
        rising.append(jnp.maximum(q1[k], rising[-1]))
    for i in range(count):
        for j in range(count):
            before = [table[i - 1][j]] if i else []
            before += [table[i][j - 1]] if j else []
            for other in before:
                table[i][j] = jnp.maximum(table[i][j], other)
    shares = [*_of_next(rising)]
    for i in range(count):
        for j in range(count):
            above = [table[i + 1][j]] if i + 1 < count else []
            above += [table[i][j + 1]] if j + 1 < count else []
            shares.append(_share(table[i][j], above))
    return 2.0 * jnp.stack(shares) - 1.0


def _of_next(rising: list[Array]) -> list[Array]:
    pairs = itertools.pairwise(rising)
    return [*(_share(q, [other]) for q, other in pairs), rising[-1]]


def _share(q: Array, above: list[Array]) -> Array:
    """Return ``q`` as a share of the lesser of those above, of the largest amount if none is."""
    limit = jnp.ones(())
    for other in above:
        limit = jnp.minimum(limit, other)
    return jnp.clip(q / jnp.maximum(limit, 1e-9), 0.0, 1.0)


__all__ = ["NAME", "FormulaPolicy", "formula_action"]
