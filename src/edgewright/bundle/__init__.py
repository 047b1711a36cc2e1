"""Read and run bundles, files that decide with NumPy and onnxruntime and without JAX."""

from edgewright.bundle.bundle import Bundle, load
from edgewright.bundle.interface import BadField, Field, Interface, Output

__all__ = ["BadField", "Bundle", "Field", "Interface", "Output", "load"]
