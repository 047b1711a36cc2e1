"""File formats of public recordings, read into NumPy records with units in the names.

No JAX here. Every loader refuses bad content with one :class:`InputError` that names the file, the
line or field, the value and the remedy. :data:`FORMATS` lists the formats.
"""

from edgewright.streams.traces.bandwidth import (
    MAX_SAMPLES,
    BandwidthTrace,
    load_bandwidth,
    resample_zero_order_hold,
)
from edgewright.streams.traces.files import recording_files
from edgewright.streams.traces.formats import FORMATS, Format
from edgewright.streams.traces.lines import (
    Floats,
    PathLike,
    check_is_file,
    check_positive,
    read_raw,
)
from edgewright.streams.traces.parts import Part, check_part, split_by_file
from edgewright.streams.traces.reading import Reading
from edgewright.streams.traces.requests import RequestLog, load_requests
from edgewright.streams.traces.units import RATE_UNITS, TIME_UNITS

__all__ = [
    "FORMATS",
    "MAX_SAMPLES",
    "RATE_UNITS",
    "TIME_UNITS",
    "BandwidthTrace",
    "Floats",
    "Format",
    "Part",
    "PathLike",
    "Reading",
    "RequestLog",
    "check_is_file",
    "check_part",
    "check_positive",
    "load_bandwidth",
    "load_requests",
    "read_raw",
    "recording_files",
    "resample_zero_order_hold",
    "split_by_file",
]
