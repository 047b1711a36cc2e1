"""Bound the memory of a graph before it runs.

A graph of a few bytes may ask for any amount of memory: a product of two columns, a chain of sums
that broadcast, a shape that is written as a number. So the shape of every value is inferred, for
one row and for :data:`BATCH` rows, and all that the graph computes must fit in a bound. The sum is
taken, not the peak, since the runtime chooses the order of operators, and keeps what depends on no
input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TypeVar

import numpy as np

from edgewright.bundle.shape_rules import RULES
from edgewright.bundle.tensors import MAX_AXES, Message, Value, read_settings, read_tensor, text

BATCH = 1024
"""Rows of one run of a graph; more are decided in several runs."""

MAX_MEMORY = {1: 64 * 2**20, BATCH: 512 * 2**20}
"""Bytes that all values of a run may take together, by the rows of the run. Bundles that were
measured take 6 MB for 1024 rows."""

_Result = TypeVar("_Result")
_FLOAT = 1  # the code of float32


class GraphMemory:
    """The constants and the operators of a graph, read once."""

    def __init__(self, graph: Message, refuse: Callable[[str], NoReturn]) -> None:
        """Read a graph; what is wrong with it goes to ``refuse``, which raises."""
        self._refuse, self._inputs = refuse, graph.get(11, [])
        self._constants: dict[str, Value] = {}
        for tensor in graph.get(5, []):
            name = text(tensor, 8)
            self._constants[name] = self._or_refuse(f"the constant '{name}'", read_tensor, tensor)
        self._nodes = []
        for node in graph.get(1, []):
            takes, makes = node.get(1, []), node.get(2, [])
            name = text(node, 3) or next(iter(makes), "")
            shown = f"the node '{name}' ({text(node, 4)})"
            settings = self._or_refuse(shown, read_settings, node.get(5, []))
            self._nodes.append((shown, RULES[text(node, 4)], takes, makes, settings))

    def values(self, rows: int) -> Iterator[tuple[str, str, Value]]:
        """Yield the node, the name and the shape of all that is computed for so many rows."""
        values = {**self._constants}
        for one in self._inputs:
            name = text(one, 1)
            values.setdefault(name, self._or_refuse(f"the input '{name}'", _rows_of, one, rows))
        for shown, rule, takes, makes, settings in self._nodes:
            for name in takes:
                if name and name not in values:
                    self._refuse(f"{shown} takes '{name}' before it is made")
            inputs = [values[name] if name else None for name in takes]
            made = self._or_refuse(shown, rule, inputs, settings)
            if len(makes) > len(made) or not values.keys().isdisjoint(makes):
                self._refuse(f"{shown} makes too much, or what is made already: {makes}")
            for name, value in zip(makes, made, strict=False):
                if len(value.shape) > MAX_AXES:
                    self._refuse(f"{shown} makes a tensor of {len(value.shape)} axes")
                yield shown, name, value
                if name:
                    values[name] = value

    def check(self, rows: int) -> int:
        """Return the bytes that all values take for so many rows; refuse more than may be."""
        total = 0
        for shown, _, value in self.values(rows):
            total += value.bytes
            if total > MAX_MEMORY[rows]:
                self._refuse_memory(shown, value, total, rows)
        return total

    def _refuse_memory(self, shown: str, value: Value, total: int, rows: int) -> NoReturn:
        for_rows = f"{rows} row{'s' * (rows > 1)}"
        message = f"{shown} asks for {list(value.shape)} {value.kind}, with all before it"
        self._refuse(f"{message} {total} bytes for {for_rows}; {MAX_MEMORY[rows]} at most")

    def _or_refuse(self, shown: str, read: Callable[..., _Result], *given: Any) -> _Result:
        try:
            return read(*given)
        except ValueError as error:
            self._refuse(f"{shown} {error}")
        except (LookupError, TypeError, ArithmeticError) as error:
            self._refuse(f"{shown} cannot be read ({error})")


def _rows_of(message: Message, rows: int) -> Value:
    """Return rows of the columns that an input says it has."""
    kind = message.get(2, [{}])[0].get(1, [{}])[0]
    sizes = kind.get(2, [{}])[0].get(1, [])
    columns = sizes[1].get(1, [None])[0] if len(sizes) == 2 else None
    if kind.get(1) != [_FLOAT] or not columns:
        raise ValueError("must be rows of float32, [N, columns]")
    return Value((rows, columns), np.dtype(np.float32))


def check_memory(graph: Message, refuse: Callable[[str], NoReturn]) -> dict[int, int]:
    """Return the bytes that a graph computes, by the rows of a run.

    Args:
        refuse: gets the message of what cannot be inferred, or takes more than
            :data:`MAX_MEMORY`; it raises.
    """
    memory = GraphMemory(graph, refuse)
    return {rows: memory.check(rows) for rows in MAX_MEMORY}
