"""Simulate how long a fleet's exchanges take on recorded links, and who waits for whom.

Every device has the bandwidth of one recording, which begins again after its end. Learning is not
simulated again: what travelled, and how often, is known from the training. Delays of packets and
of protocols are left out, so these are the least times.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.core.errors import InputError
from edgewright.streams.traces import load_bandwidth

MAX_EXCHANGES = 2000
"""Exchanges that are played; of longer trainings the first ones stand for all."""

FOLDER = "bandwidth"
"""Folder of the recordings in the folder of data."""

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
    """

    own_s: np.ndarray
    waited_s: np.ndarray

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
) -> LinkTimes:
    """Return the times of exchanges between devices and a server.

    Args:
        links: of each device.
        exchanges: how many there are.
        up_bytes, down_bytes: of a device in each of them.
        pause_s: time that devices learn between two of them [s].
        together: whether the server waits for all devices before any of them downloads.
    """
    clocks = np.zeros(len(links))
    own, waited = np.zeros((2, exchanges, len(links)))
    for number in range(exchanges):
        begun = clocks + pause_s
        sent = np.array([x.end(at, up_bytes) for x, at in zip(links, begun, strict=True)])
        ready = np.full_like(sent, sent.max()) if together else sent
        there = np.array([x.end(at, down_bytes) for x, at in zip(links, ready, strict=True)])
        last = np.full_like(there, there.max()) if together else there
        own[number] = (sent - begun) + (there - ready)
        waited[number] = (ready - sent) + (last - there)
        clocks = last
    return LinkTimes(own, waited)


def recorded_links(data: str | None, devices: int) -> list[Link]:
    """Return a link for each device, from the recordings in turn; none where there are none.

    Raises:
        InputError: a recording cannot be read.
    """
    folder = Path(data) / FOLDER if data else None
    if folder is None or not folder.is_dir():
        return []
    files = [path for path in sorted(folder.glob("*.txt")) if path.stem.lower() != "readme"]
    traces = [trace for path in files for trace in load_bandwidth(path)]
    traces = [trace for trace in traces if np.any(trace.bandwidth_mbps > 0)]
    links = [Link(np.asarray(t.time_s), np.asarray(t.bandwidth_mbps)) for t in traces]
    return [links[number % len(links)] for number in range(devices)] if links else []


def link_facts(
    data: str | None, devices: int, exchanges: float, up_bytes: float, down_bytes: float, mode: str
) -> dict[str, Any]:
    """Return what recorded links would make of a training; nothing without recordings.

    Args:
        data: folder of recordings, or None.
        devices: number of devices.
        exchanges: of each device in the training.
        up_bytes, down_bytes: of each device in the training.
        mode: of the fleet; in ``asynchronous`` nobody waits.
    """
    count = min(round(exchanges), MAX_EXCHANGES)
    try:
        links = recorded_links(data, devices)
    except InputError as error:
        return {"links": {"why": str(error)}}
    if not links or count == 0:
        return {}
    each = (up_bytes / exchanges, down_bytes / exchanges)
    times = link_times(links, count, *each, together=mode != "asynchronous")
    rates = [link.mean_mbps for link in links]
    return {
        "links": {
            "mean_mbps": [round(rate, 3) for rate in rates],
            "exchanges": round(exchanges, 3),
            "seconds_per_exchange": times.seconds,
            "seconds": times.seconds * exchanges,
            "waiting_share": [round(float(share), 4) for share in times.waiting_share],
        }
    }


__all__ = ["Link", "LinkTimes", "link_facts", "link_times", "recorded_links"]
