"""Scenario files: every mistake gets one message that names file, key, value and remedy."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

from edgewright.core.errors import InputError
from edgewright.core.text import parse_override
from edgewright.scenarios.build import build, build_learner, learner_names
from edgewright.scenarios.load import (
    check,
    identity,
    json_schema,
    load,
    resolved,
    shipped,
)
from edgewright.scenarios.policies import baseline, baseline_names
from edgewright.systems.aigc.policies import BASELINE_NAMES


def write(folder: Path, body: str, name: str = "mine.toml") -> str:
    path = folder / name
    path.write_text(f'schema = 1\nextends = "aigc-heavy"\nname = "mine"\n{body}')
    return str(path)


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_scenario_loads_and_survives_a_round_trip(name):
    scenario = load(name)
    assert scenario.name == name
    again = check(json.loads(json.dumps(resolved(scenario))), "again")
    assert again == scenario
    assert identity(again) == identity(scenario)


def test_shipped_scenarios_differ():
    assert len({identity(load(name)) for name in shipped()}) == len(shipped())


def test_what_a_file_extends_fills_the_rest_and_paths_are_relative(tmp_path):
    write(tmp_path, "[params]\nslot_s = 0.25\n", "base.toml")
    child = tmp_path / "child.toml"
    child.write_text('schema = 1\nextends = "base.toml"\nname = "child"\n[world]\ndevices = 3\n')
    scenario = load(str(child))
    assert (scenario.params.slot_s, scenario.world.devices) == (0.25, 3)
    assert scenario.params.kappa == load("aigc-heavy").params.kappa


def test_a_stream_is_replaced_whole_by_one_line(tmp_path):
    line = '[streams]\nbandwidth_mbps = { kind = "constant", value = 80.0 }\n'
    scenario = load(write(tmp_path, line))
    assert scenario.streams.bandwidth_mbps.kind == "constant"
    assert scenario.streams.background_gcps.kind == "compound_poisson"


CASES = [
    ("[params]\nslot_z = 1.0\n", r"mine\.toml: unknown key 'params\.slot_z'\nhint: .*'slot_s'"),
    ("[parms]\nslot_s = 1.0\n", r"unknown key 'parms'\nhint: .*'params'"),
    (
        '[streams]\nbandwidth_mbps = { kind = "uniform", low = -50.0, high = 150.0 }\n',
        r"streams\.bandwidth_mbps\.low = -50\.0: .*greater than or equal to 0",
    ),
    (
        '[streams]\nbandwidth_mbps = { kind = "constant", value = 0.0 }\n',
        r"streams\.bandwidth_mbps: the bandwidth may fall to 0 Mbit/s",
    ),
    (
        '[streams]\nbandwidth_mbps = { kind = "uniform", low = 150.0, high = 50.0 }\n',
        r"low = 150 is not below high = 50\nhint: swap",
    ),
    (
        '[streams]\nbandwidth_mbps = { kind = "unifrom", low = 50.0, high = 150.0 }\n',
        r"unknown kind 'unifrom'\nhint: .*'uniform'",
    ),
    (
        '[streams]\nbandwidth_mbps = { kind = "uniform", lo = 50.0, high = 150.0 }\n',
        r"unknown key 'streams\.bandwidth_mbps\.lo'\nhint: .*'low'",
    ),
    (
        "[params]\nmode_weights = [[0.5, 0.6, 0.2], [0.4, 0.3, 0.3], [0.7, 0.15, 0.15]]\n",
        r"params\.mode_weights: the weights of mode 'preview' .* sum to 1\.3, not 1\nhint: divide",
    ),
    ("[params]\nserver_ghz = [16.0, 8.0, 4.0]\n", r"has 3 values, but world\.servers is 2"),
    ("[params]\noutput_mb = [1.0, 2.0]\n", r"output_mb: has 2 values, but world\.qualities is 3"),
    ("[params]\nslot_s = -1.0\n", r"params\.slot_s = -1\.0: .*greater than 0"),
    ('[params]\nslot_s = "fast"\n', r"params\.slot_s = 'fast': .*valid number"),
    ("[params]\nslot_s = nan\n", r"params\.slot_s = nan"),
    ("[world]\nservers = 0\n", r"world\.servers = 0: .*greater than or equal to 1"),
    ('[world]\nobs = "ful"\n', r"world\.obs = 'ful': .*'full', 'device' or 'paper'"),
    ("[params\nslot_s = 1.0\n", r"mine\.toml: not valid TOML: .*line 4"),
    ("[streams]\nmode = { kind = 'categorical', probabilities = [0.5, 0.5] }\n", "3 modes"),
    ("[streams]\nmode = { kind = 'uniform', low = 0.0, high = 3.0 }\n", "cannot draw a mode"),
]


@pytest.mark.parametrize(("body", "message"), CASES)
def test_mistakes_are_named(tmp_path, body, message):
    with pytest.raises(InputError, match=message):
        load(write(tmp_path, body))


def test_missing_keys_and_files_and_circles_are_named(tmp_path):
    with pytest.raises(InputError, match=r"unknown scenario 'aigc-heavi'\nhint: .*'aigc-heavy'"):
        load("aigc-heavi")
    with pytest.raises(InputError, match=r"absent\.toml: cannot be read"):
        load(str(tmp_path / "absent.toml"))
    tree = resolved(load("aigc-heavy"))
    del tree["params"]["kappa"]
    with pytest.raises(InputError, match=r"the key 'params\.kappa' is missing"):
        check(tree, "mine.toml")
    (tmp_path / "a.toml").write_text('schema = 1\nextends = "b.toml"\n')
    (tmp_path / "b.toml").write_text('schema = 1\nextends = "a.toml"\n')
    with pytest.raises(InputError, match="circle"):
        load(str(tmp_path / "a.toml"))


def test_overrides():
    assert parse_override("params.slot_s=1.5") == ("params.slot_s", 1.5)
    assert parse_override("world.obs=seed") == ("world.obs", "seed")
    scenario = load("aigc-scaling", dict([parse_override("world.servers=6")]))
    assert build(scenario).params.server_ghz.shape == (6,)
    with pytest.raises(InputError, match=r"unknown table 'parms'\nhint: .*'params'"):
        load("aigc-heavy", {"parms.slot_s": 1.0})
    with pytest.raises(InputError, match="not KEY=VALUE"):
        parse_override("params.slot_s")


def test_a_later_key_of_an_input_is_left_out_where_it_is_absent():
    names, cut = ("gap_s", "background_gcps"), {"streams.gap_s.train_from": 0.3}
    plain, turned = (load("aigc-trace", changes) for changes in ({}, cut))
    assert all("train_from" not in resolved(plain)["streams"][name] for name in names)
    assert resolved(turned)["streams"]["gap_s"]["train_from"] == 0.3
    assert check(resolved(turned), "again") == turned
    assert len({identity(plain), identity(turned)}) == 2


def test_the_schema_names_every_part():
    [schema] = [kind for kind in json_schema()["anyOf"] if kind["title"].endswith(" aigc")]
    assert {"world", "params", "streams", "evaluation", "training", "extends"} <= set(
        schema["properties"]
    )


def test_a_scenario_builds_what_it_says():
    problem = build(load("aigc-heavy"))
    np.testing.assert_allclose(problem.params.background_utilisation, [0.5, 0.7])
    rows = problem.train_stream.next_rows(problem.train_stream.init_carry(jax.random.key(0)), 2000)[
        1
    ]
    load_gcps = np.asarray(rows.background_gcps).mean(axis=0)
    # 0.5 * 16 and 0.7 * 16; the deviation of a slot is about 1.4 times the mean
    np.testing.assert_allclose(load_gcps, [8.0, 11.2], rtol=0.12)
    assert np.all(np.asarray(rows.gap_s) == 0.5)


def test_a_load_that_would_be_cut_is_refused():
    small = {"streams.background_gcps.job_low": 0.1, "streams.background_gcps.job_high": 0.2}
    with pytest.raises(InputError, match="raise most_jobs"):
        build(load("aigc-heavy", small))


def test_recordings_need_a_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("EDGEWRIGHT_DATA", raising=False)
    with pytest.raises(InputError, match="no data folder is named"):
        build(load("aigc-trace"))
    with pytest.raises(InputError, match="'bandwidth' is missing"):
        build(load("aigc-trace"), str(tmp_path))


def test_pinned_inputs_must_exist():
    with pytest.raises(InputError, match=r"fixed_inputs\.charge: unknown input"):
        build(load("aigc-heavy", {"evaluation.fixed_inputs.charge": [1.0]}))


@pytest.mark.parametrize("name", learner_names(build(load("aigc-heavy"))))
def test_every_shipped_learner_builds_and_starts(name):
    scenario = load("aigc-heavy")
    plan = build_learner(name, scenario, build(scenario), 1e5)
    assert plan.learner.num_envs >= 1
    world = plan.train_world
    params = plan.params_of(build(scenario))
    spaces = world.observation_space(params), world.action_space(params)
    state = jax.eval_shape(lambda key: plan.learner.init(key, *spaces), jax.random.key(0))
    assert jax.tree.leaves(state)


def test_every_shipped_learner_belongs_to_a_system():
    aigc, binary, caching, contract = (
        build(load(name)) for name in ("aigc-heavy", "binary-hard", "caching-toy", "contract-d2")
    )
    of_binary = learner_names(binary)
    of_numbers = {
        "ddpg",
        "td3",
        "sac",
        "dmsac",
        "dmsac-eps",
        "dmsac-paper",
        "dmsac-small",
        "edmsac",
        "edmsac-rate",
        "edmsac-group",
        "dmsac-group",
        "dmsac-random",
        "dmsac-one-shot",
        "active-inference",
        "active-inference-paper",
    }
    of_systems = {*learner_names(aigc), *of_binary, *learner_names(caching)}
    assert not of_numbers & of_systems  # only contracts are numbers at one level
    assert of_numbers <= set(learner_names(contract))
    assert {*of_systems, *learner_names(contract)} == set(learner_names())
    for name in of_binary:
        assert build_learner(name, load("binary-hard"), binary, 1e4).name == name
    with pytest.raises(InputError, match="unknown learner 'maml' for the system 'aigc'"):
        build_learner("maml", load("aigc-heavy"), aigc, 1e4)


def test_variants_train_where_they_say_and_are_scored_on_the_same_reward():
    scenario = load("aigc-heavy")
    problem = build(scenario)
    world = problem.world
    weights = build_learner("se-ppo-fixed-weights", scenario, problem, 1e5)
    assert not weights.train_world.adaptive_weights
    assert weights.world == world
    quality = build_learner("se-ppo-fixed-quality", scenario, problem, 1e5)
    assert quality.world.actions == quality.train_world.actions == 3


def test_learner_settings_are_checked():
    scenario = load("aigc-heavy")
    problem = build(scenario)
    with pytest.raises(InputError, match=r"unknown learner 'se-pp'\nhint: .*'se-ppo'"):
        build_learner("se-pp", scenario, problem, 1e5)

    def with_setting(key, value):
        return build_learner("se-ppo", load("aigc-heavy", {f"learner.{key}": value}), problem, 1e5)

    assert with_setting("gamma", 0.9).learner.gamma == 0.9
    for key, value, message in [
        ("gama", 0.9, "did you mean 'gamma'"),
        ("batch_size", 60, "does not divide"),
        ("epochs", 2.5, "not of the kind"),
        ("clip_eps", -0.1, "negative"),
        ("clip_eps", float("nan"), "not finite"),
        ("gamma", 2.0, "above 1"),
        ("epochs", 0, "must be a whole number from 1"),
        ("hidden_sizes", [0], "must be a whole number from 1"),
        ("rollout_steps", 2**20, "is above"),
        ("normalize_observations", 1, "not of the kind"),
    ]:
        with pytest.raises(InputError, match=message):
            with_setting(key, value)


def test_every_named_policy_exists_and_others_are_refused():
    problem = build(load("aigc-heavy"))
    alone = [name for name in BASELINE_NAMES if name != "greedy-in-turn"]
    assert baseline_names(problem) == alone
    for name in BASELINE_NAMES:
        assert baseline(name, problem).name == name
    assert baseline("rollout-3", problem).policy.horizon == 3
    for name in ("gredy", "local-3", "rollout-0"):
        with pytest.raises(InputError, match=f"unknown policy '{name}'"):
            baseline(name, problem)
