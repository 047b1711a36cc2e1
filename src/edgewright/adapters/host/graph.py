"""Hold scalar expressions in a graph, so that equal ones are computed once and constants never.

A traced array is an ``ndarray`` of dtype object that holds one :class:`Node` an element. Moving
elements about (reshapes, slices, concatenations) then costs nothing when the program runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgewright.adapters.host.elements import Element

MAX_NODES = 6000
"""The largest number of expressions of one program. A fleet of 16 devices needs some 2500."""


class Untranslatable(Exception):
    """A function uses an operation without a rule, or is too large to unroll."""


@dataclass(frozen=True, eq=False)
class Node:
    """One scalar of a program.

    Attributes:
        dtype: of its value.
        element, args: what computes it, and from what; absent for an input and a constant.
        value: of a constant.
    """

    dtype: np.dtype
    element: Element | None = None
    args: tuple[Node, ...] = ()
    value: Any = None

    @property
    def constant(self) -> bool:
        """Return whether the value is known before the program runs."""
        return self.value is not None


class Graph:
    """All expressions of one program; the same expression is the same node."""

    def __init__(self) -> None:
        self._constants: dict[Any, Node] = {}
        self._nodes: dict[Any, Node] = {}

    def constant(self, value: Any) -> Node:
        """Return the node of a NumPy scalar."""
        key = (value.dtype, value.tobytes())
        return self._constants.setdefault(key, Node(value.dtype, value=value))

    def constants(self, values: Any) -> np.ndarray:
        """Return the nodes of an array of numbers."""
        values = np.asarray(values)
        nodes = np.empty(values.shape, object)
        nodes.reshape(-1)[:] = [self.constant(value) for value in values.reshape(-1)]
        return nodes

    def apply(self, element: Element, *args: Node) -> Node:
        """Return an operation on scalars; on constants it is computed now."""
        dtype = element.result(*(arg.dtype for arg in args))
        if all(arg.constant for arg in args):
            with np.errstate(all="ignore"):
                return self.constant(dtype.type(element.call(*(arg.value for arg in args))))
        simple = element.simplify(args)
        if simple is not None:
            return simple
        key = (element, *map(id, args))
        if key not in self._nodes:
            if len(self._nodes) >= MAX_NODES:
                raise Untranslatable(f"more than {MAX_NODES} operations on scalars")
            self._nodes[key] = Node(dtype, element, args)
        return self._nodes[key]

    def elementwise(self, element: Element, *arrays: np.ndarray) -> np.ndarray:
        """Return an operation on arrays of nodes, one element after another."""
        arrays = tuple(np.broadcast_arrays(*arrays))
        result = np.empty(arrays[0].shape, object)
        flat = [array.reshape(-1) for array in arrays]
        result.reshape(-1)[:] = [self.apply(element, *args) for args in zip(*flat, strict=True)]
        return result


def inputs(shape: Sequence[int], dtype: Any) -> np.ndarray:
    """Return nodes that stand for the elements of an argument."""
    nodes = np.empty(tuple(shape), object)
    nodes.reshape(-1)[:] = [Node(np.dtype(dtype)) for _ in range(nodes.size)]
    return nodes
