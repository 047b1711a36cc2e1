"""Calibrate, train, replay on real processes, and simulate the same blocks."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.core.files import write_bytes
from edgewright.gateway.plan import make_plan
from edgewright.gateway.policy import BundlePolicy
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load as load_scenario
from edgewright.testbed import discrete, virtual, world_replay
from edgewright.testbed.arrivals import Replay, arrivals
from edgewright.testbed.bandwidth import Bandwidth, bandwidth_of
from edgewright.testbed.blocks import DISCRETE, TESTBED, VIRTUAL, WORLD
from edgewright.testbed.calibrate import Calibrated, calibrate
from edgewright.testbed.calibration import Budget
from edgewright.testbed.conditions import Conditions
from edgewright.testbed.objective import Arrival, Objective, Outcome, objective_of
from edgewright.testbed.plan import (
    Arm,
    Setup,
    arms_of,
    expected_seconds,
    gateway_text,
    worker_text,
)
from edgewright.testbed.policies import bundles_of
from edgewright.testbed.processes import GatewayProcess, LinkProcess, gateways, link
from edgewright.testbed.replay import replay
from edgewright.testbed.scenario_file import Traffic, mean_gap_s, objective_s
from edgewright.testbed.shares import best_shares

LOG = Path("requests") / "azure_llm_2023_conversation.csv"
"""Azure LLM 2023 (P. Patel et al., "Splitwise", ISCA 2024)."""

OnProgress = Callable[[str], None]


@dataclasses.dataclass
class Finished:
    """All that a run measured.

    Attributes:
        left_out: why a policy was not compared, by its name.
        rounds: the requests of each round, the same for every policy.
        outcomes: by rung, policy and round.
        order: (round, policy) as the blocks were played, with the load of the machine at each end.
    """

    setup: Setup
    calibrated: Calibrated
    bandwidth: Bandwidth
    objective: Objective
    arms: list[Arm]
    left_out: dict[str, str]
    rounds: list[list[Arrival]]
    outcomes: dict[str, dict[str, list[list[Outcome]]]]
    order: list[dict[str, Any]]
    log: Path | None
    seconds: dict[str, float]


@dataclasses.dataclass(frozen=True)
class _Site:
    """The processes of a run, and the files that they were started with."""

    folder: Path
    gateway: GatewayProcess
    link: LinkProcess
    addresses: list[str]


def run(
    setup: Setup, folder: Path, data: Path | None, on_progress: OnProgress = lambda name: None
) -> Finished:
    """Return what a testbed measured, and what simulations say of the same blocks.

    Args:
        folder: for configurations, logs, the scenario and the bundles.
        data: folder of recordings; None for synthetic stand-ins.

    Raises:
        InputError: a process does not start, or a policy cannot be trained.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # workers inherit it: each is one core
    folder.mkdir(parents=True, exist_ok=True)
    bandwidth = bandwidth_of(data, folder, setup.mean_mbps, setup.seed)
    log = data / LOG if data is not None and (data / LOG).is_file() else None
    seconds, began = {}, time.monotonic()
    on_progress("start workers")
    with _started(setup, folder, bandwidth) as site:
        seconds["start"], began = time.monotonic() - began, time.monotonic()
        calibrated = _calibrated(setup, site, on_progress)
        scenario = load_scenario(str(folder / "calibrated.toml"))
        seconds["calibrate"], began = time.monotonic() - began, time.monotonic()
        steps = setup.train_steps
        bundles, left_out = bundles_of(setup.policies, scenario, folder, steps, on_progress)
        seconds["train"], began = time.monotonic() - began, time.monotonic()
        objective = objective_of(
            scenario.params, objective_s(calibrated.fitted, calibrated.traffic)
        )
        rate_hz = 1.0 / mean_gap_s(calibrated.fitted, calibrated.traffic)
        shares = _shares(calibrated, objective, rate_hz)
        arms = arms_of({k: str(v.resolve()) for k, v in bundles.items()}, objective.slo_s, shares)
        rounds = _rounds(setup, rate_hz, log)
        played, order = _played(setup, site, calibrated, objective, arms, rounds, on_progress)
        seconds["blocks"], began = time.monotonic() - began, time.monotonic()
    outcomes = {TESTBED: played}
    given, problem = _conditions(setup, calibrated, bandwidth), build(scenario)
    on_progress("simulate")
    files = {arm.name: folder / f"arm-{arm.name}.toml" for arm in arms}
    outcomes |= _simulated(problem, given, files, rounds)
    seconds["simulate"] = time.monotonic() - began
    return Finished(
        setup,
        calibrated,
        bandwidth,
        objective,
        arms,
        left_out,
        rounds,
        outcomes,
        order,
        log,
        seconds,
    )


def _conditions(setup: Setup, calibrated: Calibrated, bandwidth: Bandwidth) -> Conditions:
    """Return what the simulations are given: the calibrated numbers, and the link as it was."""
    return Conditions(
        fitted=calibrated.fitted,
        up=bandwidth.rate,
        down=bandwidth.rate,
        power_w=[one.power_w for one in setup.workers],
        queues=[one.queue for one in setup.workers],
    )


def _rounds(setup: Setup, rate_hz: float, log: Path | None) -> list[list[Arrival]]:
    traffic = Replay(setup.seconds, rate_hz, setup.sizes, log)
    return [arrivals(traffic, 1000 * setup.seed + number) for number in range(setup.rounds)]


@contextlib.contextmanager
def _started(setup: Setup, folder: Path, bandwidth: Bandwidth) -> Any:
    """Start workers, the link in front of all but the first, and the gateway before both."""
    configs = []
    for worker in setup.workers:
        configs.append(folder / f"worker-{worker.name}.toml")
        write_bytes(configs[-1], worker_text(setup, worker).encode())
    options = ["--down", str(bandwidth.file), "--mean-mbps", str(setup.mean_mbps)]
    options += ["--low-mbps", str(0.1 * setup.mean_mbps), "--delay-ms", str(setup.delay_ms)]
    with contextlib.ExitStack() as stack:
        workers = stack.enter_context(gateways(configs))
        device, *servers = [one.address for one in workers]
        path = stack.enter_context(link(servers, options))
        addresses = [device, *path.addresses]
        config = folder / "gateway.toml"
        text = gateway_text(setup, addresses, {"fallback": "local"}, expected_seconds(setup))
        write_bytes(config, text.encode())
        gateway = stack.enter_context(gateways([config]))[0]
        yield _Site(folder, gateway, path, addresses)


def _calibrated(setup: Setup, site: _Site, on_progress: OnProgress) -> Calibrated:
    config = site.gateway.config
    budget = Budget(repeats=setup.repeats, seconds=setup.calibration_s, sizes=setup.sizes)
    site.link.restart()
    speeds = sum(1.0 / row[len(row) // 2] for row in expected_seconds(setup))
    share = np.mean([width * height for width, height in setup.sizes])
    share /= setup.sizes[-1][0] * setup.sizes[-1][1]
    traffic = Traffic(gap_s=float(share) / (setup.load * speeds), input_mb=(1e-4, 2e-4))
    out = site.folder / "calibrated.toml"
    return calibrate(
        config, out, budget=budget, traffic=traffic, digits=True, on_progress=on_progress
    )


def _shares(calibrated: Calibrated, objective: Objective, rate_hz: float) -> list[list[float]]:
    """Return the division of the linear program for images of the mean size."""
    fitted, sizes = calibrated.fitted, calibrated.traffic.sizes
    levels = range(len(fitted.multiplier))
    times = [
        [float(np.mean([fitted.service_s(m, k, size) for size in sizes])) for k in levels]
        for m in range(len(fitted.ghz))
    ]
    return best_shares(objective.score, times, rate_hz)


def _played(
    setup: Setup,
    site: _Site,
    calibrated: Calibrated,
    objective: Objective,
    arms: Sequence[Arm],
    rounds: Sequence[Sequence[Arrival]],
    on_progress: OnProgress,
) -> tuple[dict[str, list[list[Outcome]]], list[dict[str, Any]]]:
    """Play every policy in every round, each round in an order of its own."""
    rng = np.random.default_rng(setup.seed)
    fitted, power_w = calibrated.fitted, [one.power_w for one in setup.workers]
    levels = range(len(fitted.multiplier))
    times = [[fitted.service_s(m, k, (256, 256)) for k in levels] for m in range(len(fitted.ghz))]
    texts = {
        arm.name: gateway_text(setup, site.addresses, arm.policy, times, objective.score)
        for arm in arms
    }
    for name, text in texts.items():
        write_bytes(site.folder / f"arm-{name}.toml", text.encode())
    outcomes: dict[str, list[list[Outcome]]] = {arm.name: [] for arm in arms}
    order = []
    for number, block in enumerate(rounds):
        for index in rng.permutation(len(arms)):
            name = arms[int(index)].name
            on_progress(f"round {number + 1}: {name}")
            site.gateway.reload(texts[name])
            before = os.getloadavg()[0]
            site.link.restart()
            outcomes[name].append(asyncio.run(replay(site.gateway.address, block, power_w)))
            loads = [before, os.getloadavg()[0]]
            order.append({"round": number, "policy": name, "load_average": loads})
    return outcomes, order


def _simulated(
    problem: Any, given: Conditions, files: dict[str, Path], rounds: Sequence[Sequence[Arrival]]
) -> dict[str, dict[str, list[list[Outcome]]]]:
    """Return the outcomes of the same blocks on every rung below the testbed.

    Args:
        files: the gateway's configuration for each policy.
    """
    result: dict[str, dict[str, list[list[Outcome]]]] = {
        rung: {name: [] for name in files} for rung in (WORLD, DISCRETE, VIRTUAL)
    }
    for name, file in files.items():
        for block in rounds:
            chooser = make_plan(file).chooser
            names: list[str] = []
            if isinstance(chooser, BundlePolicy):
                names = [field.name for field in chooser.bundle.interface.fields]
            arguments = (given, chooser, names, block)
            world = world_replay.simulate(problem.world, problem.params, *arguments)
            result[WORLD][name].append(world)
            chooser = make_plan(file).chooser  # one that counts begins anew
            result[DISCRETE][name].append(discrete.simulate(given, chooser, names, block))
            result[VIRTUAL][name].append(virtual.simulate(file, given, block))
    return result


RULE_ARMS = 6
"""Arms beside the bundles: the twin, and the rules of the gateway."""


def progress_steps(setup: Setup) -> int:
    """Return how often :func:`run` reports its progress."""
    calibration = len(setup.workers) * len(setup.steps) + len(setup.workers) - 1
    arms = len(setup.policies) + RULE_ARMS
    return 2 + calibration + len(setup.policies) + arms * setup.rounds


__all__ = ["Finished", "progress_steps", "run"]
