"""Measure the time that a gateway adds, beside the same requests sent directly.

A stub answers at once, so what is measured is the way there and back. The direct requests, those
through a bare proxy and those through each gateway take turns in blocks, so that a busy machine is
as busy for all of them. The bare proxy has the same server and client, and decides nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import orjson
import uvicorn

from edgewright.core.errors import InputError
from edgewright.core.machine import machine_facts

ANSWER_BYTES = 40_000
BLOCKS = 10
CONNECTIONS = 8
SHADOWS = ("min-backlog", "finest", "local")
_BODY = orjson.dumps({"model": "auto", "prompt": "4"})
_HEADERS = {"content-type": "application/json"}


BARE = "bare"

Other = Callable[[Path, str], contextlib.AbstractContextManager[str]]
"""Runs a proxy, with a folder for its files, in front of an address; yields its own address."""


def bench(
    on_progress: Callable[[str], None],
    bundle: Path | None = None,
    rate_hz: float = 50.0,
    requests: int = 1000,
    others: Mapping[str, Other] | None = None,
) -> dict[str, Any]:
    """Return latencies and rates of the stub alone, behind a bare proxy and behind gateways.

    Args:
        bundle: of the policy that decides; None leaves that to a rule.
        rate_hz: requests a second, where latencies are measured.
        requests: for each of them.
        others: further proxies by name, which are measured in the same run.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stub = stack.enter_context(_started(_serve_stub))
        urls = {"direct": stub, BARE: stack.enter_context(_started(_serve_bare, stub))}
        named = {"bundle": str(bundle.resolve())} if bundle else {}
        policies: dict[str, dict[str, Any]] = {
            "rule": {},
            "policy": named,
            "shadows": {**named, "shadow": [*SHADOWS]},
        }
        for name, policy in policies.items():
            if name == "policy" and bundle is None:
                continue
            urls[name] = stack.enter_context(_gateway(folder / f"{name}.toml", stub, policy))
        for name, other in (others or {}).items():
            urls[name] = stack.enter_context(other(folder, stub))
        load = os.getloadavg()[0]
        times = asyncio.run(_latencies(urls, rate_hz, requests, on_progress))
        rates = asyncio.run(_rates(urls, on_progress))
    direct = _percentiles(times["direct"])
    rows = []
    for name in urls:
        own = _percentiles(times[name])
        added = {f"added_{key}": own[key] - direct[key] for key in direct}
        ratio = {f"{key.removesuffix('_ms')}_ratio": own[key] / direct[key] for key in direct}
        rate = {"requests_per_s": rates[name], "rate_over_bare": rates[name] / rates[BARE]}
        rows.append({"through": name, **own, **added, **ratio, **rate})
    return {
        "machine": machine_facts(),
        "load_average": load,
        "rate_hz": rate_hz,
        "requests": requests,
        "answer_bytes": ANSWER_BYTES,
        "rows": rows,
    }


def _percentiles(seconds: list[float]) -> dict[str, float]:
    p50, p99 = np.percentile(seconds, (50, 99))
    return {"p50_ms": 1e3 * float(p50), "p99_ms": 1e3 * float(p99)}


async def _latencies(
    urls: dict[str, str], rate_hz: float, requests: int, on_progress: Callable[[str], None]
) -> dict[str, list[float]]:
    """Return the seconds of every request, sent at a fixed rate whether answered or not."""
    times: dict[str, list[float]] = {name: [] for name in urls}
    async with aiohttp.ClientSession() as session:

        async def one(name: str, keep: bool) -> None:
            began = time.perf_counter()
            await _ask(session, urls[name])
            if keep:
                times[name].append(time.perf_counter() - began)

        for block in range(-1, BLOCKS):  # the first one warms connections up
            on_progress(f"latency, block {block + 1}")
            for name in urls:
                tasks, began = [], time.perf_counter()
                for number in range(max(1, requests // BLOCKS)):
                    await asyncio.sleep(max(0.0, began + number / rate_hz - time.perf_counter()))
                    tasks.append(asyncio.create_task(one(name, block >= 0)))
                await asyncio.gather(*tasks)
    return times


async def _rates(urls: dict[str, str], on_progress: Callable[[str], None]) -> dict[str, float]:
    """Return the requests a second that several connections get done, each after the other."""
    counts, seconds = dict.fromkeys(urls, 0), 1.0
    async with aiohttp.ClientSession() as session:

        async def worker(name: str, end: float) -> None:
            while time.perf_counter() < end:
                await _ask(session, urls[name])
                counts[name] += 1

        for block in range(3):
            on_progress(f"rate, block {block}")
            for name in urls:
                end = time.perf_counter() + seconds
                await asyncio.gather(*(worker(name, end) for _ in range(CONNECTIONS)))
    return {name: count / (3 * seconds) for name, count in counts.items()}


async def _ask(session: aiohttp.ClientSession, url: str) -> None:
    async with session.post(
        f"{url}/v1/images/generations", data=_BODY, headers=_HEADERS
    ) as response:
        await response.read()
        if response.status != 200:
            raise InputError(f"the gateway answered {response.status}", where="bench gateway")


@contextlib.contextmanager
def _started(serve: Callable[..., None], *arguments: str) -> Iterator[str]:
    """Run a server in a process of its own; yield its address."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe()
    process = context.Process(target=serve, args=(sender, *arguments), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{receiver.recv()}"
    finally:
        process.terminate()
        process.join()


class _Answering(asyncio.Protocol):
    """Answers each request with the same body, as soon as all of it is there."""

    answer = b""

    def connection_made(self, transport: Any) -> None:
        self._transport, self._data = transport, b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        while True:
            head, there, rest = self._data.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: *(\d+)", head)
            size = int(length[1]) if length else 0
            if not there or len(rest) < size:
                return
            self._data = rest[size:]
            self._transport.write(self.answer)


def _serve_stub(pipe: Any) -> None:
    body = orjson.dumps({"created": 0, "data": [{"b64_json": "A" * ANSWER_BYTES}]})
    head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
    head += "x-edgewright-queue-ms: 0\r\nx-edgewright-service-ms: 0\r\n"
    _Answering.answer = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(_Answering, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run())


class _Bare:
    """An ASGI application that sends every request on, and its answer back."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        url = f"{self._url}{scope['path']}"
        async with self._session.post(url, data=body, headers=_HEADERS) as response:
            content = await response.read()
        head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
        status = response.status
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": content})


def _serve_bare(pipe: Any, stub: str) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    pipe.send(listening.getsockname()[1])
    quiet: dict[str, Any] = {"log_level": "warning", "access_log": False, "lifespan": "off"}
    config = uvicorn.Config(_Bare(stub), loop="uvloop", http="httptools", **quiet)
    uvicorn.Server(config).run(sockets=[listening])


@contextlib.contextmanager
def _gateway(file: Path, stub: str, policy: dict[str, Any]) -> Iterator[str]:
    """Run a gateway in front of three back ends that are the stub; yield its address."""
    lines = ["[gateway]", "port = 0", "watch_s = 0", 'receipt = "headers"', "[policy]"]
    lines += [f"{key} = {orjson.dumps(value).decode()}" for key, value in policy.items()]
    for location in range(3):
        lines += ["[[backend]]", f'name = "b{location}"', 'kind = "upstream"']
        lines += [f"location = {location}", f'url = "{stub}/v1"', "queue = 1000"]
        lines += ["levels = [{}, {}, {}]", "seconds = [1e-4, 2e-4, 4e-4]"]
    file.write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-m", "edgewright.cli.main", "gateway", "--config", str(file)]
    log = file.with_suffix(".log")  # a pipe that nobody empties would stop the gateway
    with log.open("wb") as stderr, subprocess.Popen(command, stderr=stderr) as process:
        try:
            yield _address(process, log)
        finally:
            process.terminate()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait for the line in which a gateway says where it listens."""
    while True:
        ended = process.poll() is not None  # looked at first: what it wrote last is then read
        output = log.read_text()
        if match := re.search(r"http://[\d.]+:\d+(?=\D)", output):
            return match[0]
        if ended:
            raise InputError(f"the gateway did not start: {output}", where="bench gateway")
        time.sleep(0.05)
