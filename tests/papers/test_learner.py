"""The study of exact advantages, on made-up results: what it measures, draws and says."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from edgewright.compress import distil
from edgewright.core.errors import InputError
from edgewright.deploy import rollouts
from edgewright.papers import study_named
from edgewright.papers.learner.groups import (
    BEST_LONGER,
    STUDENT,
    STUDENT_LONGER,
    STUDENT_TEN,
    grouped,
    groups_of,
)
from edgewright.papers.learner.jobs import jobs
from edgewright.papers.learner.measures import early
from edgewright.papers.learner.population import CHOSEN, TOGETHER, Together, populated
from edgewright.papers.learner.probes import apart, cells_of
from edgewright.papers.learner.tuning import RATES, selected
from edgewright.papers.learner.view import View
from edgewright.papers.learner.worlds import (
    DECOMPOSED,
    FURTHER,
    LONGER,
    OURS,
    RECORDED,
    TEAM,
    UNGUIDED,
    VARIANTS,
    WORLDS,
    learners,
    worlds,
)
from edgewright.scenarios.build import build, build_learner
from edgewright.scenarios.learners import learner_names, learner_settings
from edgewright.scenarios.load import load, resolved, shipped
from edgewright.scenarios.policies import baseline
from edgewright.studies.job import FunctionJob, JobContext, JobResult, Plan
from edgewright.studies.jobs import HyperparameterSelection, TrainingJob
from edgewright.studies.table import Table
from edgewright.systems.system import PolicyEntry
from edgewright.training.runs import Request, evaluation_inputs, load_run, train

STUDY = study_named("learner")
QUICK, FULL = Plan(True, 2, 2e4), Plan(False, 2, 5e5, data="recordings")
LEVELS = {"random": -3.0, "greedy": 0.0, OURS: 0.09, "shadow-price": 0.08, "bound": 0.1}
PARTS = ("slots", "reward", "local", "quality", "delay_s", "device_energy_j")


@pytest.fixture(autouse=True, params=[()])
def loaded(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the study know these systems of plug-ins, whatever other tests registered."""
    module = sys.modules["edgewright.papers.learner.worlds"]
    monkeypatch.setattr(module, "systems", lambda: request.param)


def result(job: Any, rng: np.random.Generator, noise: dict[str, np.ndarray]) -> JobResult:
    """Return a result of a job, in which only `LEVELS` distinguish policies."""
    world, _, name = job.key.partition("/")
    if isinstance(job, HyperparameterSelection):
        rewards = np.array([[0.01], [0.02], [0.0]])
        return JobResult({"choice/reward": rewards}, {"best": 1, "settings": {}})
    shared = noise.setdefault(world, rng.normal(0.0, 0.1, (1, 8)))
    seeds = job.seeds if isinstance(job, TrainingJob) else 1
    reward = LEVELS.get(name, 0.05) + shared + rng.normal(0.0, 1e-4, (seeds, 8))
    if isinstance(job, FunctionJob) and "/groups-of-" in job.key:
        group = np.repeat(reward, 2, axis=0)
        return JobResult({f"groups/{one}": group for one in ("student", "best", "mean")})
    if isinstance(job, FunctionJob):
        return JobResult({"chosen/reward": reward, "together/reward": reward + 0.01})
    arrays = {"episodes/reward": reward}
    if isinstance(job, TrainingJob):
        arrays["curves/steps"] = np.tile([0.0, 25e3, 50e3, 75e3], (seeds, 1))
        arrays["curves/reward"] = np.tile([-3.0, 0.0, 0.07, 0.09], (seeds, 1))
    if world in DECOMPOSED:
        slots = np.ones((seeds, 8, 3, 3))
        arrays |= {
            f"parts/{q}": slots * (reward[..., None, None] if q == "reward" else 1.0) for q in PARTS
        }
    return JobResult(arrays, {"labels": {}})


def results(plan: Plan) -> Table:
    """Return a table of all jobs of a plan."""
    rng, noise = np.random.default_rng(0), {}
    return Table({job.key: result(job, rng, noise) for job in jobs(plan)}, STUDY.axes, plan)


@pytest.mark.parametrize("plan", [QUICK, FULL])
def test_claims_are_judged_by_what_was_measured(plan: Plan) -> None:
    table = results(plan)
    verdicts = {(one.claim, one.setting): one.status for one in STUDY.judge(table)}
    assert verdicts["shadow-price", "heavy"] == verdicts["se-ppo", "heavy"] == "reproduced"
    assert verdicts["way", "heavy"] == "reproduced"
    assert ("planner", "fleet") in verdicts or plan.quick
    assert ("full-charge", "light") in verdicts or plan.quick
    view = View(table, "heavy")
    assert view.closed(OURS).estimate == pytest.approx(90.0, abs=0.5)
    assert early(view, OURS, 50e3).estimate == pytest.approx(0.07)
    assert early(view, OURS, 49e3).estimate == pytest.approx(0.0)
    first = view.reward(OURS)[:, [0, 4]]
    assert view.by_charge(OURS)[0] == pytest.approx(first.mean())
    bound = view.reward("bound")[:, [0, 4]].mean()
    below = 100 * (bound - first.mean()) / bound
    assert view.short_of_bound(OURS, 0).estimate == pytest.approx(below)


def test_views_take_the_first_mark_and_the_slots_of_a_cell() -> None:
    view = View(results(FULL), "heavy")
    assert view.steps_to(OURS, 0.06) == 50e3
    assert view.steps_to(OURS, 0.1) is None
    lead = view.part_difference(OURS, "shadow-price", (1, None))
    assert lead.estimate == pytest.approx(0.01, abs=1e-3)
    assert view.per_slot(OURS, "local", (None, 2)) == 1.0
    assert view.has(TOGETHER)
    assert view.level(TOGETHER).estimate - view.level(CHOSEN).estimate == pytest.approx(0.01)
    assert not View(view.table, "fleet").has(CHOSEN)


def test_further_seeds_of_a_second_training_are_counted_with_the_first() -> None:
    table, (count, *_) = results(FULL), FURTHER.values()
    view = View(table, "fleet")
    first, more = (table.array(f"fleet/{TEAM}{part}", "episodes/reward") for part in ("", "-more"))
    np.testing.assert_array_equal(view.reward(TEAM), np.concatenate([first, more]))
    by_key = {job.key: job for job in jobs(FULL)}
    one, other = by_key[f"fleet/{TEAM}"], by_key[f"fleet/{TEAM}-more"]
    assert isinstance(one, TrainingJob) and isinstance(other, TrainingJob)
    assert (other.first_seed, other.seeds) == (one.seeds, count) == (len(first), len(more))
    assert (one.learner, one.steps) == (other.learner, other.steps)


def test_groups_of_several_seeds_are_not_paired_with_the_seeds() -> None:
    """Group k of OURS has its seed k; group k of LONGER has three of its seeds."""
    rng = np.random.default_rng(3)
    seeds = rng.normal(0.0, 1.0, (3, 1)) + rng.normal(0.0, 0.01, (3, 8))
    arms = {
        f"heavy/{OURS}": {"episodes/reward": seeds},
        f"heavy/{LONGER}": {"episodes/reward": seeds},
    }
    for name in (OURS, LONGER):
        arrays = {f"groups/{one}": seeds + 0.1 for one in ("student", "best", "mean")}
        arms[f"heavy/groups-of-{name}"] = arrays
    made = {key: JobResult(arrays, {}) for key, arrays in arms.items()}
    view = View(Table(made, STUDY.axes, FULL), "heavy")

    def width(ours: str, other: str) -> float:
        interval = view.difference(ours, other)
        assert interval.estimate == pytest.approx(0.1 * (other in (OURS, LONGER)))
        return interval.high - interval.low

    assert width(STUDENT, OURS) < 1e-9  # the difference is the same in every pair
    assert width(STUDENT_LONGER, BEST_LONGER) < 1e-9
    assert width(STUDENT_LONGER, LONGER) > 1.0


def test_notes_say_that_few_groups_make_narrow_intervals() -> None:
    assert any("Three groups and one network are few" in one for one in STUDY.notes(results(FULL)))


def test_the_page_shows_every_policy() -> None:
    table = results(FULL)
    assert set(STUDY.figures(table)) == {"heavy", "light", "trace", "fleet", "city", "curves"}
    sections = {one.title: one.table for one in STUDY.sections(table)}
    raw = sections["Raw numbers"]
    assert raw is not None
    shown = {(row["world"], row["policy"]) for row in raw.rows}
    measured = {key.partition("/")[::2] for key in table.results if not key.startswith("tuning")}
    hidden = ("population", "groups-of-", "-more")
    assert {one for one in measured if not any(part in one[1] for part in hidden)} <= shown
    assert {("trace", STUDENT_LONGER), ("heavy", STUDENT), ("light", STUDENT_TEN)} <= shown
    recorded = sections["Recorded inputs"]
    assert recorded is not None
    assert {row["judged"] for row in recorded.rows} == set(RECORDED)
    assert all(f"aigc-{world} by charge" in sections for world in DECOMPOSED)
    parts = sections["What each part is worth"]
    assert parts is not None
    guide = next(row for row in parts.rows if row["with"] == OURS and row["without"] == UNGUIDED)
    assert guide["worth"].estimate == pytest.approx(0.04, abs=1e-3)
    assert not any("quick" in text for text in STUDY.notes(table))
    assert any("quick" in text for text in STUDY.notes(results(QUICK)))


def test_every_name_exists_and_trace_needs_recordings() -> None:
    presets = {world.scenario for name, world in WORLDS.items() if name != "sensor"}
    assert presets <= set(shipped())
    for name in learners(FULL, "heavy"):
        assert VARIANTS.get(name, (name, {}))[0] in learner_names()
    assert not {*RECORDED} & {*worlds(Plan(False, 2, 1e4))}
    assert "sensor" not in worlds(FULL)
    keys = [job.key for job in jobs(FULL)]
    assert len({*keys}) == len(keys)
    assert all(need in keys for job in jobs(FULL) for need in job.needs)


@pytest.mark.parametrize("loaded", [("sensor",)], indirect=True)
def test_the_sensor_takes_part_where_its_plug_in_is_loaded(loaded: None) -> None:
    assert "sensor" in worlds(FULL)
    assert "sensor" not in worlds(QUICK)
    verdicts = {one.claim for one in STUDY.judge(results(FULL)) if one.setting == "sensor"}
    assert verdicts == {"plug-in"}


def test_all_rates_of_the_search_are_those_of_the_learners() -> None:
    scenario = load("aigc-heavy", {"params.horizon_slots": 10})
    problem = build(scenario)
    for name, rates in RATES.items():
        learner = build_learner(name, scenario, problem, 1e6).learner
        inner = getattr(learner, "inner", learner)
        assert {key: float(getattr(inner, key)) for key in rates} == pytest.approx(rates)
        assert selected(name) == f"tuning/{name}"
    assert selected("all-action-raw") == selected("all-action-smooth") == f"tuning/{UNGUIDED}"
    assert learner_settings("ppo-horizon", "aigc")["objective"] == "horizon"


def test_the_sensor_is_that_of_the_guide() -> None:
    guide = Path("docs/guides/custom-environment.md").read_text()
    match = re.search(r'```toml title="sensor.toml"\n(.*?)```', guide, re.DOTALL)
    assert match is not None
    assert tomllib.loads(match[1]) == tomllib.loads(Path(WORLDS["sensor"].scenario).read_text())


def test_no_training_is_in_two_groups() -> None:
    first, others = [*"abc"], [*"defghi"]
    assert groups_of(3, first, others) == [[*"ade"], [*"bfg"], [*"chi"]]
    assert groups_of(2, others[:5]) == [[*"de"], [*"fg"]]


def test_rewards_taken_apart_sum_to_the_reward() -> None:
    scenario = load("aigc-heavy", {"params.horizon_slots": 60, "evaluation.episodes": 4})
    problem = build(scenario)
    arrays = apart([baseline(name, problem) for name in ("greedy", "local-2")], scenario, None)
    assert arrays["parts/reward"].shape == (2, 4, 3, 3)
    sums = arrays["parts/reward"].sum(axis=(2, 3)) / 60
    np.testing.assert_allclose(sums, arrays["episodes/reward"], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(arrays["parts/slots"].sum(axis=(2, 3)), 60)
    local = arrays["parts/local"].sum(axis=(2, 3))
    assert (local[1] >= local[0]).all()
    cells = cells_of(problem, evaluation_inputs(scenario, problem))
    thirds = cells.sum(axis=(0, 1, 2)) / cells.sum()
    np.testing.assert_allclose(thirds, 1 / 3, atol=0.02)


def test_seeds_decide_together_and_the_best_is_chosen_on_training_inputs(tmp_path: Path) -> None:
    changes = {"params.horizon_slots": 30, "evaluation.episodes": 4, "training.evaluations": 1}
    small = {"learner.num_envs": 4, "learner.rollout_steps": 16, "learner.batch_size": 32}
    scenario = load("aigc-heavy", {**changes, **small})
    train(Request(scenario, "se-ppo", 128.0, 2), tmp_path)
    context = JobContext(tmp_path, None, {}, {"a": tmp_path}, lambda done: None)
    found = populated(context, "a", resolved(scenario))
    assert found.arrays["chosen/reward"].shape == found.arrays["together/reward"].shape == (1, 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distil, "STEPS", 50)
        patch.setattr(rollouts, "GAMES", 2)
        made = grouped(context, ["a"], resolved(scenario), size=2)
    assert made.arrays["groups/student"].shape == (1, 4)
    for group, alone in (("best", "chosen"), ("mean", "together")):
        np.testing.assert_allclose(
            made.arrays[f"groups/{group}"], found.arrays[f"{alone}/reward"], rtol=1e-5
        )
    run = load_run(tmp_path)
    policies = [run.trainer.policy_entry(one)[0] for one in run.trainings]
    inputs = evaluation_inputs(scenario, run.problem)
    best = policies[int(np.argmax(found.facts["validation"]))]
    entry = PolicyEntry.learned("best", best, run.plan.world)
    played = entry.play(jax.random.key(0), run.problem.params, inputs)
    alone = Together(members=jax.tree.map(lambda leaf: leaf[None], best))
    other = PolicyEntry.learned("alone", alone, run.plan.world)
    again = other.play(jax.random.key(0), run.problem.params, inputs)
    np.testing.assert_array_equal(played.actions, again.actions)
    with pytest.raises(InputError, match="name"):
        populated(context, "a", {**resolved(scenario), "name": "\t"})
