"""The bundle: one file that decides. NumPy and onnxruntime are all it needs; never JAX."""

from edgewright.bundle.bundle import Bundle, load
from edgewright.bundle.interface import BadField, Field, Interface, Output

__all__ = ["BadField", "Bundle", "Field", "Interface", "Output", "load"]
