"""Calibrate, train, replay on real processes, and simulate the same blocks."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.core.files import write_bytes
from edgewright.gateway.config import SHEET
from edgewright.testbed.arms import Arm
from edgewright.testbed.bandwidth import Bandwidth, bandwidth_of
from edgewright.testbed.blocks import TESTBED
from edgewright.testbed.calibrate import Calibrated, calibrate
from edgewright.testbed.calibration import Budget
from edgewright.testbed.campaigns import (
    Campaign,
    Prepared,
    assumes,
    block_count,
    campaigns,
    curve_blocks,
    learns_edits,
    prepare,
)
from edgewright.testbed.conditions import Conditions
from edgewright.testbed.curve import Earned, earned
from edgewright.testbed.objective import Arrival, Objective, Outcome, objective_of
from edgewright.testbed.plan import Setup, expected_seconds, gateway_text, worker_text
from edgewright.testbed.processes import GatewayProcess, LinkProcess, gateways, link
from edgewright.testbed.replay import replay
from edgewright.testbed.scenario_file import Traffic, objective_s
from edgewright.testbed.simulated import Blocks, simulated, with_wrong_work

LOG = Path("requests") / "azure_llm_2023_conversation.csv"
"""Azure LLM 2023 (P. Patel et al., "Splitwise", ISCA 2024)."""

WRONG_WORK = 2.0
"""Factor of the work in the control that the figures must notice."""

OnProgress = Callable[[str], None]


@dataclasses.dataclass
class Played:
    """The outcomes of a campaign.

    Attributes:
        outcomes: by rung, policy and round.
        order: (round, policy) as the blocks were played, with the load of the machine at each end.
    """

    campaign: Campaign
    outcomes: dict[str, Blocks]
    order: list[dict[str, Any]]

    @property
    def arms(self) -> Sequence[Arm]:
        """Return the policies."""
        return self.campaign.arms

    @property
    def rounds(self) -> Sequence[Sequence[Arrival]]:
        """Return the requests of each round, the same for every policy."""
        return self.campaign.rounds


@dataclasses.dataclass
class Finished:
    """All that a run measured.

    Attributes:
        played: campaigns, first that of prompts at the usual load.
        left_out: why a policy was not compared, by its name.
        wrong: the first campaign in the world, as if work were :data:`WRONG_WORK` times as large.
        curves: rewards of policies of the measured and of the assumed curve of quality.
        seconds: what each part took.
    """

    setup: Setup
    calibrated: Calibrated
    bandwidth: Bandwidth
    objective: Objective
    played: list[Played]
    left_out: dict[str, str]
    wrong: Blocks
    curves: list[Earned]
    log: Path | None
    seconds: dict[str, float]

    @property
    def main(self) -> Played:
        """Return the campaign that the figures of the gap are of."""
        return self.played[0]


@dataclasses.dataclass(frozen=True)
class Site:
    """The processes of a run, and the files that they were started with.

    Attributes:
        workers: the device first.
        addresses: of the workers for the gateway, those of servers behind the link.
    """

    folder: Path
    workers: list[GatewayProcess]
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
    watch = _Watch()
    on_progress("start workers")
    with started_site(setup, folder, bandwidth) as site:
        watch.lap("start")
        calibrated = calibrated_site(setup, site, on_progress)
        watch.lap("calibrate")
        prepared = prepare(setup, calibrated, folder, on_progress)
        watch.lap("train")
        slo_s = objective_s(calibrated.fitted, calibrated.traffic)
        objective = objective_of(prepared.scenario.params, slo_s)
        planned = campaigns(setup, calibrated, prepared, objective, log)
        table = _Table(setup, site, calibrated, objective)
        played = [_played(table, campaign, on_progress) for campaign in planned]
        watch.lap("blocks")
    given = _conditions(setup, calibrated, bandwidth)
    on_progress("simulate")
    wrong, curves = _simulate(played, table, prepared, given, log)
    watch.lap("simulate")
    left_out = prepared.bundles.left_out
    parts = (setup, calibrated, bandwidth, objective, played, left_out, wrong, curves, log)
    return Finished(*parts, watch.seconds)


class _Watch:
    """Notes what each part of a run took, in seconds."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._began = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.seconds[name], self._began = now - self._began, now


def _conditions(setup: Setup, calibrated: Calibrated, bandwidth: Bandwidth) -> Conditions:
    """Return what the simulations are given: the calibrated numbers, and the link as it was."""
    return Conditions(
        fitted=calibrated.fitted,
        up=bandwidth.rate,
        down=bandwidth.rate,
        power_w=[one.power_w for one in setup.workers],
        queues=[one.queue for one in setup.workers],
    )


@contextlib.contextmanager
def started_site(
    setup: Setup, folder: Path, bandwidth: Bandwidth, more: str = ""
) -> Iterator[Site]:
    """Start workers, the link in front of all but the first, and the gateway before both.

    Args:
        more: further tables of the gateway's configuration, as TOML.
    """
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
        write_bytes(config, (text + more).encode())
        gateway = stack.enter_context(gateways([config]))[0]
        yield Site(folder, workers, gateway, path, addresses)


def calibrated_site(setup: Setup, site: Site, on_progress: OnProgress) -> Calibrated:
    """Measure the workers of a site; write the scenario ``calibrated.toml`` into its folder."""
    config = site.gateway.config
    budget = Budget(repeats=setup.repeats, seconds=setup.calibration_s, sizes=setup.sizes)
    site.link.restart()
    speeds = sum(1.0 / row[len(row) // 2] for row in expected_seconds(setup))
    share = np.mean([width * height for width, height in setup.sizes])
    share /= SHEET**2  # the image that :func:`expected_seconds` is of
    traffic = Traffic(gap_s=float(share) / (setup.load * speeds), input_mb=(1e-4, 2e-4))
    out = site.folder / "calibrated.toml"
    return calibrate(
        config, out, budget=budget, traffic=traffic, digits=True, on_progress=on_progress
    )


@dataclasses.dataclass(frozen=True)
class _Table:
    """Facts that all campaigns of a run share."""

    setup: Setup
    site: Site
    calibrated: Calibrated
    objective: Objective

    def file(self, campaign: Campaign, arm: str) -> Path:
        """Return the gateway's configuration with one policy."""
        return self.site.folder / campaign.name.replace(" ", "-") / f"arm-{arm}.toml"

    def files(self, campaign: Campaign) -> dict[str, Path]:
        """Return the configurations of all policies of a campaign, by their names."""
        return {arm.name: self.file(campaign, arm.name) for arm in campaign.arms}

    def text(self, arm: Arm) -> str:
        """Return the text of a configuration with one policy."""
        fitted, levels = self.calibrated.fitted, range(len(self.calibrated.fitted.multiplier))
        locations = range(len(fitted.ghz))
        times = [[fitted.service_s(m, k, (256, 256)) for k in levels] for m in locations]
        score = self.objective.score
        return gateway_text(self.setup, self.site.addresses, arm.policy, times, score)


def _played(table: _Table, campaign: Campaign, on_progress: OnProgress) -> Played:
    """Play every policy in every round, each round in an order of its own."""
    setup, site = table.setup, table.site
    rng, power_w = np.random.default_rng(setup.seed), [one.power_w for one in setup.workers]
    texts = {arm.name: table.text(arm) for arm in campaign.arms}
    for name, text in texts.items():
        file = table.file(campaign, name)
        file.parent.mkdir(exist_ok=True)
        write_bytes(file, text.encode())
    outcomes: dict[str, list[list[Outcome]]] = {arm.name: [] for arm in campaign.arms}
    order = []
    for number, block in enumerate(campaign.rounds):
        for index in rng.permutation(len(campaign.arms)):
            name = campaign.arms[int(index)].name
            on_progress(f"{campaign.name}, round {number + 1}: {name}")
            site.gateway.reload(texts[name])
            before = os.getloadavg()[0]
            site.link.restart()
            outcomes[name].append(asyncio.run(replay(site.gateway.address, block, power_w)))
            loads = [before, os.getloadavg()[0]]
            order.append({"round": number, "policy": name, "load_average": loads})
    return Played(campaign, {TESTBED: outcomes}, order)


def _simulate(
    played: Sequence[Played], table: _Table, prepared: Prepared, given: Conditions, log: Path | None
) -> tuple[Blocks, list[Earned]]:
    """Simulate all campaigns; return the control and the comparison of both curves of quality."""
    for one in played:
        campaign = one.campaign
        files = table.files(campaign)
        arguments = (campaign.scenario, given, files, one.rounds, campaign.rungs)
        one.outcomes |= simulated(*arguments)
    first = played[0].campaign
    files = table.files(first)
    wrong = with_wrong_work(first.scenario, given, files, first.rounds, WRONG_WORK)
    curves: list[Earned] = []
    if prepared.assumed is not None:
        blocks = curve_blocks(table.setup, table.calibrated, log)
        gateway = next(iter(files.values()))
        both = (prepared.bundles, prepared.assumed)
        curves = earned(prepared.scenario, given, table.objective, both, gateway, blocks)
    return wrong, curves


def progress_steps(setup: Setup) -> int:
    """Return how often :func:`run` reports its progress."""
    calibration = len(setup.workers) * len(setup.steps) + len(setup.workers) - 1
    policies = len(setup.policies) * (1 + assumes(setup)) + 2 * learns_edits(setup)
    return 2 + calibration + policies + block_count(setup)


__all__ = [
    "Finished",
    "Played",
    "Site",
    "calibrated_site",
    "progress_steps",
    "run",
    "started_site",
]
