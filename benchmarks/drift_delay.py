"""Print and draw how long drift of rewards takes to be noticed, over the rate of false alarms.

    python benchmarks/drift_delay.py --out docs/figures

Rewards are normal and correlated (first-order autoregressive). They are checked after every batch
of outcomes that follows a reference, with the threshold of `edgewright drift`. The false alarms are
measured on unchanged rewards, the delays on rewards that fall by a share of their deviation.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
from scipy import signal

from edgewright.update.drift import reward_drift

RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
SHIFTS = (0.25, 0.5, 1.0)
REFERENCE, WATCHED, CORRELATION = 2000, 2000, 0.5


def series(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return correlated rewards of deviation 1."""
    noise = rng.normal(size=count + 100) * np.sqrt(1 - CORRELATION**2)
    return signal.lfilter([1.0], [1.0, -CORRELATION], noise)[100:]


def measure(trials: int) -> list[dict[str, float]]:
    """Return a row for each rate: measured false alarms, and median delay of each shift."""
    rng = np.random.default_rng(0)
    pairs = [(series(rng, REFERENCE), series(rng, WATCHED)) for _ in range(trials)]
    rows = []
    for rate in RATES:
        row = {"rate": rate}
        quiet = [reward_drift(*pair, rate) for pair in pairs]
        row["false_alarms"] = float(np.mean([one is not None and one.alarm for one in quiet]))
        for shift in SHIFTS:
            changed = [reward_drift(before, now - shift, rate) for before, now in pairs]
            delays = [
                one.alarm_at if one is not None and one.alarm_at is not None else np.inf
                for one in changed
            ]
            row[f"delay_{shift:g}"] = float(np.median(delays))
            row[f"missed_{shift:g}"] = float(np.mean(np.isinf(delays)))
        rows.append(row)
    return rows


def draw(rows: list[dict[str, float]], folder: str) -> list[str]:
    """Draw the curves; return the files."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from edgewright.reporting.style import DASHES, MARKERS, PALETTE, WIDTH, save, style

    with style():
        figure, axes = plt.subplots(figsize=(WIDTH, 0.7 * WIDTH))
        for number, shift in enumerate(SHIFTS):
            axes.plot(
                [row["rate"] for row in rows],
                [row[f"delay_{shift:g}"] for row in rows],
                color=PALETTE[number],
                marker=MARKERS[number],
                linestyle=DASHES[number],
                label=f"mean falls by {shift:g} deviations",
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("stated rate of false alarms")
        axes.set_ylabel("outcomes until the alarm, median")
        axes.legend()
        return [str(path) for path in save(figure, folder, "drift-delay").values()]


def main() -> None:
    """Measure, print, and draw where a folder is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--out", help="folder of the figure")
    given = parser.parse_args()
    rows = measure(given.trials)
    files = draw(rows, given.out) if given.out else []
    print(json.dumps({"trials": given.trials, "rows": rows, "figure": files}, indent=2))


if __name__ == "__main__":
    main()
