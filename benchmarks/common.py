"""What the benchmarks of deployment share: a bundle, a service, observations, a table."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.bundle import Interface

EDGEWRIGHT = (sys.executable, "-m", "edgewright.cli.main")


@contextlib.contextmanager
def bundle_file(given: str | None, steps: str = "2e4", learner: str = "se-ppo") -> Iterator[Path]:
    """Yield the file given, or the bundle of a very short training on ``aigc-heavy`` (64x64)."""
    if given is not None:
        yield Path(given)
        return
    with tempfile.TemporaryDirectory() as folder:
        yield short_bundle(Path(folder), "0", steps, learner)


def short_bundle(folder: Path, name: str, steps: str, learner: str = "se-ppo") -> Path:
    """Train for a moment and export into a folder; other steps make another bundle."""
    run, out = folder / f"run-{name}", folder / f"{name}.edge"
    train = ("train", "aigc-heavy", "--learner", learner, "--steps", steps, "--out", str(run))
    for command in (train, ("export", str(run), "--out", str(out))):
        subprocess.run([*EDGEWRIGHT, *command], check=True, stdout=subprocess.DEVNULL)
    return out


def observations(interface: Interface, count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Return observations drawn from the trained range, field by field."""
    rng = np.random.default_rng(seed)
    return [
        {
            f.name: str(rng.choice(f.choices)) if f.choices else float(rng.uniform(f.low, f.high))
            for f in interface.fields
        }
        for _ in range(count)
    ]


@contextlib.contextmanager
def started(command: Sequence[str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a server that says its address on stderr; yield it and the address, then stop it."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            said = []
            for line in process.stderr:  # a runtime may say something before the service does
                said.append(line)
                if found := re.search(r"http://[\d.]+:\d+", line):
                    break
            else:
                raise RuntimeError("".join(said))
            wait_for(found[0])
            yield process, found[0]
        finally:
            if process.poll() is None:
                process.terminate()


def wait_for(url: str) -> None:
    """Return when a server answers, whatever it says."""
    for _ in range(200):
        try:
            get(url, "/healthz")
        except urllib.error.HTTPError:
            return
        except urllib.error.URLError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{url} does not answer")


def get(url: str, path: str) -> str:
    """Return what a GET answers."""
    with urllib.request.urlopen(url + path, timeout=10) as answer:
        return answer.read().decode()


def counted(metrics: str, name: str) -> float:
    """Return the sum of a counter over its labels in a scrape."""
    found = re.findall(rf"^edgewright_{name}(?:{{[^}}]*}})? (\S+)$", metrics, re.M)
    return sum(map(float, found))


def request_bytes(path: str, content: Any) -> bytes:
    """Return one whole HTTP request that posts JSON."""
    body = json.dumps(content).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def cpu_s(pid: int) -> float:
    """Return the processor time a process has used (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def quantiles(values: Sequence[float] | np.ndarray, digits: int = 1) -> dict[str, float]:
    """Return the median and the 99th percentile, rounded."""
    found = np.quantile(values, [0.5, 0.99]) if len(values) else [np.nan, np.nan]
    return {"p50": round(float(found[0]), digits), "p99": round(float(found[1]), digits)}


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows of the same keys as text in columns."""
    cells = [[*rows[0]], *([str(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)) for r in cells)
    return "\n".join(line.rstrip() for line in lines)
