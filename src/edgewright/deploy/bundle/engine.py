"""The engine: one graph in onnxruntime with one thread, quick for a single row.

A single row goes through buffers that are bound once; many rows through an ordinary run. The input
buffer of onnxruntime shares the memory of the NumPy array it was made from, so deciding is writing
the row and running.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnxruntime

from edgewright.core.errors import EdgewrightError, InputError
from edgewright.deploy.bundle.interface import Interface
from edgewright.deploy.bundle.wire import check_operators

INPUT, SCORES = "observation", "scores"
"""Names in the graph: what goes in, and the values that the decision is made from."""

_TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64}


class EngineError(EdgewrightError):
    """The model failed: the runtime raised, or its numbers are not finite."""


class Engine:
    """A checked graph that decides rows. Threads take turns."""

    def __init__(self, model: bytes, interface: Interface, where: str) -> None:
        self.operators = check_operators(model, where)
        self._session = _session(model, where)
        self._lock = threading.Lock()
        self.outputs = [output.name for output in interface.outputs]
        types = {node.name: node.type for node in self._session.get_outputs()}
        self.has_scores = SCORES in types
        shapes = {output.name: output.shape for output in interface.outputs}
        inputs = [(node.name, node.type, node.shape[1:]) for node in self._session.get_inputs()]
        wanted = [(INPUT, "tensor(float)", [interface.columns])]
        if inputs != wanted or not set(shapes) <= set(types):
            problem = f"the graph takes {inputs} and gives {sorted(types)}"
            hint = f"a bundle of this interface takes {wanted} and gives {sorted(shapes)}"
            raise InputError(problem, where=where, hint=hint)
        self._names = [*self.outputs, *([SCORES] if self.has_scores else [])]
        self._row = np.zeros((1, interface.columns), np.float32)
        self._memory = self._row.data.cast("B")
        self._put = struct.Struct(f"{interface.columns}f").pack_into
        try:
            if self.has_scores:
                shapes[SCORES] = self._run([SCORES], self._row)[0].shape[1:]
            self._bound = {
                name: np.zeros((1, *shapes[name]), _TYPES[types[name]]) for name in self._names
            }
            self._take = [self._taker(name) for name in self.outputs]
            self._scores = self._bound[SCORES].ravel().tolist if self.has_scores else list
            self._binding = self._bind()
            self._session.run_with_iobinding(self._binding)
        except Exception as error:
            problem = f"the graph does not run: {_first_line(error)}"
            raise InputError(problem, where=where, hint="export the policy again") from None

    def one(self, row: Sequence[float]) -> list[Any]:
        """Return the outputs for one row, in the order of the interface.

        Raises:
            EngineError: the model failed.
        """
        with self._lock:
            try:
                self._put(self._memory, 0, *row)
                self._session.run_with_iobinding(self._binding)
            except Exception as error:
                raise EngineError(f"the model failed: {_first_line(error)}") from error
            found = [take() for take in self._take]
            total = sum(self._scores())
        if total - total != 0.0:  # infinite or not a number
            raise EngineError("the model failed: its scores are not finite")
        return found

    def many(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return every output for rows ``[n, columns]``, ``scores`` too where the graph has them.

        Raises:
            EngineError: the model failed.
        """
        try:
            found = self._run(self._names, np.asarray(rows, np.float32))
        except Exception as error:
            raise EngineError(f"the model failed: {_first_line(error)}") from error
        named = dict(zip(self._names, found, strict=True))
        if self.has_scores and not np.isfinite(named[SCORES].sum()):
            raise EngineError("the model failed: its scores are not finite")
        return named

    def _taker(self, name: str) -> Callable[[], Any]:
        """Return what reads an output of the last single row."""
        buffer: Any = self._bound[name]
        return buffer.item if buffer.size == 1 and buffer.ndim == 1 else buffer[0].tolist

    def _run(self, names: list[str], rows: np.ndarray) -> list[Any]:
        return self._session.run(names, {INPUT: rows})  # pyright: ignore[reportReturnType]

    def _bind(self) -> onnxruntime.IOBinding:
        binding = self._session.io_binding()
        held = onnxruntime.OrtValue.ortvalue_from_numpy
        binding.bind_ortvalue_input(INPUT, held(self._row))
        for name, buffer in self._bound.items():
            binding.bind_ortvalue_output(name, held(buffer))
        return binding


def _session(model: bytes, where: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # what is wrong is raised, and said once
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        problem = f"the graph does not load: {_first_line(error)}"
        raise InputError(problem, where=where, hint="export the policy again") from None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
