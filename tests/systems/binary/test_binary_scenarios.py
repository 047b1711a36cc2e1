"""Binary scenarios: what is refused and how, how numbers of devices vary, what is recorded."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.io import savemat

from edgewright.core.errors import InputError
from edgewright.loops import adapt
from edgewright.physics.harvest import best_rates_mbps
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load
from edgewright.scenarios.policies import baseline
from edgewright.systems.binary.baselines import optimum
from edgewright.systems.binary.held_out import draw_held_out
from edgewright.systems.binary.recorded import cross_check

SMALL = {
    "world.devices": 4,
    "evaluation.episodes": 3,
    "params.horizon_slots": 40,
    "params.train_scenarios": 10,
}


@pytest.mark.parametrize("command", ["train", "compare"])
@pytest.mark.parametrize(
    ("setting", "where", "message", "remedy"),
    [
        ("world.devices=0", "world.devices", "0", "1"),
        ("world.devices=-3", "world.devices", "-3", "1"),
        ("params.device_weights=[1,1.5,1]", "params.device_weights", "3 values", "give 10 values"),
        ("params.device_weights=[]", "params.device_weights", "at least 1", ""),
        ("params.weights=[]", "params.weights", "at least 1", ""),
        ("params.input_mbit=[-1,8]", "params.input_mbit", "-1", "greater than 0"),
        ("params.input_mbit=[8,1]", "params.input_mbit", "low = 8 is above high = 1", "swap"),
        ("params.cycles_per_bit=[165]", "params.cycles_per_bit", "2", ""),
        ("params.edge_ghz=-100", "params.edge_ghz", "-100", "greater than 0"),
        ("params.output_share=-0.1", "params.output_share", "-0.1", "0"),
        ("world.devices=40", "world.devices", "2^40 actions", "one-flip"),
        ("params.fewest_devices=12", "params.fewest_devices", "above world.devices", "lower"),
        ("params.fewest_devices=3", "world.masked", "not shown", "world.masked = true"),
        ("params.nearest_m=500", "params.nearest_m", "not below", "lower"),
        ("params.wieghts=[1]", "params.wieghts", "", "weights"),
    ],
)
def test_a_wrong_number_is_named_with_its_value_and_the_remedy(
    command, setting, where, message, remedy, edgewright, tmp_path
):
    arguments = ["--out", tmp_path / "run"] if command == "train" else []
    done = edgewright(command, "binary-hard", *arguments, "--set", setting, code=2)
    assert done.stdout == ""
    for part in (where, message, remedy):
        assert part in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "binary-hard", "--policies", "optimum", "--set", "world.devices=40",
          "--set", "evaluation.reference=one-flip"], "2^40"),
        (["compare", "binary-hard", "--policies", "one-flop"], "one-flip"),
        (["train", "binary-hard", "--learner", "mamml", "--out", "r"], "maml"),
        (["train", "binary-hard", "--learner", "se-ppo", "--out", "r"], "se-ppo"),
        (["train", "binary-hard", "--data", "nowhere", "--out", "r"], "nowhere"),
        (["evaluate", "nowhere", "--adapt-steps", "0,1"], "nowhere"),
        (["bench", "speed", "--scenario", "binary-hard", "--reference-script", "no.py"], "no.py"),
    ],
)  # fmt: skip
def test_a_wrong_name_is_refused(arguments, message, edgewright, tmp_path):
    done = edgewright(*arguments, cwd=tmp_path, code=2)
    assert done.stdout == ""
    assert message in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return the folder of a small run of MAML."""
    from edgewright.training.runs import Request, train

    out = tmp_path_factory.mktemp("binary") / "maml"
    train(Request(load("binary-hard", SMALL), "maml", 640.0, 2), out)
    return out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--adapt-steps", "0,x"], "'x'"),
        (["--adapt-steps", "0,-1"], "-1"),
        (["--adapt-steps", "5,1"], "does not rise"),
        (["--adapt-steps", "0,1", "--shots", "0"], "--shots"),
        (["--shots", "3"], "--adapt-steps"),
        (["--adapt-steps", "0", "--scenario", "aigc-heavy"], "no tasks"),
    ],
)
def test_a_wrong_adaptation_is_refused(options, message, run, edgewright):
    done = edgewright("evaluate", run, *options, code=2)
    assert done.stdout == ""
    assert message in done.stderr


def test_a_run_adapts_by_the_command_line(run, edgewright):
    found = json.loads(edgewright("evaluate", run, "--adapt-steps", "0,2,5", "--json").stdout)
    rows = found["adaptation"]
    assert [row["steps"] for row in rows] == [0, 2, 5]
    assert [row["world_evaluations"] for row in rows] == [0, 2 * 10 * 4, 5 * 10 * 4]
    for row in rows:
        for name in ("q_hat", "q_hat_rounded"):
            assert 0 < row[name]["low"] <= row[name]["mean"] <= row[name]["high"] <= 1 + 1e-6
        assert row["q_hat"]["mean"] >= row["q_hat_rounded"]["mean"] - 1e-6


def test_the_number_of_devices_varies_and_the_empty_places_cost_nothing():
    scenario = load("binary-varying", {**SMALL, "world.devices": 6, "params.fewest_devices": 2,
                                       "params.train_scenarios": 60})  # fmt: skip
    problem = build(scenario)
    there = np.asarray(problem.tasks.train.params.present).sum(axis=1)
    assert set(there) == {2, 3, 4, 5, 6}
    held_out = draw_held_out(scenario.evaluation, problem)
    best = baseline("optimum", problem).policy
    key, tasks = jax.random.key(0), problem.tasks.test
    found = adapt.evaluate_informed_all(key, problem.world, tasks, best, held_out)
    np.testing.assert_allclose(found.q_hat, 1.0, atol=1e-5)
    # a scenario with fewer devices costs what the same one costs without its empty places
    params = jax.tree.map(lambda leaf: leaf[0], tasks.params)
    count = int(np.asarray(params.present).sum())
    gain = held_out.rows.gain[0]
    cut = jax.tree.map(lambda x: x[:count] if jnp.ndim(x) == 1 else x, params)
    smaller = build(load("binary-hard", {**SMALL, "world.devices": count})).world
    np.testing.assert_allclose(
        optimum(problem.world, params, gain), optimum(smaller, cut, gain[:, :count]), rtol=1e-5
    )


def test_in_the_document_as_written_a_comparison_is_the_optimum():
    scenario = load("binary-paper", {"params.horizon_slots": 60, "evaluation.episodes": 3})
    problem = build(scenario)
    assert problem.world.objective == "separable"
    held_out = draw_held_out(scenario.evaluation, problem)
    key, tasks = jax.random.key(0), problem.tasks.test
    rule = baseline("optimum", problem).policy
    found = adapt.evaluate_informed_all(key, problem.world, tasks, rule, held_out)
    np.testing.assert_allclose(found.q_hat, 1.0, atol=1e-6)
    selfish = baseline("greedy-selfish", problem).policy  # nothing is shared, so it is the same
    found = adapt.evaluate_informed_all(key, problem.world, tasks, selfish, held_out)
    np.testing.assert_allclose(found.q_hat, 1.0, atol=1e-6)


def test_weights_of_your_own_are_those_of_every_scenario():
    own = [2.0, 1.0, 0.5, 3.0]
    problem = build(load("binary-hard", {**SMALL, "params.device_weights": own}))
    for part in (problem.tasks.train, problem.tasks.test):
        np.testing.assert_array_equal(part.params.weight, np.tile(own, (part.count, 1)))


def test_training_scenarios_are_not_those_of_the_evaluation():
    problem = build(load("binary-hard", SMALL))
    sizes = [np.asarray(part.params.input_mbit).ravel() for part in
             (problem.tasks.train, problem.tasks.test)]  # fmt: skip
    assert not np.intersect1d(*sizes).size
    only = problem.only(2)
    assert only.tasks.test.count == problem.tasks.test.count
    np.testing.assert_array_equal(
        only.tasks.test.params.input_mbit,
        np.tile(np.asarray(problem.tasks.test.params.input_mbit[2]), (3, 1)),
    )


def test_the_cross_check_finds_the_recorded_optimum_and_learns_towards_it(tmp_path):
    """A recording in the form of DROO's files: gains, and the best of all actions in bit/s."""
    rng = np.random.default_rng(0)
    devices = 3
    gain = rng.exponential(size=(400, devices)) * np.array([4e-6, 1e-6, 2e-6])
    every = np.array(np.meshgrid(*[[0.0, 1.0]] * devices)).reshape(devices, -1).T
    weight = jnp.array([1.0, 1.5, 1.0])

    def rate(h, action):
        return jnp.sum(weight * best_rates_mbps(weight, h, action))

    priced = jax.jit(jax.vmap(jax.vmap(rate, in_axes=(None, 0)), in_axes=(0, None)))
    rates = np.asarray(priced(jnp.asarray(gain, jnp.float32), jnp.asarray(every)))
    content = {
        "input_h": gain,
        "output_mode": every[rates.argmax(axis=1)],
        "output_obj": 1e6 * rates.max(axis=1)[None],
    }
    file = tmp_path / "gains.mat"
    savemat(file, content)
    found = cross_check(file, devices)
    assert found["held_out_slots"] == 80  # the last fifth
    assert found["price_error"] < 1e-4
    first, last = found["scores"][0], found["scores"][-1]
    assert first["q_hat"] < last["q_hat"] <= 1 + 1e-5
    with pytest.raises(InputError, match="that of 3 devices, not of 4"):
        cross_check(file, 4)
    savemat(file, {"input_h": gain})
    with pytest.raises(InputError, match="no optimum"):
        cross_check(file, devices)
