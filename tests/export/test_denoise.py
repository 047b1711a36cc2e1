"""The denoising loop of a diffusion actor as a layer: written, read back, compressed."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.agents.sac import DrawingPolicy
from edgewright.bundle import load
from edgewright.bundle.engine import SCORES
from edgewright.compress import distil, pipeline
from edgewright.compress.prune import prune
from edgewright.compress.stages import parse_stages
from edgewright.core.errors import InputError
from edgewright.core.spaces import Box
from edgewright.export import drawing
from edgewright.export.denoise import Denoise, read_denoise
from edgewright.export.drawing import draws_of
from edgewright.export.heads import head_for, read_head
from edgewright.export.layers import Program, read_layers, run
from edgewright.export.networks import layers_of
from edgewright.export.observation import interface_of
from edgewright.export.policy import LayerPolicy
from edgewright.export.record_head import RecordHead
from edgewright.export.write import make_bundle, read_arrays
from edgewright.nets.actions import from_units
from edgewright.nets.critics import init_critics
from edgewright.nets.diffusion import init_diffusion
from edgewright.rules.importance import score_network
from edgewright.rules.pruning import compacted, masked
from edgewright.rules.scaling import InputScaler

FEATURES, STEPS = 3, 3
ACTIONS = Box((-1.0, 0.0), (3.0, 4.0), (2,), unit="W")
OBSERVATIONS = Box(-1.0, 1.0, (FEATURES,))
FACTS = {"name": "d", "kind": "learned", "scenario": {}, "provenance": {}, "scores": {}}

READINGS = [("x0", True), ("eps_clip", True), ("tanh_eps", False)]


def policy_of(parameterisation="x0", density=True, candidates=1):
    settings = {"space": ACTIONS, "steps": STEPS, "parameterisation": parameterisation}
    actor = init_diffusion(jax.random.key(0), FEATURES, (8, 6), **settings, density=density)
    last = 0.4 * jax.random.normal(jax.random.key(1), actor.network.weights[-1].shape)
    network = dataclasses.replace(actor.network, weights=(*actor.network.weights[:-1], last))
    masks = (jnp.ones(8).at[3].set(0.0), jnp.ones(6))  # one unit hands nothing on
    critics = init_critics(list(jax.random.split(jax.random.key(2), 2)), FEATURES + 2, (4,), "relu")
    return DrawingPolicy(
        actor=dataclasses.replace(actor, network=masked(network, masks)),
        critics=critics if candidates > 1 else (),
        inputs=InputScaler.of(OBSERVATIONS, True),
        noise=jnp.zeros(()),
        at_random=jnp.zeros((), bool),
        candidates=candidates,
        explore=False,
    )


def written(policy, layers=None, file="d.edge"):
    usual = RecordHead(ACTIONS)
    rows = np.random.default_rng(0).uniform(-1, 1, (64, FEATURES)).astype(np.float32)
    head = head_for(policy, usual) if layers is None else usual
    interface = interface_of(OBSERVATIONS, head, rows, draws_of(policy))
    layers = layers_of(policy, None, interface) if layers is None else layers
    return make_bundle(layers, head, interface, {}, {**FACTS, "lineage": []}, file)


def rows_of(bundle, count=256):
    rng = np.random.default_rng(1)
    rows = rng.uniform(-1, 1, (count, bundle.interface.columns)).astype(np.float32)
    rows[:, FEATURES:] = rng.standard_normal((count, bundle.interface.draws))
    return rows


def as_program(policy):
    """Return the bundle that was written before the loop was a layer."""
    program = drawing._program(drawing.deployed(policy), FEATURES + draws_of(policy))
    return written(policy, (program,))


@pytest.mark.parametrize(("parameterisation", "density"), READINGS)
def test_the_layer_answers_as_the_policy_and_is_read_back(parameterisation, density):
    policy = policy_of(parameterisation, density)
    _, bundle = written(policy)  # reading it back compares the parity rows
    rows = rows_of(bundle)
    noise = jnp.asarray(rows[:, FEATURES:]).reshape(-1, STEPS, 2)
    units = policy.best_of(policy.inputs(jnp.asarray(rows[:, :FEATURES])), noise[None])
    answer = bundle.engine.many(rows)
    np.testing.assert_allclose(answer["action"], from_units(ACTIONS, units), atol=3e-5)
    assert bundle.parity["settled"] == 144
    entry = bundle.facts["graphs"]["policy"]
    layers = read_layers(entry["layers"], read_arrays(bundle.graph()), "d.edge")
    assert layers[0].network[0].weight.shape == (2 + 16 + FEATURES, 7)  # the masked unit is gone
    assert layers[0].network[-1].weight.shape == (6, 2)  # and the deviations
    np.testing.assert_allclose(run(layers, jnp.asarray(rows)), answer[SCORES], atol=2e-5)
    head = read_head(entry["head"], bundle.graph(), bundle.interface.outputs)
    assert head.squash == ("tanh" if density or parameterisation == "x0" else "clip")
    decided = head(jnp.asarray(answer[SCORES]), jnp.asarray(rows))["action"]
    np.testing.assert_allclose(decided, answer["action"], atol=1e-6)
    spread = np.abs(answer[SCORES])
    assert spread.max() > 0.3  # the clip or the tanh did something
    assert entry["multiply_adds"] == STEPS * (21 * 7 + 7 * 6 + 6 * 2)
    assert entry["parameters"] == 22 * 7 + 8 * 6 + 7 * 2


def test_a_bundle_of_an_older_version_answers_the_same_but_is_not_compressed(tmp_path):
    policy = policy_of()
    content, old = as_program(policy)
    _, new = written(policy)
    rows = rows_of(new)
    np.testing.assert_allclose(
        old.engine.many(rows)["action"], new.engine.many(rows)["action"], atol=1e-6 * 4
    )
    file = tmp_path / "old.edge"
    file.write_bytes(content)
    loaded = load(str(file))
    assert loaded.facts["graphs"]["policy"]["layers"] == [{"kind": "program"}]
    with pytest.raises(InputError, match="written as a program cannot be compressed") as caught:
        pipeline.begin(loaded)
    assert "export it again" in caught.value.hint


def test_the_best_of_several_is_a_program_that_says_why_it_is_not_compressed():
    policy = policy_of(candidates=3)
    _, bundle = written(policy)
    assert bundle.interface.draws == 3 * STEPS * 2
    with pytest.raises(InputError, match="best of several") as caught:
        pipeline.begin(bundle)
    assert "num_candidates = 1" in caught.value.hint


def test_the_graph_holds_the_weights_once():
    policy = policy_of()
    sizes = [len(made(policy)[1].graph()) for made in (written, as_program)]
    assert sizes[0] < sizes[1]


WRONG = [("steps", 4, "times"), ("schedule", "sigmoid", "schedule"), ("density", 2, "density")]


@pytest.mark.parametrize(("name", "value", "named"), WRONG)
def test_a_manifest_of_another_loop_is_refused(name, value, named):
    policy = policy_of()
    _, bundle = written(policy)
    entry = bundle.facts["graphs"]["policy"]["layers"][0]
    arrays = read_arrays(bundle.graph())
    assert isinstance(read_denoise(entry, arrays, "d.edge", "0."), Denoise)
    wrong = {**entry, "rule": {**entry["rule"], name: value}}
    with pytest.raises(ValueError, match=named):
        read_denoise(wrong, arrays, "d.edge", "0.")
    facts = {**bundle.facts, "graphs": {"policy": {**bundle.facts["graphs"]["policy"]}}}
    facts["graphs"]["policy"]["layers"] = [wrong]
    with pytest.raises(InputError, match="are not those of the graph"):
        pipeline.begin(dataclasses.replace(bundle, facts=facts))


def test_a_program_that_a_rule_is_keeps_its_own_message():
    program = Program(function=lambda row: row[:2], columns=FEATURES + 12)
    policy = policy_of()
    _, bundle = written(policy, (program,))
    rule = dataclasses.replace(bundle, facts={**bundle.facts, "kind": "rule"})
    with pytest.raises(InputError, match="only a network can be compressed; got 'program'"):
        pipeline.begin(rule)


def test_units_are_ranked_by_what_the_network_meets_on_its_own_chain():
    """The least important half by the scores of a pruned training is what a compression removes."""
    policy = policy_of()
    actor = dataclasses.replace(policy.actor, network=compacted(policy.actor.network))
    layer = drawing.denoise_layer(actor, (), FEATURES)
    row = np.random.default_rng(3).normal(size=(128, FEATURES + 2 * STEPS)).astype(np.float32)
    observed, noise = row[:, :FEATURES], row[:, FEATURES:].reshape(-1, STEPS, 2)
    (pruned,) = prune((layer,), 0.5, jnp.asarray(row), "act")
    given = actor.network_inputs(jnp.asarray(observed), jnp.asarray(noise))
    assert given.shape == (STEPS, 128, 2 + 16 + FEATURES)
    mean_only = dataclasses.replace(
        actor.network, weights=(*actor.network.weights[:-1], layer.network[-1].weight)
    )
    first = score_network("act", mean_only, actor.network.hidden(given))[0]
    order = np.argsort(-np.asarray(first), kind="stable")
    wanted = np.asarray(layer.network[0].weight)[:, np.sort(order[:3])]
    np.testing.assert_array_equal(pruned.network[0].weight, wanted)
    unrelated = np.random.default_rng(4).normal(size=given.shape).astype(np.float32)
    other = score_network("act", mean_only, actor.network.hidden(jnp.asarray(unrelated)))[0]
    assert not np.allclose(first, other, rtol=0.05)


@pytest.fixture(scope="module")
def parent():
    return pipeline.begin(written(policy_of())[1])


@pytest.fixture
def brief(monkeypatch):
    monkeypatch.setattr(distil, "STEPS", 1000)


def error(one, other, rows):
    first, second = (c.bundle.engine.many(rows)["action"] for c in (one, other))
    return float(np.mean(np.abs(first - second)))


def test_every_stage_of_a_compression_is_a_bundle_that_keeps_its_parity(parent, brief):
    rows = rows_of(parent.bundle, 512)
    candidates = [parent]
    for number, stage in enumerate(parse_stages("prune:0.5:act,distil:5x4,sparse:0.5,int8")):
        candidates.append(pipeline.apply(stage, candidates[-1], rows, number))
    widths = [[one.weight.shape[1] for one in c.layers[0].network[::2]] for c in candidates]
    assert widths == [[7, 6, 2], [3, 3, 2], [5, 4, 2], [5, 4, 2], [5, 4, 2]]
    assert all(c.layers[0].rule == parent.layers[0].rule for c in candidates)
    sparse = candidates[3].layers[0].network
    shares = [float(np.mean(np.asarray(layer.weight) == 0)) for layer in sparse[::2]]
    np.testing.assert_allclose(shares, 0.5, atol=0.05)
    assert candidates[4].bundle.facts["graphs"]["policy"]["precision"] == "int8"
    names = [one["stage"] for one in candidates[-1].bundle.facts["lineage"]]
    assert names == ["prune:0.5:act", "distil:5x4", "sparse:0.5", "int8"]
    untaught = distil.smaller(parent.layers, (5, 4), parent.head, jax.random.key(0))
    guess = parent.head(run(untaught, jnp.asarray(rows)), jnp.asarray(rows))["action"]
    wanted = parent.bundle.engine.many(rows)["action"]
    assert error(candidates[2], parent, rows) < 0.7 * float(np.mean(np.abs(guess - wanted)))
    assert error(candidates[4], candidates[3], rows) < 0.1  # of ranges of 4


def test_a_network_without_the_loop_answers_for_all_seeds_alike(parent, brief):
    rows = rows_of(parent.bundle, 512)
    (stage,) = parse_stages("distil:8:plain")
    plain = pipeline.apply(stage, parent, rows, 0)
    assert plain.bundle.interface.same_contract(parent.bundle.interface)
    ask = dict.fromkeys([field.name for field in parent.bundle.interface.fields], 0.5)
    asked = [dict(ask, seed=seed) for seed in (1, 2)]
    answers = [plain.bundle.decide(one)["action"] for one in asked]
    np.testing.assert_array_equal(*answers)
    drawn = [parent.bundle.decide(one)["action"] for one in asked]
    assert not np.allclose(*drawn, atol=1e-3)
    facts = plain.bundle.facts["graphs"]["policy"]
    assert facts["multiply_adds"] == FEATURES * 8 + 8 * 2
    wanted, given = (c.bundle.engine.many(rows)["action"] for c in (parent, plain))
    constant = wanted.mean(axis=0)
    assert np.mean(np.square(given - wanted)) < np.mean(np.square(constant - wanted))
    with pytest.raises(InputError, match="must be given a policy that denoises"):
        pipeline.apply(stage, plain, rows, 0)


def test_what_follows_the_widths_is_checked():
    with pytest.raises(InputError, match="must be 'plain'; got 'flat'"):
        parse_stages("distil:8:flat")


def test_a_clipped_chain_learns_in_units(brief):
    clipped = pipeline.begin(written(policy_of("eps_clip", density=False))[1])
    rows = rows_of(clipped.bundle, 512)
    (stage,) = parse_stages("prune:0.3")
    small = pipeline.apply(stage, clipped, rows, 0)
    assert small.head.squash == "clip"
    spread = float(np.std(clipped.bundle.engine.many(rows)["action"]))
    assert error(small, clipped, rows) < 0.5 * spread


def test_layers_that_are_watched_draw_their_noise(parent):
    player = LayerPolicy(layers=parent.layers, head=parent.head, interface=parent.bundle.interface)
    seen = jnp.zeros(FEATURES)
    keys = [jax.random.key(seed) for seed in (0, 0, 1)]
    actions = [player.act(key, (), seen)[1].action for key in keys]
    np.testing.assert_array_equal(actions[0], actions[1])
    assert not np.allclose(actions[0], actions[2], atol=1e-3)
