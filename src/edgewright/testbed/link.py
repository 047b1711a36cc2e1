"""Delay bytes as a link of a stated bandwidth would, without root and without the kernel.

Each direction has one virtual transmission clock that all connections share: bytes leave at the
integral of the rate, in the order in which they came. A constant delay follows. There is no loss
and no packet, and both ends speak the kernel's TCP, so it stands for links of up to 100 Mbit/s.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
import time
from collections.abc import Callable, Coroutine
from typing import Any

from edgewright.testbed.rate import BITS, MBIT, Rate

CHUNK_BYTES = 8192
"""Bytes that are sent at once; what two connections share is shared in such pieces."""

AHEAD_S = 0.005
"""The next chunk is read this long before the one in front of it has left."""

LATE_S = 0.2
"""The most by which a late wake-up is made up for."""

RECEIVE_BYTES = 16_384
"""Buffer of the kernel; a large one would take in a request long before it could be sent."""


class TransmissionClock:
    """The time at which one direction of a link has sent all that it was given.

    Attributes:
        sent_bytes: all bytes so far.
    """

    def __init__(self, rate: Rate, epoch_s: float) -> None:
        self.rate, self.epoch_s = rate, epoch_s
        self._free_s, self.sent_bytes = epoch_s, 0

    def admit(self, count: int, now_s: float) -> float:
        """Take in bytes; return when the last of them leaves."""
        start_s = max(now_s, self._free_s)
        self._free_s = self.epoch_s + self.rate.end(start_s - self.epoch_s, count)
        self.sent_bytes += count
        return self._free_s

    def ahead_mb(self, now_s: float) -> float:
        """Return what was taken in and has not left at a time [s], in MB."""
        if self._free_s <= now_s:
            return 0.0
        since = (now_s - self.epoch_s, self._free_s - self.epoch_s)
        return (self.rate.passed(since[1]) - self.rate.passed(since[0])) / (BITS * MBIT)

    def restart(self, epoch_s: float) -> None:
        """Let the rate begin again at a time; what was taken in before leaves as it was."""
        self.epoch_s = epoch_s
        self._free_s = max(self._free_s, epoch_s)


@dataclasses.dataclass(frozen=True)
class Ports:
    """An address to listen on and the one that its connections are led to, host and port each."""

    listen: tuple[str, int]
    to: tuple[str, int]


class Link:
    """Leads connections of several ports over one link with two directions.

    Attributes:
        up, down: clocks towards the servers and back.
        delay_s: constant delay of each direction.
    """

    def __init__(
        self,
        up: Rate,
        down: Rate,
        delay_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock, self.delay_s = clock, delay_s
        self.up, self.down = (TransmissionClock(rate, clock()) for rate in (up, down))
        self._tasks: set[asyncio.Task[None]] = set()
        self._listeners: list[socket.socket] = []

    def restart(self) -> float:
        """Let both rates begin again; return the time at which they do."""
        now_s = self._clock()
        self.up.restart(now_s)
        self.down.restart(now_s)
        return now_s

    async def open(self, ports: Ports) -> tuple[str, int]:
        """Listen on a port and return its address; port 0 is any that is free.

        Raises:
            OSError: the address is taken.
        """
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        listener.bind(ports.listen)
        listener.listen(128)
        listener.setblocking(False)
        self._listeners.append(listener)
        self._begin(self._accept(listener, ports.to))
        host, port = listener.getsockname()[:2]
        return host, port

    async def close(self) -> None:
        """Stop listening and drop all connections."""
        for listener in self._listeners:
            listener.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listener: socket.socket, to: tuple[str, int]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            near, _ = await loop.sock_accept(listener)
            self._begin(self._lead(near, to))

    async def _lead(self, near: socket.socket, to: tuple[str, int]) -> None:
        """Lead one connection until both of its ends have closed it."""
        with near, socket.socket() as far:
            for one in (near, far):
                one.setblocking(False)
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
            with contextlib.suppress(OSError):
                await asyncio.get_running_loop().sock_connect(far, to)
                pumps = [
                    asyncio.ensure_future(self._pump(near, far, self.up)),
                    asyncio.ensure_future(self._pump(far, near, self.down)),
                ]
                try:
                    await asyncio.wait(pumps, return_when=asyncio.FIRST_EXCEPTION)
                finally:
                    for pump in pumps:
                        pump.cancel()
                    await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(
        self, source: socket.socket, target: socket.socket, clock: TransmissionClock
    ) -> None:
        """Carry one direction of a connection until its source has no more to send."""
        underway: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        delivery = asyncio.ensure_future(self._deliver(underway, target))
        due_s = self._clock()
        try:
            while True:
                data, arrived_s = await self._received(source, delivery, due_s)
                leaves_s = clock.admit(len(data), arrived_s)
                underway.put_nowait((leaves_s + self.delay_s, data))
                if not data:
                    break
                due_s = leaves_s - AHEAD_S
                await self._until(due_s)
            await delivery
        finally:
            delivery.cancel()

    async def _received(
        self, source: socket.socket, delivery: asyncio.Future[None], due_s: float
    ) -> tuple[bytes, float]:
        """Return the next piece, nothing at the end, and when it was there to be sent.

        A busy machine may wake this late. What waits by then was there before, so it is sent as if
        it had been read in time, and the link loses nothing of its rate.

        Args:
            due_s: when it should have been read.
        """
        try:
            data = source.recv(CHUNK_BYTES)
            now_s = self._clock()
            return data, min(now_s, max(due_s, now_s - LATE_S))
        except (BlockingIOError, InterruptedError):
            pass
        loop = asyncio.get_running_loop()
        receipt = asyncio.ensure_future(loop.sock_recv(source, CHUNK_BYTES))
        try:
            await asyncio.wait({receipt, delivery}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not receipt.done():  # the other end went away while this one was silent
                receipt.cancel()
                await asyncio.gather(receipt, return_exceptions=True)
        if receipt.cancelled():
            await delivery
            return b"", self._clock()
        return receipt.result(), self._clock()

    async def _deliver(
        self, underway: asyncio.Queue[tuple[float, bytes]], target: socket.socket
    ) -> None:
        """Hand over each piece at its time; nothing ends the direction."""
        loop = asyncio.get_running_loop()
        while True:
            at_s, data = await underway.get()
            await self._until(at_s)
            if not data:
                with contextlib.suppress(OSError):
                    target.shutdown(socket.SHUT_WR)
                return
            await loop.sock_sendall(target, data)

    async def _until(self, at_s: float) -> None:
        if (wait_s := at_s - self._clock()) > 0.0:
            await asyncio.sleep(wait_s)
