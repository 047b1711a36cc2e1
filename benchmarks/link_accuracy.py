"""How exactly does a link keep its bandwidth? Acceptance check 25 of the testbed.

    python benchmarks/link_accuracy.py --file bandwidth/norway_bus_1.txt --mean-mbps 42

Two connections download without pause through `edgewright link`, and a sink counts the bytes of
each second. They are compared with the integral of the recording. The exit code is 1 where the
total is more than 1 % off, a second more than 2 %, or one connection has more than 55 % of it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from edgewright.testbed.rate import recorded

TOTAL, SECOND, SHARE = 0.01, 0.02, 0.55
WARM_S = 1.0
CHUNK = bytes(65_536)


async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send without end to whoever connects."""
    try:
        while True:
            writer.write(CHUNK)
            await writer.drain()
    except OSError:
        writer.close()


async def sink(address: str, arrivals: list[tuple[float, int]], end: asyncio.Event) -> None:
    """Note when how many bytes arrive."""
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    while not end.is_set():
        data = await reader.read(65_536)
        arrivals.append((time.monotonic(), len(data)))
    writer.close()


async def measured(file: Path, mean_mbps: float, seconds: int) -> tuple[float, list[np.ndarray]]:
    """Return when the recording began, and what arrived on each connection ``[n, 2]``."""
    server = await asyncio.start_server(pour, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "edgewright.cli.main", "link", "--lead", f"0={host}:{port}",
        "--down", str(file), "--mean-mbps", str(mean_mbps), "--json",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None, "it is a pipe"
    assert process.stdin is not None, "it is a pipe"
    address = json.loads(await process.stdout.readline())["listening"][0]
    end, counts = asyncio.Event(), [[], []]
    tasks = [asyncio.create_task(sink(address, one, end)) for one in counts]
    await asyncio.sleep(WARM_S)
    process.stdin.write(b"restart\n")
    epoch_s = json.loads(await process.stdout.readline())["epoch_s"]
    await asyncio.sleep(seconds + 0.1)
    end.set()
    await asyncio.gather(*tasks)
    process.terminate()
    await process.wait()
    server.close()
    return epoch_s, [np.array(one) for one in counts]


def main() -> None:
    """Measure, and print what was found as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--file", type=Path, required=True, help="a recording of bandwidth")
    parser.add_argument("--mean-mbps", type=float, default=42.0)
    parser.add_argument("--seconds", type=int, default=20)
    given = parser.parse_args()
    rate, factor = recorded(given.file, given.mean_mbps)
    epoch_s, arrived = asyncio.run(measured(given.file, given.mean_mbps, given.seconds))
    edges = np.arange(given.seconds + 1.0)
    wanted = np.diff([rate.passed(one) / 8.0 for one in edges])
    each = [np.histogram(one[:, 0] - epoch_s, edges, weights=one[:, 1])[0] for one in arrived]
    errors = sum(each) / wanted - 1.0
    shares = [float(one.sum() / sum(each).sum()) for one in each]
    facts = {
        "mean_mbps": float(8e-6 * wanted.sum() / given.seconds),
        "factor": factor,
        "total_error": float(sum(each).sum() / wanted.sum() - 1.0),
        "mean_second_error": float(np.abs(errors).mean()),
        "worst_second_error": float(np.abs(errors).max()),
        "shares": shares,
    }
    facts["kept"] = bool(
        abs(facts["total_error"]) <= TOTAL
        and facts["worst_second_error"] <= SECOND
        and max(shares) <= SHARE
    )
    print(json.dumps(facts, indent=2))
    raise SystemExit(0 if facts["kept"] else 1)


if __name__ == "__main__":
    main()
