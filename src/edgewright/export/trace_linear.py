"""Write running sums, squares, reversals and products of values of a row as ONNX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from edgewright.core.errors import InputError
from edgewright.export.graph import GraphBuilder


class Value(Protocol):
    """A value of the graph, with its name and its shape without the batch."""

    name: str
    shape: tuple[int, ...]


def write_cumsum(
    graph: GraphBuilder, rows: list[Any], params: dict[str, Any], shape: tuple[int, ...]
) -> str:
    """Add a running sum along an axis, as a product with a triangle of ones."""
    axis, size = params["axis"], shape[params["axis"]]
    upper = np.triu(np.ones((size, size), np.float32))
    triangle = graph.constant(upper.T if params["reverse"] else upper)
    order = [n for n in range(len(shape)) if n != axis] + [axis]
    name = _transposed(graph, rows[0].name, order)
    if len(shape) == 1:
        wide = graph.node("Reshape", [name, _shape(graph, (1, size))])
        return graph.node("Reshape", [graph.node("MatMul", [wide, triangle]), _shape(graph, shape)])
    summed = graph.node("MatMul", [name, triangle])
    return _transposed(graph, summed, np.argsort(order).tolist())


def write_square(
    graph: GraphBuilder, rows: list[Any], params: dict[str, Any], shape: tuple[int, ...]
) -> str:
    """Add the square of a value."""
    return graph.node("Mul", [rows[0].name] * 2)


def write_reversed(
    graph: GraphBuilder, rows: list[Any], params: dict[str, Any], shape: tuple[int, ...]
) -> str:
    """Add the entries along some axes in the opposite order."""
    name = rows[0].name
    for axis in params["dimensions"]:
        index = graph.constant(np.arange(shape[axis])[::-1], dtype=np.int64)
        name = graph.node("Gather", [name, index], axis=axis + 1)
    return name


def write_product(
    graph: GraphBuilder, rows: list[Any], params: dict[str, Any], shape: tuple[int, ...]
) -> str:
    """Add the product of two vectors or matrices that share one axis.

    Raises:
        InputError: they share several axes, or have more than two.
    """
    (left, right), batch = params["dimension_numbers"]
    ranks = [len(row.shape) for row in rows]
    if len(left) != 1 or any(map(len, batch)) or max(ranks) > 2:
        message = "this kind of product has no counterpart in a bundle"
        raise InputError(message, where="export", hint="multiply two matrices along one axis")
    first = _matrix(graph, rows[0], last=left[0])
    second = _transposed(graph, _matrix(graph, rows[1], last=right[0]), [1, 0])
    return graph.node("Reshape", [graph.node("MatMul", [first, second]), _shape(graph, shape)])


def _matrix(graph: GraphBuilder, row: Value, last: int) -> str:
    """Return a value as matrices ``[N, rest, shared]``."""
    if len(row.shape) == 1:
        return graph.node("Reshape", [row.name, _shape(graph, (1, *row.shape))])
    return _transposed(graph, row.name, [1 - last, last])


def _transposed(graph: GraphBuilder, name: str, order: list[int]) -> str:
    if order == sorted(order):
        return name
    return graph.node("Transpose", [name], perm=[0, *(axis + 1 for axis in order)])


def _shape(graph: GraphBuilder, shape: tuple[int, ...]) -> str:
    return graph.constant([0, *shape], dtype=np.int64)  # 0 keeps the batch


LINEAR: dict[str, Callable[..., str]] = {
    "cumsum": write_cumsum,
    "square": write_square,
    "rev": write_reversed,
    "dot_general": write_product,
}
"""What writes each of these operations: ``(graph, rows, params, shape) -> name``."""

__all__ = ["LINEAR"]
