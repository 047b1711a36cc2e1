"""Draw the values of a recording in their order, and how often each occurs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgewright.reporting.style import BLUE, ORANGE, PALETTE, SMALL, WIDE, canvas, style
from edgewright.streams.contents import Content
from edgewright.streams.gains import Gains
from edgewright.streams.placement import project_m
from edgewright.streams.positions import Positions
from edgewright.streams.traces import BandwidthTrace, RequestLog

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_LINES = 7
"""Runs or devices that are drawn; more cannot be distinguished."""

MAX_SLOTS = 100
"""Slots of gains that are drawn."""

BINS = 60
"""Intervals in which requests are counted."""


def recording_figure(content: Content, title: str) -> Figure:
    """Return a figure of two panels: the values in their order, and their distribution.

    Args:
        content: what a file holds.
        title: name of the file and its format.
    """
    with style():
        figure, (left, right) = canvas(WIDE, 2.9, panels=2)
        if isinstance(content, RequestLog):
            _requests(left, right, content)
        elif isinstance(content, Gains):
            _gains(left, right, content)
        elif isinstance(content, Positions):
            _positions(left, right, content)
        else:
            _bandwidth(left, right, content)
        figure.suptitle(title, x=0.01, ha="left", fontsize=8.5)
    return figure


def _bandwidth(left: Axes, right: Axes, traces: list[BandwidthTrace]) -> None:
    for number, trace in enumerate(traces[:MAX_LINES]):
        since = trace.time_s - trace.time_s[0]
        colour = PALETTE[number % len(PALETTE)]
        left.step(since, trace.bandwidth_mbps, where="post", color=colour, lw=0.9)
    left.set(xlabel="time since the first row [s]", ylabel="bandwidth [Mbit/s]")
    left.set_ylim(bottom=0)
    rates = np.concatenate([trace.bandwidth_mbps for trace in traces])
    _distribution(right, rates, "bandwidth [Mbit/s]", BLUE)
    right.axvline(float(rates.mean()), color="black", lw=0.8, ls="--")
    _note(right, f"dashed: mean, {rates.mean():.4g} Mbit/s")
    if len(traces) > MAX_LINES:
        _note(left, f"the first {MAX_LINES} of {len(traces)} recordings")


def _requests(left: Axes, right: Axes, log: RequestLog) -> None:
    counts, edges = np.histogram(log.time_s, bins=min(BINS, max(2, log.time_s.size // 2)))
    width = edges[1] - edges[0]
    left.stairs(counts / width, edges, fill=True, color=BLUE, alpha=0.85)
    left.set(xlabel="time since the first request [s]", ylabel="requests per second")
    for values, name, colour in (
        (log.input_tokens, "input", BLUE),
        (log.output_tokens, "output", ORANGE),
    ):
        _distribution(right, values.astype(float), "tokens of a request", colour, name)
    right.legend(loc="center")


def _gains(left: Axes, right: Axes, gains: Gains) -> None:
    decibels = 10 * np.log10(gains.gain)
    for device in range(min(MAX_LINES, decibels.shape[1])):
        left.plot(decibels[:MAX_SLOTS, device], color=PALETTE[device % len(PALETTE)], lw=0.7)
    left.set(xlabel="slot", ylabel="power gain [dB]")
    for device in range(min(MAX_LINES, decibels.shape[1])):
        colour = PALETTE[device % len(PALETTE)]
        _distribution(right, decibels[:, device], "power gain [dB]", colour, f"device {device}")
    right.legend(loc="upper left")


def _positions(left: Axes, right: Axes, positions: Positions) -> None:
    plane_m = project_m(positions.degrees, positions.degrees.mean(axis=0))
    left.plot(plane_m[:, 0], plane_m[:, 1], ls="", marker="o", markersize=2.5, color=BLUE)
    left.set(xlabel="east of the mean [m]", ylabel="north of the mean [m]")
    left.set_aspect("equal", adjustable="datalim")
    _distribution(right, np.hypot(*plane_m.T), "distance to the mean [m]", BLUE)


def _distribution(
    axes: Axes, values: np.ndarray, xlabel: str, colour: str, label: str = ""
) -> None:
    """Draw the share of values that are at most as large as each."""
    ordered = np.sort(values)
    share = np.arange(1, ordered.size + 1) / ordered.size
    axes.step(ordered, share, where="post", color=colour, lw=1.2, label=label or None)
    axes.set(xlabel=xlabel, ylabel="share of rows at most that large", ylim=(0, 1.02))


def _note(axes: Axes, text: str) -> None:
    axes.set_title(text, loc="right", fontsize=SMALL)


__all__ = ["recording_figure"]
