"""Move, reduce and combine arrays of expressions as JAX's operations on arrays do."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from edgewright.adapters.host.elements import ADD, AND, BOOL, EQ, MAX, MIN, MUL, OR, SELECT
from edgewright.adapters.host.graph import Graph, Node, Untranslatable

Rule = Callable[..., np.ndarray]
"""(graph, arguments, parameters of the operation) to its result."""


def _broadcast(graph: Graph, args: list[np.ndarray], p: dict[str, Any]) -> np.ndarray:
    shape = [1] * len(p["shape"])
    for axis, size in zip(p["broadcast_dimensions"], args[0].shape, strict=True):
        shape[axis] = size
    return np.broadcast_to(args[0].reshape(shape), p["shape"])


def _reshape(graph: Graph, args: list[np.ndarray], p: dict[str, Any]) -> np.ndarray:
    if p.get("dimensions") is not None:
        raise Untranslatable("reshape with dimensions")
    return args[0].reshape(p["new_sizes"])


def _squeeze(graph: Graph, args: list[np.ndarray], p: dict[str, Any]) -> np.ndarray:
    return np.squeeze(args[0], tuple(p["dimensions"]))


def _expand_dims(graph: Graph, args: list[np.ndarray], p: dict[str, Any]) -> np.ndarray:
    return np.expand_dims(args[0], tuple(p["dimensions"]))


def _transpose(graph: Graph, args: list[np.ndarray], p: dict[str, Any]) -> np.ndarray:
    return np.transpose(args[0], p["permutation"])


def _tile(graph: Graph, args: list[np.ndarray], p: dict[str, Any]) -> np.ndarray:
    return np.tile(args[0], p["reps"])


def _concatenate(graph: Graph, args: list[np.ndarray], p: dict[str, Any]) -> np.ndarray:
    return np.concatenate(args, p["dimension"])


def _stack(graph: Graph, args: list[np.ndarray], p: dict[str, Any]) -> np.ndarray:
    return np.stack(args, p["axis"])


def _slice(graph: Graph, args: list[np.ndarray], p: dict[str, Any]) -> np.ndarray:
    strides = p["strides"] or (1,) * args[0].ndim
    cuts = zip(p["start_indices"], p["limit_indices"], strides, strict=True)
    return args[0][tuple(slice(*cut) for cut in cuts)]


def _rev(graph: Graph, args: list[np.ndarray], p: dict[str, Any]) -> np.ndarray:
    return np.flip(args[0], tuple(p["dimensions"]))


def _iota(graph: Graph, args: list[np.ndarray], p: dict[str, Any]) -> np.ndarray:
    shape, axis = p["shape"], p["dimension"]
    counts = np.arange(shape[axis], dtype=p["dtype"])
    sizes = [shape[axis] if one == axis else 1 for one in range(len(shape))]
    return np.broadcast_to(graph.constants(counts.reshape(sizes)), shape)


def _reduce(graph: Graph, values: np.ndarray, axes: Any, element: Any, first: Any) -> np.ndarray:
    """Return ``values`` without ``axes``, combined from the first entry to the last."""
    moved = np.moveaxis(values, tuple(axes), tuple(range(len(axes))))
    rows = moved.reshape(-1, *moved.shape[len(axes) :])
    if not len(rows):
        return np.broadcast_to(graph.constants(first), rows.shape[1:])
    return functools.reduce(lambda a, b: graph.elementwise(element, a, b), rows)


def _reduction(element: Any, logical: Any = None, first: float | None = None) -> Rule:
    def rule(graph: Graph, args: list[np.ndarray], p: dict[str, Any]) -> np.ndarray:
        dtype = _dtype(args[0])
        chosen = logical if dtype == BOOL else element
        if chosen is None or (first is None and not args[0].size):
            raise Untranslatable("a reduction of this type, or of nothing")
        return _reduce(graph, args[0], p["axes"], chosen, dtype.type(first or 0))

    return rule


def _dtype(values: np.ndarray) -> np.dtype:
    return values.reshape(-1)[0].dtype if values.size else np.dtype(np.float32)


def _cumsum(graph: Graph, args: list[np.ndarray], p: dict[str, Any]) -> np.ndarray:
    rows = np.moveaxis(args[0], p["axis"], 0)
    rows = rows[::-1] if p["reverse"] else rows
    sums = list(rows[:1])
    for row in rows[1:]:
        sums.append(graph.elementwise(ADD, sums[-1], row))
    sums = sums[::-1] if p["reverse"] else sums
    return np.moveaxis(np.stack(sums), 0, p["axis"]) if sums else args[0]


def _dot_general(graph: Graph, args: list[np.ndarray], p: dict[str, Any]) -> np.ndarray:
    ((left, right), (left_batch, right_batch)) = p["dimension_numbers"]
    if _dtype(args[0]) == BOOL:
        raise Untranslatable("a product of bools")
    batch = len(left_batch)
    a = _batch_free_sum(args[0], left_batch, left)
    b = _batch_free_sum(args[1], right_batch, right)
    free_a, free_b = a.ndim - batch - len(left), b.ndim - batch - len(right)
    ones = (1,) * free_b
    a = a.reshape(*a.shape[: batch + free_a], *ones, *a.shape[batch + free_a :])
    b = b.reshape(*b.shape[:batch], *(1,) * free_a, *b.shape[batch:])
    products = graph.elementwise(MUL, a, b)
    axes = range(batch + free_a + free_b, products.ndim)
    return _reduce(graph, products, tuple(axes), ADD, np.float32(0))


def _batch_free_sum(values: np.ndarray, batch: Any, summed: Any) -> np.ndarray:
    """Return ``values`` with batch axes first, then free ones, then those summed over."""
    free = [axis for axis in range(values.ndim) if axis not in (*batch, *summed)]
    return np.transpose(values, (*batch, *free, *summed))


def _select(graph: Graph, args: list[np.ndarray], p: dict[str, Any]) -> np.ndarray:
    which, *cases = args
    which = np.broadcast_to(which, cases[0].shape)
    if _dtype(which) == BOOL:
        return graph.elementwise(SELECT, which, *cases)
    result = cases[0]
    for number, case in enumerate(cases[1:], start=1):
        here = graph.elementwise(EQ, which, graph.constants(_dtype(which).type(number)))
        result = graph.elementwise(SELECT, here, result, case)
    return result


def _clamp(graph: Graph, args: list[np.ndarray], p: dict[str, Any]) -> np.ndarray:
    low, value, high = args
    return graph.elementwise(MIN, graph.elementwise(MAX, value, low), high)


def _integer_pow(graph: Graph, args: list[np.ndarray], p: dict[str, Any]) -> np.ndarray:
    exponent = p["y"]
    if not 1 <= exponent <= 8:
        raise Untranslatable(f"integer_pow with {exponent}")
    power, square = None, args[0]
    while exponent:
        if exponent & 1:
            power = square if power is None else graph.elementwise(MUL, power, square)
        exponent >>= 1
        square = graph.elementwise(MUL, square, square) if exponent else square
    assert power is not None
    return power


def _scatter_add(graph: Graph, args: list[np.ndarray], p: dict[str, Any]) -> np.ndarray:
    """Add numbers to the entries of a vector, in order; what lies outside of it is dropped."""
    target, indices, updates = args
    n = p["dimension_numbers"]
    vector = target.ndim == 1 and updates.ndim == 1 and indices.shape == (updates.size, 1)
    if not vector or n.update_window_dims or getattr(n, "operand_batching_dims", ()):
        raise Untranslatable("a scatter of another kind than numbers to a vector")
    if "clip" in str(p["mode"]).lower():
        raise Untranslatable("a scatter that clips")
    result, zero = target.copy(), graph.constant(_dtype(updates).type(0))
    for index, update in zip(indices[:, 0], updates, strict=True):
        for entry in range(target.size):
            here = graph.apply(EQ, index, graph.constant(index.dtype.type(entry)))
            part = graph.apply(SELECT, here, zero, update)
            result[entry] = graph.apply(ADD, result[entry], part)
    return result


def _nothing(graph: Graph, args: list[np.ndarray], p: dict[str, Any]) -> np.ndarray:
    return args[0]


RULES: dict[str, Rule] = {
    "broadcast_in_dim": _broadcast,
    "reshape": _reshape,
    "squeeze": _squeeze,
    "expand_dims": _expand_dims,
    "transpose": _transpose,
    "tile": _tile,
    "concatenate": _concatenate,
    "stack": _stack,
    "slice": _slice,
    "rev": _rev,
    "iota": _iota,
    "reduce_sum": _reduction(ADD, first=0),
    "reduce_prod": _reduction(MUL, first=1),
    "reduce_max": _reduction(MAX, OR),
    "reduce_min": _reduction(MIN, AND),
    "reduce_or": _reduction(None, OR, first=0),
    "reduce_and": _reduction(None, AND, first=1),
    "cumsum": _cumsum,
    "dot_general": _dot_general,
    "select_n": _select,
    "clamp": _clamp,
    "integer_pow": _integer_pow,
    "scatter-add": _scatter_add,
    "stop_gradient": _nothing,
}
"""Operations on arrays, by the name that JAX gives them."""

__all__ = ["RULES", "Node", "Rule"]
