"""Stages of compression, one by one and one after the other."""

import dataclasses
import itertools
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.bundle import Output, load
from edgewright.compress import pipeline
from edgewright.compress.distil import fit, smaller
from edgewright.compress.prune import prune, sparsify
from edgewright.compress.stages import parse_stages
from edgewright.core.errors import InputError
from edgewright.deploy.gain import check_gain_kept, judged
from edgewright.deploy.pareto import pareto
from edgewright.export.heads import CategoricalHead
from edgewright.export.layers import Dense, Dueling, Tanh, run


@pytest.fixture(scope="module")
def parent(bundles):
    return pipeline.begin(load(bundles["dqn"]))


@pytest.fixture(scope="module")
def rows(parent):
    low, high = parent.bundle.interface.typical()
    return np.random.default_rng(0).uniform(low, high, (1024, len(low))).astype(np.float32)


def through(parent, text, rows):
    """Return the candidates of all stages, each of them a bundle that passed its checks."""
    found = [parent]
    for seed, stage in enumerate(parse_stages(text)):
        found.append(pipeline.apply(stage, found[-1], rows, seed))
    return found[1:]


def agreement(one, other, rows):
    first, second = (c.bundle.engine.many(rows)["action"] for c in (one, other))
    return float(np.mean(first == second))


def dense(candidate):
    return [layer for layer in candidate.layers if isinstance(layer, Dense)]


def network(*sizes, seed=0):
    rng = np.random.default_rng(seed)
    made = []
    for rows, columns in itertools.pairwise(sizes):
        weight, bias = rng.normal(size=(rows, columns)), rng.normal(size=columns)
        made += [Dense(weight=jnp.float32(weight), bias=jnp.float32(bias)), Tanh()]
    return tuple(made[:-1])


def test_a_pruned_network_is_the_one_whose_removed_neurons_say_their_mean():
    """Before it is tuned: removing neurons and adding their mean to the bias loses nothing else."""
    layers = network(5, 12, 8, 4)
    seen = jnp.asarray(np.random.default_rng(1).normal(size=(300, 5)), jnp.float32)
    pruned = prune(layers, 0.5, seen)
    assert [layer.weight.shape for layer in pruned[::2]] == [(5, 6), (6, 4), (4, 4)]
    masked = seen_before = seen
    for place in (0, 2):
        masked, seen_before = (jnp.tanh(layers[place](x)) for x in (masked, seen_before))
        spread = jnp.std(seen_before, axis=0)
        importance = np.asarray(spread * jnp.linalg.norm(layers[place + 2].weight, axis=1))
        removed = np.argsort(importance)[: len(importance) // 2]
        masked = masked.at[:, removed].set(jnp.mean(seen_before, axis=0)[removed])
    np.testing.assert_allclose(run(pruned, seen), layers[4](masked), rtol=1e-4, atol=1e-4)


def test_neurons_that_never_move_are_removed_without_a_trace():
    layers = list(network(3, 6, 2))
    layers[0] = Dense(weight=layers[0].weight.at[:, 3:].set(0.0), bias=layers[0].bias)
    seen = jnp.asarray(np.random.default_rng(1).normal(size=(100, 3)), jnp.float32)
    pruned = prune(layers, 0.5, seen)
    assert pruned[0].weight.shape == (3, 3)
    np.testing.assert_allclose(run(pruned, seen), run(layers, seen), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
def test_the_smallest_weights_of_every_layer_become_zero(share):
    layers = network(10, 40, 6)
    for before, after in zip(layers[::2], sparsify(layers, share)[::2], strict=True):
        zero = np.asarray(after.weight == 0)
        assert np.mean(zero) == pytest.approx(share, abs=0.01)
        size = np.abs(before.weight)
        assert size[zero].max() < size[~zero].min()
        np.testing.assert_array_equal(after.weight[~zero], before.weight[~zero])
        np.testing.assert_array_equal(after.bias, before.bias)


def test_sparse_keeps_the_size_and_shows_when_it_is_packed(parent, rows):
    (sparse,) = through(parent, "sparse:0.5", rows)
    for before, after in zip(dense(parent), dense(sparse), strict=True):
        zero = np.mean(np.asarray(after.weight) == 0)
        assert zero == pytest.approx(0.5, abs=1 / before.weight.size + 1e-6)
    plain, thin = (c.bundle.graph() for c in (parent, sparse))
    assert len(thin) == len(plain)
    assert len(zlib.compress(thin, 9)) < 0.75 * len(zlib.compress(plain, 9))
    assert agreement(parent, sparse, rows) > 0.7


def test_distilling_takes_the_widths_and_learns_the_decisions(parent, rows):
    (small,) = through(parent, "distil:8", rows)
    assert [layer.weight.shape for layer in dense(small)] == [(11, 8), (8, 10)]
    assert small.bundle.facts["lineage"] == [{"stage": "distil:8", "from": parent.bundle.version}]
    untaught = smaller(parent.layers, (8,), parent.head, jax.random.key(0))
    guessed = parent.head(run(untaught, jnp.asarray(rows)), jnp.asarray(rows))["action"]
    parents = parent.bundle.engine.many(rows)["action"]
    assert agreement(parent, small, rows) > max(0.7, np.mean(guessed == parents) + 0.2)


ORDERS = ["distil:8,int8,prune:0.5", "int8,distil:8", "int8,sparse:0.5", "sparse:0.5,int8,int8"]


@pytest.mark.parametrize("text", ORDERS)
def test_stages_may_stand_in_any_order_and_8_bits_stay(parent, rows, text):
    found = through(parent, text, rows)
    stages = text.split(",")
    for place, one in enumerate(found):
        entry = one.bundle.facts["graphs"]["policy"]
        in_8_bits = "int8" in stages[: place + 1]
        assert entry["precision"] == ("int8" if in_8_bits else "float32")
        assert ("QuantizeLinear" in one.bundle.engine.operators) == in_8_bits
    last = found[-1]
    assert [stage["stage"] for stage in last.bundle.facts["lineage"]] == stages
    if "distil:8" in stages:
        hidden = 4 if "prune:0.5" in stages else 8
        assert dense(last)[0].weight.shape == (11, hidden)
    if "sparse:0.5" in stages:
        assert all(np.mean(np.asarray(one.weight) == 0) > 0.4 for one in dense(last))
    least = 0.4 if "prune:0.5" in stages else 0.6
    assert agreement(parent, last, rows) > least


def test_the_record_of_an_8_bit_graph_of_small_scores_says_something(parent, rows):
    (small,) = through(parent, "int8", rows)
    assert np.abs(small.bundle.engine.many(rows)["scores"]).max() < 0.1
    assert small.bundle.parity["settled"] > 72
    assert small.bundle.parity["tolerance"] < 1e-3


def test_a_student_begins_with_scores_of_mean_0(parent, rows):
    student = smaller(parent.layers, (8,), parent.head, jax.random.key(0))
    scores = run(student, jnp.asarray(rows))
    assert np.abs(scores.mean(axis=1)).max() < 1e-4 < np.abs(scores).max()


def test_no_score_drifts_where_only_their_differences_matter(parent, rows):
    """All scores may move together without a change of the choice: rounding must not move them."""
    size = np.abs(parent.bundle.engine.many(rows)["scores"]).max()
    (tuned,) = through(parent, "prune:0.25", rows)
    assert np.abs(tuned.bundle.engine.many(rows)["scores"]).max() < 2 * size
    with_value = (*network(11, 8, 5), Dueling())
    seen = jnp.asarray(rows) / jnp.max(jnp.abs(rows), axis=0)
    head = CategoricalHead((Output("action", ""),))
    fitted = fit(with_value, (*network(11, 8, 5, seed=1), Dueling()), head, seen, jax.random.key(0))
    for part in (slice(0, 1), slice(1, None)):
        common = [np.mean(layers[2].weight[:, part], axis=1) for layers in (with_value, fitted)]
        np.testing.assert_allclose(common[1], common[0], atol=1e-4)
    assert np.abs(fitted[2].weight - with_value[2].weight).max() > 0.1


def test_what_leaves_nothing_or_has_nothing_to_learn_from_is_refused(parent, rows):
    with pytest.raises(InputError, match="none would be left"):
        through(parent, "prune:0.99", rows)
    with pytest.raises(InputError, match="a network with a hidden layer"):
        smaller(network(4, 2), (3,), parent.head, jax.random.key(0))


ENTRIES = [{"layers": 3}, {"layers": [{}]}, {"layers": [{"kind": "dense"}] * 9}, {"head": 3}]


@pytest.mark.parametrize("entry", [*ENTRIES, {"precision": None}], ids=str)
def test_a_manifest_of_other_layers_than_the_graph_is_refused(parent, entry):
    graphs = parent.bundle.facts["graphs"]
    wrong = {**graphs, "policy": {**graphs["policy"], **entry}}
    if entry == {"precision": None}:
        del wrong["policy"]["precision"]
    bundle = dataclasses.replace(parent.bundle, facts={**parent.bundle.facts, "graphs": wrong})
    with pytest.raises(InputError, match="manifest's (layers|head)"):
        pipeline.begin(bundle)


def test_zeros_stay_zeros_while_the_rest_is_tuned(parent, rows):
    seen = jnp.asarray(rows)
    thin = sparsify(parent.layers, 0.5)
    tuned = fit(thin, parent.teacher, parent.head, seen, jax.random.key(0))
    for before, after in zip(thin, tuned, strict=True):
        if isinstance(before, Dense):
            assert np.all(np.asarray(after.weight)[np.asarray(before.weight) == 0] == 0)
            assert np.any(after.weight != before.weight)


def row(stage, kept, priced=None, name="gain_kept"):
    found = {"stage": stage, "bytes": 1000.0, "p50_us": 20.0}
    for way, middle in (("", kept), ("_priced", priced)):
        if middle is not None:
            found |= {f"{name}{way}": middle}
            found |= {f"{name}{way}_low": middle - 0.1, f"{name}{way}_high": middle + 0.1}
    return found


def test_the_figure_draws_what_the_gate_asks():
    rows = [row("parent", 1.0, 1.0), row("prune:0.5", 0.9, 0.7), row("int8", 0.6, 0.8)]
    figure = pareto(rows)
    left = figure.axes[0]
    points = [bar.lines[0].get_ydata()[0] for bar in left.containers]
    assert points == [1.0, 0.7, 0.6]
    assert "priced proposals" in left.get_ylabel()
    for at, one in zip(points, rows, strict=True):
        assert check_gain_kept([one], 0.0)["gain_kept"] == judged(one)["estimate"] == at
    plain = pareto([row("parent", 1.0), row("int8", 0.9)]).axes[0]
    assert plain.get_ylabel() == "share of the gain kept (parent = 1)"


def test_the_figure_draws_scores_where_the_parent_gains_nothing():
    nan = float("nan")
    rows = [
        row("parent", nan) | row("parent", 1.0, name="score_ratio"),
        row("int8", nan) | row("int8", 0.9, name="score_ratio"),
    ]
    axes = pareto(rows).axes[0]
    assert axes.get_ylabel() == "score ratio (parent = 1)"
    assert [bar.lines[0].get_ydata()[0] for bar in axes.containers] == [1.0, 0.9]
    assert [bar.lines[0].get_ydata()[0] for bar in axes.containers] == [1.0, 0.9]


@pytest.mark.parametrize("score", ["spread", "act", "mag"])
def test_neurons_are_ranked_by_the_score_of_the_stage(score):
    """A constant neuron, from its bias alone, has a mean activation but no spread and no norm."""
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(3, 4)), 0.5 * np.ones((4, 2))
    first[:, 1], second[1] = 0.0, 50.0
    bias = jnp.zeros(4).at[1].set(1.0)
    weights = [jnp.asarray(one, jnp.float32) for one in (first, second)]
    layers = (
        Dense(weight=weights[0], bias=bias),
        Tanh(),
        Dense(weight=weights[1], bias=jnp.zeros(2)),
    )
    (stage,) = parse_stages(f"prune:0.25:{score}")
    assert (stage.share, stage.importance) == (0.25, score)
    rows = jnp.asarray(rng.normal(size=(64, 3)), jnp.float32)
    smaller = prune(layers, stage.share, rows, stage.importance)
    assert smaller[0].bias.shape == (3,)
    constant_stays = bool(np.any(smaller[0].bias == 1.0))
    assert constant_stays == (score == "act")


def test_an_unknown_score_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="unknown importance 'sprad'"):
        parse_stages("prune:0.5:sprad")
