"""Claims of the SE-PPO studies on hand-made tables with known answers; every figure is drawn."""

import dataclasses
import json

import numpy as np
import pytest

from edgewright.core.errors import InputError
from edgewright.papers import study_named
from edgewright.papers.seppo import behaviours, curves, measures, probes, sweeps
from edgewright.papers.seppo.jobs import default_rates, jobs, scenario_of, size_of
from edgewright.papers.seppo.view import View
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load
from edgewright.scenarios.policies import baseline
from edgewright.studies.claim import STATUSES
from edgewright.studies.job import JobResult, Plan
from edgewright.studies.jobs import AXES, HyperparameterSelection, Rule, TrainingJob, TransferJob
from edgewright.studies.study_output import occasion, write_outcome
from edgewright.studies.table import Table

SEPPO, TRACE = study_named("seppo"), study_named("seppo-trace")
SEEDS, EPISODES, MARKS = 3, 8, 20
EXTRA = np.linspace(-0.1, 0.1, EPISODES)  # easy and hard episodes, the same for everyone


def made(value, seeds=SEEDS, spread=0.0):
    """Return [seeds, episodes] of a mean, with what episodes and seeds add."""
    return value + EXTRA + spread * np.linspace(-1, 1, seeds)[:, None]


def found(reward, seeds=SEEDS, **more):
    arrays = {"episodes/reward": made(reward, seeds)}
    return JobResult({**arrays, **{name.replace("__", "/"): x for name, x in more.items()}})


def view(results, setting="fair"):
    anchors = {"heavy/random": found(-1.0, 1), "heavy/rollout-12": found(1.0, 1)}
    return View(Table({**anchors, **results}, SEPPO.axes, SEPPO.quick), setting)


def test_a_lead_is_in_scores_and_taken_at_the_closest():
    table = view({"fair/se-ppo": found(0.8), "fair/ppo": found(0.2), "heavy/greedy": found(0.6, 1)})
    measured = measures.lead(table, "se-ppo", ["ppo", "greedy"])
    assert (measured.estimate, measured.low, measured.high) == pytest.approx((0.1, 0.1, 0.1))
    assert "less that of greedy, the closest of 2" in measured.quantity
    assert measured.seeds == SEEDS


def test_a_lead_of_a_metric_may_be_downwards():
    results = {
        "fair/se-ppo": found(0, episodes__delay_s=made(2.0)),
        "fair/ppo": found(0, episodes__delay_s=made(3.0)),
    }
    measured = measures.lead(view(results), "se-ppo", ["ppo"], "delay_s", lower=True)
    assert measured.estimate == pytest.approx(1.0)
    assert measured.quantity == "delay of ppo less that of se-ppo"
    relative = measures.relative(view(results), "ppo", "se-ppo", "delay_s")
    assert relative.estimate == pytest.approx(50.0)


def test_a_percentage_of_a_reward_is_not_comparable_and_says_why():
    table = view({"fair/se-ppo": found(0.5), "fair/dqn": found(-0.25)})
    measured = measures.percent_of_reward(table, "se-ppo", ["dqn"])
    assert measured.estimate == pytest.approx(300.0)
    assert "+100.0 % with 1 added" in measured.why_not  # (1.5 - 0.75) / 0.75
    assert "+0.375 [+0.375, +0.375]" in measured.why_not  # a difference of 0.75 over a span of 2
    half = measures.percent_of_reward(table, "se-ppo", ["dqn"], of_ours=True)
    assert half.estimate == pytest.approx(-50.0)


def test_a_sweep_grows_by_its_smallest_step():
    results = {}
    for count, reward in ((1, 0.0), (2, 0.3), (10, 0.4)):
        world = f"servers-{count}"
        results |= {
            f"{world}/random": found(-1.0, 1),
            f"{world}/rollout-12": found(1.0, 1),
            f"fair/se-ppo/{world}": found(reward),
            f"fair/ppo/{world}": found(reward / 4),
        }
    table = view(results)
    assert table.worlds("servers-") == ["servers-1", "servers-2", "servers-10"]
    step = sweeps.growth(table, "se-ppo", stepwise=True)
    assert step.estimate == pytest.approx(0.1)
    assert "servers-2 to servers-10" in step.quantity
    assert sweeps.growth(table, "ppo", relative_to="se-ppo").estimate == pytest.approx(0.25)
    lead = sweeps.sweep_lead(table, "se-ppo", ["ppo"], "score")
    assert lead.estimate == pytest.approx(0.0)
    assert "servers = 1" in lead.quantity


def test_modelling_against_tricks():
    rewards = {"se-ppo": 1.0, "ppo-plain": 0.8, "se-ppo-fixed-a": 0.2, "se-ppo-fixed-b": 0.6}
    table = view({f"fair/{name}": found(reward) for name, reward in rewards.items()})
    more = measures.contribution(table, "se-ppo", "ppo-plain", ["se-ppo-fixed-a", "se-ppo-fixed-b"])
    assert more.estimate == pytest.approx(0.2)  # (1.0 - 0.4) / 2 less (1.0 - 0.8) / 2
    assert measures.score_ratio(table, "se-ppo-fixed-a", "se-ppo").estimate == pytest.approx(0.6)


def test_ways_and_gaps():
    table = view(
        {
            "fair/se-ppo": found(0.6),
            "heavy/greedy": found(0.4, 1),
            "heavy/heuristic": found(0.2, 1),
            "heavy/bound": found(1.2, 1),
        }
    )
    assert measures.way(table, "greedy", "heuristic", "se-ppo").estimate == pytest.approx(0.5)


def test_an_optimum_is_refuted_by_a_better_policy_and_the_way_to_the_lowest_bound_is_said():
    rewards = {"greedy": 0.4, "shadow-price": 0.8, "bound": 1.2, "fluid": 0.9}
    rules = {f"heavy/{name}": found(reward, 1) for name, reward in rewards.items()}
    table = view({"fair/se-ppo": found(0.6), **rules})
    beaten = measures.unbeaten(table, "se-ppo", ["shadow-price", "rollout-12"])
    assert beaten.estimate == pytest.approx(-0.2)  # the planner of these tables scores 1
    assert "40 % [40, 40] of the way from greedy to an upper bound (fluid)" in beaten.quantity
    del rules["heavy/fluid"]
    table = view({"fair/se-ppo": found(1.04), **rules})
    ahead = measures.unbeaten(table, "se-ppo", ["shadow-price"])
    assert ahead.estimate == pytest.approx(0.12)
    assert "80 % [80, 80] of the way from greedy to an upper bound (no self" in ahead.quantity


def servers(**energies):
    count = len(next(iter(energies.values())))
    return {f"servers-{n}/random": found(0, 1) for n in range(1, count + 1)} | {
        f"fair/{name}/servers-{count}": found(0, episodes__energy_j=made(energy))
        for name, values in energies.items()
        for count, energy in enumerate(values, start=1)
    }


def test_arms_are_near_or_far_and_turn_or_do_not_over_a_sweep():
    energies = {"se": [5, 4, 3], "dqn": [6, 5, 2], "a2c": [7, 3, 5], "ppo": [9, 8, 7]}
    table = view(servers(**energies))
    near = sweeps.next_to(table, "se", "dqn", ["a2c", "ppo"], "energy_j")
    assert near.estimate == pytest.approx(2 / 3)  # 1 away in each; a2c 2, 1, 2
    assert "from se to a2c less that to dqn" in near.quantity
    turn = sweeps.sweep_wobble(table, "se", "a2c", "energy_j")
    assert turn.estimate == pytest.approx(6.0)  # -4, then +2; the other falls evenly
    short = view(servers(**{name: values[:2] for name, values in energies.items()}))
    assert "have no turn" in sweeps.sweep_wobble(short, "se", "a2c", "energy_j").why_not


def curve(rewards, **more):
    steps = np.broadcast_to(np.arange(1, MARKS + 1) * 10.0, (SEEDS, MARKS))
    many = {f"curves__{name}": np.tile(values, (SEEDS, 1)) for name, values in more.items()}
    return found(0.0, curves__reward=np.tile(rewards, (SEEDS, 1)), curves__steps=steps, **many)


def test_curves_are_early_wobbly_and_steady():
    calm = np.where(np.arange(MARKS) < 8, -1.0, 1.0)  # scores 0 and 1
    wild = np.where(np.arange(MARKS) % 2, 1.0, 0.0)  # scores 0.5 and 1
    arms = {"fair/calm": curve(calm, energy_j=wild), "fair/wild": curve(wild, energy_j=3 * wild)}
    table = view({**arms, "heavy/greedy": found(0.0, 1)})
    early = curves.curve_lead(table, ["wild"], ["calm"], "early")
    assert early.estimate == pytest.approx(0.75)
    wobble = curves.curve_lead(table, ["calm"], ["wild"], "wobble", lower=True)
    assert wobble.estimate == pytest.approx(0.5)
    assert wobble.quantity.endswith("of the training, wild less calm")
    energy = curves.curve_lead(table, ["calm"], ["wild"], "wobble", "energy_j", lower=True)
    assert (energy.estimate, energy.unit) == (pytest.approx(2.0), "J")  # 1 and 3 at every mark
    steady = curves.steady(table, "calm", published=50.0)
    assert steady.estimate == 90.0  # the ninth mark is the first that stays
    assert not steady.why_not
    at_once = curves.steady(view({"fair/x": curve(calm + 9), "heavy/greedy": found(-9.0, 1)}),
                            "x", published=50.0)  # fmt: skip
    assert at_once.estimate == 90.0  # 2 of a way of 19 is more than a tenth
    level = curves.steady(view({"fair/x": curve(0 * calm + 1), "heavy/greedy": found(0.0, 1)}),
                          "x", published=50.0)  # fmt: skip
    assert level.estimate == 10.0
    assert "at the first evaluation" in level.quantity
    assert "too short" in curves.steady(table, "calm", published=150.0).why_not


def counts(**shares):
    """Return tasks and counts [seeds, episodes, bins]: 100 tasks in every bin."""
    shape = (SEEDS, EPISODES, 3)
    arrays = {"charge__tasks": np.full(shape, 100.0)}
    for kind in behaviours.KINDS:
        arrays[f"charge__{kind}"] = np.broadcast_to(np.array(shares.get(kind, [0, 0, 0])), shape)
    return arrays


def test_shares_by_charge():
    shares = counts(local_0=[50, 40, 30], offload_2=[20, 22, 24], offload_1=[30, 38, 46])
    energy = np.broadcast_to(np.array([600.0, 500.0, 400.0]), (SEEDS, EPISODES, 3))
    table = view({"fair/se-ppo": found(0, **shares, charge__device_energy_j=energy)})
    assert behaviours.most_share(table, "se-ppo", "local_2").high == 0
    assert behaviours.share(table, "se-ppo", "offload_2", "low").estimate == pytest.approx(24)
    assert behaviours.share_rise(table, "se-ppo", "local_0").estimate == pytest.approx(-20)
    lead = behaviours.share_lead(table, "se-ppo", "local_0", "high")
    assert lead.estimate == pytest.approx(20)
    assert "offload medium" in lead.quantity
    assert behaviours.saving(table, "se-ppo").estimate == pytest.approx(2.0)


def test_modes_episodes_and_lives():
    shape = (SEEDS, EPISODES, 3)
    quality = np.broadcast_to(np.array([5.0, 7.0, 7.5]), shape)
    one = np.ones((SEEDS, EPISODES))
    results = {
        "fair/se-ppo": found(
            0, modes__tasks=np.full(shape, 10.0), modes__quality=quality, life__tasks=1100 * one,
            life__ended=one, life__slots=2000 * one, life__quality=0.7 * one,
        ),
        "fair/ppo": found(
            0, life__tasks=1000 * one, life__ended=0.5 * one, life__slots=1000 * one,
            life__quality=0.8 * one,
        ),
        "heavy/heuristic": found(
            0, drift__first_tasks=2 * one, drift__first_delay_s=4 * one, drift__last_tasks=one,
            drift__last_delay_s=5 * one,
        ),
    }  # fmt: skip
    table = view(results)
    order = behaviours.mode_order(table, "se-ppo", "quality")
    assert order.estimate == pytest.approx(0.05)
    assert "best less balanced" in order.quantity
    assert behaviours.rise_in_episode(table, "heuristic").estimate == pytest.approx(3.0)
    life = behaviours.life(table, "se-ppo", ["ppo"])
    assert life.estimate == pytest.approx(10.0)
    assert "50 % did" in life.quantity
    assert (
        "(1100 of quality 0.700, 45.0 % refused) relative to ppo (1000 of quality" in life.quantity
    )


def test_plain_ppo_is_ppo_in_the_documents_setting():
    results = {"paper/ppo": found(0.1), "fair/ppo": found(0.2), "fair/ppo-plain": found(0.3)}
    assert view(results, "paper").key("ppo-plain") == "paper/ppo"
    assert view(results, "fair").key("ppo-plain") == "fair/ppo-plain"


def filled(study, plan):
    """Return a table with made-up arrays for every job of a plan."""
    rng = np.random.default_rng(0)
    results = {}
    shapes = {
        "episodes": (EPISODES,),
        "modes": (EPISODES, 3),
        "charge": (EPISODES, 3),
        "drift": (EPISODES,),
        "life": (16,),
    }
    names = {
        "episodes": ("reward", "delay_s", "energy_j", "quality", "episode_length", "terminated"),
        "modes": ("tasks", "delay_s", "energy_j", "quality"),
        "charge": ("tasks", "device_energy_j", *behaviours.KINDS),
        "drift": ("first_tasks", "first_delay_s", "last_tasks", "last_delay_s"),
        "life": ("tasks", "ended", "slots", "quality"),
    }
    for job in study.jobs(plan):
        if isinstance(job, HyperparameterSelection):
            rewards = rng.normal(0, 1, (len(job.candidates), 1))
            facts = {
                "settings": job.candidates[0][1], "best": 0, "at_edge": True,
                "candidates": [settings for _, settings in job.candidates],
            }  # fmt: skip
            results[job.key] = JobResult({"choice/reward": rewards}, facts)
            continue
        seeds = job.seeds if isinstance(job, TrainingJob) else plan.seeds
        seeds = 1 if isinstance(job, Rule) else seeds
        level = {"random": -1.0, "rollout-12": 0.4, "bound": 0.8}.get(getattr(job, "policy", ""), 0)
        arrays = {
            f"{group}/{name}": rng.uniform(1, 2, (seeds, *shape))
            for group, shape in shapes.items()
            for name in names[group]
            if group in study.axes
        }
        if "charge" in study.axes:
            total = sum(arrays[f"charge/{kind}"] for kind in behaviours.KINDS)
            arrays["charge/tasks"] = total
            arrays["speed/decisions_per_s"] = np.ones((1, 5))
        arrays["episodes/reward"] = level + rng.normal(0, 0.02, (seeds, EPISODES))
        if isinstance(job, TrainingJob):
            arrays["curves/steps"] = np.tile(np.linspace(1e3, 6e4, MARKS), (seeds, 1))
            for name in ("reward", "delay_s", "energy_j"):
                arrays[f"curves/{name}"] = rng.normal(0, 0.1, (seeds, MARKS))
        results[job.key] = JobResult(arrays, {"labels": {"policy": "p"}, "seconds": 1.0})
    return Table(results, {**AXES, **study.axes}, plan)


@pytest.fixture
def recordings(tmp_path, monkeypatch):
    """Return a folder with small files of the form of the recordings."""
    (tmp_path / "bandwidth").mkdir()
    for name in ("a", "b"):
        (tmp_path / "bandwidth" / f"{name}.txt").write_text("0 1\n1 2\n")
    (tmp_path / "requests").mkdir()
    rows = "\n".join(f"2023-11-16 18:00:{n:02d}.0000000,10,20" for n in range(60))
    log = tmp_path / "requests" / "azure_llm_2023_conversation.csv"
    log.write_text(f"TIMESTAMP,ContextTokens,GeneratedTokens\n{rows}\n")
    return str(tmp_path)


@pytest.mark.parametrize("study", [SEPPO, TRACE], ids=["seppo", "seppo-trace"])
def test_every_claim_gets_a_verdict_and_every_page_is_written(study, recordings, tmp_path):
    plan = dataclasses.replace(study.quick, data=recordings)
    table = filled(study, plan)
    verdicts = study.judge(table)
    assert {v.setting for v in verdicts} == {"paper", "fair"}
    assert len({(v.claim, v.setting) for v in verdicts}) == len(verdicts)
    assert all(v.status in STATUSES and v.reason and v.published for v in verdicts)
    when = occasion(study, table, f"edgewright study {study.name} --quick", 60.0)
    out = tmp_path / "out"
    written = write_outcome(study, table, verdicts, when, out)
    json.dumps(written)
    page = (out / "outcome.md").read_text()
    for verdict in verdicts:
        assert f"| `{verdict.claim}` | {verdict.setting} |" in page
    drawn = sorted(path.stem for path in (out / "figures").glob("*.svg"))
    assert drawn == sorted(f"{study.name}-{name}" for name in study.figures(table))
    for name in drawn:
        assert f"figures/{name}.svg" in page
        assert (out / "figures" / f"{name}.png").stat().st_size > 5000
    assert "<svg" in (out / "report.html").read_text()


def test_both_plans_have_the_same_claims_and_the_full_one_ten_seeds():
    keys = [[(c.key, c.setting) for c in SEPPO.claims(plan)] for plan in (SEPPO.quick, SEPPO.full)]
    assert keys[0] == keys[1]
    assert SEPPO.full.seeds >= 10
    assert {"14.08 %", "78.02 %", "107.69 %"} <= {c.published for c in SEPPO.claims(SEPPO.full)}
    figures = {c.figure for c in SEPPO.claims(SEPPO.full)}
    assert {"2", "3a", "3b", "3c", "4a", "4b", "4c", "5", "6", "7", "8", "9", "10", "11"} <= figures


def test_the_settings_differ_in_what_they_say_they_do():
    by_key = {job.key: job for job in jobs(SEPPO.full)}
    for name in ("se-ppo", "ppo", "a2c", "dqn"):
        raw, fair = by_key[f"paper/{name}"], by_key[f"fair/{name}"]
        assert raw.setup.load().world.obs == "paper"
        assert fair.setup.load().world.obs == "full"
        assert fair.setup.changes["learner.normalize_observations"]
        assert (raw.rates_from, fair.rates_from) == ("", f"tuning/{name}")
        assert raw.seeds == fair.seeds == 10
        assert raw.steps == fair.steps
    assert not by_key["paper/dqn"].setup.changes["learner.normalize_observations"]
    assert "learner.normalize_observations" not in by_key["paper/ppo"].setup.changes  # ppo has none


def test_rates_are_chosen_with_the_same_budget_on_seeds_and_episodes_that_judge_nothing():
    made_jobs = jobs(SEPPO.full)
    judged = [job for job in made_jobs if isinstance(job, TrainingJob) and job.setting != "tuning"]
    tried = [job for job in made_jobs if isinstance(job, TrainingJob) and job.setting == "tuning"]
    choices = [job for job in made_jobs if isinstance(job, HyperparameterSelection)]
    assert {(len(c.candidates)) for c in choices} == {5}
    assert len({(job.steps, job.seeds) for job in tried}) == 1
    seeds = {seed for job in judged for seed in range(job.first_seed, job.first_seed + job.seeds)}
    assert all(job.first_seed > max(seeds) for job in tried)
    fresh = {job.setup.load().evaluation.seed for job in tried}
    assert not fresh & {job.setup.load().evaluation.seed for job in judged}
    assert dict(choices[0].candidates)["tuning/se-ppo/1"] == default_rates("se-ppo")


def test_the_trace_study_needs_recordings(monkeypatch):
    from edgewright.studies.job import fingerprints

    monkeypatch.delenv("EDGEWRIGHT_DATA", raising=False)
    with pytest.raises(InputError, match="no data folder is named"):
        fingerprints(TRACE.jobs(TRACE.quick))


def test_the_trace_study_judges_everyone_on_the_same_held_out_recordings(recordings):
    plan = Plan(True, 2, 1e3, recordings)
    elsewhere = [job for job in TRACE.jobs(plan) if isinstance(job, TransferJob)]
    judged = [job for job in elsewhere if job.key.endswith("/recorded")]
    assert len(judged) == 2 * 3 * 4
    assert {job.setup.scenario for job in judged} == {"aigc-trace"}
    assert len({job.setup.load().evaluation.seed for job in judged}) == 1


@pytest.fixture(scope="module")
def greedy():
    changes = {"evaluation.episodes": 4, "params.horizon_slots": 30}
    scenario = load("aigc-heavy", changes)
    return [baseline("greedy", build(scenario))], scenario


def test_tasks_by_mode_and_by_charge_add_up(greedy):
    arrays = probes.behaviour(*greedy, None)
    tasks = arrays["episodes/served"] * arrays["episodes/episode_length"]
    np.testing.assert_allclose(arrays["modes/tasks"].sum(axis=-1), tasks, rtol=1e-5)
    np.testing.assert_allclose(arrays["charge/tasks"].sum(axis=-1), tasks, rtol=1e-5)
    kinds = sum(arrays[f"charge/{kind}"] for kind in behaviours.KINDS)
    np.testing.assert_allclose(kinds, arrays["charge/tasks"])
    delay = arrays["modes/delay_s"].sum(axis=-1) / tasks
    np.testing.assert_allclose(delay, arrays["episodes/delay_s"], rtol=1e-5)
    energy = arrays["charge/device_energy_j"].sum(axis=-1) / tasks
    np.testing.assert_allclose(energy, arrays["episodes/device_energy_j"], rtol=1e-5)
    assert np.all(arrays["charge/tasks"][0, :, 0] == [30, 30, 0, 0])  # pinned: 100, 60, 45, 25 %


def test_a_life_ends_at_the_floor(greedy, monkeypatch):
    policy_entries, scenario = greedy
    monkeypatch.setattr(probes, "LIFE_SLOTS", 200)
    monkeypatch.setattr(probes, "LIFE_EPISODES", 3)
    small = load("aigc-heavy", {"params.battery_j": 500.0, "params.horizon_slots": 30})
    arrays = probes.lifetime(policy_entries, small, None)
    assert arrays["life/tasks"].shape == (1, 3)
    assert np.all(arrays["life/ended"] == 1)  # 450 J do not last 200 tasks of 2 J and more
    assert np.all(arrays["life/tasks"] <= arrays["life/slots"])
    assert np.all((arrays["life/slots"] > 30) & (arrays["life/slots"] < 200))  # no horizon ends it
    more = dataclasses.replace(small, params=dataclasses.replace(small.params, battery_j=1000.0))
    longer = probes.lifetime(policy_entries, more, None)
    assert np.all(longer["life/tasks"] > 1.5 * arrays["life/tasks"])


def test_the_clock_of_a_long_life_starts_anew(aigc_params, aigc_inputs, aigc_state):
    world = build(load("aigc-heavy")).world
    for obs in ("full", "paper"):
        usual = dataclasses.replace(world, obs=obs)
        long = probes.LongLife(usual, 500)
        params, x = aigc_params(), aigc_inputs()
        endless = aigc_params(horizon_slots=6001.0)
        seen = long.observe(endless, aigc_state(slot=1207), x)
        np.testing.assert_allclose(seen, usual.observe(params, aigc_state(slot=207), x))


def test_sizes_are_in_proportion_to_the_steps_asked_for():
    once, twice = (size_of(Plan(False, 10, steps)) for steps in (5e5, 1e6))
    assert twice.sweep == 2 * once.sweep
    assert twice.tuning == 2 * once.tuning
    assert scenario_of("servers-3", once)[1]["world.servers"] == 3
