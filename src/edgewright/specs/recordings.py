"""Find, read and summarise the recordings that a scenario names."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgewright.specs import processes as specs
from edgewright.streams.gains import GainReading, load_gains
from edgewright.streams.recorded import bandwidth_part
from edgewright.streams.summary import Summary, of_bandwidth, of_gains, of_requests
from edgewright.streams.traces import Part, Reading, load_requests, recording_files

_RECORDED = (
    specs.RecordedBandwidthSpec
    | specs.RecordedGapsSpec
    | specs.RecordedLoadSpec
    | specs.RecordedServicesSpec
    | specs.RecordedGainsSpec
)


def is_recording(spec: object) -> bool:
    """Return whether a process plays back a recording."""
    return isinstance(spec, _RECORDED)


def paths(spec: Any, name: str, find: Callable[[str], Path]) -> list[Path]:
    """Return the files of the recording of the entry ``streams.name``.

    Args:
        spec: a recorded process.
        name: name of the input.
        find: returns the path of a name in the data folder.
    """
    if isinstance(spec, specs.RecordedBandwidthSpec):
        names = [spec.folder] if isinstance(spec.folder, str) else spec.folder
        return recording_files([find(name) for name in names], reading(spec, name))
    return [find(spec.file)]


def reading(spec: Any, name: str) -> Reading:
    """Return how to read the bandwidth or the requests of the entry ``streams.name``."""
    keys = {f.name for f in dataclasses.fields(Reading)} & {
        f.name for f in dataclasses.fields(spec)
    }
    return Reading(prefix=f"streams.{name}.", **{key: getattr(spec, key) for key in keys})


def gain_reading(spec: specs.RecordedGainsSpec, name: str) -> GainReading:
    """Return how to read the gains of the entry ``streams.name``."""
    return GainReading(
        variable=spec.variable,
        unit=spec.unit,
        transpose=spec.transpose,
        low_gain=spec.low_gain,
        prefix=f"streams.{name}.",
    )


def summarise(spec: Any, name: str, find: Callable[[str], Path], part: Part) -> Summary:
    """Return what the recording of the entry ``streams.name`` holds.

    Args:
        part: of bandwidth, which part of the files; others are summarised as a whole.
    """
    files = paths(spec, name, find)
    if isinstance(spec, specs.RecordedBandwidthSpec):
        return of_bandwidth(bandwidth_part(files, reading(spec, name), part))
    if isinstance(spec, specs.RecordedGainsSpec):
        return of_gains(load_gains(files[0], gain_reading(spec, name)))
    return of_requests(load_requests(files[0], reading(spec, name)))
