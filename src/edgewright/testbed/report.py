"""Turn a run into the five figures of the gap, as plain numbers."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from edgewright.testbed.blocks import RUNGS, TESTBED, WORLD, series
from edgewright.testbed.fit import errors_of
from edgewright.testbed.gap import (
    CONFIDENCE,
    DRAWS,
    Bootstrap,
    Ladder,
    causes,
    difference,
    distances,
    outcomes_of,
    ranks,
    regret,
)
from edgewright.testbed.objective import DONE
from edgewright.testbed.quality import ASSUMED
from edgewright.testbed.run import Finished

LATE = 1.10
"""A paced service that took longer than this share of its time was disturbed by the machine."""

LATE_SHARE = 0.05
"""Share of disturbed services above which a block says more of the machine than of the policy."""


def report(run: Finished, machine: dict[str, Any]) -> dict[str, Any]:
    """Return everything that a run measured, with 95 % bootstrap intervals.

    Args:
        machine: facts of :func:`~edgewright.core.machine.machine_facts`.
    """
    ladder: Ladder = {
        rung: {
            name: series(run.rounds, blocks, run.objective)
            for name, blocks in run.outcomes[rung].items()
        }
        for rung in RUNGS
    }
    bootstrap = Bootstrap(run.rounds)
    names = [arm.name for arm in run.arms if not arm.twin_of]
    twin = next(arm for arm in run.arms if arm.twin_of)
    real = ladder[TESTBED]
    return {
        "machine": machine,
        "conditions": _conditions(run),
        "policies": [
            {
                "name": arm.name,
                "about": arm.about,
                "testbed": outcomes_of(bootstrap, real[arm.name]),
                "world": outcomes_of(bootstrap, ladder[WORLD][arm.name]),
                "locations": _counts(run, arm.name, "location", len(run.setup.workers)),
                "levels": _counts(run, arm.name, "level", len(run.objective.score)),
            }
            for arm in run.arms
        ],
        "left_out": run.left_out,
        "gap": {
            "1_calibration": _calibration(run),
            "2_delays": {
                name: distances(bootstrap, ladder[WORLD][name], real[name]) for name in names
            },
            "3_ranks": ranks(bootstrap, ladder, names),
            "4_regret": regret(bootstrap, ladder, names),
            "5_causes": causes(bootstrap, ladder, names),
        },
        "twins": {
            "of": twin.twin_of,
            **difference(bootstrap, real[twin.twin_of], real[twin.name]),
        },
        "quality": _quality(run),
        "validity": validity(run),
        "blocks": run.order,
        "seconds": run.seconds,
    }


def validity(run: Finished) -> dict[str, Any]:
    """Return whether the machine kept the pace of the workers."""
    late = [
        outcome.lateness
        for blocks in run.outcomes[TESTBED].values()
        for block in blocks
        for outcome in block
        if outcome.lateness is not None
    ]
    share = float(np.mean(np.array(late) > LATE)) if late else 0.0
    return {
        "paced_services": len(late),
        "late_share": share,
        "worst_lateness": max(late, default=None),
        "valid": share <= LATE_SHARE,
    }


def _conditions(run: Finished) -> dict[str, Any]:
    setup, band = run.setup, run.bandwidth
    requests = [len(block) for block in run.rounds]
    return {
        "workers": [dataclasses.asdict(one) for one in setup.workers],
        "paced": True,
        "seed": setup.seed,
        "seconds": setup.seconds,
        "rounds": setup.rounds,
        "requests": requests,
        "offered_load": setup.load,
        "rate_hz": sum(requests) / (setup.seconds * setup.rounds),
        "slo_s": run.objective.slo_s,
        "arrivals": run.log.name if run.log else "Poisson process",
        "bandwidth": band.file.name if band.recorded else "synthetic walk",
        "bandwidth_factor": band.factor,
        "bandwidth_mean_mbps": band.rate.mean_mbps,
        "link_delay_ms": setup.delay_ms,
        "bootstrap": {"draws": DRAWS, "confidence": CONFIDENCE},
    }


def _calibration(run: Finished) -> dict[str, Any]:
    """Return errors on what the fit did not use: held-out images, and the blocks (figure 1)."""
    fitted, quality = run.calibrated.fitted, run.calibrated.quality
    result = {name: dataclasses.asdict(one) for name, one in fitted.errors.items()}
    held = np.subtract(quality.score, quality.held_out)
    result["quality"] = {
        "absolute": float(np.mean(np.abs(held))),
        "signed": float(np.mean(held)),
        "count": len(held),
    }
    pairs = [
        (arrival, outcome)
        for blocks in run.outcomes[TESTBED].values()
        for arrivals, block in zip(run.rounds, blocks, strict=True)
        for arrival, outcome in zip(arrivals, block, strict=True)
        if outcome.status == DONE and outcome.service_s > 0.0
    ]
    if pairs:
        used = errors_of(
            [fitted.service_s(o.location, o.level, a.size) for a, o in pairs],
            [o.service_s for _, o in pairs],
        )
        delays = errors_of(
            [o.predicted_s or 0.0 for _, o in pairs], [max(1e-6, o.delay_s) for _, o in pairs]
        )
        result["service_in_blocks"] = dataclasses.asdict(used)
        result["delay_predicted_by_gateway"] = dataclasses.asdict(delays)
    return result


def _counts(run: Finished, name: str, what: str, size: int) -> list[int]:
    """Return how often each location or level was chosen on the testbed."""
    counts = [0] * size
    for block in run.outcomes[TESTBED][name]:
        for outcome in block:
            if outcome.status == DONE:
                counts[getattr(outcome, what)] += 1
    return counts


def _quality(run: Finished) -> list[dict[str, Any]]:
    """Return the measured curve beside the assumed one, with the work of each level."""
    fitted, quality = run.calibrated.fitted, run.calibrated.quality
    assumed = ASSUMED if len(quality.score) == len(ASSUMED) else [None] * len(quality.score)
    return [
        {
            "level": level,
            "work": fitted.multiplier[level],
            "output_kb": 1e3 * fitted.output_mb[level],
            "measured": quality.score[level],
            "assumed": assumed[level],
        }
        for level in range(len(quality.score))
    ]
