"""Claims of the HADRL study on hand-made tables with known answers; every figure is drawn."""

from __future__ import annotations

import dataclasses
import json
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewright.papers import study_named
from edgewright.papers.hadrl import measures, tuning
from edgewright.papers.hadrl.jobs import LONG, jobs, main_worlds
from edgewright.papers.hadrl.view import BEST_RULE, METRICS, RULES, SPEED, View
from edgewright.papers.hadrl.worlds import (
    PUBLISHED,
    RECORDED,
    SWEEPS,
    cells,
    scenario_of,
    swept,
)
from edgewright.scenarios.build import build
from edgewright.scenarios.learners import build_learner
from edgewright.scenarios.load import load
from edgewright.studies.claim import STATUSES
from edgewright.studies.job import JobResult, Plan
from edgewright.studies.jobs import HyperparameterSelection, TrainingJob
from edgewright.studies.study_output import occasion, write_outcome
from edgewright.studies.table import Table

HADRL = study_named("hadrl")
SEEDS, EPISODES = 3, 8
EXTRA = np.linspace(-0.1, 0.1, EPISODES)  # easy and hard episodes, the same for everyone


def found(seeds: int = SEEDS, **means: float) -> JobResult:
    """Return a result whose metrics have these means, by the study's name of the metric."""
    spread = 0.01 * (np.arange(seeds) - (seeds - 1) / 2)[:, None]
    arrays = {
        f"episodes/{METRICS[name].array}": mean + EXTRA + spread
        for name, mean in {"reward": 0.0, **means}.items()
    }
    return JobResult(arrays)


def view(results: dict[str, JobResult], setting: str = "es2") -> View:
    return View(Table(results, HADRL.axes, HADRL.quick), setting)


def test_a_lead_is_paired_and_taken_at_the_closest() -> None:
    table = view(
        {
            "es2/hadrl": found(latency=2.0),
            "es2/ppo-ppo": found(latency=3.0),
            "es2/ddpg-ddpg": found(latency=2.5),
        }
    )
    result = measures.lead(table, "hadrl", ["ppo-ppo", "ddpg-ddpg"], "latency", lower=True)
    assert result.estimate == pytest.approx(0.5)
    assert result.high - result.low < 0.05  # episodes differ by 0.2, and their share cancels
    assert result.quantity == (
        "mean latency of ddpg-ddpg less that of hadrl, the hardest to show of 2"
    )
    assert (result.unit, result.seeds) == ("s", SEEDS)


def test_the_best_rule_is_the_one_that_earns_most() -> None:
    rewards = {"lru+hit-root": -3.0, "spread+hit-root": -2.0, "hadrl": -2.4, "bound": -1.0}
    table = view({f"es2/{n}": found(1 + 2 * (n == "hadrl"), reward=r) for n, r in rewards.items()})
    result = measures.lead(table, "hadrl", [BEST_RULE], "reward")
    assert result.estimate == pytest.approx(-0.4)
    assert "best rule (spread+hit-root)" in result.quantity
    closed = measures.gap_closed(table, "hadrl", "lru+hit-root")
    assert closed.estimate == pytest.approx(30.0)
    relative = measures.relative(table, "hadrl", "spread+hit-root", "reward")
    assert relative.estimate == pytest.approx(-20.0)


def test_claims_on_sweeps_are_measured_at_the_hardest_world() -> None:
    latencies = {2: (3.0, 4.0), 3: (2.0, 2.2), 5: (1.9, 3.0)}
    results = {}
    for servers, (ours, other) in latencies.items():
        results[f"servers-{servers}/hadrl"] = found(latency=ours)
        results[f"servers-{servers}/ppo-ppo"] = found(latency=other)
    table = view(results, "sweeps")
    fall = measures.growth(table, "hadrl", "latency", "servers", lower=True)
    assert fall.estimate == pytest.approx(0.1)
    assert "servers-3 to servers-5" in fall.quantity
    lead = measures.lead_over(table, "hadrl", ["ppo-ppo"], "latency", "servers", lower=True)
    assert lead.estimate == pytest.approx(0.2)
    assert "in servers-3, the hardest to show of 3" in lead.quantity
    highest = measures.level(table, "hadrl", "latency", "servers", highest=True)
    assert highest.estimate == pytest.approx(3.0)


def test_a_hit_ratio_of_one_in_all_worlds_is_reproduced() -> None:
    plan = HADRL.quick
    claim = next(c for c in HADRL.claims(plan) if c.key == "capacity-vacuous")
    names = (METRICS[name].array for name in ("hits", "reward"))
    ones = JobResult({f"episodes/{name}": np.ones((1, 4)) for name in names})
    results = {f"published-{m}/all+nearest-root": ones for m in (2, 5)}
    measured = claim.measure(Table(results, HADRL.axes, plan))
    assert measured.low == measured.high == 1.0


# ------------------------------------------------------------------ worlds and jobs


def test_only_the_swept_number_changes() -> None:
    base = dataclasses.asdict(load(*scenario_of("servers-2")))
    for servers in (3, 4, 5):
        other = dataclasses.asdict(load(*scenario_of(f"servers-{servers}")))
        assert other["world"] == {**base["world"], "servers": servers}
        assert other["params"] == {**base["params"], "cells": cells(servers, 30)}
        assert other["streams"] == base["streams"]
    sizes = np.bincount(cells(4, 30))[1:]
    assert list(sizes) == [8, 8, 7, 7]


def test_every_world_of_the_study_is_a_scenario() -> None:
    kinds = [(kind, value) for kind, sweep in SWEEPS.items() for value in sweep.values]
    kinds += [(variant, servers) for variant in PUBLISHED for servers in (2, 3, 4, 5)]
    for kind, value in kinds:
        load(*scenario_of(swept(kind, value)))
    assert swept("users", 30) == swept("cache", 20) == "servers-2"
    open_, closed = (load(*scenario_of(f"{v}-3")) for v in ("published", "repaired"))
    assert (open_.world.capacity, open_.world.zero_share) == ("published", "fallback")
    assert (closed.world.capacity, closed.world.zero_share) == ("projected", "budget")
    assert closed.params.cache_gib == 40.0


@pytest.mark.parametrize("quick", [True, False])
def test_all_learners_of_a_world_train_on_the_same_scenario_as_long(quick: bool) -> None:
    plan = HADRL.quick if quick else HADRL.full
    assert not any(job.key.split("/")[0] in RECORDED for job in jobs(plan))
    made = jobs(dataclasses.replace(plan, data="folder"))
    assert len({job.key for job in made}) == len(made)
    for world in main_worlds(plan):
        trained = [j for j in made if isinstance(j, TrainingJob) and j.key.startswith(f"{world}/")]
        assert (
            len(
                {
                    (job.setup.scenario, job.steps, job.seeds)
                    for job in trained
                    if job.key != f"{world}/{LONG}"
                }
            )
            == 1
        )
        assert {f"{world}/{name}" for name in RULES} <= {job.key for job in made}
    assert HADRL.full.seeds >= 10


def test_a_claim_is_judged_where_its_policies_are_measured() -> None:
    recorded = dataclasses.replace(HADRL.full, data="folder")
    listed = {
        name: {(c.key, c.setting) for c in HADRL.claims(plan)}
        for name, plan in (("quick", HADRL.quick), ("full", HADRL.full), ("recorded", recorded))
    }
    assert listed["quick"] < listed["full"] < listed["recorded"]
    assert {setting for _, setting in listed["recorded"] - listed["full"]} == set(RECORDED)
    assert ("horizon-20-iid", "es2-third") in listed["full"] - listed["quick"]


def test_all_learners_get_the_same_number_of_trials_around_their_own_rates() -> None:
    made = {job.key: job for job in jobs(HADRL.full)}
    scenario = load("caching-es2")
    tried = set()
    for learner, rates in tuning.RATES.items():
        built = build_learner(learner, scenario, build(scenario), 1e4).learner
        for name, value in rates.items():
            assert float(attrgetter(name)(built)) == pytest.approx(value), (learner, name)
        choice = made[tuning.selected(learner)]
        assert isinstance(choice, HyperparameterSelection)
        trials = [made[key] for key in choice.needs]
        assert [c[1] for c in choice.candidates][1] == rates
        tried.add((len(trials), *{(t.steps, t.seeds, t.first_seed) for t in trials}))
        for trial in trials:
            assert trial.setup.load().evaluation.seed == tuning.EPISODES_SEED
    assert len(tried) == 1
    for job in made.values():
        if isinstance(job, TrainingJob) and not job.key.startswith("tuning/"):
            assert job.learner.startswith(job.rates_from.removeprefix("tuning/")), job.key
            assert job.first_seed + job.seeds <= tuning.FIRST_SEED


# ------------------------------------------------------------------ the page


def made_up(plan: Plan) -> Table:
    """Return results of all jobs of a plan, with random numbers."""
    rng = np.random.default_rng(0)

    def result(job: Any) -> JobResult:
        seeds = plan.seeds if isinstance(job, TrainingJob) else 1
        names = ["reward"] if job.key.endswith("/bound") else list(METRICS)
        arrays = {
            f"episodes/{METRICS[name].array}": rng.uniform(0.2, 0.8, (seeds, EPISODES))
            for name in names
        }
        if isinstance(job, TrainingJob):
            arrays["curves/steps"] = np.tile(np.arange(5) * plan.steps / 4, (seeds, 1))
            for name in METRICS:
                arrays[f"curves/{METRICS[name].array}"] = rng.uniform(0.2, 0.8, (seeds, 5))
        arrays[SPEED] = rng.uniform(100.0, 1e4, (1, 5))
        return JobResult(arrays, {"labels": {"policy": job.key}, "seconds": 1.0})

    return Table({job.key: result(job) for job in jobs(plan)}, HADRL.axes, plan)


@pytest.mark.parametrize("name", ["quick", "recorded"])
def test_every_claim_gets_a_verdict_and_the_page_is_written(name: str, tmp_path: Path) -> None:
    plan = HADRL.quick if name == "quick" else dataclasses.replace(HADRL.full, data="folder")
    table = made_up(plan)
    verdicts = HADRL.judge(table)
    assert {verdict.status for verdict in verdicts} <= set(STATUSES)
    assert len(verdicts) == len(HADRL.claims(plan))
    when = occasion(HADRL, table, "edgewright study hadrl", 1.0)
    write_outcome(HADRL, table, verdicts, when, tmp_path)
    written = json.loads((tmp_path / "verdicts.json").read_text())
    assert len(written["verdicts"]) == len(verdicts)
    drawn = {path.stem for path in (tmp_path / "figures").glob("*.png")}
    wanted = {"policies", "curves", "ablations", "loopholes", "decision-time", *SWEEPS}
    assert {f"hadrl-{figure}" for figure in wanted} <= drawn
    assert ("recorded" in (tmp_path / "report.html").read_text()) is True
