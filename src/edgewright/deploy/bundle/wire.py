"""Read which operators an ONNX file asks for, without ONNX.

A walk over the protobuf wire format (varints and length-prefixed fields) that looks at the few
fields that matter for trust: operators and their domains, operator sets, functions, and data kept
in other files. Field numbers are those of ``onnx.proto3``. The runtime checks everything else.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgewright.core.errors import InputError

OPSET = 18

_NAMES = """
Abs Add And ArgMax ArgMin Cast Ceil Clip Concat CumSum DequantizeLinear Div Equal Erf Exp Expand
Floor GRU Gather GatherElements Gemm Greater GreaterOrEqual Identity LayerNormalization Less
LessOrEqual Log MatMul Max Min Mish Mod Mul Neg Not OneHot Or Pow QuantizeLinear Range Reciprocal
ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum Relu Reshape Round Shape Sigmoid Sign Slice
Softmax Softplus Sqrt Squeeze Sub Tanh TopK Transpose Unsqueeze Where Xor
"""
OPERATORS = frozenset(_NAMES.split())
"""Operators that a bundle may ask for: arithmetic on tensors. No loops, no files, no randomness."""

_DOMAINS = ("", "ai.onnx")
_MODEL = {"graph": 7, "opset": 8, "training": 20, "functions": 25}
_GRAPH = {"node": 1, "tensor": 5, "sparse": 15}
_NODE = {"operator": 4, "attribute": 5, "domain": 7}
_TENSOR = {"external": 13, "location": 14}
_OPSET_ID = {"domain": 1, "version": 2}
_ATTRIBUTE = {"tensor": 5, "graph": 6, "graphs": 11}


def check_operators(model: bytes, where: str) -> list[str]:
    """Return the operators of an ONNX model, sorted.

    Raises:
        InputError: an operator, a domain or an operator set that bundles do not use; a function;
            data in another file; or no ONNX at all.
    """
    try:
        found = _Reader(where).model(model)
    except (IndexError, ValueError, OverflowError) as error:
        problem = f"the graph cannot be read ({error})"
        raise InputError(problem, where=where, hint="export the policy again") from None
    if not found:
        raise InputError("the graph is empty", where=where, hint="export the policy again")
    return sorted(found)


class _Reader:
    """Walks one model and remembers its operators."""

    def __init__(self, where: str) -> None:
        self.where, self.found = where, set[str]()

    def model(self, model: bytes) -> set[str]:
        """Read a ModelProto."""
        versions = []
        for field, value in fields(model):
            if field == _MODEL["graph"]:
                self._graph(_bytes(value))
            elif field == _MODEL["opset"]:
                pairs = dict(fields(_bytes(value)))
                domain = _text(pairs.get(_OPSET_ID["domain"], b""))
                if domain not in _DOMAINS:
                    self._refuse(f"the operator set '{domain}' is foreign")
                versions.append(pairs.get(_OPSET_ID["version"]))
            elif field in (_MODEL["training"], _MODEL["functions"]):
                self._refuse("the graph brings functions of its own")
        if versions != [OPSET]:
            self._refuse(f"the graph has operator set {versions}, bundles have {OPSET}")
        return self.found

    def _graph(self, graph: bytes) -> None:
        for field, value in fields(graph):
            if field == _GRAPH["node"]:
                self._node(_bytes(value))
            elif field == _GRAPH["tensor"]:
                self._tensor(_bytes(value))
            elif field == _GRAPH["sparse"]:
                self._refuse("the graph has sparse tensors")

    def _node(self, node: bytes) -> None:
        operator, domain = "", ""
        for field, value in fields(node):
            if field == _NODE["operator"]:
                operator = _text(value)
            elif field == _NODE["domain"]:
                domain = _text(value)
            elif field == _NODE["attribute"]:
                for inner, content in fields(_bytes(value)):
                    if inner in (_ATTRIBUTE["graph"], _ATTRIBUTE["graphs"]):
                        self._refuse("the graph has a graph inside")
                    if inner == _ATTRIBUTE["tensor"]:
                        self._tensor(_bytes(content))
        if domain not in _DOMAINS or operator not in OPERATORS:
            name = f"{domain}.{operator}" if domain else operator
            self._refuse(f"the operator '{name}' is foreign")
        self.found.add(operator)

    def _tensor(self, tensor: bytes) -> None:
        for field, value in fields(tensor):
            if field == _TENSOR["external"] or (field == _TENSOR["location"] and value != 0):
                self._refuse("the graph keeps data in another file")

    def _refuse(self, problem: str) -> None:
        raise InputError(problem, where=self.where, hint="export the policy with edgewright export")


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield (field number, value) of a protobuf message; fixed-width values as bytes."""
    place, size = 0, len(message)
    while place < size:
        key, place = _varint(message, place)
        field, kind = key >> 3, key & 7
        if kind == 0:
            value, place = _varint(message, place)
            yield field, value
            continue
        if kind == 2:
            length, place = _varint(message, place)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if place + length > size:
            raise ValueError("a field reaches beyond the end")
        yield field, message[place : place + length]
        place += length


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
        if shift > 63:
            raise ValueError("a number is too long")


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number stands where a message should")
    return value


def _text(value: int | bytes) -> str:
    return _bytes(value).decode("utf-8")
