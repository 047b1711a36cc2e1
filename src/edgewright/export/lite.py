"""Write the graph of a network once more, for LiteRT, which answers a single row sooner.

The ONNX graph of a bundle is read and written operator by operator as a LiteRT file with one input
row and one output row: the outputs of the decision in the order of the interface, as float32, then
the scores. So the two graphs cannot say different things, and a layer needs no second ``emit``.
The file is a flatbuffer by the schema that the package of LiteRT brings; TensorFlow is not needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
import onnx
from onnx import numpy_helper

from edgewright.bundle.bundle import POLICY, Bundle, pack_again
from edgewright.bundle.engine import INPUT, SCORES
from edgewright.bundle.lite import FILE_IDENTIFIER, lite_schema
from edgewright.core.errors import InputError

MEMBER = "policy.tflite"
VERSION = 3
"""Version of the file format, the only one in use."""

MOST = 2**24
"""Whole numbers below this are exact in float32."""


def with_lite(bundle: Bundle) -> tuple[bytes, Bundle]:
    """Return the file of a bundle with a LiteRT graph beside its own, and the bundle read back.

    The record of parity is played through both graphs when it is read.

    Raises:
        InputError: LiteRT is not installed, or the policy is a rule, in 8 bits, or answers for
            several devices at once.
    """
    schema = required(bundle.path)
    several = any(one.shape or one.kind == "number" for one in bundle.interface.outputs)
    float32 = bundle.facts["graphs"][POLICY]["precision"] == "float32"
    if several or not float32 or not bundle.engine.has_scores:
        refuse("only networks in float32 that choose one action are written", bundle.path)
    model = _Writer(schema, bundle.path).write(bundle.graph(), bundle.engine.outputs)
    graphs = dict(bundle.facts["graphs"])
    graphs[POLICY] = {**graphs[POLICY], "lite": {"file": MEMBER, "bytes": len(model)}}
    members = {**bundle.members, MEMBER: model}
    return pack_again({**bundle.facts, "graphs": graphs}, members, bundle.path)


def required(where: str) -> Any:
    """Return the module that writes LiteRT files.

    Raises:
        InputError: LiteRT is not installed.
    """
    schema = lite_schema()
    if schema is None:
        message = "LiteRT is not installed, so a graph for it can be neither written nor compared"
        raise InputError(message, where=where, hint="pip install 'edgewright[lite]'")
    return schema


class _Writer:
    """Writes one graph; tensors of ONNX are known by their names."""

    def __init__(self, schema: Any, where: str) -> None:
        self.schema, self.where = schema, where
        self.model, self.graph = schema.ModelT(), schema.SubGraphT()
        self.model.version, self.model.subgraphs = VERSION, [self.graph]
        self.model.buffers, self.model.operatorCodes = [schema.BufferT()], []
        self.graph.tensors, self.graph.operators = [], []
        self.constants: dict[str, np.ndarray] = {}
        self.places: dict[str, int] = {}
        self.shapes: dict[int, tuple[int, ...]] = {}
        self.codes: dict[int, int] = {}

    def write(self, model: bytes, outputs: Sequence[str]) -> bytes:
        """Return the LiteRT file of an ONNX graph."""
        import flatbuffers

        graph = onnx.load_from_string(model).graph
        self.constants = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
        columns = graph.input[0].type.tensor_type.shape.dim[1].dim_value
        self.places[INPUT] = self.tensor((1, columns), name=INPUT)
        for node in graph.node:
            self._node(node)
        parts = [self._as_row(self.places[name]) for name in (*outputs, SCORES)]
        options = self.schema.ConcatenationOptionsT()
        options.axis = 1
        wide = sum(self.shapes[part][1] for part in parts)
        self.graph.inputs = [self.places[INPUT]]
        self.graph.outputs = [self.operator("CONCATENATION", parts, (1, wide), options=options)]
        builder = flatbuffers.Builder(4096)
        builder.Finish(self.model.Pack(builder), FILE_IDENTIFIER)
        return bytes(builder.Output())

    def tensor(
        self, shape: tuple[int, ...], kind: Any = np.float32, data: Any = None, name: str = ""
    ) -> int:
        """Add a tensor, with its numbers if they are constant, and return its place."""
        one, types = self.schema.TensorT(), self.schema.TensorType
        one.shape, one.name, one.buffer = [*shape], name, 0
        one.type = getattr(types, np.dtype(kind).name.upper())
        if data is not None:
            buffer = self.schema.BufferT()
            content = np.ascontiguousarray(data, kind).tobytes()
            buffer.data = np.frombuffer(content, np.uint8)
            self.model.buffers.append(buffer)
            one.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(one)
        self.shapes[len(self.graph.tensors) - 1] = shape
        return len(self.graph.tensors) - 1

    def operator(
        self,
        name: str,
        inputs: Sequence[int],
        shape: tuple[int, ...],
        kind: Any = np.float32,
        options: Any = None,
    ) -> int:
        """Add an operator and return the place of its one output."""
        code = getattr(self.schema.BuiltinOperator, name)
        if code not in self.codes:
            entry = self.schema.OperatorCodeT()
            entry.builtinCode = entry.deprecatedBuiltinCode = code
            entry.version = 1
            self.model.operatorCodes.append(entry)
            self.codes[code] = len(self.model.operatorCodes) - 1
        one = self.schema.OperatorT()
        one.opcodeIndex, one.inputs = self.codes[code], [*inputs]
        one.outputs = [self.tensor(shape, kind)]
        if options is not None:
            named = type(options).__name__.removesuffix("T")
            one.builtinOptionsType = getattr(self.schema.BuiltinOptions, named)
            one.builtinOptions = options
        self.graph.operators.append(one)
        return one.outputs[0]

    def _node(self, node: onnx.NodeProto) -> None:
        if node.op_type not in _OPERATORS:
            refuse(f"the operator '{node.op_type}' is not written for LiteRT", self.where)
        self.places[node.output[0]] = _OPERATORS[node.op_type](self, [*node.input])

    def place(self, name: str) -> int:
        """Return the place of a tensor; a constant gets one when it is first asked for."""
        if name not in self.places:
            value = self.constants[name]
            self.places[name] = self.tensor(value.shape, value.dtype, value)
        return self.places[name]

    def _as_row(self, index: int) -> int:
        """Return ``[1, n]`` float32 of a tensor."""
        one, shape = index, (1, math.prod(self.shapes[index]))
        if self.graph.tensors[index].type != self.schema.TensorType.FLOAT32:
            one = self.operator(
                "CAST", [one], self.shapes[index], options=self.schema.CastOptionsT()
            )
        if self.shapes[one] == shape:
            return one
        wanted = self.tensor((2,), np.int32, shape)
        return self.operator("RESHAPE", [one, wanted], shape)


def refuse(message: str, where: str) -> NoReturn:
    """Raise what says that a policy cannot be written."""
    raise InputError(message, where=where, hint="export the policy without --litert")


Write = Callable[[_Writer, list[str]], int]


def _arithmetic(name: str, options: str = "") -> Write:
    def write(to: _Writer, inputs: list[str]) -> int:
        places = [to.place(one) for one in inputs]
        shape = np.broadcast_shapes(*(to.shapes[index] for index in places))
        chosen = getattr(to.schema, options)() if options else None
        return to.operator(name, places, shape, options=chosen)

    return write


def _clip(to: _Writer, inputs: list[str]) -> int:
    x, low, high = map(to.place, inputs)
    shape = to.shapes[x]
    options = to.schema.MaximumMinimumOptionsT
    above = to.operator("MAXIMUM", [x, low], shape, options=options())
    return to.operator("MINIMUM", [above, high], shape, options=options())


def _product(to: _Writer, inputs: list[str]) -> int:
    """Write ``x W`` or ``x W + b``: a fully connected layer takes its weights ``[out, in]``."""
    weight = to.constants[inputs[1]]
    bias = to.place(inputs[2]) if len(inputs) > 2 else -1
    turned = to.tensor(weight.shape[::-1], np.float32, weight.T)
    places, options = [to.place(inputs[0]), turned, bias], to.schema.FullyConnectedOptionsT()
    return to.operator("FULLY_CONNECTED", places, (1, weight.shape[1]), options=options)


def _slice(to: _Writer, inputs: list[str]) -> int:
    x = to.place(inputs[0])
    columns = to.shapes[x][1]
    first, last, _ = (int(to.constants[one][0]) for one in inputs[1:])
    size = min(last, columns) - first
    begin, sizes = (to.tensor((2,), np.int32, ends) for ends in ((0, first), (1, size)))
    options = to.schema.SliceOptionsT()
    return to.operator("SLICE", [x, begin, sizes], (1, size), options=options)


def _mean(to: _Writer, inputs: list[str]) -> int:
    options = to.schema.ReducerOptionsT()
    options.keepDims = True
    axis = to.tensor((1,), np.int32, [1])
    return to.operator("MEAN", [to.place(inputs[0]), axis], (1, 1), options=options)


def _best(to: _Writer, inputs: list[str]) -> int:
    options = to.schema.ArgMaxOptionsT()
    options.outputType = to.schema.TensorType.INT32
    axis = to.tensor((), np.int32, -1)
    return to.operator("ARG_MAX", [to.place(inputs[0]), axis], (1,), np.int32, options)


def _look_up(to: _Writer, inputs: list[str]) -> int:
    table = to.constants[inputs[0]]
    if np.abs(table).max(initial=0) >= MOST:
        refuse(f"an output is {MOST} or more, which float32 does not hold exactly", to.where)
    places = [to.tensor(table.shape, np.int32, table), to.place(inputs[1])]
    return to.operator("GATHER", places, (1,), np.int32, to.schema.GatherOptionsT())


_OPERATORS: dict[str, Write] = {
    "Add": _arithmetic("ADD", "AddOptionsT"),
    "Sub": _arithmetic("SUB", "SubOptionsT"),
    "Mul": _arithmetic("MUL", "MulOptionsT"),
    "Div": _arithmetic("DIV", "DivOptionsT"),
    "Tanh": _arithmetic("TANH"),
    "Relu": _arithmetic("RELU"),
    "Identity": lambda to, inputs: to.place(inputs[0]),
    "Clip": _clip,
    "Gemm": _product,
    "MatMul": _product,
    "Slice": _slice,
    "ReduceMean": _mean,
    "ArgMax": _best,
    "Gather": _look_up,
}
"""A function for each operator of ONNX that networks are written with."""
