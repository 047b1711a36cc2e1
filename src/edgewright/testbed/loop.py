"""Update a policy from the log of real generators one of which becomes slower."""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import dataclasses
import itertools
import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.core.errors import InputError
from edgewright.deploy.export_run import export_run
from edgewright.scenarios.load import load, training_identity
from edgewright.serve.log_reader import DecisionLogReader, LoggedDecision
from edgewright.testbed.arrivals import Replay, arrivals
from edgewright.testbed.bandwidth import bandwidth_of
from edgewright.testbed.fit import Fitted
from edgewright.testbed.loop_plan import LoopSetup
from edgewright.testbed.objective import Arrival, Objective, Outcome, objective_of
from edgewright.testbed.plan import gateway_text, text_of, worker_text
from edgewright.testbed.policies import LEARNER, bundles_of
from edgewright.testbed.replay import replay
from edgewright.testbed.run import Site, calibrated_site, started_site
from edgewright.testbed.scenario_file import mean_gap_s, objective_s
from edgewright.training.runs import Request, train
from edgewright.update.drift import MIN_DECISIONS, DriftReport
from edgewright.update.log_parts import drift_of
from edgewright.update.plan import GateClosed
from edgewright.update.update import UpdatePlan, update

OLD, NEW, KNOWN = "old policy", "updated policy", "trained on the slow worker"
BEFORE, AFTER = "before", "slow worker"

UNNOTICED = "no test of drift raised an alarm, so nothing was updated"
"""The reason of a run that has no update where none was due."""

WRITTEN_S = 1.0
"""The gateway writes what it decided this much later at most."""

OnProgress = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Block:
    """The answers to one block of requests.

    Attributes:
        phase: state of the workers, :data:`BEFORE` or :data:`AFTER`.
        policy: that decided.
        number: of the block; the same number has the same requests.
        at_s: when it began, since the start of the run.
    """

    phase: str
    policy: str
    number: int
    at_s: float
    requests: Sequence[Arrival]
    outcomes: Sequence[Outcome]


@dataclasses.dataclass(frozen=True)
class Alarm:
    """The first test that noticed the change.

    Attributes:
        decisions: of the changed site until then; None where no test did.
        report: of that test, or of all decisions where no test noticed it.
    """

    decisions: int | None
    report: DriftReport


@dataclasses.dataclass
class LoopRun:
    """All that a run measured.

    Attributes:
        fitted: numbers of the workers before the change.
        slow_ghz: true speed of the slow worker after it, in the unit of ``fitted``.
        logged: the decisions of the log before and after the change.
        alarm: of drift between the two.
        update: what the command ``edgewright update`` returns; the evidence alone where its gate
            did not pass, and nothing where none was due or the log says too little.
        refused: why there is no update; empty where there is one.
        exploring, blocks: requests while the gateway explored, and those that compare policies.
        during: requests while the update worked, the swap among them.
        by_version: decisions in the log by version of the bundle.
        marks: what happened when [s].
    """

    setup: LoopSetup
    fitted: Fitted
    objective: Objective
    slow_ghz: float
    logged: tuple[list[LoggedDecision], list[LoggedDecision]]
    alarm: Alarm
    update: dict[str, Any]
    refused: str
    exploring: list[Block]
    blocks: list[Block]
    during: Block
    by_version: dict[str, int]
    marks: list[tuple[float, str]]
    seconds: dict[str, float]


def run_loop(
    setup: LoopSetup, folder: Path, data: Path | None, on_progress: OnProgress = lambda name: None
) -> LoopRun:
    """Return what the closed loop measured.

    Args:
        folder: for configurations, the log, the scenario and the bundles.
        data: folder of recordings of bandwidth; None for a synthetic one.

    Raises:
        InputError: the folder holds the log of an earlier run, a process does not start, or a
            policy cannot be trained.
    """
    site, log = setup.site, folder / "decisions.db"
    if log.exists():
        message = "must not hold an earlier closed loop, whose log would be read too"
        raise InputError(message, where=str(folder), hint="name another folder with --out")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # workers inherit it: each is one core
    folder.mkdir(parents=True, exist_ok=True)
    bandwidth = bandwidth_of(data, folder, site.mean_mbps, site.seed)
    more = text_of({"log": {"path": str(log.resolve())}})
    on_progress("start workers")
    with started_site(site, folder, bandwidth, more) as started:
        return _Loop(setup, folder, started, log, more, on_progress).run()


class _Loop:
    """A site with its log, and what was measured on it so far."""

    def __init__(
        self,
        setup: LoopSetup,
        folder: Path,
        site: Site,
        log: Path,
        more: str,
        on_progress: OnProgress,
    ) -> None:
        self._setup, self._folder, self._site = setup, folder, site
        self._log, self._more, self._on_progress = log, more, on_progress
        self._began = time.monotonic()
        self._marks: list[tuple[float, str]] = []
        self._blocks: list[Block] = []
        self._seconds: dict[str, float] = {}
        self._numbers = itertools.count(1)
        self._calibrated = calibrated_site(setup.site, site, on_progress)
        self._scenario = load(
            str(folder / "calibrated.toml"), {"evaluation.episodes": setup.episodes}
        )
        fitted, traffic = self._calibrated.fitted, self._calibrated.traffic
        self._objective = objective_of(self._scenario.params, objective_s(fitted, traffic))
        self._rate_hz = 1.0 / mean_gap_s(fitted, traffic)
        self._lap("calibrate")

    def run(self) -> LoopRun:
        setup, folder = self._setup, self._folder
        served = self._trained()
        shutil.copy(served, folder / "old.edge")
        self._compare(BEFORE, {OLD: folder / "old.edge"})
        first_log, before = self._explore(BEFORE, served, setup.watch, setup.watch_s)
        self._slow_down()
        second_log, noticed = self._explore(AFTER, served, setup.watch, setup.watch_s)
        alarm = first_alarm(before, noticed, setup)
        watched, after = [first_log, second_log], noticed
        if alarm.decisions is not None:
            third_log, after = self._explore(AFTER, served, setup.collect, setup.collect_s)
            watched.append(third_log)
        self._lap("log")
        result, refused, during = {}, UNNOTICED, Block(AFTER, "update", 10_000, 0.0, (), ())
        if alarm.decisions is not None:
            result, refused, during = self._updated(served, len(after))
        bundles = {OLD: folder / "old.edge", KNOWN: self._known()}
        self._lap("update")
        if not refused:
            bundles[NEW] = served
        self._compare(AFTER, bundles)
        versions = dict(collections.Counter(row.policy for row in self._rows()))
        self._lap("blocks")
        ghz = self._calibrated.fitted.ghz[setup.slow] / setup.slower
        return LoopRun(
            setup, self._calibrated.fitted, self._objective, ghz, (before, after), alarm, result,
            refused, watched, self._blocks, during, versions, self._marks, self._seconds,
        )  # fmt: skip

    def _lap(self, name: str) -> None:
        self._seconds[name] = time.monotonic() - self._began - sum(self._seconds.values())

    def _mark(self, text: str) -> None:
        self._marks.append((time.monotonic() - self._began, text))

    def _trained(self) -> Path:
        """Train on the workers as measured; return the bundle that is served."""
        training = (self._setup.site.train_steps, 1)
        made = bundles_of([LEARNER], self._scenario, self._folder, training, self._on_progress)
        served = self._folder / "p.edge"
        shutil.copy(made.files[LEARNER][0], served)
        self._lap("train")
        return served

    def _known(self) -> Path:
        """Train on the slow worker itself, for as many steps as the update saw in all."""
        setup, folder = self._setup, self._folder / "known"
        self._on_progress(KNOWN)
        ghz = [*self._scenario.params.server_ghz]
        ghz[setup.slow - 1] /= setup.slower
        scenario = load(str(self._folder / "calibrated.toml"), {"params.server_ghz": ghz})
        steps = setup.site.train_steps + setup.retrain_steps
        train(Request(scenario=scenario, learner=LEARNER, steps=steps, seeds=1, data=None), folder)
        export_run(folder, file := self._folder / "known.edge", rules=[])
        return file

    def _use(self, bundle: Path, explore: float = 0.0) -> None:
        """Let a bundle decide from the next request on."""
        fitted = self._calibrated.fitted
        levels, locations = range(len(fitted.multiplier)), range(len(fitted.ghz))
        times = [[fitted.service_s(m, k, (256, 256)) for k in levels] for m in locations]
        policy = {"bundle": str(bundle.resolve()), "explore": explore}
        site, score = self._setup.site, self._objective.score
        text = gateway_text(site, self._site.addresses, policy, times, score)
        self._site.gateway.reload(text + self._more)

    def _slow_down(self) -> None:
        """Make one worker slower; it goes on with its requests."""
        setup = self._setup
        worker = setup.site.workers[setup.slow]
        slow = dataclasses.replace(worker, speed=worker.speed / setup.slower)
        self._site.workers[setup.slow].reload(worker_text(setup.site, slow))
        self._mark(f"{worker.name} {setup.slower:g} times slower")

    def _play(self, phase: str, policy: str, traffic: Replay, number: int) -> Block:
        """Send the requests of a block; return them with their answers."""
        requests = arrivals(traffic, 1000 * self._setup.site.seed + number)
        power_w = [one.power_w for one in self._setup.site.workers]
        at_s = time.monotonic() - self._began
        outcomes = asyncio.run(replay(self._site.gateway.address, requests, power_w))
        return Block(phase, policy, number, at_s, requests, outcomes)

    def _explore(
        self, phase: str, bundle: Path, share: float, seconds: float
    ) -> tuple[Block, list[LoggedDecision]]:
        """Let the gateway explore and log; return the requests and their decisions.

        Requests that come while all queues are full have no decision.
        """
        self._on_progress(f"log, {phase}, {share:.0%} explored")
        self._use(bundle, share)
        since = time.time()
        block = self._play(phase, OLD, self._traffic(seconds), next(self._numbers))
        return block, [row for row in self._rows() if row.at >= since]

    def _traffic(self, seconds: float) -> Replay:
        return Replay(seconds, self._rate_hz, self._setup.site.sizes)

    def _compare(self, phase: str, bundles: dict[str, Path]) -> None:
        """Let bundles decide about the same requests, each round in an order of its own."""
        site = self._setup.site
        rng, names = np.random.default_rng(site.seed), [*bundles]
        for number in range(site.rounds):
            for index in rng.permutation(len(names)):
                name = names[int(index)]
                self._on_progress(f"{phase}, round {number + 1}: {name}")
                self._use(bundles[name])
                block = self._play(phase, name, self._traffic(site.seconds), 100 + number)
                self._blocks.append(block)

    def _rows(self) -> list[LoggedDecision]:
        """Return the decisions of the log, once all of them are written."""
        time.sleep(WRITTEN_S)
        with DecisionLogReader(self._log) as reader:
            return list(reader.rows())

    def _updated(self, served: Path, newest: int) -> tuple[dict[str, Any], str, Block]:
        """Update the served bundle while requests go on, and let the gateway take it up."""
        setup, begin, stop = self._setup, threading.Event(), threading.Event()
        run = self._folder / f"run-{training_identity(self._scenario)}"
        plan = UpdatePlan(
            served, self._log, run, served, self._folder / "work", setup.retrain_steps,
            newest=newest, episodes=setup.episodes,
        )  # fmt: skip

        def on_share(share: float, text: str) -> None:
            if share > 0.0:  # the log has been read
                begin.set()

        self._mark("update")
        result, refused = {}, ""
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            going = pool.submit(self._while_updating, begin, stop)
            try:
                self._on_progress("update")
                result = update(plan, on_share)
                self._use(served)
                self._mark("swap")
            except GateClosed as error:
                result, refused = error.evidence.facts(), str(error)
            except InputError as error:  # the log says too little of the candidate
                refused = str(error)
            finally:
                stop.set()
                begin.set()
            during = going.result()
        return result, refused, during

    def _while_updating(self, begin: threading.Event, stop: threading.Event) -> Block:
        """Send requests until the update has been taken up, and some after it."""
        begin.wait()
        traffic, parts, last = Replay(2.0, self._setup.idle_hz, self._setup.site.sizes), [], False
        while not last:
            last = stop.is_set()
            parts.append(self._play(AFTER, "update", traffic, 10_000 + len(parts)))
        requests = [one for part in parts for one in part.requests]
        outcomes = [one for part in parts for one in part.outcomes]
        return Block(AFTER, "update", 10_000, parts[0].at_s, requests, outcomes)


def first_alarm(
    before: Sequence[LoggedDecision], after: Sequence[LoggedDecision], setup: LoopSetup
) -> Alarm:
    """Return after how many decisions of the changed site a test of drift first notices it.

    The rate of false alarms is divided among the tests, so it is that of all of them together. Too
    few decisions for a test raise no alarm.
    """
    counts, report = range(setup.check_every, len(after) + 1, setup.check_every), None
    rate = setup.rate / max(1, len(counts))
    for count in counts:
        report = drift_of(before, after[:count], rate=rate)
        if report.alarm:
            return Alarm(count, report)
    if report is None and min(len(before), len(after)) < MIN_DECISIONS:
        report = DriftReport(rate, len(before), len(after), (), None)
    return Alarm(None, report or drift_of(before, after, rate=rate))


def loop_steps(setup: LoopSetup) -> int:
    """Return how often :func:`run_loop` reports its progress."""
    site = setup.site
    calibration = len(site.workers) * len(site.steps) + len(site.workers) - 1
    logged, trained = 3, 3
    return 1 + calibration + trained + logged + site.rounds * 4


__all__ = ["AFTER", "BEFORE", "KNOWN", "NEW", "OLD", "Block", "LoopRun", "loop_steps", "run_loop"]
