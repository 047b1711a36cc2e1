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
from edgewright.deploy.bundle.engine import SCORES, Engine, EngineError

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
        apart, wrong = _apart(engine, engine.many(rows), record)
        beside = engine.one_by_one(rows)
        ways = {"onnxruntime": (apart, wrong)}
        if beside is not None:
            ways["litert"] = _apart(engine, beside, record)
    except (KeyError, ValueError, IndexError, TypeError, EngineError) as error:
        problem = f"the record of parity does not fit the graph ({error})"
        raise InputError(problem, where=where, hint="export the policy again") from None
    clear = int(settled.any(axis=1).sum())
    for name, (apart, wrong) in ways.items():
        worst, differ = float(apart.max(initial=0.0)), int(np.sum((wrong & settled).any(axis=1)))
        if not worst <= tolerance or differ:
            problem = (
                f"{name} of this machine decides otherwise than the record: {differ} of "
                f"{clear} settled decisions differ, scores by up to {worst:.3g} "
                f"(tolerated: {tolerance:.3g})"
            )
            hint = f"use another version of {name}, or export the policy again"
            raise InputError(problem, where=where, hint=hint)
    worst = max(float(apart.max(initial=0.0)) for apart, _ in ways.values())
    return {
        "rows": {kind: int(np.sum(kinds == n)) for n, kind in enumerate(KINDS)},
        "settled": clear,
        "worst_score_difference": worst,
        "tolerance": tolerance,
    }


def _apart(
    engine: Engine, found: Mapping[str, np.ndarray], record: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return how far scores are apart ``[rows]``, and which outputs differ ``[rows, outputs]``."""
    count = len(record["rows"])
    wrong = np.zeros((count, len(engine.outputs)), bool)
    for place, name in enumerate(engine.outputs):
        same = found[name] == record[name]
        wrong[:, place] = ~same.reshape(count, -1).all(axis=1)
    if not engine.has_scores:
        return np.zeros(count), wrong
    return np.abs(found[SCORES] - record[SCORES]).max(axis=1), wrong
