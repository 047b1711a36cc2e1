"""int8 by onnxruntime's own quantiser: static, calibrated on real rows."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnx.reference

from edgewright.bundle.engine import INPUT, SCORES
from edgewright.bundle.interface import Interface
from edgewright.bundle.onnx_runtime import quantisation
from edgewright.export.graph import IR_VERSION
from edgewright.export.record import Reference

quantization = quantisation()

CALIBRATION_ROWS = 1024

_REFERENCE_OPSET = 21
"""The reference evaluator has quantisation from here on; it means what it meant at 18."""


class _Rows(quantization.CalibrationDataReader):
    """Gives calibration one batch at a time."""

    def __init__(self, rows: np.ndarray) -> None:
        self._batches = iter(np.array_split(rows.astype(np.float32), 8))

    def get_next(self) -> dict[str, np.ndarray] | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the next batch, or None."""
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}


def quantise(model: bytes, rows: np.ndarray) -> bytes:
    """Return a graph whose matrix products are in 8 bits.

    Weights get 7 bits: on processors without 8-bit dot products, sums of full ones would saturate,
    and the graph would decide otherwise there than here.
    """
    with tempfile.TemporaryDirectory() as folder, _quiet():
        out = Path(folder) / "int8.onnx"
        quantization.quantize_static(
            onnx.load_from_string(model),
            out,
            _Rows(rows[:CALIBRATION_ROWS]),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=["Gemm"],
            per_channel=False,
            reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            # Scores in 8 bits would tie; what follows a product here is cheap in float.
            extra_options={"OpTypesToExcludeOutputQuantization": ["Gemm"]},
        )
        made = onnx.load(out)
    made.ir_version = IR_VERSION
    made.producer_name = "edgewright"
    del made.metadata_props[:]
    return made.SerializeToString(deterministic=True)


def reference_of_int8(model: bytes, interface: Interface) -> Reference:
    """Return what ONNX's reference evaluator decides with an 8-bit graph.

    Such a graph has no counterpart in the training framework: its record of parity is that of the
    standard itself.
    """
    graph = onnx.load_from_string(model)
    graph.opset_import[0].version = _REFERENCE_OPSET
    evaluator = onnx.reference.ReferenceEvaluator(graph)
    names = [output.name for output in interface.outputs]
    kinds = [np.float32 if one.kind == "number" else np.int64 for one in interface.outputs]

    def reference(rows: np.ndarray) -> dict[str, np.ndarray]:
        with np.errstate(all="ignore"):  # a graph may divide by 0 where it takes another number
            *decided, scores = evaluator.run([*names, SCORES], {INPUT: rows.astype(np.float32)})
        result = {
            name: np.asarray(value, kind)
            for name, value, kind in zip(names, decided, kinds, strict=True)
        }
        return {**result, SCORES: np.asarray(scores, np.float32)}

    return reference


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the quantiser's advice (to simplify graphs of convolutions) off the terminal."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
