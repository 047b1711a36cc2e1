"""The edge-dqn study: its jobs, and its words and figures from made-up results."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewright.papers import study_named
from edgewright.papers.edge_dqn.jobs import ARMS, PRIVACY, RECORDED, RULES, SCENARIOS
from edgewright.papers.edge_dqn.measures import View
from edgewright.scenarios.build import build, build_learner
from edgewright.studies.job import JobResult, Plan
from edgewright.studies.study_output import occasion, write_outcome
from edgewright.studies.table import Table

STUDY = study_named("edge-dqn")
PLAN = Plan(quick=True, seeds=2, steps=96)
LEVELS = {"random": -1.0, "greedy": 0.0, "greedy-in-turn": 1.0}


LINKS = {"seconds": 20.0, "mean_mbps": [1.0, 4.0], "waiting_share": [0.0, 0.7]}


def made_up(rewards: dict[str, float], links: dict[str, Any] | None = None) -> Table:
    """Return a table in which every policy has one reward, and curves that rise to it."""
    results: dict[str, JobResult] = {}
    for devices in SCENARIOS:
        for name, level in {**LEVELS, **rewards}.items():
            seeds = 1 if name in LEVELS else 2
            arrays: dict[str, Any] = {"episodes/reward": np.full((seeds, 3), level)}
            facts: dict[str, Any] = {"labels": {"policy": name}}
            if name in rewards and devices == "own":
                arrays["curves/steps"] = np.array([[0.0, 50.0, 100.0]] * 2)
                arrays["curves/reward"] = np.array([[-1.0, level - 0.5, level]] * 2)
                arrays |= {f"exchange/{way}": np.array([[1000.0]]) for way in ("up", "down")}
                facts["exchange"] = {"privacy": {"epsilon": 4.7}} if name in PRIVACY else {}
                facts["exchange"] |= {"missed_share": 0.37} if "missing" in name else {}
                facts["exchange"] |= links or {}
            results[f"{devices}/{name}"] = JobResult(arrays, facts)
    return Table(results, STUDY.axes, PLAN)


@pytest.fixture
def table() -> Table:
    return made_up({arm: 0.5 - 0.1 * number for number, arm in enumerate(ARMS)})


def test_every_arm_is_trained_once_and_measured_on_both_fleets() -> None:
    keys = [job.key for job in STUDY.jobs(STUDY.full)]
    assert len(keys) == len(set(keys))
    assert set(keys) == {f"{of}/{n}" for of in SCENARIOS for n in (*ARMS, *RULES)}
    assert STUDY.full.seeds >= 10
    recorded = STUDY.jobs(dataclasses.replace(STUDY.full, data="recordings"))
    assert {job.key for job in recorded} - set(keys) == {
        f"{of}/{arm}" for of in SCENARIOS for arm in RECORDED
    }


@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_builds_its_fleet(arm: str) -> None:
    jobs = {job.key: job for job in STUDY.jobs(STUDY.quick)}
    scenario = jobs[f"own/{arm}"].setup.load()  # pyright: ignore[reportAttributeAccessIssue]
    fleet = build_learner("dqn-fleet", scenario, build(scenario), 100.0).learner
    assert fleet.mode == ARMS[arm]["learner.mode"]
    assert fleet.encoding == ARMS[arm].get("learner.encoding", "float32")
    assert list(fleet.widths) == ARMS[arm].get("learner.widths", [])


def test_a_score_is_the_way_from_random_to_greedy_in_turn(table: Table) -> None:
    assert View(table).score("own/centralised").estimate == pytest.approx(75.0)
    assert View(table).score("new/greedy").estimate == pytest.approx(50.0)


def test_steps_to_the_centralised_score_count_from_when_an_arm_stays_there() -> None:
    rewards = dict.fromkeys(ARMS, 0.5) | {"synchronous": 1.0, "independent": 0.4}
    view = View(made_up(rewards))
    assert view.steps_to_centralised("synchronous") == 50.0
    assert view.steps_to_centralised("federated") == 100.0
    assert view.steps_to_centralised("independent") is None


def test_every_claim_gets_a_verdict_and_the_page_is_written(table: Table, tmp_path: Path) -> None:
    verdicts = STUDY.judge(table)
    assert {v.claim for v in verdicts} == {c.key for c in STUDY.claims(STUDY.quick)}
    lead = {v.claim: v.measured for v in verdicts}["exchange"]
    assert lead == pytest.approx(0.2)
    when = occasion(STUDY, table, "edgewright study edge-dqn --quick", 1.0)
    write_outcome(STUDY, table, verdicts, when, tmp_path)
    assert "4.70" in (tmp_path / "report.html").read_text()
    names = {path.stem.removeprefix("edge-dqn-") for path in (tmp_path / "figures").glob("*.svg")}
    assert names == {"rewards", "curves", "privacy"}
    assert "37" in (tmp_path / "report.html").read_text()


def test_seconds_on_links_are_those_of_the_steps_that_an_arm_needs() -> None:
    rewards = dict.fromkeys(ARMS, 0.5) | {"synchronous": 1.0, "independent": 0.4}
    view = View(made_up(rewards, {"links": LINKS}))
    assert view.seconds_per_thousand("federated") == pytest.approx(200.0)  # 20 s in 100 steps
    assert view.seconds_to_centralised("synchronous") == pytest.approx(10.0)
    assert view.seconds_to_centralised("independent") is None
    assert View(made_up(rewards)).seconds_to_centralised("synchronous") is None
    assert View(made_up(rewards, {"links": {"why": "unreadable"}})).links("federated") == {}


def test_who_waits_is_drawn_where_there_are_links(tmp_path: Path) -> None:
    arms = (*ARMS, *RECORDED)
    table = made_up(dict.fromkeys(arms, 0.5), {"links": LINKS})
    when = occasion(STUDY, table, "edgewright study edge-dqn --quick", 1.0)
    write_outcome(STUDY, table, STUDY.judge(table), when, tmp_path)
    assert list((tmp_path / "figures").glob("*waiting.svg"))
    assert "200.0" in (tmp_path / "report.html").read_text()
