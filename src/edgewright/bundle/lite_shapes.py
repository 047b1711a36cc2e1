"""Bound the memory of a LiteRT graph before it runs.

A LiteRT file declares the shape of every tensor, but the runtime works the shapes out again. So
they are inferred here as well and must be those that are declared.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgewright.bundle.shape_rules import broadcast, joined, picked, product, reduced, reshaped
from edgewright.bundle.shapes import MAX_MEMORY

_KINDS = ("FLOAT32", "INT32")


@dataclasses.dataclass(frozen=True, eq=False)
class _Tensor:
    """A tensor as it is declared, with its numbers if it is constant."""

    shape: tuple[int, ...]
    kind: np.dtype[Any]
    content: np.ndarray | None

    @property
    def bytes(self) -> int:
        """Return the memory that the tensor takes."""
        return math.prod(self.shape) * self.kind.itemsize

    def numbers(self) -> list[int]:
        """Return the whole numbers of a constant, which choose a shape."""
        if self.content is None or self.kind != np.int32:
            raise ValueError("has a shape or an axis that is computed")
        return self.content.ravel().tolist()


def check_lite_memory(model: Any, names: dict[int, str], schema: Any) -> None:
    """Refuse a graph whose shapes are not those it declares, or that takes too much memory.

    Args:
        model: the file, as the schema of LiteRT reads it.
        names: of operators by their codes.

    Raises:
        ValueError: it is so; the text names the operator.
    """
    graph = model.subgraphs[0]
    tensors = [_tensor(one, model.buffers, schema) for one in graph.tensors]
    made = {*map(int, graph.inputs)}
    total = sum(tensors[index].bytes for index in made)
    made |= {index for index, one in enumerate(tensors) if one.content is not None}
    for number, operator in enumerate(graph.operators):
        code = model.operatorCodes[operator.opcodeIndex]
        name = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
        shown = f"the operator {number} ({name})"
        inputs = [int(index) for index in operator.inputs]
        (output,) = map(int, operator.outputs)
        if not {index for index in inputs if index != -1} <= made or output in made:
            raise ValueError(f"{shown} takes what is not made yet, or makes what is")
        values = [tensors[index] for index in inputs if index != -1]
        try:
            shape = _RULES[name](values, operator.builtinOptions)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"{shown} {error}") from None
        if shape != tensors[output].shape:
            declared = list(tensors[output].shape)
            raise ValueError(f"{shown} makes {list(shape)} and declares {declared}")
        total += tensors[output].bytes
        if total > MAX_MEMORY[1]:
            raise ValueError(f"{shown} asks for {list(shape)}, {total} bytes with all before it")
        made.add(output)


def _tensor(one: Any, buffers: Sequence[Any], schema: Any) -> _Tensor:
    shape = () if one.shape is None else tuple(map(int, one.shape))
    kinds = {getattr(schema.TensorType, name): np.dtype(name.lower()) for name in _KINDS}
    odd = one.isVariable or one.sparsity or one.variantTensors or one.externalBuffer
    if one.type not in kinds or odd or min(shape, default=1) < 0:
        raise ValueError(f"a tensor {list(shape)} is of a kind that bundles do not use")
    kind, buffer = kinds[one.type], buffers[one.buffer]
    if buffer.data is None and not buffer.offset and not buffer.size:
        return _Tensor(shape, kind, None)
    content = np.array([] if buffer.data is None else buffer.data, np.uint8)
    if content.nbytes != math.prod(shape) * kind.itemsize:
        raise ValueError(f"{content.nbytes} bytes do not make a tensor {list(shape)} of {kind}")
    return _Tensor(shape, kind, content.view(kind))


def _together(values: Sequence[_Tensor], options: Any) -> tuple[int, ...]:
    return broadcast(*(value.shape for value in values))


def _same(values: Sequence[_Tensor], options: Any) -> tuple[int, ...]:
    return values[0].shape


def _best(values: Sequence[_Tensor], options: Any) -> tuple[int, ...]:
    return reduced(values[0].shape, values[1].numbers(), keep=False)


def _mean(values: Sequence[_Tensor], options: Any) -> tuple[int, ...]:
    return reduced(values[0].shape, values[1].numbers(), keep=bool(options.keepDims))


def _join(values: Sequence[_Tensor], options: Any) -> tuple[int, ...]:
    return joined([value.shape for value in values], options.axis)


def _connected(values: Sequence[_Tensor], options: Any) -> tuple[int, ...]:
    rows, weights = values[0].shape, values[1].shape
    if options.weightsFormat or options.keepNumDims or values[1].kind != np.float32:
        raise ValueError("has settings that bundles do not use")
    return product(rows, weights[::-1])


def _look_up(values: Sequence[_Tensor], options: Any) -> tuple[int, ...]:
    if options.batchDims:
        raise ValueError("has settings that bundles do not use")
    return picked(values[0].shape, values[1].shape, options.axis)


def _reshape(values: Sequence[_Tensor], options: Any) -> tuple[int, ...]:
    return reshaped(values[0].shape, values[1].numbers(), zero=True)


def _slice(values: Sequence[_Tensor], options: Any) -> tuple[int, ...]:
    first, sizes = values[1].numbers(), values[2].numbers()
    for start, size, entries in zip(first, sizes, values[0].shape, strict=True):
        if min(start, size) < 0 or start + size > entries:
            raise ValueError(f"takes {sizes} from {first} on of {list(values[0].shape)}")
    return tuple(sizes)


_RULES: dict[str, Callable[[Sequence[_Tensor], Any], tuple[int, ...]]] = {
    **dict.fromkeys(("ADD", "DIV", "MAXIMUM", "MINIMUM", "MUL", "SUB"), _together),
    **dict.fromkeys(("CAST", "RELU", "TANH"), _same),
    "ARG_MAX": _best,
    "CONCATENATION": _join,
    "FULLY_CONNECTED": _connected,
    "GATHER": _look_up,
    "MEAN": _mean,
    "RESHAPE": _reshape,
    "SLICE": _slice,
}
OPERATORS = frozenset(_RULES)
"""Operators that the graph may ask for."""
