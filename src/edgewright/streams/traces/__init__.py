"""File formats of public recordings, read into NumPy records with units in the names.

No JAX here. Every loader refuses bad content with one :class:`InputError` that names the file, the
line or field, the value and the remedy.
"""

from edgewright.streams.traces.bandwidth import (
    MAX_SAMPLES,
    BandwidthTrace,
    load_bandwidth_two_column,
    resample_zero_order_hold,
)
from edgewright.streams.traces.lines import Floats, PathLike, check_positive
from edgewright.streams.traces.parts import Part, check_part, split_by_file
from edgewright.streams.traces.requests import (
    RequestLog,
    load_azure_llm,
    load_mooncake,
    load_requests,
)

__all__ = [
    "MAX_SAMPLES",
    "BandwidthTrace",
    "Floats",
    "Part",
    "PathLike",
    "RequestLog",
    "check_part",
    "check_positive",
    "load_azure_llm",
    "load_bandwidth_two_column",
    "load_mooncake",
    "load_requests",
    "resample_zero_order_hold",
    "split_by_file",
]
