"""Studies of many devices: alone and together, runs on other fleets, scaling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewright.bench import scaling
from edgewright.core.errors import InputError
from edgewright.evaluation.compare import compare
from edgewright.papers import study_named
from edgewright.papers.fleet.jobs import BOUNDS, PROMISED, RULES, TRAINED, fleet_jobs
from edgewright.papers.fleet.measures import View, way
from edgewright.scenarios.load import load
from edgewright.studies.job import JobResult, Plan
from edgewright.studies.runner import run_jobs
from edgewright.studies.setup import Setup
from edgewright.studies.study_output import occasion, write_outcome
from edgewright.studies.table import Table
from edgewright.training.runs import Request, train

FLEET = study_named("fleet")

SMALL: dict[str, Any] = {
    "params.horizon_slots": 12,
    "evaluation.episodes": 4,
    "evaluation.reference": "greedy-in-turn",
    "world.overflow": "reject",
    "learner.num_envs": 2,
    "learner.rollout_steps": 16,
    "learner.batch_size": 32,
    "learner.epochs": 2,
    "learner.hidden_sizes": [8],
}
PAIR = {**SMALL, "world.devices": 2}
PLAN = Plan(quick=True, seeds=2, steps=96)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Table]:
    out = tmp_path_factory.mktemp("fleet")
    made = fleet_jobs(PLAN, Setup("aigc-heavy", PAIR), RULES)
    return out, Table(run_jobs(made, out, processes=0), FLEET.axes, PLAN)


def run_of(out: Path, name: str) -> str:
    """Return the folder of a run of the study: kept where another job reads it, else made again."""
    kept = list((out / "work" / "fleet").glob(f"{name}-????????????"))
    if kept:
        return str(kept[0])
    train(Request(load("aigc-heavy", PAIR), name, PLAN.steps, PLAN.seeds), out / name)
    return str(out / name)


def test_all_arms_play_the_same_episodes_below_the_bounds(study: tuple[Path, Table]) -> None:
    view = View(study[1])
    assert {view.reward(f"fleet/{name}").shape for name in TRAINED} == {(2, 4)}
    assert {view.reward(f"fleet/{name}").shape for name in (*RULES, *BOUNDS)} == {(1, 4)}
    least = view.reward(view.lowest_bound()).mean()
    for name in (*TRAINED, *RULES):
        mean = view.reward(f"fleet/{name}").mean()
        assert mean <= least
        lead = view.difference(f"fleet/{name}", "fleet/random")
        assert lead.estimate == pytest.approx(mean - view.reward("fleet/random").mean(), abs=1e-6)
        assert lead.low <= lead.estimate <= lead.high


def test_what_was_promised_is_the_reward_without_the_others(study: tuple[Path, Table]) -> None:
    out, table = study
    scenario = load("aigc-heavy", {**PAIR, "world.alone": True})
    apart = compare(scenario, [run_of(out, "se-ppo-alone")])
    reward = apart.result("se-ppo-alone").metrics["reward"]
    promised = View(table).reward(PROMISED)
    np.testing.assert_allclose(promised, reward, atol=1e-6)
    assert promised.mean() > View(table).reward("fleet/se-ppo-alone").mean()


def test_a_shared_policy_fits_any_fleet_and_separate_ones_only_theirs(
    study: tuple[Path, Table],
) -> None:
    out, _ = study
    three = load("aigc-heavy", {**SMALL, "world.devices": 3})
    shared = run_of(out, "se-ppo")
    found = compare(three, [shared])
    assert found.result("se-ppo").metrics["reward"].shape == (2, 4)
    assert found.result("se-ppo").played.metrics.reward.shape == (12, 4, 3)
    with pytest.raises(InputError, match=r"a policy for each of 2 devices; the scenario has 3"):
        compare(three, [run_of(out, "se-ppo-independent")])
    with pytest.raises(InputError, match=r"2 servers, 0 in reach \(0: all\)"):
        city = {"world.devices": 3, "world.servers": 4, "world.reach": 2, **SMALL}
        compare(load("aigc-city", city), [shared])


def test_every_claim_gets_a_verdict_and_the_page_is_written(study: tuple[Path, Table]) -> None:
    out, table = study
    verdicts = FLEET.judge(table)
    assert len(verdicts) == len(FLEET.claims(FLEET.full)) - 1  # the planner's
    (beaten,) = (v for v in verdicts if v.claim == "together-greedy")
    lead = View(table).difference("fleet/se-ppo", "fleet/greedy")
    assert beaten.measured == pytest.approx(lead.estimate)
    when = occasion(FLEET, table, "edgewright study fleet --quick", 1.0)
    write_outcome(FLEET, table, verdicts, when, out)
    assert (out / "figures/fleet-together.png").stat().st_size > 1000
    assert "Sixteen devices" in (out / "outcome.md").read_text()


def test_the_way_to_a_bound_is_in_per_cent_of_it() -> None:
    rewards = {"ours": 0.3, "greedy": 0.1, "bound": 1.1, "fluid": 0.9}
    found = {
        f"fleet/{name}": JobResult({"episodes/reward": np.full((1, 3), value)})
        for name, value in rewards.items()
    }
    view = View(Table(found, FLEET.axes, PLAN))
    assert way(view, "fleet/ours", "fleet/greedy").estimate == pytest.approx(25.0)
    assert "to fleet/fluid" in way(view, "fleet/ours", "fleet/greedy").quantity


def test_the_planner_is_in_the_full_plan_only() -> None:
    keys = {plan.quick: {job.key for job in FLEET.jobs(plan)} for plan in (FLEET.quick, FLEET.full)}
    assert keys[False] - keys[True] == {"fleet/rollout-12"}
    assert FLEET.full.seeds >= 10


# ------------------------------------------------------------------ scaling


def test_a_size_is_measured_in_a_process_of_its_own() -> None:
    found = scaling.scaling(sizes=(3,), servers=5)
    (row,) = found["rows"]
    assert (row["devices"], row["servers"], row["reach"]) == (3, 5, 3)
    assert row["decisions_per_s"] == pytest.approx(3 * row["slots_per_s"], rel=0.01)
    assert row["peak_memory_mb"] > 50
    assert found["time_exponent"] is None


def made_up(devices: int) -> dict[str, Any]:
    """Return a row of a machine that needs 1 us and 1 kB for each device, and 300 MB."""
    speed = 1e6 / devices
    memory = 300 + devices / 1e3
    return {
        "devices": devices, "servers": 1000, "reach": 3, "slots_per_s": speed,
        "decisions_per_s": round(speed * devices), "peak_memory_mb": memory,
    }  # fmt: skip


def test_exponents_and_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "_probe", lambda devices, *_: made_up(devices))
    found = scaling.scaling()
    assert found["time_exponent"] == {"exponent": 1.0, "from": 10_000, "to": 1_000_000}
    assert found["memory_exponent"]["exponent"] == pytest.approx(1.0, abs=0.01)
    assert found["memory_exponent"]["from"] == 100_000
    assert found["bytes_per_device"] == pytest.approx(1000, abs=1)
    figure = scaling.draw(found)
    drawn = figure.axes[0].lines[0].get_xydata()
    np.testing.assert_allclose(np.asarray(drawn)[:, 0], scaling.SIZES)
    assert "M^{1.00}" in figure.axes[0].get_title(loc="right")
