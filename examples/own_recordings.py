"""Drive a scenario by bandwidth and request files of your own.

    python examples/own_recordings.py            # writes small files of the right form first
    python examples/own_recordings.py FOLDER     # uses yours

FOLDER holds:
    bandwidth/*.txt        two columns: seconds, Mbit/s; at least two files
    requests/mine.csv      header TIMESTAMP,ContextTokens,GeneratedTokens; time in UTC
"""

import datetime
import sys
import tempfile
from pathlib import Path

import numpy as np

import edgewright as ew


def write_sample(folder):
    """Write three bandwidth logs and one request log to a folder."""
    rng = np.random.default_rng(0)
    (folder / "bandwidth").mkdir()
    for number in range(3):
        seconds = np.cumsum(rng.uniform(0.8, 1.2, 300))
        mbps = 3.0 * np.exp(np.cumsum(rng.normal(0.0, 0.05, 300)))
        rows = [f"{s:.2f} {m:.3f}\n" for s, m in zip(seconds, mbps, strict=True)]
        (folder / "bandwidth" / f"walk-{number}.txt").write_text("".join(rows))
    (folder / "requests").mkdir()
    start = datetime.datetime(2026, 1, 1)
    lines = ["TIMESTAMP,ContextTokens,GeneratedTokens"]
    for second in np.cumsum(rng.exponential(0.5, 2000)):
        tokens_in, tokens_out = rng.integers(50, 2000), rng.integers(10, 400)
        lines.append(f"{start + datetime.timedelta(seconds=second)},{tokens_in},{tokens_out}")
    (folder / "requests" / "mine.csv").write_text("\n".join(lines) + "\n")


def compare(folder):
    """Print a comparison on the recordings of a folder, split into a train and a test part."""
    overrides = {
        "streams.bandwidth_mbps.folder": "bandwidth",
        "streams.bandwidth_mbps.mean_mbps": 100.0,  # the logs are scaled to this mean
        "streams.gap_s.file": "requests/mine.csv",
        "streams.background_gcps.file": "requests/mine.csv",
        "params.horizon_slots": 100,
        "evaluation.episodes": 20,
    }
    problem = ew.make("aigc-trace", overrides, data=str(folder))
    print(ew.compare(problem, ["greedy", "shortest-1", "battery-price"]))


if len(sys.argv) > 1:
    compare(sys.argv[1])
else:
    with tempfile.TemporaryDirectory() as temporary:
        write_sample(Path(temporary))
        compare(temporary)
