"""Divide a log into a reference and a current part, and test it for drift."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgewright.core.errors import InputError
from edgewright.serve.log_reader import DecisionLogReader, LoggedDecision
from edgewright.serve.reward_drift import averaged
from edgewright.update.drift import DriftReport, drift


def read_parts(
    log: Path, reference: Path | None, split: float, bundle: str | None = None
) -> tuple[list[LoggedDecision], list[LoggedDecision]]:
    """Return the decisions of the reference and of the current part, the oldest first.

    Args:
        reference: a log that is the reference as a whole; the first part of ``log`` if None.
        split: share of the decisions of ``log`` that are the reference, where no other log is.
        bundle: version of a bundle that must have decided in ``log``.

    Raises:
        InputError: a log cannot be read, or the share leaves a part empty.
    """
    if not 0.0 < split < 1.0:
        message = f"must be above 0 and below 1; got {split:g}"
        raise InputError(message, where="--split", hint="e.g. 0.5, the older half")
    with DecisionLogReader(log, bundle) as reader:
        rows = list(reader.rows())
    if reference is not None:
        with DecisionLogReader(reference) as reader:
            return list(reader.rows()), rows
    first = round(split * len(rows))
    return rows[:first], rows[first:]


def drift_of(
    reference: Sequence[LoggedDecision], current: Sequence[LoggedDecision], rate: float
) -> DriftReport:
    """Return what changed between two parts of logs; see :func:`edgewright.update.drift.drift`.

    Decisions of one client that follow one another are alike. So each client is a series of its
    own; decisions of clients that state no name are one series. Numbers of many users are tested by
    their mean, see :func:`averaged`.
    """
    by_client = [sorted(part, key=lambda row: row.client) for part in (reference, current)]
    first, second = ([averaged(row.observation) for row in part] for part in by_client)
    before, after = (
        np.array([row.reward for row in part if row.reward is not None], float)
        for part in (reference, current)
    )
    sequence = np.array([row.reward for row in by_client[0] if row.reward is not None], float)
    clients = max(1, len({row.client for row in reference}))
    return drift(first, second, (before, after), rate=rate, sequence=sequence, clients=clients)


def prometheus(report: DriftReport) -> str:
    """Return a report in Prometheus' text format, for a collector of text files."""
    lines = [
        "# HELP edgewright_drift_alarm Whether an update is due.",
        "# TYPE edgewright_drift_alarm gauge",
        f"edgewright_drift_alarm {int(report.alarm)}",
        "# HELP edgewright_drift_p_value Adjusted p-value of a field that did not change.",
        "# TYPE edgewright_drift_p_value gauge",
        *(f'edgewright_drift_p_value{{field="{f.name}"}} {f.adjusted:.6g}' for f in report.fields),
    ]
    if report.reward is not None:
        lines += [
            "# HELP edgewright_drift_reward_cusum CUSUM of rewards, as a share of its threshold.",
            "# TYPE edgewright_drift_reward_cusum gauge",
            "edgewright_drift_reward_cusum "
            f"{report.reward.statistic / report.reward.threshold:.6g}",
        ]
    return "\n".join(lines) + "\n"


__all__ = ["drift_of", "prometheus", "read_parts"]
