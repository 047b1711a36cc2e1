"""A load generator: connections that stay open, each asks again as soon as it is answered.

    python benchmarks/load_generator.py ADDRESS REQUEST_FILE --connections 16 --seconds 3

Runs in a process of its own, so that it takes no time from the server that is measured, on raw
sockets of asyncio. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path

import uvloop
from common import quantiles

LENGTH, END = b"\r\ncontent-length: ", b"\r\n\r\n"


class Answers(asyncio.Protocol):
    """A connection that tells of every whole answer: status, body."""

    transport: asyncio.Transport
    _data = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        data = self._data + data
        while (end := data.find(END)) >= 0:
            place = data.lower().find(LENGTH, 0, end + 2) + len(LENGTH)
            stop = end + len(END) + int(data[place : data.index(b"\r", place)])
            if len(data) < stop:
                break
            body, status = data[end + len(END) : stop], int(data[9:12])
            data = data[stop:]
            self.answered(status, body)
        self._data = data

    def answered(self, status: int, body: bytes) -> None:
        raise NotImplementedError


class Asker(Answers):
    """Sends the same request again and again until it is told to stop."""

    def __init__(self, request: bytes) -> None:
        self.request = request
        self.spent_s: list[float] = []
        self.failed = 0
        self.running = True
        self.done = asyncio.get_running_loop().create_future()

    def ask(self) -> None:
        self.began = time.perf_counter()
        self.transport.write(self.request)

    def answered(self, status: int, body: bytes) -> None:
        self.spent_s.append(time.perf_counter() - self.began)
        self.failed += status != 200
        if self.running:
            self.ask()
        else:
            self.done.set_result(None)
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.failed += 1
            self.done.set_result(None)


async def drive(host: str, port: int, request: bytes, connections: int, seconds: float) -> str:
    """Return requests per second, times and failures as JSON."""
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: Asker(request), host, port) for _ in range(connections)
    ]
    askers = [asker for _, asker in made]
    began = time.perf_counter()
    for asker in askers:
        asker.ask()
    await asyncio.sleep(seconds)
    for asker in askers:
        asker.running = False
    await asyncio.gather(*(asker.done for asker in askers))
    took = time.perf_counter() - began
    spent_us = [1e6 * s for asker in askers for s in asker.spent_s]
    return json.dumps(
        {
            "requests": len(spent_us),
            "failed": sum(asker.failed for asker in askers),
            "seconds": took,
            "client_cpu_share": time.process_time() / took,
            "us": quantiles(spent_us),
            "all_us": [round(value, 1) for value in spent_us],
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("address", help="HOST:PORT")
    parser.add_argument("request", help="file with one whole HTTP request")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=3.0)
    given = parser.parse_args()
    host, port = given.address.split(":")
    request = Path(given.request).read_bytes()
    print(uvloop.run(drive(host, int(port), request, given.connections, given.seconds)))


if __name__ == "__main__":
    main()
