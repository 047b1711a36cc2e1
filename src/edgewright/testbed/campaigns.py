"""Plan the blocks of a testbed, with their policies, their requests and their simulations."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.core.files import write_bytes
from edgewright.scenarios.load import load as load_scenario
from edgewright.testbed.arms import Arm, arms_of, bundle_arms, rule_arms
from edgewright.testbed.arrivals import Replay, arrivals, upload_mb
from edgewright.testbed.blocks import RUNGS, WORLD
from edgewright.testbed.calibrate import Calibrated
from edgewright.testbed.objective import Arrival, Objective
from edgewright.testbed.plan import Setup
from edgewright.testbed.policies import LEARNER, Bundles, bundles_of
from edgewright.testbed.quality import ASSUMED
from edgewright.testbed.scenario_file import mean_gap_s, scenario_text
from edgewright.testbed.shares import best_shares

PROMPTS, EDITS, LOADS = "prompts", "edits", "load"
"""Requests for images from prompts, requests that upload images, and prompts at another load."""

QUEUE = f"{LEARNER}-queue"


@dataclasses.dataclass(frozen=True)
class Campaign:
    """Blocks of several policies on the same requests.

    Attributes:
        scenario: whose world simulates them.
        load: see :class:`~edgewright.testbed.plan.Setup`.
        rungs: which are simulated.
    """

    name: str
    scenario: Any
    arms: Sequence[Arm]
    rounds: Sequence[Sequence[Arrival]]
    load: float
    rungs: Sequence[str] = RUNGS[:-1]


@dataclasses.dataclass(frozen=True)
class Prepared:
    """Scenarios and policies of a run.

    Attributes:
        scenario: as it was calibrated.
        bundles: of its policies.
        assumed: of the same policies where quality has the assumed curve; None without them.
        edits: the scenario of requests that upload images, where uploads wait.
        edit_bundles: file of each policy that was trained for those, by its name.
    """

    scenario: Any
    bundles: Bundles
    assumed: Bundles | None
    edits: Any
    edit_bundles: dict[str, str]


def prepare(
    setup: Setup, calibrated: Calibrated, folder: Path, on_progress: Callable[[str], None]
) -> Prepared:
    """Train and export the policies of all campaigns on their scenarios.

    Args:
        folder: where the calibrated scenario is, and where all else goes.
    """
    file, training = folder / "calibrated.toml", (setup.train_steps, setup.train_seeds)
    scenario = load_scenario(str(file))
    bundles = bundles_of(setup.policies, scenario, folder, training, on_progress)
    assumed = None
    if assumes(setup):
        other = load_scenario(str(file), {"params.quality_score": [*ASSUMED]})
        names = [name for name in setup.policies if name in bundles.files]
        assumed = bundles_of(names, other, folder / "assumed", training, on_progress)
    edits = load_scenario(str(_edit_file(setup, calibrated, folder)))
    edit_bundles: dict[str, str] = {}
    if learns_edits(setup):
        parallel = load_scenario(str(folder / "edits.toml"), {"world.uplink": "parallel"})
        for name, one in ((LEARNER, parallel), (QUEUE, edits)):
            steps = (setup.train_steps, 1)
            made = bundles_of([LEARNER], one, folder / name, steps, on_progress)
            edit_bundles[name] = made.first[LEARNER]
    return Prepared(scenario, bundles, assumed, edits, edit_bundles)


def assumes(setup: Setup) -> bool:
    """Return whether the assumed curve of quality is compared with the measured one."""
    return setup.curve_blocks > 0 and len(setup.steps) == len(ASSUMED)


def learns_edits(setup: Setup) -> bool:
    """Return whether policies are trained for requests that upload images."""
    return setup.edit_learned and setup.edit_rounds > 0


def _edit_file(setup: Setup, calibrated: Calibrated, folder: Path) -> Path:
    """Write the scenario of requests that upload images."""
    sizes = calibrated.traffic.sizes
    traffic = dataclasses.replace(calibrated.traffic, input_mb=upload_mb(sizes, setup.edit_files))
    file = folder / "edits.toml"
    one = calibrated
    text = scenario_text(file.stem, one.plan, one.fitted, one.quality, traffic)
    write_bytes(file, text.encode())
    return file


def campaigns(
    setup: Setup,
    calibrated: Calibrated,
    prepared: Prepared,
    objective: Objective,
    log: Path | None,
) -> list[Campaign]:
    """Return all blocks of a run, the ones that the figures of the gap are of first."""
    nominal_hz = 1.0 / mean_gap_s(calibrated.fitted, calibrated.traffic)

    def shares(rate_hz: float) -> list[list[float]]:
        return _shares(calibrated, objective, rate_hz)

    assumed = None if prepared.assumed is None else next(iter(prepared.assumed.first.values()))
    slo_s, bundles = objective.slo_s, prepared.bundles.first
    arms = arms_of(bundles, slo_s, shares(nominal_hz), assumed)
    traffic = Replay(setup.seconds, nominal_hz, setup.sizes, log)
    rounds = _rounds(traffic, setup.rounds, 1000 * setup.seed)
    result = [Campaign(PROMPTS, prepared.scenario, arms, rounds, setup.load)]
    for number, load in enumerate(setup.loads if setup.load_rounds else ()):
        rate_hz = nominal_hz * load / setup.load
        every = [*bundle_arms(bundles), *rule_arms(slo_s, shares(rate_hz))]
        chosen = [arm for arm in every if arm.name in setup.load_policies]
        other = dataclasses.replace(traffic, rate_hz=rate_hz)
        rounds = _rounds(other, setup.load_rounds, 1000 * setup.seed + 100 * (number + 1))
        name = f"{LOADS} {load:g}"
        result.append(Campaign(name, prepared.scenario, chosen, rounds, load, (WORLD,)))
    if setup.edit_rounds:
        rules = rule_arms(slo_s, shares(nominal_hz))
        arms = bundle_arms(prepared.edit_bundles)
        arms += [arm for arm in rules if arm.name in setup.edit_rules]
        uploads = dataclasses.replace(traffic, files=setup.edit_files)
        rounds = _rounds(uploads, setup.edit_rounds, 1000 * setup.seed)
        result.append(Campaign(EDITS, prepared.edits, arms, rounds, setup.load))
    return result


def block_count(setup: Setup) -> int:
    """Return how many blocks are played on the testbed at most."""
    arms = len(setup.policies) + RULE_ARMS + assumes(setup)
    there = {*setup.policies, *(arm.name for arm in rule_arms(1.0, []))}
    loads = len(setup.loads) * setup.load_rounds * len(there & {*setup.load_policies})
    edits = setup.edit_rounds * (len(setup.edit_rules) + 2 * learns_edits(setup))
    return arms * setup.rounds + loads + edits


RULE_ARMS = 6
"""Arms beside the bundles: the twin, and the rules of the gateway."""


def curve_blocks(setup: Setup, calibrated: Calibrated, log: Path | None) -> list[list[Arrival]]:
    """Return the blocks in which policies of both curves of quality are simulated."""
    rate_hz = 1.0 / mean_gap_s(calibrated.fitted, calibrated.traffic)
    traffic = Replay(setup.curve_seconds, rate_hz, setup.sizes, log)
    return _rounds(traffic, setup.curve_blocks, 1000 * setup.seed + 500)


def _rounds(traffic: Replay, count: int, seed: int) -> list[list[Arrival]]:
    return [arrivals(traffic, seed + number) for number in range(count)]


def _shares(calibrated: Calibrated, objective: Objective, rate_hz: float) -> list[list[float]]:
    """Return the division of the linear program for images of the mean size."""
    fitted, sizes = calibrated.fitted, calibrated.traffic.sizes
    levels = range(len(fitted.multiplier))
    times = [
        [float(np.mean([fitted.service_s(m, k, size) for size in sizes])) for k in levels]
        for m in range(len(fitted.ghz))
    ]
    return best_shares(objective.score, times, rate_hz)


__all__ = [
    "EDITS",
    "LOADS",
    "PROMPTS",
    "Campaign",
    "Prepared",
    "assumes",
    "block_count",
    "campaigns",
    "curve_blocks",
    "learns_edits",
    "prepare",
]
