"""The study of exact advantages, on made-up results: what it measures, draws and says."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.papers import study_named
from edgewright.papers.learner.jobs import MOVED, OURS, WORLDS, learners, rules, worlds
from edgewright.papers.learner.measures import View, early
from edgewright.scenarios.learners import learner_names
from edgewright.scenarios.load import shipped
from edgewright.studies.job import JobResult, Plan
from edgewright.studies.table import Table
from edgewright.systems.aigc.policies import BASELINE_NAMES

STUDY = study_named("learner")
QUICK, FULL = Plan(True, 2, 2e4), Plan(False, 2, 5e5, data="recordings")
LEVELS = {"random": -3.0, "greedy": 0.0, OURS: 0.09, "shadow-price": 0.08, "bound": 0.1}


def results(plan: Plan) -> Table:
    """Return a table in which only `LEVELS` tell policies from SE-PPO and the like."""
    rng, noise = np.random.default_rng(0), {}
    made = {}
    for world in worlds(plan):
        names = [*learners(plan, world), *rules(plan), "bound"]
        for name in (*names, MOVED.removeprefix("trace/")) if world == "trace" else names:
            seeds = plan.seeds if name not in (*rules(plan), "bound") else 1
            shared = noise.setdefault(world, rng.normal(0.0, 0.1, (1, 8)))
            reward = LEVELS.get(name, 0.05) + shared + rng.normal(0.0, 1e-4, (seeds, 8))
            arrays = {"episodes/reward": reward}
            if seeds > 1:
                arrays["curves/steps"] = np.tile([0.0, 25e3, 50e3, 75e3], (seeds, 1))
                arrays["curves/reward"] = np.tile([-3.0, 0.0, 0.07, 0.09], (seeds, 1))
            made[f"{world}/{name}"] = JobResult(arrays, {"labels": {}})
    return Table(made, STUDY.axes, plan)


@pytest.mark.parametrize("plan", [QUICK, FULL])
def test_claims_are_judged_by_what_was_measured(plan: Plan) -> None:
    table = results(plan)
    verdicts = {(one.claim, one.setting): one.status for one in STUDY.judge(table)}
    assert verdicts["shadow-price", "heavy"] == verdicts["se-ppo", "heavy"] == "reproduced"
    assert verdicts["way", "heavy"] == "reproduced"
    assert ("planner", "trace") in verdicts or plan.quick
    view = View(table, "heavy")
    assert view.closed(OURS).estimate == pytest.approx(90.0, abs=0.5)
    assert early(view, OURS, 50e3).estimate == pytest.approx(0.07)
    assert early(view, OURS, 49e3).estimate == pytest.approx(0.0)
    first = view.reward(OURS)[:, [0, 4]].mean()
    assert view.by_charge(OURS)[0] == pytest.approx(first)


def test_the_page_shows_every_policy(tmp_path) -> None:
    table = results(FULL)
    assert set(STUDY.figures(table)) == {*worlds(FULL), "curves"}
    (section,) = STUDY.sections(table)
    assert section.table is not None
    shown = {(row["world"], row["policy"]) for row in section.table.rows}
    assert shown == {tuple(key.split("/")) for key in table.results}
    assert not any("quick" in text for text in STUDY.notes(table))
    assert any("quick" in text for text in STUDY.notes(results(QUICK)))


def test_every_name_exists_and_trace_needs_recordings() -> None:
    assert set(WORLDS.values()) <= set(shipped())
    assert set(learners(FULL, "heavy")) <= set(learner_names())
    assert set(rules(FULL)) <= set(BASELINE_NAMES)
    assert worlds(Plan(False, 2, 1e4)) == ("heavy", "light")
    assert MOVED in {job.key for job in STUDY.jobs(FULL)}
    assert len({job.key for job in STUDY.jobs(FULL)}) == len(STUDY.jobs(FULL))
