"""Policies that decide for all devices at once: DROO and meta-learned networks with quantisers."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.agents.droo import Droo
from edgewright.bundle import load
from edgewright.bundle.archive import unpack_arrays
from edgewright.bundle.engine import Engine
from edgewright.bundle.interface import Field, Interface
from edgewright.compress.stages import parse_stages
from edgewright.core.errors import InputError
from edgewright.deploy import compression, gain
from edgewright.deploy.export_run import export_policy, head_in, interface_in
from edgewright.evaluation.trained import bundled
from edgewright.export.bits import BinaryVectorHead
from edgewright.export.heads import head_for
from edgewright.export.layers import Dense
from edgewright.export.observation import interface_of
from edgewright.export.policy import BundlePolicy
from edgewright.export.write import write_graph
from edgewright.loops import adapt
from edgewright.rules.quantiser import nearest_neighbours, order_preserving
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load as load_scenario
from edgewright.scenarios.load import resolved
from edgewright.scenarios.policies import baseline
from edgewright.systems.binary.held_out import draw_held_out

DEVICES = 5
KINDS = {
    "order": ("binary-hard", {"quantiser": "order"}),
    "masked": ("binary-varying", {"quantiser": "nearest", "num_candidates": 9, "masked": True}),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return, by kind, the build, the policy (random weights, no training) and its bundle."""
    folder, found = tmp_path_factory.mktemp("joint"), {}
    for number, (kind, (preset, settings)) in enumerate(KINDS.items()):
        sizes = {"world.devices": DEVICES, "evaluation.episodes": 3, "params.train_scenarios": 20}
        sizes |= {"params.horizon_slots": 60}
        if preset == "binary-varying":
            sizes |= {"params.fewest_devices": 2}
        scenario = load_scenario(preset, sizes)
        problem = build(scenario)
        learner = Droo(**{"num_candidates": DEVICES, **settings})
        space = problem.world.observation_space(problem.params)
        learner = learner.fitted(space)
        network = learner.network(jax.random.key(number), space)
        network = jax.tree.map(lambda leaf: 1.5 * leaf, network)
        local = (*network.biases[:-1], network.biases[-1] - 1.5)  # mostly local beats random
        network = dataclasses.replace(network, biases=local)
        policy = learner.proposer(network)
        head = head_for(policy, head_in(problem))
        facts = {
            "name": kind,
            "kind": "learned",
            "scenario": resolved(scenario),
            "provenance": {"learner": "droo", "steps": 1e3},
            "scores": {},
            "lineage": [],
        }
        path = folder / f"{kind}.edge"
        gain = space.features[0]
        ends = [[gain.offset + s * gain.scale, max(s, 0.0)] for s in (-2.5, 2.5)]
        rows = np.array(ends, np.float32)[:, : space.shape[-1]].clip(
            max=[np.inf, 1.0][: space.shape[-1]]
        )
        interface = interface_of(space, head, np.tile(rows, DEVICES))
        bundle = export_policy(path, policy, problem, interface, facts, None)
        found[kind] = {"built": problem, "policy": policy, "bundle": bundle, "path": path}
    return found


def seen_rows(bundle, count, seed=3):
    """Return rows in the trained range; places are there or not at random."""
    low, high = bundle.interface.typical()
    rng = np.random.default_rng(seed)
    rows = rng.uniform(low, high, (count, len(low))).astype(np.float32)
    for column, field in enumerate(bundle.interface.fields):
        if field.choices:
            rows[:, column] = rng.integers(2, size=count)
    return rows


@pytest.mark.parametrize("kind", KINDS)
def test_actions_and_proposals_are_those_of_the_trained_policy(kind, made):
    one = made[kind]
    bundle, policy, world = one["bundle"], one["policy"], one["built"].world
    rows = seen_rows(bundle, 400)
    features = jnp.asarray(rows).reshape(len(rows), DEVICES, -1)
    if world.masked:  # what the world shows of an empty place
        mean = policy.inputs.offset[0]
        shown = jnp.where(features[..., -1] > 0, features[..., 0], mean)
        features = features.at[..., 0].set(shown)
    key = jax.random.key(0)
    action = jax.vmap(lambda x: policy.act(key, (), x)[1].action)(features)
    wanted = jax.vmap(lambda x: policy.propose(key, x))(features)
    found = bundle.engine.many(rows)
    assert len(np.unique(found["action"], axis=0)) > 2
    assert np.mean((found["action"] == action).all(axis=1)) > 0.99
    assert found["proposals"].shape == (400, policy.num_candidates, DEVICES)
    assert np.mean((found["proposals"] == wanted).all(axis=(1, 2))) > 0.98
    np.testing.assert_array_equal(found["proposals"][:, 0], found["action"])


@pytest.mark.parametrize("kind", ["order", "nearest"])
@pytest.mark.parametrize(("count", "present"), [(1, ()), (6, ()), (4, (5, 6, 7, 8, 9))])
def test_quantisers_are_written_to_the_letter_ties_included(kind, count, present):
    head = BinaryVectorHead(DEVICES, count, kind, present)
    columns = 2 * DEVICES
    fields = tuple(Field(f"x{n}", "", "", 0.0, 1.0) for n in range(columns))
    interface = Interface(fields, head.outputs)
    scores = Dense(weight=jnp.eye(columns, DEVICES), bias=jnp.zeros(DEVICES))
    engine = Engine(write_graph((scores,), head, interface, "p").model, interface, "p")
    rng = np.random.default_rng(4)
    rows = np.concatenate(
        [rng.choice([-1.0, 0.0, 0.5, 1.0], (300, DEVICES)), rng.integers(2, size=(300, DEVICES))],
        axis=1,
    ).astype(np.float32)
    relaxed = jax.nn.sigmoid(jnp.asarray(rows[:, :DEVICES]))
    relaxed = relaxed * rows[:, DEVICES:] if present else relaxed
    rule = {"order": order_preserving, "nearest": nearest_neighbours}[kind]
    found = engine.many(rows)
    np.testing.assert_array_equal(found["action"], relaxed > 0.5)
    wanted = jax.vmap(lambda one: rule(one, count))(relaxed)
    np.testing.assert_array_equal(found["proposals"], wanted)


def test_the_record_of_parity_settles_most_outputs_and_the_hard_rows_are_hard(made):
    for one in made.values():
        record = unpack_arrays(one["bundle"].members["parity.npz"], "")
        assert record["settled"].mean() > 0.5
        gap = np.abs(record["scores"]).min(axis=1)
        assert np.median(gap[record["kind"] == 2]) < 0.2 * np.median(gap[record["kind"] == 0])


def test_fields_are_in_decibels_and_an_empty_place_is_told_in_words(made):
    bundle = load(made["masked"]["path"])
    first, second = bundle.interface.fields[:2]
    assert (first.name, first.unit, second.name) == ("gain_1_db", "dB", "present_1")
    observation = bundle.interface.observation(seen_rows(bundle, 1)[0])
    observation |= {f"present_{n + 1}": "yes" for n in range(DEVICES)}
    alone = {**observation, "present_2": "no"}
    decision = bundle.decide(alone)
    assert decision["action"][1] == 0
    assert len(decision["proposals"]) == 9
    assert decision == bundle.decide(
        {**alone, "gain_2_db": first.trained[1]}
    )  # nobody there to hear it


def test_the_range_of_a_field_is_what_was_met_in_many_scenarios(made):
    one = made["order"]
    head = head_for(one["policy"], head_in(one["built"]))
    spans = []
    for problem in (one["built"], one["built"].only(0)):
        fields = interface_in(problem, one["policy"], head).fields
        assert all(field.low is None and field.high is None for field in fields)
        assert all(-220 < field.trained[0] < field.trained[1] < -40 for field in fields)
        spans.append(sorted(field.trained[1] - field.trained[0] for field in fields))
    assert spans[0][0] > spans[1][0]  # a place is nearer or further in other scenarios


@pytest.mark.parametrize("kind", ["order", "masked"])
def test_the_deployed_graph_sits_the_same_exams_with_the_same_marks(kind, made):
    one = made[kind]
    problem, policy = one["built"], one["policy"]
    held_out = draw_held_out(load_scenario("binary-hard").evaluation, problem)
    policy_entry = bundled(str(one["path"]), problem)
    key, tasks = jax.random.key(0), problem.tasks.test
    wanted = adapt.evaluate_proposer_all(key, problem.world, tasks, policy, held_out)
    found = adapt.evaluate_proposer_all(
        key, policy_entry.world, tasks, policy_entry.policy, held_out
    )
    np.testing.assert_allclose(found.q_hat, wanted.q_hat, rtol=2e-3)
    assert np.all(found.q_hat[:, 1] >= found.q_hat[:, 0])  # a price never hurts
    assert np.any(found.q_hat[:, 1] > found.q_hat[:, 0])


def test_a_rule_that_knows_nothing_stands_in_and_the_others_are_refused(made):
    bundle = load(made["order"]["path"])
    assert bundle.rules == ["all-local"]
    row = seen_rows(bundle, 1)[0].tolist()
    decided = bundle.rule("all-local").one(row)
    assert decided == [[0] * DEVICES, [[0] * DEVICES] * DEVICES]  # and proposes nothing else
    problem = made["order"]["built"]
    greedy = baseline("greedy-sequential", problem).policy
    facts = dict.fromkeys(("name", "kind"), "x") | dict.fromkeys(("scenario", "scores"), {})
    with pytest.raises(InputError, match="hidden numbers"):
        export_policy(made["order"]["path"], greedy, problem, bundle.interface, facts, ())


def test_a_quantiser_that_draws_is_refused(made):
    one = made["order"]
    noisy = dataclasses.replace(one["policy"], quantiser="noisy")
    with pytest.raises(InputError, match="draws") as caught:
        head_for(noisy, head_in(one["built"]))
    assert "order" in caught.value.hint


def test_a_joint_policy_is_pruned_and_quantised_like_any_other(made):
    bundle = load(made["order"]["path"])
    setting = compression.setting_of(bundle)
    done = compression.compress(bundle, parse_stages("prune:0.5,int8"), setting)
    parent, pruned, small = done.rows
    assert pruned["parameters"] < 0.5 * parent["parameters"]
    assert pruned["agreement"] > 0.8
    assert small["precision"] == "int8"
    for row in done.rows:  # scored by what it answers, and by the best of what it proposes
        assert row["reward_priced"] > row["reward"]
        assert row["score_ratio_priced_low"] <= row["score_ratio_priced"]
    assert (parent["score_ratio"], parent["score_ratio_priced"]) == (1.0, 1.0)
    kept_low = min(small["score_ratio_low"], small["score_ratio_priced_low"])
    assert gain.judged(small, "score_ratio")["low"] == kept_low
    assert np.isnan(small["gain_kept"])  # a network with random weights gains nothing
    with pytest.raises(InputError, match="must earn more than"):
        gain.check_gain([BundlePolicy(bundle=bundle)], setting)
    last = done.candidates[-1].bundle
    assert last.engine.many(seen_rows(last, 8))["proposals"].shape == (8, DEVICES, DEVICES)
