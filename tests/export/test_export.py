"""What is deployed is what was trained: scores, decisions, whole episodes."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import pytest

from edgewright.bundle import load
from edgewright.bundle.archive import unpack_arrays
from edgewright.bundle.engine import Engine
from edgewright.bundle.interface import Field, Interface, Output
from edgewright.core.errors import InputError
from edgewright.core.records import Array, record
from edgewright.deploy.export_run import export_policy, usual_rules
from edgewright.evaluation.trained import bundled
from edgewright.export.heads import CategoricalHead
from edgewright.export.layers import Dense, Program, Standardise, run
from edgewright.export.networks import layers_of
from edgewright.export.observation import head_of, interface_of
from edgewright.export.record import NEAR, make_record
from edgewright.export.write import make_bundle, reference_of, write_graph
from edgewright.loops.evaluate import evaluate
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load as load_scenario
from edgewright.scenarios.policies import baseline
from edgewright.training.runs import evaluation_inputs

HEAD = CategoricalHead((Output("action", ""),))


def plain_interface(columns, low=-2.0, high=2.0):
    fields = tuple(Field(f"x{n}", "", "", low, high) for n in range(columns))
    return Interface(fields, HEAD.outputs)


LEARNED = ["se-ppo", "a2c", "dqn", "dqn-plain"]


@pytest.mark.parametrize("name", LEARNED)
def test_scores_and_decisions_are_those_of_the_trained_policy(name, deployable, bundles):
    bundle = load(bundles[name])
    low, high = bundle.interface.typical()
    rows = np.random.default_rng(1).uniform(low, high, (500, len(low))).astype(np.float32)
    found = bundle.engine.many(rows)
    _, wanted = deployable["learned"][name].act(jax.random.key(0), (), jnp.asarray(rows))
    gaps = np.sort(found["scores"], axis=1)
    clear = gaps[:, -1] - gaps[:, -2] > 1e-3
    assert clear.mean() > 0.5
    assert len(np.unique(found["action"])) > 1
    np.testing.assert_array_equal(found["action"][clear], np.asarray(wanted.action)[clear])
    location, level = deployable["built"].world.decode(found["action"])
    np.testing.assert_array_equal(found["location"], location)
    np.testing.assert_array_equal(found["level"], level)


@pytest.mark.parametrize("name", LEARNED)
def test_the_parity_record_has_three_kinds_and_the_hard_rows_are_hard(name, bundles):
    bundle = load(bundles[name])
    assert bundle.parity["rows"] == {"random": 48, "edge": 48, "adversarial": 48}
    assert bundle.parity["worst_score_difference"] <= bundle.parity["tolerance"]
    record = unpack_arrays(bundle.members["parity.npz"], "")
    top = np.sort(record["scores"], axis=1)
    gap = top[:, -1] - top[:, -2]
    assert np.median(gap[record["kind"] == 2]) < 0.2 * np.median(gap[record["kind"] == 0])


def test_a_bundled_rule_plays_the_same_episodes(deployable, bundles):
    problem = deployable["built"]
    inputs, rule = evaluation_inputs(deployable["scenario"], problem), baseline("greedy", problem)
    policy_entry = bundled(str(bundles["greedy"]), problem)
    assert policy_entry.group == "rule"
    arguments = (jax.random.key(0), policy_entry.world, problem.params)
    wanted = evaluate(*arguments, rule.policy, inputs, observe_fn=rule.observe_fn)
    found = evaluate(*arguments, policy_entry.policy, inputs)
    for metric in ("reward", "delay_s", "quality", "episode_length"):
        np.testing.assert_allclose(found[metric], wanted[metric], rtol=1e-5, atol=1e-6)


def test_a_bundle_of_other_sizes_does_not_compete(bundles):
    sizes = {"world.servers": 3, "params.background_utilisation": 0.5}
    with pytest.raises(InputError, match="same sizes"):
        bundled(str(bundles["dqn"]), build(load_scenario("aigc-heavy", sizes)))
    # The sizes of its training, too many for a city, say nothing of where it may play.
    with pytest.raises(InputError, match="takes the 9 fields .*the scenario has 10"):
        bundled(str(bundles["se-ppo"]), build(load_scenario("aigc-city")))


def test_the_raw_observation_takes_the_mode_by_name_and_bears_no_rules(deployable):
    problem = deployable["built"]
    world = dataclasses.replace(problem.world, obs="paper")
    seen = np.ones((4, 11), np.float32)
    head, space = head_of(world, problem.params), world.observation_space(problem.params)
    interface = interface_of(space, head, seen)
    assert sum(field.columns for field in interface.fields) == interface.columns == 11
    sample = {field.name: 1.0 for field in interface.fields} | {"mode": "best"}
    assert interface.encode(sample)[0][3] == 2.0
    rule = baseline("greedy", dataclasses.replace(problem, world=world)).policy
    with pytest.raises(InputError, match="obs = 'full'"):
        layers_of(rule, problem.params, interface)


@pytest.mark.parametrize(("name", "word"), [("rollout-2", "planner"), ("random", "chance")])
def test_what_cannot_be_deployed_is_refused(name, word, deployable):
    problem = deployable["built"]
    with pytest.raises(InputError, match=word):
        layers_of(baseline(name, problem).policy, problem.params, deployable["interface"])


def test_rules_named_beside_a_policy_are_packed_or_refused(deployable, bundles, tmp_path):
    bundle = load(bundles["se-ppo"])
    assert bundle.rules == ["local-1", "shortest-1", "heuristic-fair"]
    keys = ("name", "kind", "scenario", "provenance", "scores", "lineage")
    facts = {key: bundle.facts[key] for key in keys}
    policy = deployable["learned"]["a2c"]
    arguments = (policy, deployable["built"], bundle.interface, facts)
    assert export_policy(tmp_path / "a.edge", *arguments, ["local-2"]).rules == ["local-2"]
    export_policy(tmp_path / "again.edge", *arguments, ["local-2"])
    assert (tmp_path / "again.edge").read_bytes() == (tmp_path / "a.edge").read_bytes()
    with pytest.raises(InputError, match="planner"):
        export_policy(tmp_path / "b.edge", *arguments, ["rollout-2"])
    assert not (tmp_path / "b.edge").exists()


def test_a_world_with_one_quality_gets_only_rules_that_fit(deployable):
    problem = deployable["built"]
    world = dataclasses.replace(problem.world, quality_action=False)
    smaller = dataclasses.replace(problem, world=world)
    assert usual_rules(smaller) == ["heuristic-fair"]
    head = head_of(world, problem.params)
    assert isinstance(head, CategoricalHead)
    tables = head.tables
    np.testing.assert_array_equal(tables["location"], [0, 1, 2])
    np.testing.assert_array_equal(tables["level"], [1, 1, 1])


def test_a_policy_of_another_kind_is_refused_with_the_way_to_add_it():
    with pytest.raises(InputError, match="cannot be exported") as caught:
        layers_of(object(), None, plain_interface(2))
    assert "layers_of" in caught.value.hint


@record
class Denoise:
    """A loop of denoising steps, unrolled: one more layer kind, outside the package."""

    weight: Array
    steps: Array
    kind: ClassVar[str] = "denoise"

    def __call__(self, x):
        for size in np.asarray(self.steps):
            x = x - size * jnp.tanh(x @ self.weight)
        return x

    def emit(self, graph, x, name):
        weight = graph.constant(self.weight, f"{name}.weight")
        for place, size in enumerate(np.asarray(self.steps)):
            change = graph.node("Tanh", [graph.node("MatMul", [x, weight])])
            x = graph.node(
                "Sub", [x, graph.node("Mul", [change, graph.constant(size, f"{name}.s{place}")])]
            )
        return x


def test_a_denoising_loop_is_one_more_layer_kind(tmp_path):
    rng = np.random.default_rng(0)
    layers = (
        Standardise(mean=jnp.ones(4), deviation=jnp.full(4, 2.0)),
        Denoise(
            weight=jnp.asarray(rng.normal(size=(4, 4)), jnp.float32), steps=jnp.array([0.5, 0.2])
        ),
        Dense(weight=jnp.asarray(rng.normal(size=(4, 3)), jnp.float32), bias=jnp.zeros(3)),
    )
    facts = {"name": "d", "kind": "learned", "scenario": {}, "provenance": {}, "scores": {}}
    _, bundle = make_bundle(layers, HEAD, plain_interface(4), {}, {**facts, "lineage": []}, "d")
    rows = rng.normal(size=(50, 4)).astype(np.float32)
    found = bundle.engine.many(rows)["scores"]
    np.testing.assert_allclose(found, run(layers, jnp.asarray(rows)), atol=1e-5)


def steps(x):
    """Return a decision made of most operations that rules may use."""
    table = jnp.array([[3.0, 1.0], [0.5, 2.0], [1.0, 1.0]])
    index = jnp.argmin(jnp.stack([x[0], x[1], 0.3 * x[2]]))
    row = table[index]
    mixed = jnp.concatenate([row * x[:2], jnp.clip(x[2:], -0.5, 0.5), jnp.ones(1)])
    square = jnp.outer(mixed, jnp.array([1.0, -2.0])).T.reshape(-1)
    picked = jnp.where((x[0] > x[1]) | ~(x[3] >= 0), square, square**2 - jnp.abs(square))
    allowed = jnp.array([True, False] * 5)[jnp.arange(10)] & (jnp.arange(10) != index)
    best = jnp.argmax(jnp.where(allowed, picked @ jnp.ones((10, 10)) + picked, -jnp.inf))
    return jnp.where(jnp.any(picked > 3) & jnp.all(x < 1.9), best, 9 - best).astype(jnp.int32)


def test_a_program_is_written_operator_by_operator():
    rows = np.random.default_rng(2).uniform(-2, 2, (400, 4)).astype(np.float32)
    interface = plain_interface(4)
    graph = write_graph((Program(function=steps, columns=4),), HEAD, interface, "p")
    found = Engine(graph.model, interface, "p").many(rows)["action"]
    np.testing.assert_array_equal(found, jax.vmap(steps)(rows))
    assert len(np.unique(found)) > 2


def test_each_output_of_a_rule_is_settled_by_itself():
    """One number lies on a threshold in every row; what does not depend on it stays settled."""
    tables = {"place": np.array([0, 0, 1, 1]), "level": np.array([0, 1, 0, 1])}
    # not in the order of the alphabet: columns are found by name
    head = CategoricalHead(tuple(Output(name, "") for name in ("action", "place", "level")), tables)
    ends = ((0.5, 0.5), (0.0, 1.0))
    fields = tuple(Field(f"x{n}", "", "", *pair) for n, pair in enumerate(ends))
    interface = Interface(fields, head.outputs)

    def rule(x):
        return 2 * (x[0] > 0.5).astype(jnp.int32) + (x[1] > 0.3).astype(jnp.int32)

    reference = reference_of((Program(function=rule, columns=2),), head)
    record = make_record(interface, reference, head, None, 1e-4, NEAR)
    near = record["rows"][:, 0] == 0.5
    assert near.sum() >= 100
    action, place, level = record["settled"][near].T
    assert not action.any()
    assert not place.any()
    assert level.mean() > 0.95


def test_empty_queues_of_servers_that_are_nearly_alike_are_not_settled():
    """Both numbers are 0 at some corners: there rounding decides, which no share of 0 shows."""
    head = CategoricalHead(tuple(Output(name, "") for name in ("action", "server")),
                           {"server": np.array([0, 1])})  # fmt: skip
    ghz = np.array([4.85, 4.85 * (1 + 2.4e-7)], np.float32)
    fields = tuple(Field(f"queue_{n}", "", "", 0.0, 5.0) for n in range(2))
    interface = Interface(fields, head.outputs)

    def shortest(x):
        return jnp.argmin((x + 1.0) / ghz).astype(jnp.int32)

    reference = reference_of((Program(function=shortest, columns=2),), head)
    record = make_record(interface, reference, head, None, 1e-4, NEAR)
    empty = (record["rows"] == 0.0).all(axis=1)
    assert empty.any() and not record["settled"][empty].any()
    assert record["settled"][record["kind"] == 0].mean() > 0.95


def test_a_program_that_loops_without_a_fixed_end_is_refused_by_name():
    def loops(x):
        return jnp.argmax(jax.lax.while_loop(lambda y: y.sum() < 9, lambda y: y * 2, x))

    program = Program(function=loops, columns=3)
    with pytest.raises(InputError, match="'while'"):
        write_graph((program,), HEAD, plain_interface(3), "p")


def test_the_graph_is_plain_onnx_of_opset_18(bundles):
    bundle = load(bundles["dqn"])
    model = onnx.load_from_string(bundle.graph())
    onnx.checker.check_model(model, full_check=True)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 18)]
    assert {node.op_type for node in model.graph.node} == set(bundle.engine.operators)
    assert bundle.interface.outputs[0].labels[0] == "device, level 0"


def test_a_bundle_that_decides_other_actions_is_refused(bundles) -> None:
    """Its fields are the same: without the check it would play actions that the world has not."""
    problem = build(load_scenario("aigc-heavy", {"world.quality_action": False}))
    for name in ("se-ppo", "greedy"):
        with pytest.raises(InputError, match="compare it on a scenario of the same actions"):
            bundled(str(bundles[name]), problem)
