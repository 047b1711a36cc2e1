"""Send requests to a gateway at their times, whether earlier ones are answered or not."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Mapping, Sequence

import aiohttp

from edgewright.testbed.arrivals import PATHS, body_of, type_of
from edgewright.testbed.objective import DONE, FAILED, REFUSED, Arrival, Outcome

DRAIN_S = 120.0
"""The longest wait for the answers of a block."""

_OVERLOADED = (429, 503)


async def replay(
    address: str, arrivals: Sequence[Arrival], power_w: Sequence[float]
) -> list[Outcome]:
    """Return what became of every request of a block, in their order; wait for all of them.

    Args:
        address: of the gateway, host and port.
        power_w: ``[1 + N]`` of each location while it works, for the energy.
    """
    timeout = aiohttp.ClientTimeout(total=DRAIN_S)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        began = time.monotonic()

        async def one(arrival: Arrival) -> Outcome:
            await asyncio.sleep(max(0.0, began + arrival.at_s - time.monotonic()))
            path = PATHS[arrival.files > 0]
            outcome = await _ask(session, f"http://{address}{path}", arrival)
            energy_j = power_w[outcome.location] * outcome.service_s
            return dataclasses.replace(outcome, energy_j=energy_j)

        return list(await asyncio.gather(*map(one, arrivals)))


async def _ask(session: aiohttp.ClientSession, url: str, arrival: Arrival) -> Outcome:
    body, headers = body_of(arrival), {"content-type": type_of(arrival)}
    sent = time.monotonic()
    try:
        async with session.post(url, data=body, headers=headers) as response:
            await response.read()
            delay_s = time.monotonic() - sent
            if response.status != 200:
                status = REFUSED if response.status in _OVERLOADED else FAILED
                return Outcome(arrival.index, status, delay_s=delay_s)
            return _outcome(arrival, delay_s, response.headers)
    except (aiohttp.ClientError, TimeoutError):
        return Outcome(arrival.index, FAILED, delay_s=time.monotonic() - sent)


def _outcome(arrival: Arrival, delay_s: float, headers: Mapping[str, str]) -> Outcome:
    """Return what the headers of an answer say (docs/reference/gateway.md)."""

    def number(name: str) -> float | None:
        text = headers.get(f"x-edgewright-{name}")
        return None if text is None else float(text)

    def seconds(name: str) -> float:
        return 1e-3 * (number(f"{name}-ms") or 0.0)

    level = headers["x-edgewright-quality"].partition("/")[0]
    return Outcome(
        index=arrival.index,
        status=DONE,
        location=int(headers["x-edgewright-location"]),
        level=int(level),
        delay_s=delay_s,
        queue_s=seconds("queue"),
        service_s=seconds("service"),
        transfer_s=seconds("transfer"),
        predicted_s=seconds("predicted"),
        lateness=number("lateness"),
    )
