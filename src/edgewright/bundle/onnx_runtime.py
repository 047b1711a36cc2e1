"""Import onnxruntime without its telemetry. No other module imports it.

From 1.29 on, its official builds write a device id below the home folder and send reports to their
maker. The variable must be set before the library initialises; a value that the user chose stands.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime


def quantisation() -> Any:
    """Return ``onnxruntime.quantization``, which needs the package ``onnx``."""
    return importlib.import_module("onnxruntime.quantization")


__all__ = ["onnxruntime", "quantisation"]
