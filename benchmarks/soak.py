"""Everything at once, for a while: does the service keep what it says?

    python benchmarks/soak.py [--bundles a.edge b.edge] [--seconds 60] [--reload-every 5]

``edgewright serve --log`` in a process of its own meets

- normal clients, each asking again as soon as it is answered, now and then reporting an outcome;
- slow clients, which send a request byte by byte and never come to its end;
- half-open ones, which connect and say nothing;
- deaf ones, which ask and ask and never read an answer;
- a new bundle of the same interface every few seconds, put in place by a rename and told by SIGHUP
  in turns (the other times the service has to see it), and once a file that is no bundle.

Reported are requests and failures of the normal clients, how often each of them saw the version
switch, the memory of the service, how long a deaf client was borne, and times in quiet and while a
bundle is taken up. At the end the
service is stopped, and the log is compared with what was acknowledged. The exit code is 1 if a
normal request failed, a decision that was said to be queued or an outcome that was said to be
recorded is not in the log, logged + dropped is not what was answered, or a deaf client was kept.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import itertools
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import uvloop
from common import (
    EDGEWRIGHT,
    counted,
    get,
    observations,
    quantiles,
    request_bytes,
    short_bundle,
    started,
    table,
)
from load_generator import Answers

from edgewright.bundle import load

PATIENCE_S = 3
REPORT_EVERY = 50
"""Decisions of a client until it reports the outcome of one."""


@dataclasses.dataclass
class StepResult:
    """What all clients of a kind saw together."""

    failures: list[str] = dataclasses.field(default_factory=list)
    times: list[tuple[float, float]] = dataclasses.field(default_factory=list)
    queued: set[str] = dataclasses.field(default_factory=set)
    dropped: int = 0
    recorded: set[str] = dataclasses.field(default_factory=set)
    rude_opened: int = 0
    rude_answered: int = 0
    deaf_opened: int = 0
    deaf_held_s: list[float] = dataclasses.field(default_factory=list)


class Client(Answers):
    """A normal client: decides, reports now and then, and remembers every promise."""

    def __init__(self, requests: list[bytes], seen: StepResult) -> None:
        self.requests, self.seen = requests, seen
        self.count = 0
        self.versions: list[str] = []
        self.last = self.reported = ""
        self.running = True
        self.done = asyncio.get_running_loop().create_future()

    def ask(self) -> None:
        self.began = time.perf_counter()
        self.transport.write(self.requests[self.count % len(self.requests)])

    def answered(self, status: int, body: bytes) -> None:
        now = time.perf_counter()
        if status != 200:
            self.seen.failures.append(f"{status}: {body[:200]!r}")
        elif self.reported:
            self.seen.recorded.add(self.reported)
        else:
            self.seen.times.append((self.began, now - self.began))
            self._decided(json.loads(body))
        was_report, self.reported = bool(self.reported), ""
        if not self.running:
            self.done.set_result(None)
            self.transport.close()
        elif self.count % REPORT_EVERY == 0 and not was_report and status == 200 and self.last:
            self.reported = self.last
            self.transport.write(
                request_bytes("/v1/outcome", {"decision": self.reported, "reward": 0.5})
            )
        else:
            self.ask()

    def _decided(self, answer: dict[str, Any]) -> None:
        self.count += 1
        if not self.versions or self.versions[-1] != answer["policy"]:
            self.versions.append(answer["policy"])
        decision = answer["decision"]
        self.last = ""
        if decision["log"] == "queued":
            self.last = decision["id"]
            self.seen.queued.add(self.last)
        else:
            self.seen.dropped += 1

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.seen.failures.append(f"the connection was lost: {exc}")
            self.done.set_result(None)


async def rude(host: str, port: int, text: bytes, seen: StepResult) -> None:
    """Connect again and again; dribble ``text`` (or say nothing) until the service hangs up."""
    while True:
        reader, writer = await asyncio.open_connection(host, port)
        seen.rude_opened += 1
        listening = asyncio.create_task(reader.read(1000))
        try:
            for place in range(len(text)):
                if listening.done():
                    break
                writer.write(text[place : place + 1])
                await asyncio.sleep(random.uniform(0.05, 0.3))
            seen.rude_answered += (await listening).startswith(b"HTTP/1.1 200")
        except ConnectionError:
            pass
        finally:
            listening.cancel()
            writer.close()


async def deaf(host: str, port: int, text: bytes, seen: StepResult) -> None:
    """Connect again and again; ask without reading an answer until the service hangs up."""
    loop = asyncio.get_running_loop()
    while True:
        with socket.socket() as connection:
            connection.setblocking(False)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            await loop.sock_connect(connection, (host, port))
            seen.deaf_opened += 1
            began = time.perf_counter()
            with contextlib.suppress(ConnectionError):
                while True:
                    await loop.sock_sendall(connection, text)
                    await asyncio.sleep(0.005)
            seen.deaf_held_s.append(time.perf_counter() - began)


@dataclasses.dataclass
class Reloads:
    """What was put in place, and from when to when: by SIGHUP, or seen after up to a second."""

    taken: int = 0
    refused: int = 0
    told: list[tuple[float, float]] = dataclasses.field(default_factory=list)
    noticed: list[tuple[float, float]] = dataclasses.field(default_factory=list)
    stop: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)


async def reloading(
    place: Path, fresh: list[Path], pid: int, url: str, every_s: float, found: Reloads
) -> None:
    """Put one bundle after the other in place, and once something that is none."""
    for turn in itertools.count(1):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(found.stop.wait(), every_s)
            return
        broken = turn == 2
        new = place.with_suffix(".new")
        if broken:
            new.write_bytes(fresh[0].read_bytes()[:-1])
        else:
            shutil.copy(fresh[(found.taken + 1) % len(fresh)], new)
        result = "refused" if broken else "taken"
        began = time.perf_counter()
        new.replace(place)
        if turn % 2:
            os.kill(pid, signal.SIGHUP)
        for _ in range(200):
            await asyncio.sleep(0.05)
            metrics = await asyncio.to_thread(get, url, "/metrics")
            if reloads(metrics, result) > getattr(found, result):
                break
        else:
            raise RuntimeError(f"a bundle was not {result} within 10 s")
        (found.told if turn % 2 else found.noticed).append((began, time.perf_counter()))
        setattr(found, result, getattr(found, result) + 1)


def reloads(metrics: str, result: str) -> int:
    head = f'edgewright_reloads_total{{result="{result}"}} '
    return sum(int(float(x[len(head) :])) for x in metrics.splitlines() if x.startswith(head))


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process (Linux)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(x for x in lines if x.startswith("VmRSS")).split()[1]) / 1024


async def soak(
    given: argparse.Namespace, place: Path, fresh: list[Path], process: Any, url: str
) -> dict[str, Any]:
    """Load the service with everything at once; return what was seen."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    loop = asyncio.get_running_loop()
    asked = observations(load(place).interface, 100)
    requests = [request_bytes("/v1/decide", {"observation": one}) for one in asked]
    seen, reloaded = StepResult(), Reloads()
    made = [
        await loop.create_connection(lambda: Client(requests, seen), host, int(port))
        for _ in range(given.clients)
    ]
    clients = [client for _, client in made]
    for client in clients:
        client.ask()
    dribble = requests[0][:-1].ljust(10_000)
    others = [rude(host, int(port), text, seen) for text in [dribble, b""] * given.rude]
    manifest = b"GET /v1/policy HTTP/1.1\r\nHost: x\r\n\r\n"  # a large answer, and no decision
    others += [deaf(host, int(port), manifest, seen) for _ in range(given.deaf)]
    tasks = [asyncio.create_task(other) for other in others]
    renewing = asyncio.create_task(
        reloading(place, fresh, process.pid, url, given.reload_every, reloaded)
    )
    warm = min(5.0, given.seconds / 4)
    await asyncio.sleep(warm)
    memory = [memory_mb(process.pid)]
    await asyncio.sleep(given.seconds - warm)
    memory.append(memory_mb(process.pid))
    reloaded.stop.set()
    await renewing
    await asyncio.sleep(0.5)  # all clients ask once more
    broken_off = [repr(task.exception()) for task in tasks if task.done()]
    for task in tasks:
        task.cancel()
    for client in clients:
        client.running = False
    await asyncio.gather(*(client.done for client in clients))
    await asyncio.gather(*tasks, return_exceptions=True)
    metrics = await asyncio.to_thread(get, url, "/metrics")
    switches = [len(client.versions) - 1 for client in clients]
    began, spent = np.array(seen.times).T
    told = inside(reloaded.told, began, spent)
    quiet = ~told & ~inside(reloaded.noticed, began, spent)
    return {
        "seconds": given.seconds,
        "requests": len(seen.times) + len(seen.recorded) + len(seen.failures),
        "failures": len(seen.failures) + len(broken_off),
        "first_failures": [*broken_off, *seen.failures][:3],
        "slow_and_half_open": {"opened": seen.rude_opened, "answered": seen.rude_answered},
        "deaf": {"opened": seen.deaf_opened, "held_s": [round(s, 1) for s in seen.deaf_held_s]},
        "reloads": {"taken": reloaded.taken, "refused": reloaded.refused},
        "switches_seen_by_a_client": {"fewest": min(switches), "most": max(switches)},
        "memory_mb": {"start": round(memory[0], 1), "end": round(memory[1], 1)},
        "quiet_us": quantiles(1e6 * spent[quiet]),
        "reloading_us": quantiles(1e6 * spent[told]),
        "answered": len(seen.times),
        "counted": round(counted(metrics, "decisions_total")),
        "dropped": round(counted(metrics, "log_dropped_total")),
        "said_to_be_dropped": seen.dropped,
        "promised": (seen.queued, seen.recorded),
    }


def inside(windows: list[tuple[float, float]], began: np.ndarray, spent: np.ndarray) -> np.ndarray:
    """Say which requests were under way in one of the windows."""
    found = np.zeros(len(began), bool)
    for start, end in windows:
        found |= (began < end) & (began + spent > start)
    return found


def in_log(file: Path) -> tuple[set[str], set[str]]:
    """Return the decisions and the outcomes that are in a log."""
    with contextlib.closing(sqlite3.connect(file)) as log:
        decisions = {row[0] for row in log.execute("SELECT id FROM decisions")}
        outcomes = {row[0] for row in log.execute("SELECT decision FROM outcomes")}
    return decisions, outcomes


def judged(found: dict[str, Any], decisions: set[str], outcomes: set[str]) -> dict[str, bool]:
    """Return what had to hold, and whether it did."""
    queued, recorded = found.pop("promised")
    held = found["deaf"]["held_s"]
    found |= {"logged": len(decisions), "outcomes_acknowledged": len(recorded)}
    return {
        "no normal request failed": found["failures"] == 0,
        "every decision said to be queued is in the log": queued <= decisions,
        "every outcome said to be recorded is in the log": recorded <= outcomes,
        "logged + dropped = answered": found["logged"] + found["dropped"] == found["counted"]
        and found["counted"] == found["answered"]
        and found["dropped"] == found["said_to_be_dropped"],
        "each client saw each reload once": set(found["switches_seen_by_a_client"].values())
        == {found["reloads"]["taken"]},
        "the broken bundle was refused": found["reloads"]["refused"] == 1,
        "deaf clients were hung up on": bool(held) and max(held) < 4 * PATIENCE_S,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bundles", nargs=2, help="two of one interface; trained if not given")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rude", type=int, default=8, help="slow clients, and as many half-open")
    parser.add_argument("--deaf", type=int, default=4, help="clients that never read")
    parser.add_argument("--reload-every", type=float, default=5.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = given.bundles or [short_bundle(folder, n, n) for n in ("1e4", "2e4")]
        fresh = [Path(file) for file in made]
        place, log = folder / "p.edge", folder / "log.db"
        shutil.copy(fresh[0], place)
        serve = [
            *EDGEWRIGHT, "serve", str(place), "--port", "0", "--log", str(log),
            "--client-timeout", str(PATIENCE_S),
        ]  # fmt: skip
        with started(serve) as (process, url):
            found = uvloop.run(soak(given, place, fresh, process, url))
            process.send_signal(signal.SIGTERM)
            found["said"] = process.stderr.read().count("\n")
            found["exit_code"] = process.wait(60)
        held = judged(found, *in_log(log))
    print(json.dumps({**found, "held": held}))
    print(table([{"what": what, "held": value} for what, value in held.items()]))
    sys.exit(not all(held.values()))


if __name__ == "__main__":
    main()
