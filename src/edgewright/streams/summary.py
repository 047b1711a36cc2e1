"""Summarise a recording by its rows, its span and the mean of each quantity with its unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgewright.streams.gains import Gains
from edgewright.streams.positions import Positions
from edgewright.streams.traces import BandwidthTrace, RequestLog


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """One quantity of a recording, over all rows."""

    name: str
    unit: str
    mean: float
    low: float
    high: float

    def text(self) -> str:
        """Return the quantity in words."""
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.name}: mean {self.mean:.4g}{unit}, from {self.low:.4g} to {self.high:.4g}"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Content of a recording in numbers.

    Attributes:
        kind: ``bandwidth``, ``requests``, ``gains`` or ``positions``.
        format: name of the format.
        rows: number of rows, over all recordings.
        recordings: number of files, or of runs in one file.
        span_s: time that they cover [s]; None for what has no time.
        quantities: what was recorded.
        notes: what the reader assumed or did.
    """

    kind: str
    format: str
    rows: int
    recordings: int
    span_s: float | None
    quantities: tuple[Quantity, ...]
    notes: tuple[str, ...] = ()

    def line(self) -> str:
        """Return the summary in one line."""
        span = "" if self.span_s is None else f", {duration(self.span_s)}"
        count = f", {self.recordings} recordings" if self.recordings > 1 else ""
        first = self.quantities[0]
        unit = f" {first.unit}" if first.unit else ""
        rows = f"{self.rows:,} rows{count}{span}"
        return f"{self.kind} ({self.format}): {rows}, {first.name} mean {first.mean:.4g}{unit}"

    def facts(self) -> dict[str, Any]:
        """Return the summary as plain values."""
        return asdict(self)


def duration(seconds: float) -> str:
    """Return a time in seconds, and in hours or days where it is long."""
    for unit, length in (("days", 86400.0), ("h", 3600.0)):
        if seconds >= 2 * length:
            return f"{seconds:,.6g} s ({seconds / length:.3g} {unit})"
    return f"{seconds:,.6g} s"


def of_bandwidth(traces: Sequence[BandwidthTrace]) -> Summary:
    """Return the summary of one or several recordings of bandwidth."""
    rates = np.concatenate([trace.bandwidth_mbps for trace in traces])
    steps = np.concatenate([np.diff(trace.time_s) for trace in traces])
    return Summary(
        kind="bandwidth",
        format=", ".join(sorted({trace.format for trace in traces})),
        rows=rates.size,
        recordings=len(traces),
        span_s=float(steps.sum()),
        quantities=(_quantity("rate", "Mbit/s", rates), _quantity("step", "s", steps)),
        notes=tuple(dict.fromkeys(note for trace in traces for note in trace.notes)),
    )


def of_requests(log: RequestLog) -> Summary:
    """Return the summary of a log of requests."""
    return Summary(
        kind="requests",
        format=log.format,
        rows=log.time_s.size,
        recordings=1,
        span_s=float(log.time_s[-1] - log.time_s[0]),
        quantities=(
            _quantity("gap", "s", np.diff(log.time_s)),
            _quantity("input", "tokens", log.input_tokens),
            _quantity("output", "tokens", log.output_tokens),
        ),
        notes=log.notes,
    )


def of_gains(gains: Gains) -> Summary:
    """Return the summary of a file of channel gains."""
    slots, devices = gains.gain.shape
    beside = [
        text
        for text, value in (
            ("the optimum of DROO's objective in each slot", gains.rate),
            ("weights of the devices", gains.weights),
        )
        if value is not None
    ]
    return Summary(
        kind="gains",
        format="MATLAB",
        rows=slots,
        recordings=1,
        span_s=None,
        quantities=(
            _quantity("gain", "", gains.gain),
            _quantity("gain in decibels", "dB", 10 * np.log10(gains.gain)),
        ),
        notes=(
            f"{devices} devices in each slot",
            *(f"beside the gains: {text}" for text in beside),
        ),
    )


def of_positions(positions: Positions) -> Summary:
    """Return the summary of a file of positions."""
    return Summary(
        kind="positions",
        format="CSV",
        rows=len(positions.degrees),
        recordings=1,
        span_s=None,
        quantities=tuple(
            _quantity(name, "degrees", positions.degrees[:, n])
            for n, name in enumerate(("latitude", "longitude"))
        ),
    )


def _quantity(name: str, unit: str, values: Any) -> Quantity:
    numbers = np.asarray(values, float)
    ends = (float(numbers.mean()), float(numbers.min()), float(numbers.max()))
    return Quantity(name=name, unit=unit, mean=ends[0], low=ends[1], high=ends[2])
