"""From a JAX function of one row to ONNX operators: how rules become graphs.

The function is traced once; what does not depend on the row is computed at once and becomes a
constant; the rest is written operator by operator, every value with the batch as its first axis.
A loop of a fixed length (``scan``, ``fori_loop``), as of a denoising actor or a recurrent cell over
a window, is written turn by turn. What has no counterpart (other loops, random numbers, scatters)
is refused by name. A rule is thus written once, in the baselines, and what is deployed is that very
rule.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.extend.core as jex
import numpy as np
from onnx import TensorProto

from edgewright.core.errors import InputError
from edgewright.export.graph import GraphBuilder
from edgewright.export.trace_linear import LINEAR

_SAME = {
    "add": "Add", "sub": "Sub", "mul": "Mul", "max": "Max", "min": "Min", "neg": "Neg",
    "tanh": "Tanh", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "abs": "Abs", "floor": "Floor",
    "ceil": "Ceil", "sign": "Sign", "logistic": "Sigmoid", "erf": "Erf", "pow": "Pow",
    "eq": "Equal", "lt": "Less", "le": "LessOrEqual", "gt": "Greater", "ge": "GreaterOrEqual",
    "stop_gradient": "Identity", "copy": "Identity", "copy_p": "Identity",
}  # fmt: skip
_LOGIC = {"and": "And", "or": "Or", "not": "Not", "xor": "Xor"}
_SCALARS_MIX = {"div", "ne", "clamp", "select_n"}
_REDUCE = {"reduce_sum": "ReduceSum", "reduce_max": "ReduceMax", "reduce_min": "ReduceMin"}
_INLINE = {"jit", "pjit", "closed_call", "custom_jvp_call", "custom_vjp_call", "remat"}
MAX_TURNS = 256
"""Turns of a loop that are written out; every turn is a copy of its operators."""

_CASTS = {
    np.dtype(np.float32): TensorProto.FLOAT,
    np.dtype(np.int32): TensorProto.INT64,  # whole numbers are 64 bits wide in the graph
    np.dtype(np.int64): TensorProto.INT64,
    np.dtype(bool): TensorProto.BOOL,
}


def write_program(graph: GraphBuilder, x: str, function: Callable[[Any], Any], columns: int) -> str:
    """Add ``function`` of one row ``[columns]`` for every row of ``x``; return the output's name.

    Raises:
        InputError: the function uses an operation that bundles do not have.
    """
    closed = jax.make_jaxpr(function)(jax.ShapeDtypeStruct((columns,), np.float32))
    writer = _Writer(graph)
    start = _Row(x, (columns,), np.dtype(np.float32))
    (result,) = writer.run(closed.jaxpr, closed.consts, [start])
    end = writer.row(result)
    return writer.repeated(end, start) if end.constant else end.name


class _Row:
    """A value of the graph that depends on the row: its name, and its shape without the batch."""

    def __init__(
        self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], constant: bool = False
    ) -> None:
        self.name, self.shape, self.dtype, self.constant = name, shape, dtype, constant


class _Writer:
    """An interpreter of a jaxpr, which computes constants and writes rows as ONNX."""

    def __init__(self, graph: GraphBuilder) -> None:
        self.graph = graph

    def run(self, jaxpr: Any, consts: Any, arguments: list[Any]) -> list[Any]:
        """Return the outputs of a jaxpr, arrays or rows."""
        known: dict[Any, Any] = dict(zip(jaxpr.constvars, consts, strict=True))
        known |= dict(zip(jaxpr.invars, arguments, strict=True))

        def read(atom: Any) -> Any:
            return np.asarray(atom.val) if isinstance(atom, jex.Literal) else known[atom]

        for equation in jaxpr.eqns:
            values = [read(atom) for atom in equation.invars]
            name = equation.primitive.name
            if name in _INLINE:
                result = self._inline(equation, values)
            elif name == "scan" and any(isinstance(value, _Row) for value in values):
                result = self._unrolled(values, equation.params)
            elif name == "split" and isinstance(values[0], _Row):
                result = self._split(values[0], equation.params)
            elif not any(isinstance(value, _Row) for value in values):
                bound = equation.primitive.bind(*values, **equation.params)
                result = bound if equation.primitive.multiple_results else [bound]
            else:
                shape = equation.outvars[0].aval
                result = [self._write(name, values, equation.params, shape)]
            known.update(zip(equation.outvars, result, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    def row(self, value: Any) -> _Row:
        """Return a value as a row; a constant becomes ``[1, ...]`` and broadcasts."""
        if isinstance(value, _Row):
            return value
        array = np.asarray(value)
        wide = np.int64 if np.issubdtype(array.dtype, np.integer) else array.dtype
        name = self.graph.constant(array[None], dtype=wide)
        return _Row(name, array.shape, array.dtype, constant=True)

    def _inline(self, equation: Any, values: list[Any]) -> list[Any]:
        inner = equation.params.get("jaxpr") or equation.params.get("call_jaxpr")
        jaxpr, consts = getattr(inner, "jaxpr", inner), getattr(inner, "consts", [])
        return self.run(jaxpr, consts, values)

    def _unrolled(self, values: list[Any], params: dict[str, Any]) -> list[Any]:
        """Write a loop of a fixed length turn by turn; return its carry and what it stacked."""
        turns, fixed, carried = params["length"], params["num_consts"], params["num_carry"]
        if turns > MAX_TURNS:
            message = f"a loop has {turns} turns, and at most {MAX_TURNS} are written out"
            raise InputError(message, where="export", hint="lower the number of turns")
        consts, carry = values[:fixed], values[fixed : fixed + carried]
        sequences, body = values[fixed + carried :], params["jaxpr"]
        order = range(turns - 1, -1, -1) if params["reverse"] else range(turns)
        stacks: dict[int, list[Any]] = {}
        for turn in order:
            entries = [self._entry(sequence, turn) for sequence in sequences]
            after = self.run(body.jaxpr, body.consts, [*consts, *carry, *entries])
            carry, stacks[turn] = after[:carried], after[carried:]
        columns = zip(*(stacks[turn] for turn in range(turns)), strict=True)
        return [*carry, *(self._stacked(list(column)) for column in columns)]

    def _split(self, row: _Row, params: dict[str, Any]) -> list[_Row]:
        """Write the parts of a value along one axis."""
        axis, parts, first = params["axis"], [], 0
        for size in params["sizes"]:
            ends = [self.graph.constant([n], dtype=np.int64) for n in (first, first + size)]
            along = self.graph.constant([axis + 1], dtype=np.int64)
            name = self.graph.node("Slice", [row.name, *ends, along])
            shape = (*row.shape[:axis], size, *row.shape[axis + 1 :])
            parts.append(_Row(name, shape, row.dtype, row.constant))
            first += size
        return parts

    def _entry(self, sequence: Any, turn: int) -> Any:
        """Return one entry of a sequence along its first axis."""
        if not isinstance(sequence, _Row):
            return np.asarray(sequence)[turn]
        index = self.graph.constant(turn, dtype=np.int64)
        name = self.graph.node("Gather", [sequence.name, index], axis=1)
        return _Row(name, sequence.shape[1:], sequence.dtype, sequence.constant)

    def _stacked(self, values: list[Any]) -> Any:
        """Return what every turn of a loop gave, on a new first axis."""
        if not any(isinstance(value, _Row) for value in values):
            return np.stack([np.asarray(value) for value in values])
        rows = [self.row(value) for value in values]
        shape = (len(rows), *rows[0].shape)
        if all(row.constant for row in rows):
            return np.stack([np.asarray(value) for value in values])
        return _Row(self._stack(rows, shape, 0), shape, rows[0].dtype)

    def _write(self, name: str, values: list[Any], params: dict[str, Any], aval: Any) -> _Row:
        rows = [self.row(value) for value in values]
        shape = tuple(aval.shape)
        names = [row.name for row in rows]
        if name in _SCALARS_MIX or name in _SAME or name in _LOGIC:
            names = [self._aligned(row, shape) for row in rows]
        node = self.graph.node
        logical = rows[0].dtype == np.dtype(bool)
        if name in _SAME:
            made = node(_SAME[name], names)
        elif name in _LOGIC and logical:
            made = node(_LOGIC[name], names)
        elif name == "div" and not np.issubdtype(rows[0].dtype, np.integer):
            made = node("Div", names)
        elif name == "ne":
            made = node("Not", [node("Equal", names)])
        elif name == "integer_pow" and params["y"] > 0:
            made = names[0]
            for _ in range(params["y"] - 1):
                made = node("Mul", [made, names[0]])
        elif name == "clamp":
            made = node("Min", [node("Max", [names[1], names[0]]), names[2]])
        elif name == "select_n" and len(values) == 3 and logical:
            made = node("Where", [names[0], names[2], names[1]])
        elif name == "convert_element_type":
            made = node("Cast", names, to=_CASTS[np.dtype(params["new_dtype"])])
        elif name in _REDUCE or name in ("reduce_or", "reduce_and"):
            made = self._reduce(name, rows[0], params["axes"])
        elif name in ("argmax", "argmin"):
            (axis,) = params["axes"]
            operator = "ArgMax" if name == "argmax" else "ArgMin"
            made = node(operator, names, axis=axis + 1, keepdims=0)
        elif name in ("reshape", "squeeze", "expand_dims"):
            made = self._reshape(names[0], shape)
        elif name == "broadcast_in_dim":
            made = self._broadcast(rows[0], shape, params["broadcast_dimensions"])
        elif name == "concatenate":
            made = node("Concat", self._same_batch(rows), axis=params["dimension"] + 1)
        elif name == "stack":
            made = self._stack(rows, shape, params["axis"])
        elif name == "slice":
            made = self._slice(names[0], params)
        elif name == "gather":
            made = self._gather(values, rows, params, shape)
        elif name == "dynamic_slice" and self._is_entry(values, params):
            index = self._reshape(names[1], (1,))
            made = node("Gather", [self.graph.constant(np.asarray(values[0])), index], axis=0)
        elif name == "transpose":
            order = [0, *(axis + 1 for axis in params["permutation"])]
            made = node("Transpose", names, perm=order)
        elif name == "dot_general" and self._is_matrix_product(values, params):
            made = node("MatMul", [names[0], self.graph.constant(values[1])])
        elif name in LINEAR:
            made = LINEAR[name](self.graph, rows, params, shape)
        else:
            message = f"the operation '{name}' has no counterpart in a bundle"
            hint = "deploy a rule made of arithmetic, comparisons and selections"
            raise InputError(message, where="export", hint=hint)
        return _Row(made, shape, np.dtype(aval.dtype))

    def _stack(self, rows: list[_Row], shape: tuple[int, ...], axis: int) -> str:
        apart = (*shape[:axis], 1, *shape[axis + 1 :])
        parts = [self._reshape(part, apart) for part in self._same_batch(rows)]
        return self.graph.node("Concat", parts, axis=axis + 1)

    def _reduce(self, name: str, row: _Row, axes: tuple[int, ...]) -> str:
        places = self.graph.constant([axis + 1 for axis in axes], dtype=np.int64)
        if name in _REDUCE:
            return self.graph.node(_REDUCE[name], [row.name, places], keepdims=0)
        integers = self.graph.node("Cast", [row.name], to=TensorProto.INT64)
        operator = "ReduceMax" if name == "reduce_or" else "ReduceMin"
        result = self.graph.node(operator, [integers, places], keepdims=0)
        return self.graph.node("Cast", [result], to=TensorProto.BOOL)

    def _aligned(self, row: _Row, shape: tuple[int, ...]) -> str:
        """Return a value that meets others of ``shape``; a scalar gets axes to broadcast along."""
        if row.constant or row.shape or not shape:
            return row.name
        return self._reshape(row.name, (1,) * len(shape))

    def _reshape(self, name: str, shape: tuple[int, ...]) -> str:
        wanted = self.graph.constant([0, *shape], dtype=np.int64)  # 0 keeps the batch
        return self.graph.node("Reshape", [name, wanted])

    def _broadcast(self, row: _Row, shape: tuple[int, ...], places: tuple[int, ...]) -> str:
        between = [1] * len(shape)
        for axis, index in enumerate(places):
            between[index] = row.shape[axis]
        name = self._reshape(row.name, tuple(between)) if tuple(between) != row.shape else row.name
        if tuple(between) == shape:
            return name
        wanted = self.graph.constant([1, *shape], dtype=np.int64)
        return self.graph.node("Expand", [name, wanted])

    def _same_batch(self, rows: list[_Row]) -> list[str]:
        """Return the names, with constants repeated for every row of the batch."""
        live = next(row for row in rows if not row.constant)
        return [self.repeated(row, live) if row.constant else row.name for row in rows]

    def repeated(self, row: _Row, live: _Row) -> str:
        """Repeat a constant for every row of the batch of ``live``."""
        count = self.graph.node("Shape", [live.name], start=0, end=1)
        rest = self.graph.constant(row.shape, dtype=np.int64)
        wanted = self.graph.node("Concat", [count, rest], axis=0)
        return self.graph.node("Expand", [row.name, wanted])

    def _gather(
        self, values: list[Any], rows: list[_Row], params: dict[str, Any], shape: tuple[int, ...]
    ) -> str:
        """Look up whole entries along the first axis: a table by rows, or rows by a table."""
        facts, places, table = params["dimension_numbers"], rows[1].shape, rows[0].shape
        entries = len(shape) - len(table) + 1
        plain = (
            tuple(facts.collapsed_slice_dims) == tuple(facts.start_index_map) == (0,)
            and tuple(params["slice_sizes"]) == (1, *table[1:])
            and tuple(facts.offset_dims) == tuple(range(entries, len(shape)))
            and not facts.operand_batching_dims
        )
        if not plain or (not rows[0].constant and not rows[1].constant):
            message = "this kind of indexing has no counterpart in a bundle"
            raise InputError(message, where="export", hint="index the first axis of a table")
        if rows[0].constant:
            index = self._reshape(rows[1].name, tuple(places[:-1]))
            wide = np.int64 if np.issubdtype(rows[0].dtype, np.integer) else rows[0].dtype
            constant = self.graph.constant(np.asarray(values[0]), dtype=wide)
            return self.graph.node("Gather", [constant, index], axis=0)
        index = self.graph.constant(np.asarray(values[1])[..., 0], dtype=np.int64)
        return self.graph.node("Gather", [rows[0].name, index], axis=1)

    def _slice(self, name: str, params: dict[str, Any]) -> str:
        starts, ends = params["start_indices"], params["limit_indices"]
        steps = params["strides"] or (1,) * len(starts)
        axes = range(1, len(starts) + 1)
        parts = [self.graph.constant(list(p), dtype=np.int64) for p in (starts, ends, axes, steps)]
        return self.graph.node("Slice", [name, *parts])

    def _is_entry(self, values: list[Any], params: dict[str, Any]) -> bool:
        """Return whether this takes one whole entry of a table of numbers, at a varying index."""
        table, index, *others = values
        return (
            not isinstance(table, _Row)
            and np.issubdtype(np.asarray(table).dtype, np.floating)
            and isinstance(index, _Row)
            and tuple(params["slice_sizes"]) == (1, *np.shape(table)[1:])
            and not any(isinstance(other, _Row) or np.any(other) for other in others)
        )

    def _is_matrix_product(self, values: list[Any], params: dict[str, Any]) -> bool:
        (left, right), batch = params["dimension_numbers"]
        return (
            isinstance(values[0], _Row)
            and not isinstance(values[1], _Row)
            and not any(itertools.chain(*batch))
            and tuple(left) == (len(values[0].shape) - 1,)
            and tuple(right) == (0,)
            and np.ndim(values[1]) == 2
        )


__all__ = ["write_program"]
