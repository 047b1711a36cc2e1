"""Calibrate a scenario on the back ends of a gateway."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgewright.core.errors import InputError
from edgewright.core.files import write_bytes
from edgewright.gateway.plan import Plan
from edgewright.testbed.calibration import Budget, Sample, measured
from edgewright.testbed.fit import Fitted, fit
from edgewright.testbed.quality import ASSUMED, Quality, of_digits, of_renders, stated
from edgewright.testbed.scenario_file import Traffic, mean_gap_s, objective_s, scenario_text


@dataclasses.dataclass(frozen=True)
class Calibrated:
    """A scenario and what it was made from."""

    plan: Plan
    samples: list[Sample]
    fitted: Fitted
    quality: Quality
    traffic: Traffic
    text: str

    def facts(self) -> dict[str, Any]:
        """Return the numbers, with their errors and what was assumed before."""
        fitted, quality = self.fitted, self.quality
        late = [one.lateness for one in self.samples if one.lateness is not None]
        return {
            "images": len(self.samples),
            "quality_multiplier": fitted.multiplier,
            "ghz": fitted.ghz,
            "service_cv": fitted.service_cv,
            "output_mb": fitted.output_mb,
            "network_delay_s": fitted.delay_s,
            "bandwidth_mbps": {"values": fitted.mbps},
            "quality_score": quality.score,
            "quality_held_out": quality.held_out,
            "quality_source": quality.source,
            "quality_assumed": [*ASSUMED] if len(quality.score) == len(ASSUMED) else None,
            "frechet_distance": quality.distance,
            "gap_s": mean_gap_s(fitted, self.traffic),
            "slo_s": objective_s(fitted, self.traffic),
            "worst_lateness": max(late, default=None),
            "errors": {name: dataclasses.asdict(one) for name, one in fitted.errors.items()},
        }


def calibrate(
    file: Path,
    out: Path,
    *,
    budget: Budget | None = None,
    traffic: Traffic | None = None,
    digits: bool | None = None,
    renders: bool | None = None,
    on_progress: Callable[[str], None] = lambda name: None,
) -> Calibrated:
    """Measure the back ends of a gateway's configuration, and write a scenario.

    Args:
        out: the scenario, a TOML file.
        digits: whether answers are sheets of digits, whose quality is measured; None for the kinds
            of the back ends.
        renders: the same for rendered scenes. Else the quality is that of ``[quality] scores``.

    Raises:
        InputError: a back end fails, or nothing says how good the levels are.
    """
    budget = budget or Budget()
    plan, samples = measured(file, budget, on_progress)
    kinds = {one.table.kind for one in plan.backends.values() if one.modality == "image"}
    levels = len(plan.config.quality.levels)
    if kinds == {"digits"} if digits is None else digits:
        quality = of_digits(samples, levels)
    elif kinds == {"render"} if renders is None else renders:
        on_progress("quality: references")
        quality = of_renders(samples, levels, budget.seed)
    elif scores := plan.config.quality.scores:
        quality = stated(scores)
    else:
        message = "must state how good each level is, as these back ends cannot be asked"
        hint = "[quality] scores = [0.5, 0.8, 1.0], or --digits or --renders where that is known"
        raise InputError(message, where=f"{file}: quality.scores", hint=hint)
    fitted = fit(samples, budget.sizes[-1])
    traffic = dataclasses.replace(traffic or Traffic(), sizes=budget.sizes)
    text = scenario_text(out.stem, plan, fitted, quality, traffic)
    write_bytes(out, text.encode())
    return Calibrated(plan, samples, fitted, quality, traffic, text)
