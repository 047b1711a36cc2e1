"""Turn a run into the five figures of the gap, as plain numbers."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgewright.testbed.arms import ASSUMED_ARM
from edgewright.testbed.blocks import TESTBED, WORLD, series
from edgewright.testbed.campaigns import EDITS, LOADS
from edgewright.testbed.drawn import points
from edgewright.testbed.fit import Errors, errors_of
from edgewright.testbed.gap import (
    CONFIDENCE,
    DRAWS,
    Bootstrap,
    Ladder,
    causes,
    difference,
    distance,
    distances,
    outcomes_of,
    ranks,
    regret,
)
from edgewright.testbed.objective import DONE, Arrival, Outcome
from edgewright.testbed.quality import ASSUMED
from edgewright.testbed.run import WRONG_WORK, Finished, Played

LATE = 1.10
"""A paced service that took longer than this share of its time was disturbed by the machine."""

LATE_SHARE = 0.05
"""Share of disturbed services above which a block says more of the machine than of the policy."""


TRUSTED = 0.10
"""Mean absolute error of services above which a calibration does not hold."""

WRONG = "wrong work"


def report(run: Finished, machine: dict[str, Any]) -> dict[str, Any]:
    """Return everything that a run measured, with 95 % bootstrap intervals.

    Args:
        machine: facts of :func:`~edgewright.core.machine.machine_facts`.
    """
    main = run.main
    ladder, bootstrap, names = _ladder(run, main), Bootstrap(main.rounds), _ranked(main)
    twin = next(arm for arm in main.arms if arm.twin_of)
    real, calibration = ladder[TESTBED], _calibration(run)
    return {
        "machine": machine,
        "conditions": _conditions(run),
        "policies": _policies(run, main, bootstrap, ladder),
        "left_out": run.left_out,
        "gap": {
            "1_calibration": calibration,
            "2_delays": {
                name: distances(bootstrap, ladder[WORLD][name], real[name]) for name in names
            },
            "3_ranks": ranks(bootstrap, ladder, names),
            "4_regret": regret(bootstrap, ladder, names),
            "5_causes": causes(bootstrap, ladder, names),
        },
        "drawn": points(run.calibrated.fitted, _serviced(run), _link_mbps(run), ladder, names),
        "twins": {
            "of": twin.twin_of,
            **difference(bootstrap, real[twin.twin_of], real[twin.name]),
        },
        "loads": _loads(run),
        "edits": _edits(run),
        "quality": _quality(run),
        "curve": _curve(run, bootstrap, ladder),
        "control": _control(run, bootstrap, ladder, names, calibration),
        "validity": validity(run, calibration),
        "blocks": [
            {"campaign": one.campaign.name, **row} for one in run.played for row in one.order
        ],
        "seconds": run.seconds,
    }


def _ladder(run: Finished, played: Played) -> Ladder:
    return {
        rung: {
            name: series(played.rounds, blocks, run.objective) for name, blocks in outcomes.items()
        }
        for rung, outcomes in played.outcomes.items()
    }


def _ranked(played: Played) -> list[str]:
    return [arm.name for arm in played.arms if arm.ranked]


def _policies(
    run: Finished, played: Played, bootstrap: Bootstrap, ladder: Ladder
) -> list[dict[str, Any]]:
    """Return what each policy reached on the testbed and in the world."""
    return [
        {
            "name": arm.name,
            "about": arm.about,
            "testbed": outcomes_of(bootstrap, ladder[TESTBED][arm.name]),
            "world": outcomes_of(bootstrap, ladder[WORLD][arm.name]),
            "locations": _counts(played, arm.name, "location", len(run.setup.workers)),
            "levels": _counts(played, arm.name, "level", len(run.objective.score)),
        }
        for arm in played.arms
    ]


def _loads(run: Finished) -> list[dict[str, Any]]:
    """Return violations and quality in time against the load, the usual one among them."""
    others = [one for one in run.played if one.campaign.name.startswith(LOADS)]
    names = {arm.name for one in others for arm in one.arms}
    rows = []
    for played in [run.main, *others] if others else []:
        bootstrap, ladder = Bootstrap(played.rounds), _ladder(run, played)
        rows.append(
            {
                "load": played.campaign.load,
                "requests": sum(map(len, played.rounds)),
                "policies": [
                    one for one in _policies(run, played, bootstrap, ladder) if one["name"] in names
                ],
            }
        )
    return sorted(rows, key=lambda row: row["load"])


def _edits(run: Finished) -> dict[str, Any] | None:
    """Return the gap of requests that upload images; None where there were none."""
    played = next((one for one in run.played if one.campaign.name == EDITS), None)
    if played is None:
        return None
    bootstrap, ladder, names = Bootstrap(played.rounds), _ladder(run, played), _ranked(played)
    sizes = [one.request_bytes for block in played.rounds for one in block]
    return {
        "requests": len(sizes),
        "upload_mb": 1e-6 * float(np.mean(sizes)),
        "policies": _policies(run, played, bootstrap, ladder),
        "2_delays": {
            name: distances(bootstrap, ladder[WORLD][name], ladder[TESTBED][name]) for name in names
        },
        "4_regret": regret(bootstrap, ladder, names),
        "5_causes": causes(bootstrap, ladder, names),
    }


def _curve(run: Finished, bootstrap: Bootstrap, ladder: Ladder) -> dict[str, Any] | None:
    """Return what the assumed curve of quality costs, where the measured one scores."""
    if not run.curves:
        return None
    real, learned = ladder[TESTBED], run.main.arms[0].name
    return {
        "learned": learned,
        "testbed": difference(bootstrap, real[learned], real[ASSUMED_ARM]),
        "world": [one.facts() for one in run.curves],
    }


def _control(
    run: Finished,
    bootstrap: Bootstrap,
    ladder: Ladder,
    names: Sequence[str],
    calibration: dict[str, Any],
) -> dict[str, Any]:
    """Return figures 1 and 2 of a calibration whose work is wrong on purpose."""
    wrong = {
        name: series(run.main.rounds, blocks, run.objective) for name, blocks in run.wrong.items()
    }
    both = {**ladder, WRONG: wrong}
    service = _services(run, WRONG_WORK)
    figures = [distance(bootstrap, both, rung, names) for rung in (WORLD, WRONG)]
    return {
        "work_times": WRONG_WORK,
        "service": service and dataclasses.asdict(service),
        "distance": figures[1],
        "distance_of_the_right_one": figures[0],
        "detected": service is not None
        and service.absolute > TRUSTED >= calibration["service_in_blocks"]["absolute"],
        "raises_distance": figures[1]["low"] > figures[0]["high"],
    }


def validity(run: Finished, calibration: dict[str, Any]) -> dict[str, Any]:
    """Return whether the machine kept the pace of the workers, and whether figure 1 holds.

    A calibration that no service of the blocks was compared with does not hold.

    Args:
        calibration: figure 1.
    """
    late = [outcome.lateness for _, outcome in _answers(run.played) if outcome.lateness is not None]
    share = float(np.mean(np.array(late) > LATE)) if late else 0.0
    service = calibration.get("service_in_blocks", {}).get("absolute", float("inf"))
    return {
        "paced_services": len(late),
        "late_share": share,
        "worst_lateness": max(late, default=None),
        "valid": share <= LATE_SHARE,
        "calibrated": service <= TRUSTED,
    }


def _answers(played: Sequence[Played]) -> list[tuple[Arrival, Outcome]]:
    """Return all requests that were answered on the testbed, with their outcomes."""
    return [
        (arrival, outcome)
        for one in played
        for blocks in one.outcomes[TESTBED].values()
        for arrivals, block in zip(one.rounds, blocks, strict=True)
        for arrival, outcome in zip(arrivals, block, strict=True)
        if outcome.status == DONE
    ]


def _conditions(run: Finished) -> dict[str, Any]:
    setup, band = run.setup, run.bandwidth
    requests = [len(block) for block in run.main.rounds]
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
    pairs = _serviced(run)
    if pairs:
        delays = errors_of(
            [o.predicted_s or 0.0 for _, o in pairs], [max(1e-6, o.delay_s) for _, o in pairs]
        )
        used = _services(run)
        assert used is not None, "there are services"
        result["service_in_blocks"] = dataclasses.asdict(used)
        result["delay_predicted_by_gateway"] = dataclasses.asdict(delays)
    return result


def _link_mbps(run: Finished) -> list[float]:
    """Return the rate of the link in every quarter of a second of the calibration."""
    rate, step_s = run.bandwidth.rate, 0.25
    count = max(1, round(run.seconds["calibrate"] / step_s))  # the recording begins with it
    passed = [rate.passed(step_s * number) for number in range(count + 1)]
    return [1e-6 * (later - one) / step_s for one, later in itertools.pairwise(passed)]


def _serviced(run: Finished) -> list[tuple[Arrival, Outcome]]:
    """Return the answers of the main blocks whose time of service is known."""
    return [pair for pair in _answers([run.main]) if pair[1].service_s > 0.0]


def _services(run: Finished, factor: float = 1.0) -> Errors | None:
    """Return the errors of predicted services in the blocks; None without any.

    Args:
        factor: by which the predictions are wrong on purpose.
    """
    fitted, pairs = run.calibrated.fitted, _serviced(run)
    if not pairs:
        return None
    predicted = [factor * fitted.service_s(o.location, o.level, a.size) for a, o in pairs]
    return errors_of(predicted, [o.service_s for _, o in pairs])


def _counts(played: Played, name: str, what: str, size: int) -> list[int]:
    """Return how often each location or level was chosen on the testbed."""
    counts = [0] * size
    for block in played.outcomes[TESTBED][name]:
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
