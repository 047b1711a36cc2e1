"""Return how long the exchanges of a training take on recorded links, and who waits for whom."""

from __future__ import annotations

from typing import Any

from edgewright.core.errors import InputError
from edgewright.streams.links import MAX_EXCHANGES, link_times, recorded_links


def link_facts(
    data: str | None,
    devices: int,
    exchanges: float,
    up_bytes: float,
    down_bytes: float,
    mode: str,
    deadline_s: float = 0.0,
) -> dict[str, Any]:
    """Return what recorded links would make of a training; nothing without recordings.

    The first :data:`~edgewright.streams.links.MAX_EXCHANGES` exchanges stand for all.

    Args:
        data: folder of recordings, or None.
        devices: number of devices.
        exchanges: of each device in the training.
        up_bytes, down_bytes: of each device in the training.
        mode: of the fleet; in ``asynchronous`` nobody waits.
        deadline_s: time that the server waits for uploads at most [s]; 0 for no limit.
    """
    count = min(round(exchanges), MAX_EXCHANGES)
    try:
        links = recorded_links(data, devices)
    except InputError as error:
        return {"links": {"why": str(error)}}
    if not links or count == 0:
        return {}
    each = (up_bytes / exchanges, down_bytes / exchanges)
    together = mode != "asynchronous"
    times = link_times(links, count, *each, together=together, deadline_s=deadline_s)
    rates = [link.mean_mbps for link in links]
    return {
        "links": {
            "mean_mbps": [round(rate, 3) for rate in rates],
            "exchanges": round(exchanges, 3),
            "seconds_per_exchange": times.seconds,
            "seconds": times.seconds * exchanges,
            "late_share": [round(float(share), 4) for share in times.late.mean(axis=0)],
            "waiting_share": [round(float(share), 4) for share in times.waiting_share],
        }
    }


__all__ = ["link_facts"]
