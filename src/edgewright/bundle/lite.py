"""Decide single rows with LiteRT where it is installed, faster than with onnxruntime.

A bundle may hold a second graph (``edgewright export --litert``). It takes one row and gives one:
the outputs of the decision in order, then the scores. Without LiteRT the bundle decides as before.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgewright.bundle.lite_shapes import OPERATORS, check_lite_memory
from edgewright.bundle.row import row_memory
from edgewright.core.errors import InputError

FILE_IDENTIFIER = b"TFL3"

_AGAIN = "export the policy again"


@functools.cache
def _installed() -> tuple[Any, Any, str] | None:
    """Return the schema, the interpreter and the version, or None where one cannot be had."""
    try:
        from ai_edge_litert import __version__, schema_py_generated
        from ai_edge_litert.interpreter import Interpreter
    except (ImportError, OSError):  # OSError: its library is of another system
        return None
    return schema_py_generated, Interpreter, __version__


def lite_schema() -> Any:
    """Return the module that reads and writes LiteRT files, or None where LiteRT is missing."""
    result = _installed()
    return result and result[0]


def runtime() -> str:
    """Return the name and the version of the runtime, or an empty text where it is missing."""
    result = _installed()
    return f"litert {result[2]}" if result else ""


class LiteRow:
    """A checked graph that decides one row at a time. Callers take turns."""

    def __init__(self, model: bytes, columns: int, outputs: int, where: str) -> None:
        """Read a graph.

        Args:
            outputs: how many whole numbers come before the scores.

        Raises:
            InputError: no LiteRT file, a foreign operator, a shape that is not the declared one,
                too much memory, or another input or output than said.
        """
        _check(model, where)
        self._outputs = outputs
        self._row, self._put = row_memory(columns)
        try:
            self._graph = _interpreter(model)
            self._graph.allocate_tensors()
            (begin,), (end,) = self._graph.get_input_details(), self._graph.get_output_details()
            if [*begin["shape"]] != [1, columns] or begin["dtype"] != np.float32:
                raise ValueError(f"it takes {begin['dtype'].__name__} {[*begin['shape']]}")
            if end["shape"][1] <= self._outputs or end["dtype"] != np.float32:
                raise ValueError(f"it gives {end['dtype'].__name__} {[*end['shape']]}")
            self._into, self._from = begin["index"], end["index"]
            self.one([0.0] * columns)
        except Exception as error:
            message = f"the LiteRT graph does not run: {error}"
            raise InputError(message, where=where, hint=_AGAIN) from None

    def one(self, row: Sequence[float]) -> tuple[list[Any], float]:
        """Return the outputs for one row, and the sum of the scores."""
        self._put(*row)
        result = self._run(self._row).tolist()
        return [int(value) for value in result[: self._outputs]], sum(result[self._outputs :])

    def many(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return outputs ``[n, outputs]`` and scores ``[n, scores]`` for rows, one by one."""
        result = np.stack([self._run(row[None]) for row in np.asarray(rows, np.float32)])
        return result[:, : self._outputs].astype(np.int64), result[:, self._outputs :]

    def _run(self, row: np.ndarray) -> np.ndarray:
        self._graph.set_tensor(self._into, row)
        self._graph.invoke()
        return self._graph.get_tensor(self._from)[0]


def _interpreter(model: bytes) -> Any:
    result = _installed()
    assert result is not None, "asked for where LiteRT is missing"
    return result[1](model_content=model, num_threads=1)


def _check(model: bytes, where: str) -> None:
    """Refuse a file that is none, has a foreign operator, or takes more memory than bundles do."""
    schema = lite_schema()
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if name.isupper()}
    try:
        if model[4:8] != FILE_IDENTIFIER:
            raise ValueError("it is not a LiteRT file")
        read = schema.ModelT.InitFromPackedBuf(model, 0)
        graphs, codes = len(read.subgraphs), [*read.operatorCodes]
        asked = {names.get(max(c.builtinCode, c.deprecatedBuiltinCode), "CUSTOM") for c in codes}
    except Exception as error:
        message = f"the LiteRT graph cannot be read ({error})"
        raise InputError(message, where=where, hint=_AGAIN) from None
    foreign = sorted(asked - OPERATORS)
    try:
        if foreign:
            raise ValueError(f"the operator '{foreign[0]}' is foreign")
        if graphs != 1:
            raise ValueError(f"there are {graphs} graphs")
        check_lite_memory(read, names, schema)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        message = f"in the LiteRT file, {error}"
        raise InputError(message, where=where, hint=_AGAIN) from None
