"""Simulate how long a fleet's exchanges take on recorded links, and who waits for whom.

Every device has the bandwidth of one recording, which begins again after its end. Learning is not
simulated again: what travelled, and how often, is known from the training. Delays of packets and
of protocols are left out, so these are the least times.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgewright.streams.traces import load_bandwidth

FOLDER = "bandwidth"
"""Folder of the recordings in the folder of data."""

MAX_EXCHANGES = 2000
"""Exchanges of a training that are simulated at most; the first ones stand for all."""

_BITS = 8e-6
"""Mbit of a byte."""


class Link:
    """A link whose rate is that of a recording.

    Args:
        time_s: ``[n]`` rising.
        mbps: ``[n]`` the rate from each time to the next; the last one lasts as long as the one
            before it.
    """

    def __init__(self, time_s: np.ndarray, mbps: np.ndarray) -> None:
        lengths = np.diff(time_s)
        lengths = np.append(lengths, lengths[-1] if len(lengths) else 1.0)
        self.ends = np.concatenate([[0.0], np.cumsum(lengths)])
        self.mbit = np.concatenate([[0.0], np.cumsum(lengths * mbps)])

    @property
    def mean_mbps(self) -> float:
        """The mean over time [Mbit/s]."""
        return float(self.mbit[-1] / self.ends[-1])

    def end(self, start_s: float, count: float) -> float:
        """Return when ``count`` bytes that are sent from a time on have passed [s]."""
        periods, rest = divmod(start_s, self.ends[-1])
        total = periods * self.mbit[-1] + np.interp(rest, self.ends, self.mbit) + count * _BITS
        periods, rest = divmod(total, self.mbit[-1])
        after = int(np.searchsorted(self.mbit, rest))  # the first time, before an outage
        near = slice(max(after - 1, 0), after + 1)
        ended = np.interp(rest, self.mbit[near], self.ends[near])
        return float(max(periods * self.ends[-1] + ended, start_s))


@dataclasses.dataclass(frozen=True)
class LinkTimes:
    """The times of exchanges.

    Attributes:
        own_s: seconds that each device's numbers were under way, ``[exchanges, M]``.
        waited_s: seconds that each device then waited for the others, ``[exchanges, M]``.
        late: whose numbers arrived after the deadline, and were lost, ``[exchanges, M]``.
    """

    own_s: np.ndarray
    waited_s: np.ndarray
    late: np.ndarray

    @property
    def seconds(self) -> float:
        """Mean time of an exchange, waiting included [s]."""
        return float((self.own_s + self.waited_s).mean())

    @property
    def waiting_share(self) -> np.ndarray:
        """Share of the time of its exchanges that each device waits for others, ``[M]``."""
        total = (self.own_s + self.waited_s).sum(axis=0)
        return self.waited_s.sum(axis=0) / np.maximum(total, 1e-12)


def link_times(
    links: Sequence[Link],
    exchanges: int,
    up_bytes: float,
    down_bytes: float,
    *,
    pause_s: float = 0.0,
    together: bool = True,
    deadline_s: float = 0.0,
) -> LinkTimes:
    """Return the times of exchanges between devices and a server.

    Args:
        links: of each device.
        exchanges: how many there are.
        up_bytes, down_bytes: of a device in each of them.
        pause_s: time that devices learn between two of them [s].
        together: whether the server waits for all devices before any of them downloads.
        deadline_s: time that it waits at most [s]; 0 for no limit. A late device gives up, and
            downloads with the others. Nobody waits for the end of its download.
    """
    end_s = deadline_s or np.inf
    clocks, start = np.zeros(len(links)), 0.0
    own, waited = np.zeros((2, exchanges, len(links)))
    late = np.zeros((exchanges, len(links)), bool)
    for number in range(exchanges):
        begun = clocks + pause_s
        sent = np.array([x.end(at, up_bytes) for x, at in zip(links, begun, strict=True)])
        late[number] = sent > start + pause_s + end_s
        ends = min(float(sent.max()), start + pause_s + end_s)
        ready = np.maximum(ends, begun) if together else sent
        there = np.array([x.end(at, down_bytes) for x, at in zip(links, ready, strict=True)])
        start = float(np.max(there[~late[number]], initial=ends))
        last = start if together else there
        own[number] = np.maximum(np.minimum(sent, ready) - begun, 0.0) + (there - ready)
        waited[number] = np.maximum(ready - sent, 0.0) + np.maximum(last - there, 0.0)
        clocks = np.maximum(last, there)
    return LinkTimes(own, waited, late)


def link_files(data: str | None) -> list[Path]:
    """Return the files with the recordings of bandwidth in a folder of data, in their order."""
    folder = Path(data) / FOLDER if data else None
    if folder is None or not folder.is_dir():
        return []
    return [path for path in sorted(folder.glob("*.txt")) if path.stem.lower() != "readme"]


def recorded_links(data: str | None, devices: int) -> list[Link]:
    """Return a link for each device, from the recordings in turn; none where there are none.

    Raises:
        InputError: a recording cannot be read.
    """
    traces = [trace for path in link_files(data) for trace in load_bandwidth(path)]
    traces = [trace for trace in traces if np.any(trace.bandwidth_mbps > 0)]
    links = [Link(np.asarray(t.time_s), np.asarray(t.bandwidth_mbps)) for t in traces]
    return [links[number % len(links)] for number in range(devices)] if links else []


__all__ = ["Link", "LinkTimes", "link_files", "link_times", "recorded_links"]
