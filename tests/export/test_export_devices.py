"""Runs of several networks, worlds of several devices, and networks that are told more."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.agents.independent import EachPolicy
from edgewright.bundle import load
from edgewright.core.errors import InputError
from edgewright.evaluation.trained import bundled
from edgewright.export.observation import head_of, interface_of
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load as load_scenario
from edgewright.systems.aigc.export import row_insight
from edgewright.training.runs import Request, load_run, train

PAIR = {
    "world.devices": 2,
    "world.obs": "device",
    "params.device_ghz": [1.5, 2.3],
    "params.horizon_slots": 20,
    "evaluation.episodes": 2,
    "evaluation.reference": "greedy",
    "learner.num_envs": 2,
    "learner.rollout_steps": 32,
    "learner.batch_size": 16,
}


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    out = tmp_path_factory.mktemp("pair") / "run"
    train(Request(load_scenario("aigc-heavy", PAIR), "se-ppo-independent", 200, 1), out)
    return out


def seen_rows(bundle, count):
    low, high = bundle.interface.typical()
    rows = np.random.default_rng(1).uniform(low, high, (count, len(low))).astype(np.float32)
    place = 0
    for field in bundle.interface.fields:
        if field.encoding == "one-hot":
            drawn = np.random.default_rng(2).integers(field.columns, size=count)
            rows[:, place : place + field.columns] = np.eye(field.columns)[drawn]
        place += field.columns
    return rows


@pytest.mark.parametrize("device", [0, 1])
def test_the_policy_of_one_device_is_what_is_exported(pair, device, edgewright):
    path = pair / f"{device}.edge"
    done = edgewright("export", pair, "--device", device, "--out", path, "--json")
    bundle = load(path)
    assert json.loads(done.stdout)["name"].endswith(f"seed 0, device {device}")
    assert bundle.facts["provenance"]["device"] == device
    assert bundle.facts["scores"] == {}  # those of the run are of the whole fleet
    speed = next(f for f in bundle.interface.fields if f.name == "device_ghz")
    assert speed.trained == (PAIR["params.device_ghz"][device],) * 2
    assert (speed.low, speed.high) == (0.0, None)

    run = load_run(pair)
    assert bundled(str(path), run.problem).group == "learned"
    each = run.plan.learner.policy(run.trainings[0].learner, explore=False)
    rows = seen_rows(bundle, 200)
    features = jnp.asarray(rows)
    both = jnp.stack([features, features], axis=1)
    key = jax.random.key(0)
    wanted = jax.vmap(lambda x: each.act(key, each.init_carry(key), x)[1].action)(both)[:, device]
    found = bundle.engine.many(rows)
    gaps = np.sort(found["scores"], axis=1)
    clear = gaps[:, -1] - gaps[:, -2] > 1e-4
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(found["action"][clear], np.asarray(wanted)[clear])


def test_whose_policy_must_be_said_where_there_are_several(pair, edgewright, tmp_path):
    out = ["--out", tmp_path / "p.edge"]
    said = edgewright("export", pair, *out, code=2).stderr
    assert "a policy for each of 2 devices" in said
    assert "--device N, 0 to 1" in said
    said = edgewright("export", pair, "--device", 2, *out, code=2).stderr
    assert "--device: the device must be from 0 to 1; got 2" in said
    assert "--device" in edgewright("export", pair, "--device", "-1", *out, code=2).stderr
    rule = ["export", "greedy", "--scenario", "aigc-heavy", "--device", 0, *out]
    assert "leave them out" in edgewright(*rule, code=2).stderr
    assert not (tmp_path / "p.edge").exists()


def test_a_shared_policy_is_no_devices_own(deployable):
    from edgewright.deploy.subject import of_device

    shared = deployable["learned"]["se-ppo"]
    with pytest.raises(InputError, match="one policy for all devices") as caught:
        of_device(shared, 0)
    assert caught.value.where == "--device"
    each = EachPolicy(policies=jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), shared))
    np.testing.assert_array_equal(each.alone(1).actor.weights[0], 2 * shared.actor.weights[0])


WORLDS = {
    "aigc-fleet": {},
    "aigc-city": {"world.devices": 3, "world.servers": 4, "world.reach": 2},
    "aigc-heavy": {"world.obs": "paper"},
}


@pytest.mark.parametrize("preset", WORLDS)
def test_fields_are_the_features_of_the_world_in_their_units(preset):
    problem = build(load_scenario(preset, WORLDS[preset]))
    world, params = problem.world, problem.params
    head, space = head_of(world, params), world.observation_space(params)
    assert len(head.outputs[1].labels) == 1 + world.choices
    key = jax.random.key(0)
    _, row = problem.train_stream.next_rows(problem.train_stream.init_carry(key), 1)
    x = jax.tree.map(lambda leaf: leaf[0], row)
    state = world.reset(params, x)
    features = np.asarray(world.observe(params, state, x))
    interface = interface_of(space, head, features)
    assert interface.columns == space.shape[-1] == len(space.names)
    device = world.devices - 1
    told = interface.observation(features[device])
    assert told["bandwidth_mbps"] == pytest.approx(float(x.bandwidth_mbps[device]), rel=1e-5)
    assert told["mode"] == ("preview", "balanced", "best")[int(x.mode[device])]
    for name in {"device_ghz", "battery_j", "transmit_w"} & set(told):
        number = np.broadcast_to(getattr(params, name), world.devices)[device]
        assert told[name] == pytest.approx(float(number), rel=1e-5)
    place = "near_1" if world.reach else "server_1"
    assert f"{place}_backlog_gcycles" in told


def test_rules_of_devices_that_differ_are_refused():
    for sizes in (WORLDS["aigc-city"], {"world.devices": 2, "params.device_ghz": [1.5, 2.0]}):
        problem = build(load_scenario("aigc-city" if len(sizes) == 3 else "aigc-heavy", sizes))
        with pytest.raises(InputError, match="differ between devices"):
            row_insight(problem.world, problem.params, jnp.zeros(11))


def test_a_network_that_is_told_the_hidden_numbers_takes_them_as_fields(tmp_path, edgewright):
    sizes = {
        "world.devices": 3,
        "evaluation.episodes": 2,
        "params.train_scenarios": 10,
        "params.horizon_slots": 20,
    }
    scenario = load_scenario("binary-hard", sizes)
    train(Request(scenario, "dnn-scenario", 600, 1), tmp_path / "run")
    path = tmp_path / "p.edge"
    edgewright("export", tmp_path / "run", "--out", path)
    bundle = load(path)
    names = [field.name for field in bundle.interface.fields]
    told = ["gain_2_db", "weight_2", "input_2_mbit", "work_2_gcycles", "bandwidth_2_mhz"]
    assert names[6:12] == [*told, "edge_2_ghz"]
    policy_entry = bundled(str(path), build(scenario))
    assert policy_entry.world.obs == "scenario"

    run = load_run(tmp_path / "run")
    start = run.trainer.policy_entry(run.trainings[0])[0]
    policy = start.policy(0)
    rows = seen_rows(bundle, 200)
    features = jnp.asarray(rows).reshape(len(rows), 3, -1)
    key = jax.random.key(0)
    wanted = jax.vmap(lambda x: policy.act(key, (), x)[1].action)(features)
    found = bundle.engine.many(rows)
    assert np.mean((found["action"] == wanted).all(axis=1)) > 0.99
