"""Fit a scenario to a decision log, whatever its system."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from edgewright.core.errors import InputError
from edgewright.core.files import write_bytes
from edgewright.scenarios.load import AnyScenario
from edgewright.scenarios.write import changed_scenario, scenario_text
from edgewright.serve.log_table import LogTable
from edgewright.specs.calibration import Calibration
from edgewright.systems.registry import system_of, systems


def calibrated(
    scenario: AnyScenario, table: LogTable, where: str
) -> tuple[AnyScenario, Calibration]:
    """Return the scenario as a log shows it, and the report of the fits.

    Args:
        where: names the log in messages.

    Raises:
        InputError: the system has no calibration, the log has none of the scenario's fields, or a
            fitted value breaks the schema.
    """
    kind = scenario.world.kind
    fit = system_of(kind).calibrate
    if fit is None:
        message = f"the inputs of the system '{kind}' are not fitted to logs"
        kinds = ", ".join(kind for kind, one in sorted(systems().items()) if one.calibrate)
        hint = f"name a scenario of {kinds}, or write the new law into the scenario by hand"
        raise InputError(message, where=where, hint=hint)
    report = fit(scenario, table)
    if not report.fits:
        reasons = "; ".join(dict.fromkeys(report.left.values()))
        message = f"nothing in the log says something of '{scenario.name}': {reasons}"
        hint = "name the scenario that the log's bundle was trained on"
        raise InputError(message, where=where, hint=hint)
    return changed_scenario(scenario, report.changes, where), report


def write_scenario(
    scenario: AnyScenario, report: Calibration, out: Path, name: str | None = None
) -> None:
    """Write a calibrated scenario as TOML, each fit with its old value and its goodness."""
    named = dataclasses.replace(scenario, name=name or out.stem)
    write_bytes(out, scenario_text(named, {f.key: _comment(f) for f in report.fits}).encode())


def _comment(fit: Any) -> str:
    state = f"from the log, {fit.rows} decisions; {fit.measure} {fit.goodness:.3g}"
    if isinstance(fit.before, (int, float)):
        state += f"; {fit.before:g} before"
    return state


__all__ = ["calibrated", "write_scenario"]
