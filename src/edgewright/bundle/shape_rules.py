"""Infer the shapes of what each operator of a bundle gives, as ONNX defines them in opset 18.

A rule takes what is known of the inputs (None where one is left out) and the settings, and returns
what is known of the outputs, or raises ``ValueError``. Sizes are concrete numbers. Whole numbers
that may become a shape are followed through the operators that build shapes. The number of rows may
be a size, but choose nothing: no index, no axis, no end of a slice. So what a graph takes for a few
rows and for many bounds what it takes for any number between.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgewright.bundle.tensors import MAX_AXES, Value, kind_of

Inputs = Sequence[Value | None]
Settings = Mapping[str, Any]
Rule = Callable[[Inputs, Settings], list[Value]]

_BOOL, _WHOLE = np.dtype(bool), np.dtype(np.int64)


def _get(inputs: Inputs, index: int) -> Value:
    value = inputs[index] if index < len(inputs) else None
    if value is None:
        raise ValueError(f"its input {index} is missing")
    return value


def _numbers(inputs: Inputs, index: int, name: str, fixed: bool = True) -> list[int]:
    """Return the numbers of an input that must be known before the graph runs.

    Args:
        fixed: whether they must be the same for any number of rows.
    """
    value = _get(inputs, index)
    if math.prod(value.shape) > MAX_AXES:
        raise ValueError(f"has {name} of {math.prod(value.shape)} numbers, {MAX_AXES} at most")
    if value.content is None:
        raise ValueError(f"has {name} that is computed")
    if fixed and not value.fixed:
        raise ValueError(f"has {name} that depends on the number of rows")
    return value.content.ravel().tolist()


def _optional(inputs: Inputs, index: int, name: str) -> list[int] | None:
    there = index < len(inputs) and inputs[index] is not None
    return _numbers(inputs, index, name) if there else None


def _axis(axis: int, rank: int) -> int:
    """Return an axis counted from the front."""
    if not -rank <= axis < rank:
        raise ValueError(f"has an axis {axis} of {rank}")
    return axis % rank


def broadcast(*shapes: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of tensors that meet entry by entry."""
    rank, sizes = max(map(len, shapes)), []
    for axis in range(-rank, 0):
        wide = {shape[axis] for shape in shapes if len(shape) >= -axis} - {1}
        if len(wide) > 1:
            shown = ", ".join(str(list(shape)) for shape in shapes)
            raise ValueError(f"its inputs do not fit each other: {shown}")
        sizes.append(wide.pop() if wide else 1)
    return tuple(sizes)


def product(left: Sequence[int], right: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of a matrix product, as NumPy defines it."""
    a, b = (1, *left) if len(left) == 1 else tuple(left), tuple(right)
    b = (*b, 1) if len(b) == 1 else b
    if len(a) < 2 or len(b) < 2 or a[-1] != b[-2]:
        raise ValueError(f"multiplies {list(left)} by {list(right)}")
    ends = (*(a[-2:-1] if len(left) > 1 else ()), *(b[-1:] if len(right) > 1 else ()))
    return (*broadcast(a[:-2], b[:-2]), *ends)


def reshaped(shape: Sequence[int], wanted: Sequence[int], zero: bool = False) -> tuple[int, ...]:
    """Return a shape of as many entries; 0 keeps a size unless ``zero``, -1 is the rest."""
    sizes = [
        shape[n] if size == 0 and not zero and n < len(shape) else size
        for n, size in enumerate(wanted)
    ]
    total, known = math.prod(shape), math.prod(size for size in sizes if size != -1)
    if sizes.count(-1) == 1 and known > 0 and total % known == 0:
        sizes[sizes.index(-1)] = total // known
    if min(sizes, default=1) < 0 or math.prod(sizes) != total:
        raise ValueError(f"makes {list(shape)} into {list(wanted)}")
    return tuple(sizes)


def reduced(shape: Sequence[int], axes: Sequence[int], keep: bool) -> tuple[int, ...]:
    """Return a shape after some axes were summed up."""
    gone = {_axis(axis, len(shape)) for axis in axes}
    return tuple(1 if n in gone else size for n, size in enumerate(shape) if keep or n not in gone)


def joined(shapes: Sequence[Sequence[int]], axis: int) -> tuple[int, ...]:
    """Return the shape of tensors behind one another along an axis."""
    axis = _axis(axis, len(shapes[0]))
    apart = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}
    if len(apart) > 1 or len({len(shape) for shape in shapes}) > 1:
        raise ValueError(f"joins {', '.join(str(list(shape)) for shape in shapes)}")
    return (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])


def picked(table: Sequence[int], index: Sequence[int], axis: int) -> tuple[int, ...]:
    """Return the shape of the entries of a table along an axis that another tensor names."""
    axis = _axis(axis, len(table))
    return (*table[:axis], *index, *table[axis + 1 :])


def _same(inputs: Inputs, settings: Settings) -> list[Value]:
    first = _get(inputs, 0)
    return [Value(first.shape, first.kind)]


def _together(inputs: Inputs, settings: Settings) -> list[Value]:
    values = [_get(inputs, index) for index in range(max(1, len(inputs)))]
    return [Value(broadcast(*(value.shape for value in values)), values[-1].kind)]


def _power(inputs: Inputs, settings: Settings) -> list[Value]:
    return [Value(_together(inputs, settings)[0].shape, _get(inputs, 0).kind)]


def _compared(inputs: Inputs, settings: Settings) -> list[Value]:
    return [Value(_together(inputs, settings)[0].shape, _BOOL)]


def _best(inputs: Inputs, settings: Settings) -> list[Value]:
    keep = bool(settings.get("keepdims", 1))
    shape = reduced(_get(inputs, 0).shape, [settings.get("axis", 0)], keep)
    return [Value(shape, _WHOLE)]


def _reduce(inputs: Inputs, settings: Settings) -> list[Value]:
    value, axes = _get(inputs, 0), _optional(inputs, 1, "axes")
    if not axes:
        axes = [] if settings.get("noop_with_empty_axes", 0) else [*range(len(value.shape))]
    return [Value(reduced(value.shape, axes, bool(settings.get("keepdims", 1))), value.kind)]


def _cast(inputs: Inputs, settings: Settings) -> list[Value]:
    return [Value(_get(inputs, 0).shape, kind_of(settings.get("to", 0)))]


def _concat(inputs: Inputs, settings: Settings) -> list[Value]:
    values = [_get(inputs, index) for index in range(max(1, len(inputs)))]
    shape = joined([value.shape for value in values], settings.get("axis", MAX_AXES))
    parts = [value.content for value in values if value.content is not None]
    complete = len(parts) == len(values) and len(shape) == 1 and shape[0] <= MAX_AXES
    content, fixed = np.concatenate(parts) if complete else None, all(v.fixed for v in values)
    return [Value(shape, values[0].kind, content, fixed)]


def _quantise(inputs: Inputs, settings: Settings) -> list[Value]:
    zero = inputs[2] if len(inputs) > 2 else None
    return [Value(_get(inputs, 0).shape, np.dtype(np.uint8) if zero is None else zero.kind)]


def _dequantise(inputs: Inputs, settings: Settings) -> list[Value]:
    return [Value(_get(inputs, 0).shape, _get(inputs, 1).kind)]


def _expand(inputs: Inputs, settings: Settings) -> list[Value]:
    value, wanted = _get(inputs, 0), _numbers(inputs, 1, "a shape", fixed=False)
    if min(wanted, default=0) < 0:
        raise ValueError(f"asks for {min(wanted)} entries along an axis")
    return [Value(broadcast(value.shape, wanted), value.kind)]


def _gather(inputs: Inputs, settings: Settings) -> list[Value]:
    table, index, axis = _get(inputs, 0), _get(inputs, 1), settings.get("axis", 0)
    shape, content = picked(table.shape, index.shape, axis), None
    if table.content is not None and index.content is not None and math.prod(shape) <= MAX_AXES:
        size, _ = table.shape[0], _numbers(inputs, 1, "an index")
        if not all(-size <= one < size for one in index.content.ravel().tolist()):
            raise ValueError(f"asks for an entry outside of {size}")
        content = table.content[index.content]
    return [Value(shape, table.kind, content, table.fixed)]


def _gather_entries(inputs: Inputs, settings: Settings) -> list[Value]:
    return [Value(_get(inputs, 1).shape, _get(inputs, 0).kind)]


def _gemm(inputs: Inputs, settings: Settings) -> list[Value]:
    first = _get(inputs, 0)
    a, b = first.shape, _get(inputs, 1).shape
    a = a[::-1] if settings.get("transA", 0) else a
    b = b[::-1] if settings.get("transB", 0) else b
    if len(a) != 2 or len(b) != 2:
        raise ValueError(f"multiplies {list(a)} by {list(b)}")
    shape = product(a, b)
    if len(inputs) > 2 and inputs[2] and broadcast(shape, _get(inputs, 2).shape) != shape:
        raise ValueError(f"adds {list(_get(inputs, 2).shape)} to {list(shape)}")
    return [Value(shape, first.kind)]


def _matmul(inputs: Inputs, settings: Settings) -> list[Value]:
    first = _get(inputs, 0)
    return [Value(product(first.shape, _get(inputs, 1).shape), first.kind)]


def _recurrent(inputs: Inputs, settings: Settings) -> list[Value]:
    value, size = _get(inputs, 0), settings.get("hidden_size", 0)
    ways = 2 if settings.get("direction", "forward") == "bidirectional" else 1
    if len(value.shape) != 3 or settings.get("layout", 0):
        raise ValueError(f"takes {list(value.shape)}; must be [slots, rows, columns]")
    slots, rows, columns = value.shape
    for index, wide in ((1, columns), (2, size)):
        if _get(inputs, index).shape != (ways, 3 * size, wide) or size < 1:
            given = list(_get(inputs, index).shape)
            raise ValueError(f"has weights {given} for {columns} columns and {size} hidden ones")
    last = Value((ways, rows, size), value.kind)
    return [Value((slots, *last.shape), value.kind), last]


def _reshape(inputs: Inputs, settings: Settings) -> list[Value]:
    value, wanted = _get(inputs, 0), _numbers(inputs, 1, "a shape", fixed=False)
    shape = reshaped(value.shape, wanted, bool(settings.get("allowzero", 0)))
    return [_in_shape(value, shape)]


def _in_shape(value: Value, shape: tuple[int, ...]) -> Value:
    """Return a value whose entries are arranged otherwise."""
    content = None if value.content is None else value.content.reshape(shape)
    return Value(shape, value.kind, content, value.fixed)


def _shape(inputs: Inputs, settings: Settings) -> list[Value]:
    sizes = _get(inputs, 0).shape[settings.get("start", 0) : settings.get("end", None)]
    return [Value((len(sizes),), _WHOLE, np.array(sizes, np.int64), fixed=False)]


def _slice(inputs: Inputs, settings: Settings) -> list[Value]:
    value = _get(inputs, 0)
    first, last = _numbers(inputs, 1, "a start"), _numbers(inputs, 2, "an end")
    axes = _optional(inputs, 3, "axes") or [*range(len(first))]
    steps = _optional(inputs, 4, "steps") or [1] * len(first)
    places = [_axis(axis, len(value.shape)) for axis in axes]
    same = len(first) == len(last) == len(steps) == len(places) == len({*places})
    if not same or 0 in steps:
        raise ValueError("has starts, ends, axes and steps that do not fit each other")
    cuts = [slice(None)] * len(value.shape)
    for axis, *ends in zip(places, first, last, steps, strict=True):
        cuts[axis] = slice(*ends)
    counts = [len(range(*c.indices(n))) for c, n in zip(cuts, value.shape, strict=True)]
    content = None if value.content is None else value.content[tuple(cuts)]
    return [Value(tuple(counts), value.kind, content, value.fixed)]


def _top(inputs: Inputs, settings: Settings) -> list[Value]:
    value, counts = _get(inputs, 0), _numbers(inputs, 1, "a count")
    axis = _axis(settings.get("axis", -1), len(value.shape))
    if len(counts) != 1 or not 0 <= counts[0] <= value.shape[axis]:
        raise ValueError(f"takes {counts} of {value.shape[axis]} entries")
    shape = (*value.shape[:axis], *counts, *value.shape[axis + 1 :])
    return [Value(shape, value.kind), Value(shape, _WHOLE)]


def _transpose(inputs: Inputs, settings: Settings) -> list[Value]:
    value = _get(inputs, 0)
    order = settings.get("perm") or [*range(len(value.shape))][::-1]
    if sorted(order) != [*range(len(value.shape))]:
        raise ValueError(f"puts the axes of {list(value.shape)} in the order {order}")
    return [Value(tuple(value.shape[axis] for axis in order), value.kind)]


def _unsqueeze(inputs: Inputs, settings: Settings) -> list[Value]:
    value, axes = _get(inputs, 0), _numbers(inputs, 1, "axes")
    rank = len(value.shape) + len(axes)
    places, rest = {_axis(axis, rank) for axis in axes}, iter(value.shape)
    if len(places) < len(axes):
        raise ValueError(f"has an axis twice in {axes}")
    shape = tuple(1 if n in places else next(rest) for n in range(rank))
    return [_in_shape(value, shape)]


_NAMES: dict[Rule, str] = {
    _same: "Abs Ceil Clip Erf Exp Floor Identity Log Neg Not Relu Sigmoid Sign Softmax Sqrt Tanh",
    _together: "Add And Div Max Min Mod Mul Or Sub Where Xor",
    _compared: "Equal Greater GreaterOrEqual Less LessOrEqual",
    _reduce: "ReduceMax ReduceMean ReduceMin ReduceSum",
    _best: "ArgMax ArgMin",
    _power: "Pow", _cast: "Cast", _concat: "Concat", _quantise: "QuantizeLinear",
    _dequantise: "DequantizeLinear", _expand: "Expand", _gather: "Gather",
    _gather_entries: "GatherElements", _gemm: "Gemm", _matmul: "MatMul", _recurrent: "GRU",
    _reshape: "Reshape", _shape: "Shape", _slice: "Slice", _top: "TopK",
    _transpose: "Transpose", _unsqueeze: "Unsqueeze",
}  # fmt: skip
RULES: dict[str, Rule] = {name: rule for rule, names in _NAMES.items() for name in names.split()}
"""The rule of each operator, by its name: the operators that bundles may ask for, and no others."""
