"""Write ONNX graphs from nodes, constants and named outputs, in opset 18."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgewright.bundle.engine import INPUT
from edgewright.bundle.wire import OPSET

IR_VERSION = 9
"""The file format that goes with opset 18: runtimes of 2023 and later read it."""

_TYPES = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int64): TensorProto.INT64}


class GraphBuilder:
    """Collects the nodes of a graph that takes ``observation`` ``[N, columns]`` float32."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, np.ndarray] = {}
        self._count = 0

    def constant(self, value: Any, name: str = "", dtype: Any = np.float32) -> str:
        """Add a constant and return its name."""
        label = name or f"c{len(self._constants)}"
        self._constants[label] = np.asarray(value, dtype)
        return label

    def node(self, operator: str, inputs: Sequence[str], name: str = "", **attributes: Any) -> str:
        """Add an operator and return the name of its one output."""
        self._count += 1
        label = name or f"v{self._count}"
        self._nodes.append(helper.make_node(operator, list(inputs), [label], **attributes))
        return label

    def pair(self, operator: str, inputs: Sequence[str], **attributes: Any) -> tuple[str, str]:
        """Add an operator with two outputs and return their names."""
        self._count += 1
        labels = f"v{self._count}", f"v{self._count}.second"
        self._nodes.append(helper.make_node(operator, list(inputs), list(labels), **attributes))
        return labels

    def model(self, outputs: Mapping[str, tuple[Any, tuple[int, ...]]], title: str) -> bytes:
        """Return the ONNX file.

        Args:
            outputs: NumPy type and shape of one row for each name that nodes have made.
        """
        ends = [
            helper.make_tensor_value_info(name, _TYPES[np.dtype(kind)], ["N", *shape])
            for name, (kind, shape) in outputs.items()
        ]
        start = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["N", self.columns])
        tensors = [numpy_helper.from_array(v, name) for name, v in self._constants.items()]
        graph = helper.make_graph(self._nodes, title, [start], ends, tensors)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="edgewright",
        )
        onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString(deterministic=True)
