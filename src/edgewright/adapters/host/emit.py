"""Write a program of scalar expressions as a Python function, for one copy or for columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgewright.adapters.host.elements import SELECT
from edgewright.adapters.host.graph import Node


def emit(
    given: Sequence[Sequence[Node]], results: Sequence[Sequence[Node]], copies: int | None = None
) -> Callable[..., tuple[tuple[Any, ...], ...]]:
    """Return a function of tuples to a tuple of tuples.

    Args:
        given: the inputs in each argument.
        results: the nodes in each result; only what they need is computed.
        copies: None: values are NumPy scalars; a number ``N``: they are columns ``[N]``.
    """
    return _Writer(given, results, copies).function()


class _Writer:
    """Names, lines and constants of one function."""

    def __init__(self, given: Any, results: Any, copies: int | None) -> None:
        self.copies, self.given, self.results = copies, given, results
        self.scope: dict[str, Any] = {}
        self.names: dict[int, str] = {}
        self.lines: list[str] = []

    def function(self) -> Callable[..., Any]:
        """Return the compiled function; ``function.code`` holds its text."""
        arguments = [f"a{index}" for index in range(len(self.given))]
        for argument, nodes in zip(arguments, self.given, strict=True):
            names = [self._name(node, f"{argument}_{index}") for index, node in enumerate(nodes)]
            if names:
                self.lines.append(f"{', '.join(names)}, = {argument}")
        for nodes in self.results:
            for node in nodes:
                self._compute(node)
        values = (f"({''.join(self._value(n) + ', ' for n in nodes)})" for nodes in self.results)
        self.lines.append(f"return {', '.join(values)},")
        body = "\n    ".join(self.lines)
        code = f"def program({', '.join(arguments)}):\n    {body}\n"
        exec(compile(code, "<world on the host>", "exec"), self.scope)
        program = self.scope["program"]
        program.code = code
        return program

    def _name(self, node: Node, name: str) -> str:
        self.names[id(node)] = name
        return name

    def _compute(self, root: Node) -> None:
        """Write the lines that a node needs, each after those of its arguments."""
        stack = [root]
        while stack:
            node = stack[-1]
            if id(node) in self.names or node.constant:
                stack.pop()
                continue
            missing = [a for a in node.args if id(a) not in self.names and not a.constant]
            if missing:
                stack += missing
                continue
            stack.pop()
            self.lines.append(self._line(node))

    def _line(self, node: Node) -> str:
        element = node.element
        assert element is not None
        self.scope |= element.bound
        if self.copies is None:
            values = [self._value(arg) for arg in node.args]
            return f"{self._name(node, f'v{len(self.names)}')} = {element.scalar.format(*values)}"
        values = [self._value(arg, full=False) for arg in node.args]
        name = self._name(node, f"v{len(self.names)}")
        if element is SELECT:  # numpy.where takes three times as long
            self.scope["putmask"] = np.putmask
            before = f"{name} = {self._value(node.args[1])}.copy()"
            return f"{before}; putmask({name}, {values[0]}, {values[2]})"
        return f"{name} = {(element.column or element.scalar).format(*values)}"

    def _value(self, node: Node, full: bool = True) -> str:
        """Return the name of a node; a constant is a column where ``full``, else one number."""
        if not node.constant:
            return self.names[id(node)]
        size = self.copies if full else None
        name = f"{'c' if size is None else 'full'}_{node.dtype.name}_{node.value.tobytes().hex()}"
        if name not in self.scope:
            value = node.value if self.copies is None else np.asarray(node.value)
            self.scope[name] = value if size is None else np.full(size, value)
        return name
