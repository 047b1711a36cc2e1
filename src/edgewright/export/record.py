"""Make parity rows of three kinds, with the decisions of the training framework."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.bundle.engine import SCORES
from edgewright.bundle.interface import Interface
from edgewright.export.heads import Head

ROWS = 48
"""Rows of each kind."""

NUDGE = 1e-5
"""Size of the changes that must not turn a settled decision of a rule: a share of a number, and of
its typical range. Empty queues of two equal servers are a tie that no share of 0 would break."""

NUDGES = 12
"""Random directions of such changes; each is tried in both senses."""

JUMP = 1e-3
"""Share of its range by which a number that jumps moves: one of two equally good ones was taken."""

FAR, NEAR = 1e6, 1.0
"""How many typical ranges outside the range some rows lie: far where a network clips its inputs. A
rule or a network that does not would lose the difference of two actions in rounding."""

ASCENT_STEPS = 60

Reference = Callable[[np.ndarray], dict[str, np.ndarray]]
"""Rows ``[n, columns]`` to outputs by name, and ``scores`` where there are any."""


def make_record(
    interface: Interface,
    reference: Reference,
    head: Head,
    scores: Callable[[Any], Any] | None,
    tolerance: float,
    far: float,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Return rows, their kind, what the reference decides, and which outputs are settled.

    Args:
        far: how many typical ranges outside the range some rows lie, see :data:`FAR`.
        scores: JAX function of rows to scores, to push rows to where two scores meet; None for a
            rule, whose third kind of rows is nudged from the first instead.
    """
    rng = np.random.default_rng(seed)
    random = _random_rows(interface, rng, ROWS)
    edge = _edge_rows(interface, rng, ROWS, far)
    start = _random_rows(interface, rng, ROWS)
    hard = _nudged(interface, start, rng)
    if scores:
        hard = _undecided_rows(interface, lambda row: head.gap(scores(row[None])[0]), start)
    rows = np.concatenate([random, edge, hard]).astype(np.float32)
    result = reference(rows)
    if SCORES in result:
        settled = head.settled(result[SCORES], rows, tolerance)
    else:
        settled = _steady(interface, reference, rows, result, rng)
    kind = np.repeat(np.arange(3, dtype=np.int64), ROWS)
    return {"rows": rows, "kind": kind, "settled": settled, **result}


def _random_rows(interface: Interface, rng: np.random.Generator, count: int) -> np.ndarray:
    """Return typical rows; choices are drawn whole."""
    low, high = interface.typical()
    rows = rng.uniform(low, high, (count, interface.columns))
    return _with_choices(interface, rows, rng)


def _edge_rows(
    interface: Interface, rng: np.random.Generator, count: int, beyond: float
) -> np.ndarray:
    """Return corners of the typical range, some pushed ``beyond`` it by that many ranges.

    A network also gets a row of zeros; a rule would divide by them.
    """
    low, high = interface.typical()
    upper = rng.random((count, interface.columns)) < 0.5
    corners = np.where(upper, high, low)
    outside = count // 4
    corners[:outside] += (np.where(upper, beyond, -beyond) * (high - low))[:outside]
    if beyond == FAR:
        corners[outside] = 0.0
    return _with_choices(interface, corners, rng)


def _with_choices(interface: Interface, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    index = 0
    for field in interface.fields:
        if field.choices:
            drawn = rng.integers(len(field.choices), size=len(rows))
            part = np.eye(len(field.choices))[drawn]
            part = part if field.encoding == "one-hot" else drawn[:, None]
            rows[:, index : index + field.columns] = part
        index += field.columns
    return rows


def _undecided_rows(
    interface: Interface, gap: Callable[[Any], Any], start: np.ndarray
) -> np.ndarray:
    """Return rows pushed, inside the typical range, to where a decision nearly turns.

    Signed gradient descent on the gap, with steps that shrink; choices move too, so some rows are
    no possible observation: harder for the runtime, not easier.
    """
    low, high = (jnp.asarray(end) for end in interface.typical())

    def push(row: Any) -> Any:
        def step(index: Any, carry: Any) -> Any:
            row, best, least = carry
            value, slope = jax.value_and_grad(gap)(row)
            better = value < least
            best, least = jnp.where(better, row, best), jnp.minimum(value, least)
            size = 0.05 * (high - low) * (0.9**index)
            return jnp.clip(row - size * jnp.sign(slope), low, high), best, least

        return jax.lax.fori_loop(0, ASCENT_STEPS, step, (row, row, jnp.inf))[1]

    return np.asarray(jax.jit(jax.vmap(push))(jnp.asarray(start, jnp.float32)))


def _nudged(interface: Interface, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return rows moved by a small share of the range of each number, choices as they are."""
    low, high = interface.typical()
    change = 1e-3 * (high - low) * rng.choice([-1.0, 1.0], rows.shape)
    return np.where(_numeric(interface), rows + change, rows)


def _numeric(interface: Interface) -> np.ndarray:
    """Return which columns ``[columns]`` are numbers and not choices."""
    return np.array(
        [field.encoding == "number" for field in interface.fields for _ in range(field.columns)]
    )


def _steady(
    interface: Interface,
    reference: Reference,
    rows: np.ndarray,
    result: dict[str, np.ndarray],
    rng: np.random.Generator,
) -> np.ndarray:
    """Return which outputs stay when every number is moved by rounding many times over."""
    steady = np.ones((len(rows), len(interface.outputs)), bool)
    low, high = interface.typical()
    size = np.abs(rows) + np.where(_numeric(interface), high - low, 0.0)
    directions = rng.choice([-1.0, 1.0], (NUDGES, *rows.shape))
    for signs in (*directions, *-directions):
        other = reference((rows + NUDGE * signs * size).astype(np.float32))
        for index, output in enumerate(interface.outputs):
            same = other[output.name] == result[output.name]
            if (
                output.kind == "number"
            ):  # compared within a tolerance; a jump is a choice that turns
                same = np.abs(other[output.name] - result[output.name]) <= JUMP * output.span
            steady[:, index] &= same.reshape(len(rows), -1).all(axis=1)
    return steady
