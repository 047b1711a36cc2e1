"""Run the gateway's own code on a virtual clock, with generators that only take time.

Revati (arXiv 2601.00397) does the same for language models: what serves is real, and time is not.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from edgewright.gateway import clock, receipts
from edgewright.gateway.counters import Counters
from edgewright.gateway.edits import read_edit
from edgewright.gateway.errors import APIError
from edgewright.gateway.generate import Generation
from edgewright.gateway.images import read_claims, read_request
from edgewright.gateway.jobs import Accepted, Event, Image, Job, Started
from edgewright.gateway.ledger import Item, Ledger
from edgewright.gateway.link import Link
from edgewright.gateway.plan import Plan, make_plan
from edgewright.gateway.receipts import Receipts
from edgewright.testbed.arrivals import content_of
from edgewright.testbed.conditions import Conditions
from edgewright.testbed.link import AHEAD_S, CHUNK_BYTES, TransmissionClock
from edgewright.testbed.objective import DONE, FAILED, REFUSED, Arrival, Outcome


class _Jumping(selectors.BaseSelector):
    """Waits for nothing. Where nothing is ready, the time until the next timer has passed."""

    def __init__(self) -> None:
        self._real, self.now_s = selectors.DefaultSelector(), 0.0

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if ready := self._real.select(0):
            return ready
        if timeout is None:
            raise RuntimeError("nothing will ever happen on this virtual clock")
        self.now_s += max(0.0, timeout)
        return []

    def close(self) -> None:
        self._real.close()

    def get_map(self) -> Any:
        return self._real.get_map()


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s


def run_virtually(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run a coroutine on a clock that jumps to whatever comes next; return its result.

    The gateway's :mod:`~edgewright.gateway.clock` reads the same time. It may not wait for threads
    or sockets, which take real time.
    """
    loop = _VirtualLoop()
    try:
        with clock.read_by(loop.time):
            return loop.run_until_complete(work())
    finally:
        loop.close()


class SimulatedGenerator:
    """A back end of one location, behind the link, that takes the time which it should."""

    def __init__(self, location: int, clocks: Clocks, link: Link | None) -> None:
        self._location, self._clocks, self._link = location, clocks, link
        self._turn = asyncio.Lock()
        self._given = clocks.conditions

    def expected_s(self, size: tuple[int, int], count: int, level: int) -> float:
        """Return the predicted time of service."""
        return count * self._given.fitted.service_s(self._location, level, size)

    async def run(self, job: Job, ledger: Ledger, item: Item) -> AsyncGenerator[Event, None]:
        """Yield what happens to a job; see :class:`~edgewright.gateway.jobs.Generator`."""
        arrival, given, linked = self._clocks.arrivals[job.seed or 0], self._given, self._location
        sent = clock.now()
        if self._link is not None:
            self._link.sending(arrival.request_bytes)
        if linked:
            await self._clocks.send(self._clocks.up, arrival.request_bytes)
        reached = clock.now()
        async with self._turn:
            queue_s = clock.now() - reached
            service_s = given.service_s(arrival, self._location, job.level)
            await asyncio.sleep(service_s)
        yield Accepted()
        yield Started()
        length = given.answer_bytes(arrival, job.level)
        if linked:
            first = await self._clocks.send(self._clocks.down, length)
            if self._link is not None:
                self._link.transferred(length - CHUNK_BYTES, clock.now() - first)
        job.service_s, job.queue_s = service_s, queue_s
        job.transfer_s = clock.now() - sent - queue_s - service_s
        yield Image(b64="A" * length)

    async def close(self) -> None:
        """Release nothing."""


class Clocks:
    """The link of a block, and its requests by their seeds."""

    def __init__(self, conditions: Conditions, arrivals: Sequence[Arrival]) -> None:
        self.conditions = conditions
        self.up = TransmissionClock(conditions.up, 0.0)
        self.down = TransmissionClock(conditions.down, 0.0)
        self.arrivals = {one.seed: one for one in arrivals}

    async def send(self, direction: TransmissionClock, count: int) -> float:
        """Wait until bytes have arrived, as the link process sends them; return when it began."""
        first, left = 0.0, count
        while True:
            piece = min(left, CHUNK_BYTES)
            leaves = direction.admit(piece, clock.now())
            left -= piece
            arrives = leaves + self.conditions.fitted.delay_s
            first = first or arrives
            if not left:
                break
            await asyncio.sleep(max(0.0, leaves - AHEAD_S - clock.now()))
        await asyncio.sleep(max(0.0, arrives - clock.now()))
        return first


def simulate(file: Path, conditions: Conditions, arrivals: Sequence[Arrival]) -> list[Outcome]:
    """Return the outcomes of a block that a gateway's configuration decides about.

    Args:
        file: ``gateway.toml``; its back ends are replaced by simulated ones.

    Raises:
        InputError: the configuration cannot be used.
    """

    async def main() -> list[Outcome]:
        plan, clocks = make_plan(file), Clocks(conditions, arrivals)
        for backend in plan.backends.values():
            simulated = SimulatedGenerator(backend.table.location, clocks, backend.link)
            backend.generator = simulated
        counters, made = Counters(), Receipts(len(arrivals) + 1)
        return list(await asyncio.gather(*(_one(plan, counters, made, one) for one in arrivals)))

    return run_virtually(main)


async def _one(plan: Plan, counters: Counters, made: Receipts, arrival: Arrival) -> Outcome:
    """Let the gateway decide about one request at its time, and carry it out."""
    await asyncio.sleep(arrival.at_s)
    began, content = clock.now(), content_of(arrival)
    read = read_edit if arrival.files else read_request
    request = read(content, arrival.request_bytes, plan.config.gateway, plan.levels)
    claims = read_claims(content, {}, plan.policy.modes if plan.policy else ())
    receipt = made.new(began, "", {})
    generation = Generation(plan, counters, request, receipt, began)
    client = plan.keys.client({})
    events = generation.events(claims, client, arrival.index, plan.chooser, lambda decision: None)
    try:
        async with aclosing(events):
            async for _ in events:
                pass
    except APIError as error:
        return Outcome(arrival.index, REFUSED if error.status in (429, 503) else FAILED)
    assert receipt.option is not None, "it was decided"
    assert receipt.status == receipts.DONE, receipt.status
    actual = receipt.actual
    return Outcome(
        index=arrival.index,
        status=DONE,
        location=receipt.option.location,
        level=receipt.option.level,
        delay_s=clock.now() - began,
        queue_s=1e-3 * actual["queue_ms"],
        service_s=1e-3 * actual["service_ms"],
        transfer_s=1e-3 * actual["transfer_ms"],
        energy_j=actual["energy_j"],
        predicted_s=receipt.option.delay_s,
    )


__all__ = ["Clocks", "SimulatedGenerator", "run_virtually", "simulate"]
