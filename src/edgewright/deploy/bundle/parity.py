"""The record of parity: what the training framework decided, kept to be compared anywhere.

Rows of three kinds: ``random`` in the trained range, ``edge`` (corners of it, and far outside), and
``adversarial`` (pushed to where the decision nearly turns). Scores must agree
everywhere within a tolerance, every output of a decision wherever it is ``settled``
``[rows, outputs]``: where rounding cannot turn it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgewright.core.errors import InputError
from edgewright.deploy.bundle.engine import SCORES, Engine

KINDS = ("random", "edge", "adversarial")


def check_parity(
    engine: Engine, record: Mapping[str, np.ndarray], tolerance: float, where: str
) -> dict[str, Any]:
    """Compare a graph on this machine with its record; return how far apart they are.

    Where single rows go another way than many, both ways are compared.

    Raises:
        InputError: a score is further away than ``tolerance``, or a settled decision differs.
    """
    try:
        rows, kinds, settled = record["rows"], record["kind"], record["settled"]
        ways = [engine.many(rows), engine.one_by_one(rows)]
        wrong = np.zeros((len(rows), len(engine.outputs)), bool)
        apart = np.zeros(len(rows))
        for found in filter(None, ways):
            for place, name in enumerate(engine.outputs):
                same = found[name] == record[name]
                wrong[:, place] |= ~same.reshape(len(rows), -1).all(axis=1)
            if engine.has_scores:
                apart = np.maximum(apart, np.abs(found[SCORES] - record[SCORES]).max(axis=1))
    except (KeyError, ValueError, IndexError, TypeError) as error:
        problem = f"the record of parity does not fit the graph ({error})"
        raise InputError(problem, where=where, hint="export the policy again") from None
    worst, differ = float(apart.max(initial=0.0)), int(np.sum((wrong & settled).any(axis=1)))
    clear = int(settled.any(axis=1).sum())
    if not worst <= tolerance or differ:
        problem = (
            f"the runtime of this machine decides otherwise than the record: {differ} of "
            f"{clear} settled decisions differ, scores by up to {worst:.3g} "
            f"(tolerated: {tolerance:.3g})"
        )
        raise InputError(problem, where=where, hint=f"use another version of {engine.runtimes}")
    return {
        "rows": {kind: int(np.sum(kinds == n)) for n, kind in enumerate(KINDS)},
        "settled": clear,
        "worst_score_difference": worst,
        "tolerance": tolerance,
    }
