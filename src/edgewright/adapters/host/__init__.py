"""Run a world's own code on the host: its trace, unrolled into NumPy.

:mod:`~edgewright.adapters.host.translate` follows the trace of a function,
:mod:`~edgewright.adapters.host.elements` and :mod:`~edgewright.adapters.host.shapes` know its
operations, and :mod:`~edgewright.adapters.host.emit` writes the Python that runs.
"""
