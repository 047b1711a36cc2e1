"""Claims of the EDMSAC study on hand-made tables with known answers; every figure is drawn."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from edgewright.papers import study_named
from edgewright.papers.edmsac import measures, tuning
from edgewright.papers.edmsac.jobs import jobs, learners_in
from edgewright.papers.edmsac.probes import persistence
from edgewright.papers.edmsac.view import METRICS, View
from edgewright.papers.edmsac.worlds import PAIRS, RHOS, VARIANTS, WORLDS, scenario_of
from edgewright.scenarios.build import build
from edgewright.scenarios.learners import build_learner
from edgewright.scenarios.load import load
from edgewright.studies.claim import STATUSES
from edgewright.studies.job import JobResult, Plan
from edgewright.studies.jobs import HyperparameterSelection, TrainingJob
from edgewright.studies.study_output import occasion, write_outcome
from edgewright.studies.table import Table
from edgewright.systems.contract.baselines.mechanisms import MECHANISMS

EDMSAC = study_named("edmsac")
SEEDS, MARKETS = 3, 8
BEST = np.linspace(8.0, 10.0, MARKETS)  # the optimum of each market


def found(share: float, seeds: int = SEEDS) -> JobResult:
    """Return a result with this share of the optimum in every market; seeds differ a little."""
    shares = share + 0.001 * (np.arange(seeds) - (seeds - 1) / 2)[:, None] + np.zeros(MARKETS)
    arrays = {f"episodes/{array}": shares * BEST for array, _ in METRICS.values()}
    return JobResult({**arrays, "episodes/optimum_ratio": shares})


def view(results: dict[str, JobResult], setting: str = "k3") -> View:
    bound = JobResult({"episodes/reward": BEST[None]})
    bounds = {f"{world}/bound": bound for world in {key.split("/")[0] for key in results}}
    return View(Table({**results, **bounds}, EDMSAC.axes, EDMSAC.quick), setting)


def test_a_gain_is_of_the_profit_and_seeds_are_paired() -> None:
    table = view({"k3/edmsac": found(0.99), "k3/dmsac": found(0.90)})
    gain = measures.gain(table, "edmsac", "dmsac")
    assert gain.estimate == pytest.approx(10.0, abs=0.01)
    assert gain.high - gain.low < 0.05  # markets differ by a fifth, and cancel
    assert gain.seeds == SEEDS
    room = measures.ceiling(table, "dmsac")
    assert room.estimate == pytest.approx(100 / 9, abs=0.01)
    assert room.estimate > gain.estimate  # nobody gains more than there is
    closed = measures.gap_closed(table, "edmsac", "dmsac")
    assert closed.estimate == pytest.approx(90.0, abs=0.1)
    points = measures.lead(table, "edmsac", "dmsac")
    assert (points.estimate, points.unit) == (pytest.approx(9.0), "%")


def test_no_per_cent_is_stated_of_next_to_nothing() -> None:
    table = view({"d3-raw/edmsac": found(0.5), "d3-raw/dmsac": found(0.01)}, "d3-raw")
    assert "0.01 of the optimum" in measures.gain(table, "edmsac", "dmsac").why_not
    assert measures.ceiling(table, "dmsac").why_not
    assert measures.lead(table, "edmsac", "dmsac").estimate == pytest.approx(49.0)


def test_the_largest_gain_is_stated_beside_the_mean_and_the_worst_cell() -> None:
    shares = {"d2": (0.99, 0.99), "k3": (0.98, 0.80), "d3-raw": (0.9, 0.0)}
    results = {}
    for world, (ours, other) in shares.items():
        results |= {f"{world}/edmsac": found(ours), f"{world}/dmsac": found(other)}
    largest = measures.largest_gain(view(results, "grid"), ["edmsac", "dmsac"])
    assert largest.estimate == pytest.approx(22.5, abs=0.1)
    for text in ("at k3 edmsac", "mean +11.25 %", "worst +0.00 % at d2", "1 cells without"):
        assert text in largest.quantity


def test_every_world_is_a_scenario_and_every_variant_a_learner() -> None:
    for world in WORLDS:
        scenario = load(*scenario_of(world))
        assert scenario.world.actions == ("raw" if "raw" in world else "structured")
    for learner, changes in VARIANTS.values():
        scenario = load("contract-k3", changes)
        build_learner(learner, scenario, build(scenario), 1e4)


@pytest.mark.parametrize("plan", [EDMSAC.quick, EDMSAC.full], ids=["quick", "full"])
def test_learners_of_a_world_get_the_same_markets_rounds_and_seeds(plan: Plan) -> None:
    made = jobs(plan)
    assert len({job.key for job in made}) == len(made)
    for world, learners in learners_in(plan).items():
        named = {f"{world}/{name}" for name in learners}
        trained = [j for j in made if isinstance(j, TrainingJob) and j.key in named]
        assert len(trained) == len(learners)
        assert len({(j.setup.scenario, j.steps, j.first_seed) for j in trained}) == 1
        assert len({j.seeds for j in trained}) <= 1 + (not plan.quick)  # sweeps have fewer
    compared = {f"{world}/{name}" for world, *names in PAIRS for name in names}
    assert plan.quick or compared <= {job.key for job in made}
    assert EDMSAC.full.seeds >= 10


def test_all_learners_get_the_same_number_of_trials_around_their_own_rates() -> None:
    made = {job.key: job for job in jobs(EDMSAC.full)}
    scenario = load("contract-k3")
    for learner in tuning.FAMILIES:
        built = build_learner(learner, scenario, build(scenario), 1e4).learner
        for name, value in tuning.RATES.items():
            assert float(getattr(built, name)) == pytest.approx(value), (learner, name)
        choice = made[tuning.selected(learner)]
        assert isinstance(choice, HyperparameterSelection)
        assert len(choice.needs) == len(tuning.FACTORS)
        for key in choice.needs:
            trial: Any = made[key]
            assert trial.setup.load().evaluation.seed == tuning.MARKETS_SEED
            assert trial.first_seed == tuning.FIRST_SEED
    for job in made.values():
        if isinstance(job, TrainingJob) and not job.key.startswith("tuning/"):
            assert job.first_seed + job.seeds <= tuning.FIRST_SEED


def made_up(plan: Plan) -> Table:
    """Return results of all jobs of a plan, with random numbers."""
    rng = np.random.default_rng(0)

    def result(job: Any) -> JobResult:
        if job.key == "persistence":
            rows = {f"profit/{name}": rng.uniform(5, 10, (1, len(RHOS))) for name in MECHANISMS}
            return JobResult({**rows, "profit/rho": np.array([RHOS])})
        seeds = job.seeds if isinstance(job, TrainingJob) else 1
        arrays = {
            f"episodes/{array}": rng.uniform(0.2, 0.8, (seeds, MARKETS))
            for array, _ in METRICS.values()
        }
        if isinstance(job, TrainingJob):
            arrays["curves/steps"] = np.tile(np.arange(5) * plan.steps / 4, (seeds, 1))
            for name in ("reward", "training_reward"):
                arrays[f"curves/{name}"] = rng.uniform(0.2, 0.8, (seeds, 5))
            for name in ("parameters", "sparsity", "weight_sparsity"):
                arrays[f"actor/{name}"] = rng.uniform(1.0, 2.0, (seeds, 1))
            for batch in (1, 256):
                arrays[f"duration/batch_{batch}"] = rng.uniform(0.1, 0.2, (1, 5))
            arrays["first/utility"] = rng.normal(size=(seeds, 3, 3))
            arrays["second/utility"] = rng.normal(size=(seeds, 3, 3, 3))
        return JobResult(arrays, {"labels": {"policy": job.key}, "seconds": 1.0})

    return Table({job.key: result(job) for job in jobs(plan)}, EDMSAC.axes, plan)


@pytest.mark.parametrize("plan", [EDMSAC.quick, EDMSAC.full], ids=["quick", "full"])
def test_every_claim_gets_a_verdict_and_the_page_is_written(plan: Plan, tmp_path: Path) -> None:
    table = made_up(dataclasses.replace(plan, seeds=2))
    verdicts = EDMSAC.judge(table)
    assert {verdict.status for verdict in verdicts} <= set(STATUSES)
    assert len(verdicts) == len(EDMSAC.claims(plan))
    when = occasion(EDMSAC, table, "edgewright study edmsac", 1.0)
    write_outcome(EDMSAC, table, verdicts, when, tmp_path)
    written = json.loads((tmp_path / "verdicts.json").read_text())
    assert len(written["verdicts"]) == len(verdicts)
    drawn = {path.stem for path in (tmp_path / "figures").glob("*.png")}
    wanted = ("persistence", "menus", "learners", "curves", "gains", "pruning", "denoising")
    assert {f"edmsac-{figure}" for figure in (*wanted, "ablations", "controls")} <= drawn


def test_mechanisms_earn_more_the_less_they_must_allow() -> None:
    """Figure M1: complete information above exit above per-period above static (B.7, D3)."""

    class Context:
        data = None

        @staticmethod
        def on_progress(share: float) -> None:
            assert 0.0 < share <= 1.0

    result = persistence(cast("Any", Context), "contract-d3", "paper_profit")
    profit = {name: values[0] for name, values in result.arrays.items()}
    # rho = 0.5 of the specification: 11.486 with complete information, 9.545 with exit.
    assert profit["profit/complete-information"][2] == pytest.approx(11.486, abs=1e-3)
    assert profit["profit/exit"][2] == pytest.approx(9.545, abs=1e-3)
    order = ["complete-information", "exit", "per-period", "static"]
    rows = np.stack([profit[f"profit/{name}"] for name in order])
    assert np.all(np.diff(rows, axis=0) < 0)
