"""Claims of the MRL study on hand-made tables with known answers; every figure is drawn."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.agents.droo import Droo
from edgewright.loops.initialisation import Initialisation
from edgewright.papers import study_named
from edgewright.papers.mrl import measures, measuring, switching
from edgewright.papers.mrl.jobs import LEARNERS, PRESETS, RULES, SWEEPS, jobs, size_of
from edgewright.papers.mrl.measures import LAST, SETTINGS, View
from edgewright.studies.claim import STATUSES
from edgewright.studies.job import FunctionJob, JobContext, JobResult
from edgewright.studies.study_output import occasion, write_outcome
from edgewright.studies.table import Table
from edgewright.training.store import save_tree

MRL = study_named("mrl")
SEEDS, SCENARIOS = 3, 8
EASY = np.linspace(-0.02, 0.02, SCENARIOS)  # easy and hard scenarios, the same for everyone
FIELDS = ("q_hat", "q_hat_p05", "ratio_of_means", "optimal_fraction", "cost")


def start(levels, spread=0.0, rounded=0.1):
    """Return a start whose mean Q-hat at steps 0, 10, 20 is known; alone it is worse."""
    seeds = spread * np.linspace(-1, 1, SEEDS)[:, None, None]
    priced = np.asarray(levels) + EASY[:, None] + seeds
    arrays = {"adapt/q_hat": priced, "adapt/q_hat_rounded": priced - rounded}
    arrays |= {"adapt/cost": 1 / priced, "adapt/cost_rounded": 1 / (priced - rounded)}
    return JobResult(arrays, {"steps": [0, 10, 20]})


def rules(**levels):
    """Return the marks of all rules; those that are not named have 0.5."""
    values = np.array([[levels.get(name.replace("-", "_"), 0.5)] for name in RULES]) + EASY
    return JobResult({"rules/q_hat": values, "rules/cost": 1 / values}, {})


def view(setting="hard, priced", **found):
    preset = setting.split(",")[0]
    results = {f"{preset}/{name.replace('_', '-')}": one for name, one in found.items()}
    return View(Table(results, MRL.axes, MRL.quick), setting)


def test_a_level_is_a_mean_and_the_setting_says_of_what():
    one = {"maml": start([0.8, 0.9, 0.95])}
    assert measures.level(view(**one), "maml", 20).estimate == pytest.approx(0.95)
    assert measures.level(view("hard, rounded", **one), "maml", 20).estimate == pytest.approx(0.85)
    assert measures.level(view(**one), "maml", LAST).estimate == pytest.approx(0.95)
    with pytest.raises(ValueError, match="not in list"):
        measures.level(view(**one), "maml", 11)


def test_a_lead_pairs_scenarios_and_seeds():
    """Both differ much between seeds and scenarios and little from each other."""
    found = {"maml": start([0.8, 0.9, 0.95], 0.03), "pretrain": start([0.8, 0.89, 0.95], 0.03)}
    lead = measures.lead(view(**found), "maml", 10, "pretrain", 10)
    assert lead.estimate == pytest.approx(0.01)
    assert 0.009 < lead.low <= lead.high < 0.011
    apart = measures.lead(view(**found), "maml", 20, "pretrain", 20)
    assert apart.low <= 0 <= apart.high


def test_a_rule_is_led_at_every_step():
    found = {"maml": start([0.8, 0.9, 0.95]), "rules": rules(greedy_sequential=0.94)}
    for step, lead in ((0, -0.14), (20, 0.01)):
        measured = measures.lead(view(**found), "maml", step, "greedy-sequential")
        assert measured.estimate == pytest.approx(lead)
        assert "greedy-sequential" in measured.quantity


def test_a_delay_is_compared_in_per_cent_with_the_lowest_of_the_others():
    found = {"maml": start([0.8, 0.9, 0.95]), "rules": rules(greedy_equal=0.5, prefix=0.99)}
    view_ = view(**found)
    mine = np.mean(1 / (0.95 + EASY))
    theirs = np.mean(1 / (0.99 + EASY))
    others = [["greedy-equal", 0], ["prefix", 0]]
    lead = measures.delay_lead(view_, "maml", 20, others)
    assert lead.unit == "%"
    assert lead.estimate == pytest.approx(100 * (1 - mine / theirs), abs=1e-6)
    assert lead.estimate < 0


def test_after_switches_the_worst_of_three_counts_and_the_first_scenario_does_not():
    steps, legs = [0, 100], [0.2, 0.99, 0.97, 0.98]
    values = np.array([[0.1, leg] for leg in legs]).reshape(-1)
    arrays = {"switch/q_hat_restart": np.broadcast_to(values, (SEEDS, 2, values.size))}
    found = JobResult(arrays, {"in_a_row": 4, "steps": steps})
    table = Table({"hard/switch-maml": found}, MRL.axes, MRL.quick)
    told = measures.after_switches(View(table, "hard, priced"), "maml", 100, "restart")
    assert told.estimate == pytest.approx(0.97)


def test_both_plans_have_the_same_claims_and_the_full_one_ten_seeds():
    quick, full = ([(c.key, c.setting) for c in MRL.claims(p)] for p in (MRL.quick, MRL.full))
    assert quick == full
    assert (MRL.full.seeds, size_of(MRL.full).scenarios) == (10, 20)
    assert {setting for _, setting in full} == set(SETTINGS)
    figures = {claim.figure for claim in MRL.claims(MRL.full)}
    assert {"Table 2", "5a", "5b", "5c", "6", "7", "8"} <= figures
    published = " ".join(claim.published for claim in MRL.claims(MRL.full))
    assert all(number in published for number in ("0.9159", "0.9786", "0.9829", "0.9923", "0.9957"))


def test_everybody_gets_the_same_slots_and_the_sweep_differs_in_one_setting():
    made = {job.key: job for job in jobs(MRL.full)}
    for preset in PRESETS:
        starts = [made[f"{preset}/{name}"].arguments for name in LEARNERS]
        for same in ("slots", "seeds", "steps", "changes", "settings"):
            assert len({json.dumps(one[same]) for one in starts}) == 1
        sweeps = [made[f"{preset}/{name}"].arguments for name in SWEEPS]
        assert all(one["learner"] == "maml" for one in sweeps)
        assert [len(one["settings"]) for one in sweeps] == [0, 1, 1, 1, 1, 1, 1]


def filled(plan):
    """Return a table with made-up arrays for every job of a plan."""
    rng, results = np.random.default_rng(0), {}

    def marks(group, shape):
        names = [f"{name}{suffix}" for name in FIELDS for suffix in ("", "_rounded")]
        return {f"{group}/{name}": rng.uniform(0.8, 1, shape) for name in names}

    reached = {"level": 0.99, "steps": None, "slots": None, "world_evaluations": None}
    for job in MRL.jobs(plan):
        assert isinstance(job, FunctionJob)
        if job.key == "speed":
            results[job.key] = JobResult({"speed/us": rng.uniform(1, 2, (2, 5))},
                                     {"names": ["a", "b"], "slots": 10})  # fmt: skip
        elif job.key.endswith("/rules"):
            results[job.key] = JobResult(marks("rules", (len(RULES), 8)), {"names": list(RULES)})
        elif "/switch-" in job.key:
            steps = switching.STEPS
            shape = (plan.seeds, 2, switching.IN_A_ROW * len(steps))
            names = [f"switch/q_hat{way}_{how}" for way in ("", "_rounded")
                     for how in ("continue", "restart")]  # fmt: skip
            arrays = {name: rng.uniform(0.8, 1, shape) for name in names}
            results[job.key] = JobResult(arrays, {"steps": list(steps), "in_a_row": 4})
        else:
            steps = job.arguments["steps"]
            facts = {"steps": steps, "slots_per_step": 10, "proposals": 10}
            facts["reached"] = {"q_hat": reached, "q_hat_rounded": reached}
            results[job.key] = JobResult(marks("adapt", (plan.seeds, 8, len(steps))), facts)
    return Table(results, MRL.axes, plan)


def test_every_claim_gets_a_verdict_and_every_page_is_written(tmp_path):
    table = filled(MRL.quick)
    verdicts = MRL.judge(table)
    assert {v.setting for v in verdicts} == set(SETTINGS)
    assert len({(v.claim, v.setting) for v in verdicts}) == len(verdicts)
    assert all(v.status in STATUSES and v.reason and v.published for v in verdicts)
    when = occasion(MRL, table, "edgewright study mrl --quick", 60.0)
    json.dumps(write_outcome(MRL, table, verdicts, when, tmp_path))
    page = (tmp_path / "outcome.md").read_text()
    for verdict in verdicts:
        assert f"| `{verdict.claim}` | {verdict.setting} |" in page
    drawn = sorted(path.stem for path in (tmp_path / "figures").glob("*.svg"))
    assert drawn == sorted(f"mrl-{name}" for name in MRL.figures(table))
    assert "20 steps are 200 slots and 2000 calls" in page
    assert "To reach 0.99" in (tmp_path / "report.html").read_text()


TINY = {"world.devices": 3, "evaluation.episodes": 4, "params.horizon_slots": 30,
        "params.train_scenarios": 6}  # fmt: skip


def test_a_start_is_kept_and_goes_on_as_itself(tmp_path):
    """What another job reads back is the network that was kept; settings change what they name."""
    _, problem, _ = measuring.scene("hard", TINY)
    learner = Droo(num_candidates=3)
    shape = problem.world.observation_space(problem.params).shape
    keys = jax.random.split(jax.random.key(0), 8).reshape(2, 4)
    networks = jax.vmap(jax.vmap(lambda key: learner.network(key, jnp.zeros(shape))))(keys)
    save_tree(tmp_path / measuring.STARTS, networks, {"learner": "droo"})
    kept = measuring.kept(tmp_path, "droo", "hard", TINY, 2, {"learning_rate": 0.1})
    assert [one.policy.learner.learning_rate for one in kept] == [0.1, 0.1]
    for seed, one in enumerate(kept):
        assert isinstance(one.policy, Initialisation)
        for got, put in zip(
            jax.tree.leaves(one.policy.network), jax.tree.leaves(networks), strict=True
        ):
            np.testing.assert_array_equal(got, put[seed])


def test_who_is_told_of_a_switch_begins_again(tmp_path, monkeypatch):
    monkeypatch.setattr(switching, "STEPS", (0, 3))
    _, problem, _ = measuring.scene("hard", TINY)
    shape = problem.world.observation_space(problem.params).shape
    network = Droo().network(jax.random.key(1), jnp.zeros(shape))
    copies = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (1, 4, *leaf.shape)), network)
    save_tree(tmp_path / measuring.STARTS, copies, {"learner": "droo"})
    context = JobContext(tmp_path / "here", None, {}, {"hard/droo": tmp_path}, lambda share: None)
    found = switching.switches(context, "hard", TINY, "hard/droo", "droo", 1)
    told, untold = (
        found.arrays[f"switch/q_hat_rounded_{how}"].reshape(4, 2) for how in ("restart", "continue")
    )
    np.testing.assert_allclose(told[0], untold[0], rtol=1e-6)  # nothing was switched yet
    assert np.all(told[1:, 0] != untold[1:, 0])  # one of them has learnt elsewhere before
