"""Compute the least expected payments for given amounts of work, with a certificate (B.10).

For ``exit`` the canonical payments of :mod:`edgewright.physics.screening` are the least ones. For
``per_period`` they follow from a small linear program in ``K^2`` unknowns, none negative: the gains
``t_i = u1_i(i)`` of period 1, and how much the rents of period 2 rise faster than they must,
``d_hl`` in ``w_h,l+1 - w_hl = D_l (x2_hl + d_hl)``:

    minimise   sum_i p_i (t_i + delta sum_j P_ij w_ij)
    subject to t_i + delta sum_j P_ij w_ij >= t_h - (c_i - c_h) x1_h + delta sum_j P_ij w_hj
               d_hl <= x2_h,l+1 - x2_hl

``w_h1 = 0`` loses nothing: to raise a whole row by ``e`` costs as much as to raise ``t_h`` by
``delta e``, and does the same. All costs are positive, so the origin is a dual feasible basis, and
the dual simplex method (Lemke, Naval Research Logistics Quarterly 1954) goes from there to the
optimum in a few exchanges, or to a row that proves that no payments exist.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from edgewright.core.records import record
from edgewright.physics.contract import (
    Market,
    Menu,
    Regime,
    incentive_violation,
    participation_violation,
    survivor,
    unit_cost,
)
from edgewright.physics.screening import canonical_menu, canonical_rents, cost_steps

CANONICAL_TOLERANCE = 1e-5
"""Part of the largest amount by which canonical payments may miss constraints by rounding."""

PIVOTS_PER_ROW = 3
"""Exchanges after which the simplex method gives up, for each constraint."""

ROW_TOLERANCE = 3e-6
"""Part of the largest number of the program by which a constraint may be missed (B.10)."""

SMALLEST_PIVOT = 1e-4
"""A smaller number of a row, of which none is above 1, is taken for a rounding of 0."""


TIE = 2e-6
"""Numbers that are as close as this part of them count as equal, and the first of them is taken:
payments of equal cost would else be chosen by the rounding of one machine or another."""


@record
class Program:
    """``minimise cost v`` subject to ``rows v >= least`` and ``v >= 0``, with ``cost >= 0``."""

    cost: Array  # [n]
    rows: Array  # [m, n]
    least: Array  # [m]


def least_payments(
    market: Market,
    x1: Float[Array, " K"],
    x2: Float[Array, "K K"],
    regime: Regime,
    turns: int | None = None,
) -> tuple[Menu, Bool[Array, ""]]:
    """Return the menu of the least expected payments, and whether it meets all constraints (B.10).

    Args:
        x2: each row must rise with the type; see :func:`repaired`.
        turns: exchanges of the simplex method, as for :func:`solve`.

    Returns:
        Where the second part is false, no payments exist for these amounts (``per_period``), or
        the canonical ones miss a constraint (``lifetime``, ``exit``).
    """
    if regime != "per_period":
        menu = canonical_menu(market, x1, x2)
        missed = incentive_violation(market, menu) + participation_violation(market, menu, regime)
        return menu, missed <= CANONICAL_TOLERANCE * jnp.maximum(1.0, jnp.max(x2))
    count, cost, step = x1.shape[0], unit_cost(market), cost_steps(market)
    program = payment_program(market, x1, x2)
    best, solved = solve(program, turns)
    gain, settled = _least_gains(program, best, count)
    faster = step[:-1] * best[count:].reshape(count, count - 1) / _unit(market)
    least = canonical_rents(market, x2)
    rents = jnp.concatenate([least[:, :1], least[:, 1:] + jnp.cumsum(faster, axis=1)], axis=1)
    return Menu(x1=x1, r1=gain + cost * x1, x2=x2, r2=rents + cost * x2), solved & settled


def _least_gains(
    program: Program, best: Float[Array, " n"], count: int
) -> tuple[Float[Array, " K"], Bool[Array, ""]]:
    """Return the least gains ``t [K]`` for the increments of a solution, and whether they exist.

    For fixed increments the constraints are ``t_i - t_h >= least_ih``: longest paths, reached in
    ``K`` rounds (Bellman 1958). So payments meet the constraints to the last digits, whatever the
    simplex method lost to rounding.
    """
    pairs = count * (count - 1)
    least = program.least[:pairs] - program.rows[:pairs, count:] @ best[count:]
    apart = _between(least, count)

    def improve(gain: Array, _: None) -> tuple[Array, None]:
        return jnp.maximum(jnp.max(gain[None, :] + apart, axis=1), gain), None

    gain, _ = jax.lax.scan(improve, jnp.zeros(count), None, length=count)
    scale = jnp.maximum(1.0, jnp.max(jnp.abs(program.least)))
    return gain, jnp.max(improve(gain, None)[0] - gain) <= CANONICAL_TOLERANCE * scale


def _between(least: Float[Array, " p"], count: int) -> Float[Array, "K K"]:
    """Return what is asked of each pair of types ``[i, h]``, 0 on the diagonal."""
    rows, first = [], 0
    for i in range(count):
        own = least[first : first + count - 1]
        rows.append(jnp.concatenate([own[:i], jnp.zeros(1, own.dtype), own[i:]]))
        first += count - 1
    return jnp.stack(rows)


def _unit(market: Market) -> Float[Array, " l"]:
    """Return ``delta D_l max_i S_i(l+1)``, what an increment is worth to whom it is worth most."""
    step = market.discount * cost_steps(market)[:-1]
    return step * jnp.maximum(jnp.max(survivor(market.transition)[:, 1:], axis=0), 1e-6)


def payment_program(market: Market, x1: Float[Array, " K"], x2: Float[Array, "K K"]) -> Program:
    """Return the linear program of the least payments of ``per_period`` (B.10).

    Its unknowns are ``t_i`` and ``d_hl delta D_l max_i S_i(l+1)``: no number of a row is above 1.
    """
    count = x1.shape[0]
    cost, unit = unit_cost(market), _unit(market)
    # What an increment of row h is worth to type i of period 1, delta D_l S_i(l+1), in units.
    step = market.discount * cost_steps(market)[:-1]
    worth = step * survivor(market.transition)[:, 1:] / unit  # (i, l)
    least = market.discount * market.transition @ canonical_rents(market, x2).T  # (i, h)
    own, rows = jnp.eye(count), []
    for i in range(count):
        for h in range(count):
            if i == h:
                continue
            gains = {i: worth[i], h: -worth[i]}
            extra = jnp.stack([gains.get(row, jnp.zeros_like(worth[i])) for row in range(count)])
            enough = (cost[h] - cost[i]) * x1[h] + least[i, h] - least[i, i]
            rows.append((jnp.concatenate([own[i] - own[h], extra.ravel()]), enough))
    size = count * (count - 1)
    limits = jnp.concatenate([jnp.zeros((size, count)), -jnp.eye(size)], axis=1)
    price = market.prior[:, None] * worth
    return Program(
        cost=jnp.concatenate([market.prior, price.ravel()]),
        rows=jnp.concatenate([jnp.stack([row for row, _ in rows]), limits]),
        least=jnp.concatenate(
            [jnp.stack([one for _, one in rows]), -(unit * jnp.diff(x2)).ravel()]
        ),
    )


@record
class _Dictionary:
    """The program solved for its basis, ``basic = table[:-1] (1, others)``, cost ``table[-1]``."""

    table: Array  # [m + 1, 1 + n]
    basic: Array  # [m] int32, number of the variable of each row; those of ``v`` come first
    others: Array  # [n] int32
    pivots: Array  # [] int32


def solve(program: Program, turns: int | None = None) -> tuple[Float[Array, " n"], Bool[Array, ""]]:
    """Return the best ``v`` and whether it was reached, by the dual simplex method (B.10).

    The row that is missed most leaves the basis; what enters is the variable whose cost stays
    positive; of equals, see :data:`TIE`, the first. Exact but for rounding; no random choice, and a
    limited number of exchanges.

    Args:
        turns: exchanges that are always computed, as a deployed graph needs; as many as it takes,
            up to :data:`PIVOTS_PER_ROW` for each constraint, if None.
    """
    count, size = program.rows.shape
    scale = jnp.maximum(1.0, jnp.max(jnp.abs(program.least)))
    limit = -ROW_TOLERANCE * scale
    table = jnp.concatenate([-program.least[:, None], program.rows], axis=1)
    objective = jnp.concatenate([jnp.zeros(1, table.dtype), program.cost])
    start = _Dictionary(
        table=jnp.concatenate([table, objective[None]]),
        basic=jnp.arange(size, size + count, dtype=jnp.int32),
        others=jnp.arange(size, dtype=jnp.int32),
        pivots=jnp.zeros((), jnp.int32),
    )

    def unfinished(now: _Dictionary) -> Array:
        values = now.table[:-1, 0]
        at_row = jnp.arange(count) == jnp.argmin(values)
        helps = jnp.max(_row(now.table[:-1], at_row)[1:]) > SMALLEST_PIVOT
        return (jnp.min(values) < limit) & helps & (now.pivots < PIVOTS_PER_ROW * count)

    def turn(_: Array, now: _Dictionary) -> _Dictionary:
        goes_on, after = unfinished(now), _exchange(now)
        return jax.tree.map(lambda new, old: jnp.where(goes_on, new, old), after, now)

    if turns is None:
        end = jax.lax.while_loop(unfinished, _exchange, start)
    else:
        end = jax.lax.fori_loop(0, turns, turn, start)
    values = end.table[:-1, 0]
    own = end.basic[:, None] == jnp.arange(size)[None, :]
    solution = jnp.sum(jnp.where(own, jnp.maximum(values, 0.0)[:, None], 0.0), axis=0)
    return solution, jnp.min(values) >= limit


def _exchange(now: _Dictionary) -> _Dictionary:
    """Exchange the variable of the row that is missed most for one that corrects it."""
    values = now.table[:-1, 0]
    at_row = jnp.arange(values.shape[0]) == jnp.argmin(values)
    row = _row(now.table[:-1], at_row)[1:]
    usable = row > SMALLEST_PIVOT
    ratio = jnp.maximum(now.table[-1, 1:], 0.0) / jnp.where(usable, row, 1.0)
    at_column = _first_least(jnp.where(usable, ratio, 1.0 / SMALLEST_PIVOT**2))
    leaving, entering = (
        jnp.sum(jnp.where(at, part, 0))
        for at, part in ((at_row, now.basic), (at_column, now.others))
    )
    no = jnp.zeros(1, bool)
    table = _pivoted(now.table, jnp.concatenate([at_row, no]), jnp.concatenate([no, at_column]))
    return _Dictionary(
        table=table,
        basic=jnp.where(at_row, entering, now.basic),
        others=jnp.where(at_column, leaving, now.others),
        pivots=now.pivots + 1,
    )


def _first_least(values: Float[Array, " n"]) -> Bool[Array, " n"]:
    """Return where the least value is, or the first that is as good as it."""
    least = jnp.min(values)
    equal = values <= least + TIE * jnp.maximum(jnp.abs(least), TIE)
    return jnp.arange(values.shape[0]) == jnp.argmax(equal.astype(jnp.float32))


def _row(table: Float[Array, "r c"], at_row: Bool[Array, " r"]) -> Float[Array, " c"]:
    """Return one row of a table; selected by a sum, which a graph can hold."""
    return jnp.sum(jnp.where(at_row[:, None], table, 0.0), axis=0)


def _pivoted(
    table: Float[Array, "r c"], at_row: Bool[Array, " r"], at_column: Bool[Array, " c"]
) -> Float[Array, "r c"]:
    """Return the table solved for the variable of a column instead of that of a row."""
    row = _row(table, at_row)
    pivot = jnp.sum(jnp.where(at_column, row, 0.0))
    solved_row = jnp.where(at_column, 1.0 / pivot, -row / pivot)
    factor = jnp.sum(jnp.where(at_column[None, :], table, 0.0), axis=1)
    rest = jnp.where(at_column[None, :], 0.0, table) + factor[:, None] * solved_row[None, :]
    return jnp.where(at_row[:, None], solved_row[None, :], rest)


def repaired(market: Market, menu: Menu, regime: Regime) -> tuple[Menu, Bool[Array, ""]]:
    """Return a menu near ``menu`` that meets all constraints, and whether there is one (B.10).

    Amounts are sorted upwards along types, those of period 2 in both, and paid as little as can be.
    """
    x2 = jnp.sort(jnp.sort(menu.x2, axis=1), axis=0)
    return least_payments(market, jnp.sort(menu.x1), x2, regime)


__all__ = [
    "PIVOTS_PER_ROW",
    "ROW_TOLERANCE",
    "Program",
    "least_payments",
    "payment_program",
    "repaired",
    "solve",
]
