"""The bundle: one file that decides. NumPy and onnxruntime are all it needs; never JAX."""

from edgewright.deploy.bundle.bundle import Bundle, load
from edgewright.deploy.bundle.interface import BadField, Field, Interface, Output

__all__ = ["BadField", "Bundle", "Field", "Interface", "Output", "load"]
