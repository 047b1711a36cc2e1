"""Run a graph in onnxruntime with one thread, with a fast path for a single row.

A single row goes through buffers that are bound once; many rows through an ordinary run. The input
buffer of onnxruntime shares the memory of the NumPy array it was made from, so deciding is writing
the row and running. Where a bundle brings a graph for LiteRT and that is installed, single rows go
there instead.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgewright.bundle import lite
from edgewright.bundle.interface import INPUT, SCORES, Interface
from edgewright.bundle.onnx_runtime import onnxruntime
from edgewright.bundle.row import RowDecider, row_memory
from edgewright.bundle.shapes import BATCH
from edgewright.bundle.wire import check_operators
from edgewright.core.errors import EdgewrightError, InputError

_FLOAT, _WHOLE = "tensor(float)", "tensor(int64)"

__all__ = ["INPUT", "SCORES", "Engine", "EngineError"]


class EngineError(EdgewrightError):
    """The error of a model whose runtime raised or whose numbers are not finite."""


class Engine:
    """A checked graph that decides rows. Threads take turns."""

    def __init__(
        self, model: bytes, interface: Interface, where: str, lite_model: bytes | None = None
    ) -> None:
        self.operators = check_operators(model, where)
        self._session = _session(model, where)
        self.outputs = [output.name for output in interface.outputs]
        types = {node.name: node.type for node in self._session.get_outputs()}
        self.has_scores = SCORES in types
        shapes = {output.name: output.shape for output in interface.outputs}
        inputs = [(node.name, node.type, node.shape[1:]) for node in self._session.get_inputs()]
        wanted = [(INPUT, _FLOAT, [interface.columns])]
        real = {output.name for output in interface.outputs if output.kind == "number"}
        gives = {name: _FLOAT if name in real else _WHOLE for name in shapes}
        if self.has_scores:
            gives[SCORES] = _FLOAT
        if inputs != wanted or any(types.get(name) != gives[name] for name in gives):
            message = f"the graph takes {inputs} and gives {types}"
            hint = f"a bundle of this interface takes {wanted} and gives {gives}"
            raise InputError(message, where=where, hint=hint)
        self._names = [*self.outputs, *([SCORES] if self.has_scores else [])]
        self._finite = [name for name in self._names if gives[name] == _FLOAT]
        self._lock = threading.Lock()
        try:
            if self.has_scores:
                row = np.zeros((1, interface.columns), np.float32)
                shapes[SCORES] = self._run([SCORES], row)[0].shape[1:]
            kinds = {_FLOAT: np.float32, _WHOLE: np.int64}
            buffers = {n: np.zeros((1, *shapes[n]), kinds[gives[n]]) for n in self._names}
            self._bound = _BoundRow(self._session, interface.columns, buffers, self._finite)
            self._row: RowDecider = self._bound
        except Exception as error:
            message = f"the graph does not run: {_first_line(error)}"
            raise InputError(message, where=where, hint="export the policy again") from None
        self._lite: lite.LiteRow | None = None
        if lite_model is not None and lite.runtime():
            self._row = self._lite = lite.LiteRow(
                lite_model, interface.columns, len(self.outputs), where
            )

    @property
    def runtimes(self) -> str:
        """Return what decides here, with versions."""
        many = f"onnxruntime {onnxruntime.__version__}"
        return many if self._lite is None else f"{many}, {lite.runtime()} for single rows"

    def one(self, row: Sequence[float]) -> list[Any]:
        """Return the outputs for one row, in the order of the interface.

        Raises:
            EngineError: the model failed.
        """
        with self._lock:
            try:
                result, total = self._row.one(row)
            except Exception as error:
                raise EngineError(f"the model failed: {_first_line(error)}") from error
        if total - total != 0.0:  # infinite or not a number
            raise EngineError("the model failed: its numbers are not finite")
        return result

    def scored(self, row: Sequence[float]) -> list[float]:
        """Return the scores of all actions for one row, which :meth:`many` gives too.

        Raises:
            EngineError: the model failed, or has no scores.
        """
        with self._lock:
            try:
                scores, total = self._bound.scored(row)
            except Exception as error:
                raise EngineError(f"the model failed: {_first_line(error)}") from error
        if total - total != 0.0:  # infinite or not a number
            raise EngineError("the model failed: its numbers are not finite")
        return scores

    def one_by_one(self, rows: np.ndarray) -> dict[str, np.ndarray] | None:
        """Return what :meth:`many` returns, from the graph for single rows, if there is another.

        Raises:
            EngineError: the model failed.
        """
        if self._lite is None:
            return None
        try:
            with self._lock:
                outputs, scores = self._lite.many(rows)
        except Exception as error:
            raise EngineError(f"the model failed: {_first_line(error)}") from error
        return dict(zip(self.outputs, outputs.T, strict=True)) | {SCORES: scores}

    def many(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return every output for rows ``[n, columns]``, ``scores`` too where the graph has them.

        Rows go through the graph :data:`~.shapes.BATCH` at a time, which bounds its memory.

        Raises:
            EngineError: the model failed.
        """
        try:
            rows = np.asarray(rows, np.float32)
            runs = [
                self._run(self._names, rows[first : first + BATCH])
                for first in range(0, max(1, len(rows)), BATCH)
            ]
            result = runs[0] if len(runs) == 1 else [*map(np.concatenate, zip(*runs, strict=True))]
        except Exception as error:
            raise EngineError(f"the model failed: {_first_line(error)}") from error
        named = dict(zip(self._names, result, strict=True))
        if not all(np.isfinite(named[name].sum()) for name in self._finite):
            raise EngineError("the model failed: its numbers are not finite")
        return named

    def _run(self, names: list[str], rows: np.ndarray) -> list[Any]:
        return self._session.run(names, {INPUT: rows})  # pyright: ignore[reportReturnType]


class _BoundRow:
    """A single row in onnxruntime, through buffers that are bound once."""

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        columns: int,
        outputs: dict[str, np.ndarray],
        finite: Sequence[str],
    ) -> None:
        """Bind a row of ``columns`` and the buffers of outputs by name, ``scores`` among them.

        Args:
            finite: names of those that hold real numbers; their sum says whether all are finite.
        """
        self._session, self._binding = session, session.io_binding()
        self._row, self._put = row_memory(columns)
        held = onnxruntime.OrtValue.ortvalue_from_numpy
        self._binding.bind_ortvalue_input(INPUT, held(self._row))
        for name, buffer in outputs.items():
            self._binding.bind_ortvalue_output(name, held(buffer))
        self._take = [_taker(buffer) for name, buffer in outputs.items() if name != SCORES]
        self._scores = outputs.get(SCORES)
        self._total = _summed([outputs[name].ravel().tolist for name in finite])
        self._session.run_with_iobinding(self._binding)

    def one(self, row: Sequence[float]) -> tuple[list[Any], float]:
        """Return the outputs for one row, and the sum of all real numbers, scores among them."""
        self._put(*row)
        self._session.run_with_iobinding(self._binding)
        return [take() for take in self._take], self._total()

    def scored(self, row: Sequence[float]) -> tuple[list[float], float]:
        """Return the scores for one row, and the sum of all real numbers."""
        assert self._scores is not None, "the graph has scores"
        self._put(*row)
        self._session.run_with_iobinding(self._binding)
        return self._scores[0].tolist(), self._total()


def _summed(reads: Sequence[Callable[[], list[float]]]) -> Callable[[], float]:
    """Return what sums numbers that are read again each time; this is in the way of every row."""
    if len(reads) == 1:
        (read,) = reads
        return lambda: sum(read())
    return lambda: sum([sum(read()) for read in reads])


def _taker(buffer: Any) -> Callable[[], Any]:
    """Return what reads an output of the last single row."""
    return buffer.item if buffer.size == 1 and buffer.ndim == 1 else buffer[0].tolist


def _session(model: bytes, where: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.load_model_format", "ONNX")  # what was read, no other
    options.log_severity_level = 4  # what is wrong is raised, and said once
    try:
        return onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"], enable_fallback=0
        )  # there is nothing to fall back on, and it would say so on stdout
    except Exception as error:
        message = f"the graph does not load: {_first_line(error)}"
        raise InputError(message, where=where, hint="export the policy again") from None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
