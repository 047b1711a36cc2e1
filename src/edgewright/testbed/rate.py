"""Hold a bandwidth over time, and say when a number of bytes has passed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgewright.core.errors import InputError
from edgewright.streams.traces import Reading, load_bandwidth

MBIT = 1e6
BITS = 8


class Rate:
    """A rate that is constant between times, and begins again after its end.

    Args:
        seconds: ``[n]`` length of each piece, above 0.
        mbps: ``[n]`` Mbit/s in it, at least 0 and not all of them.

    Raises:
        InputError: the pieces are none, or nothing ever passes.
    """

    def __init__(self, seconds: Sequence[float], mbps: Sequence[float]) -> None:
        lengths, rates = np.asarray(seconds, float), np.asarray(mbps, float)
        if lengths.ndim != 1 or lengths.shape != rates.shape or not len(lengths):
            message = f"must be two lists of one length; got {len(lengths)} and {len(rates)}"
            raise InputError(message, where="link rate", hint="give one rate for each piece")
        if (lengths <= 0.0).any() or (rates < 0.0).any() or not (rates > 0.0).any():
            message = "must have pieces above 0 s, rates of at least 0 Mbit/s and one above it"
            raise InputError(message, where="link rate", hint="check the recording")
        self.mbps = rates
        self._ends = np.concatenate([[0.0], np.cumsum(lengths)])
        self._bits = np.concatenate([[0.0], np.cumsum(lengths * rates * MBIT)])

    @property
    def period_s(self) -> float:
        """Return the time after which it begins again."""
        return float(self._ends[-1])

    @property
    def mean_mbps(self) -> float:
        """Return the mean over time in Mbit/s."""
        return float(self._bits[-1] / self.period_s / MBIT)

    def at(self, time_s: float) -> float:
        """Return the rate at a time in Mbit/s."""
        index = np.searchsorted(self._ends, time_s % self.period_s, side="right") - 1
        return float(self.mbps[min(int(index), len(self.mbps) - 1)])

    def passed(self, time_s: float) -> float:
        """Return the bits that pass from time 0 to a time."""
        periods, rest_s = divmod(time_s, self.period_s)
        return float(periods * self._bits[-1] + np.interp(rest_s, self._ends, self._bits))

    def end(self, start_s: float, count: float) -> float:
        """Return when ``count`` bytes that start at a time have passed, in seconds.

        It is the least ``t`` with ``integral of the rate from start to t = 8 count``.
        """
        goal = self.passed(start_s) + BITS * count
        periods, rest = divmod(goal, self._bits[-1])
        index = int(np.searchsorted(self._bits, rest, side="left"))
        if index == 0:  # a whole number of periods: it ended where the last bit passed
            if periods == 0.0:
                return start_s
            periods, rest = periods - 1.0, self._bits[-1]
            index = int(np.searchsorted(self._bits, rest, side="left"))
        left_s = (self._bits[index] - rest) / (self.mbps[index - 1] * MBIT)
        return max(start_s, float(periods * self.period_s + self._ends[index] - left_s))


def constant(mbps: float) -> Rate:
    """Return a rate that never changes."""
    return Rate([1.0], [mbps])


def recorded(
    file: Path, mean_mbps: float | None = None, low_mbps: float = 0.0, run: int = 0
) -> tuple[Rate, float]:
    """Return the rate of a recording of bandwidth, and the factor it was scaled by.

    Args:
        file: in any format that scenarios read.
        mean_mbps: wanted mean over time; None leaves the recording as it is.
        low_mbps: the least rate, applied after the scaling.
        run: which of several runs in the file.

    Raises:
        InputError: the file cannot be read, has no such run, or its last sample is its only one.
    """
    traces = load_bandwidth(file, Reading())
    if not 0 <= run < len(traces):
        message = f"`run` must be below the {len(traces)} runs of the file; got {run}"
        raise InputError(message, where=str(file), hint="runs are counted from 0")
    trace = traces[run]
    seconds = np.diff(trace.time_s)
    if not len(seconds):
        hint = "name a recording with at least two rows"
        raise InputError("must have two times; got 1", where=trace.source, hint=hint)
    rates, factor = np.asarray(trace.bandwidth_mbps[:-1], float), 1.0
    if mean_mbps is not None:
        factor = mean_mbps / float(np.average(rates, weights=seconds))
    return Rate(seconds.tolist(), np.maximum(factor * rates, low_mbps).tolist()), factor
