"""Read which operators an ONNX file asks for, without ONNX.

Every field of every message is looked at. What bundles use is listed here by the field numbers of
``onnx.proto3``; whatever is not listed is refused: graphs inside graphs, functions, data in other
files, and fields that a later ONNX may bring. So nothing runs that was not read here. Then the
memory of the graph is bounded, see :mod:`.shapes`.
"""

from __future__ import annotations

from typing import Any, NoReturn

from edgewright.bundle.protobuf import DATA, FIXED32, VARINT, fields
from edgewright.bundle.shape_rules import RULES
from edgewright.bundle.shapes import check_memory
from edgewright.bundle.tensors import Message, text
from edgewright.core.errors import InputError

OPSET = 18

OPERATORS = frozenset(RULES)
"""Operators that a bundle may ask for: what exporters and quantiser write, and GRU for recurrent
cells. Arithmetic on tensors. No loops, no files, no randomness."""

MAX_FIELDS = 2**20
"""Fields of one graph, of all its messages: more would take long to read."""

_FIELDS: dict[str, dict[int, str]] = {
    "model": {1: "number", 2: "text", 3: "text", 7: "graph", 8: "opset*"},
    "opset": {1: "text", 2: "number"},
    "graph": {1: "node*", 2: "text", 5: "tensor*", 11: "value*", 12: "value*", 13: "value*"},
    "node": {1: "text*", 2: "text*", 3: "text", 4: "text", 5: "attribute*", 7: "text"},
    "attribute": {
        1: "text", 2: "float", 3: "number", 4: "text", 7: "float*", 8: "number*", 9: "text*",
        20: "number",
    },
    "tensor": {
        1: "number*", 2: "number", 4: "float*", 5: "number*", 7: "number*", 8: "text", 9: "data"
    },
    "value": {1: "text", 2: "type"},
    "type": {1: "tensor type"},
    "tensor type": {1: "number", 2: "shape"},
    "shape": {1: "dimension*"},
    "dimension": {1: "number", 2: "text"},
}  # fmt: skip
"""The fields that each message may hold, by number; ``*`` where it may be there more than once."""

_WIRES = {"number": (VARINT,), "number*": (VARINT, DATA), "float": (FIXED32,)}
_WIRES["float*"] = (FIXED32, DATA)

_INSIDE, _SPARSE = "the graph has a graph inside", "the graph has sparse tensors"
_ELSEWHERE = "the graph keeps data in another file"
_FUNCTIONS = "the graph brings functions of its own"
_REFUSED = {
    ("model", 20): _FUNCTIONS, ("model", 25): _FUNCTIONS, ("graph", 15): _SPARSE,
    ("attribute", 6): _INSIDE, ("attribute", 11): _INSIDE,
    ("attribute", 22): _SPARSE, ("attribute", 23): _SPARSE,
    ("tensor", 13): _ELSEWHERE, ("tensor", 14): _ELSEWHERE,
}  # fmt: skip
"""Messages on fields that a user may know by another name than their number."""

_DOMAINS = ("", "ai.onnx")
_OTHER_FORMAT = b"ORTM"
"""Bytes 4 to 8 of a file in the runtime's own format, which is not protobuf."""

_AGAIN = "export the policy with edgewright export RUN --out FILE"


def check_operators(model: bytes, where: str) -> list[str]:
    """Return the operators of an ONNX model, sorted.

    Raises:
        InputError: an operator, a domain, an operator set or a field that bundles do not use; a
            shape that cannot be inferred; far more memory than bundles need; or no ONNX at all.
    """
    reader = _Reader(where)
    if model[4:8] == _OTHER_FORMAT:
        reader.refuse("the graph is in the runtime's own format, not in ONNX")
    try:
        result = reader.check(reader.read("model", model))
    except (LookupError, ValueError, OverflowError) as error:
        message = f"the graph cannot be read ({error})"
        raise InputError(message, where=where, hint="export the policy again") from None
    if not result:
        raise InputError("the graph is empty", where=where, hint="export the policy again")
    return sorted(result)


class _Reader:
    """Reads one model and refuses what bundles do not use."""

    def __init__(self, where: str) -> None:
        self.where, self.left = where, MAX_FIELDS

    def read(self, kind: str, content: bytes) -> Message:
        """Return the values of a message by field number, messages inside it read as well."""
        result: Message = {}
        for field, wire, value in fields(content):
            self.left -= 1
            if self.left < 0:
                raise ValueError(f"it has more than {MAX_FIELDS} fields")
            known = _FIELDS[kind].get(field)
            if known is None:
                usual = f"the {kind} has a field {field} that bundles do not use"
                self.refuse(_REFUSED.get((kind, field), usual))
            name = known.removesuffix("*")
            if wire not in _WIRES.get(known, (DATA,)):
                raise ValueError(f"field {field} of the {kind} has wire type {wire}")
            if field in result and name == known:
                raise ValueError(f"field {field} of the {kind} is there twice")
            result.setdefault(field, []).append(self._value(name, value))
        return result

    def _value(self, name: str, value: Any) -> Any:
        if name in _FIELDS:
            return self.read(name, value)
        return value.decode("utf-8") if name == "text" else value

    def check(self, model: Message) -> set[str]:
        """Return the operators of a model."""
        versions = []
        for one in model.get(8, []):
            domain = text(one, 1)
            if domain not in _DOMAINS:
                self.refuse(f"the operator set '{domain}' is foreign")
            versions += one.get(2, [])
        if versions != [OPSET]:
            self.refuse(f"the graph has operator set {versions}, bundles have {OPSET}")
        graph = model.get(7, [{}])[0]
        nodes = graph.get(1, [])
        result = {self._operator(node) for node in nodes}
        constants = graph.get(5, [])
        if len({text(tensor, 8) for tensor in constants}) < len(constants):
            self.refuse("the graph has two constants of one name")
        check_memory(graph, self.refuse)
        return result

    def _operator(self, node: Message) -> str:
        operator, domain = text(node, 4), text(node, 7)
        if domain not in _DOMAINS or operator not in OPERATORS:
            name = f"{domain}.{operator}" if domain else operator
            self.refuse(f"the operator '{name}' is foreign")
        return operator

    def refuse(self, message: str) -> NoReturn:
        """Raise what says that bundles do not use this."""
        raise InputError(message, where=self.where, hint=_AGAIN)
