"""The graph for LiteRT decides what the ONNX graph decides, or the file is refused."""

import builtins

import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.bundle import lite, load
from edgewright.bundle.bundle import _narrow, pack_again, parse, save
from edgewright.bundle.engine import EngineError
from edgewright.bundle.interface import Field, Interface, Output
from edgewright.compress import pipeline
from edgewright.compress.stages import parse_stages
from edgewright.core.errors import InputError
from edgewright.export.heads import CategoricalHead
from edgewright.export.layers import Dense, Dueling, Gate, Relu, Scale, Shift, Standardise, Tanh
from edgewright.export.lite import MEMBER, with_lite
from edgewright.export.write import make_bundle

OUTPUTS = (Output("action", ""), Output("level", ""))
FIELDS = tuple(Field(f"x{n}", "", "", -2.0, 2.0) for n in range(4))
FACE = Interface(FIELDS, OUTPUTS)
FACTS = {"name": "n", "kind": "learned", "scenario": {}, "provenance": {}, "scores": {}}


def dense(rows, columns, seed=0):
    rng = np.random.default_rng(seed)
    weight, bias = rng.normal(size=(rows, columns)), rng.normal(size=columns)
    return Dense(weight=jnp.asarray(weight, jnp.float32), bias=jnp.asarray(bias, jnp.float32))


def column(*values):
    return jnp.asarray(values, jnp.float32)


GATE = Gate(pick=jnp.zeros((4, 4)).at[3, 0].set(1.0), base=column(0, 1, 1, 1))
NETWORKS = {
    "bare": (dense(4, 6),),
    "scaled": (Scale(scale=column(1, 2, 3, 4)), dense(4, 8), Relu(), dense(8, 6)),
    "shifted": (Shift(offset=column(1, 0, -1, 2)), GATE, dense(4, 8), Tanh(), dense(8, 6)),
    "standardised": (
        Standardise(mean=column(0, 1, 0, 1), deviation=column(0.01, 1, 2, 3)),
        dense(4, 6),
    ),
    "dueling": (dense(4, 8), Relu(), dense(8, 7), Dueling()),
}


def made(layers, most=5):
    head = CategoricalHead(OUTPUTS, {"level": most - np.arange(6)})
    return make_bundle(layers, head, FACE, {}, {**FACTS, "lineage": []}, "x")[1]


@pytest.mark.parametrize("name", NETWORKS)
def test_single_rows_decide_as_many_do(name):
    bundle = with_lite(made(NETWORKS[name]))[1]
    assert "litert" in bundle.engine.runtimes
    rows = np.random.default_rng(1).uniform(-3, 3, (300, 4)).astype(np.float32)
    many, single = bundle.engine.many(rows), bundle.engine.one_by_one(rows)
    np.testing.assert_allclose(single["scores"], many["scores"], rtol=1e-5, atol=1e-5)
    top = np.sort(many["scores"], axis=1)
    clear = top[:, -1] - top[:, -2] > 1e-3
    assert clear.mean() > 0.9
    assert len(np.unique(many["action"])) > 1
    for output in ("action", "level"):
        np.testing.assert_array_equal(single[output][clear], many[output][clear])
    for row in np.flatnonzero(clear)[:20]:
        action, level = bundle.engine.one(rows[row].tolist())
        assert (action, level) == (many["action"][row], 5 - many["action"][row])
        assert type(action) is int


@pytest.mark.parametrize("name", ["se-ppo", "dqn"])
def test_trained_policies_have_one_too(name, bundles, tmp_path, observation):
    plain = load(bundles[name])
    content, bundle = with_lite(plain)
    save(tmp_path / "p.edge", content)
    read = load(tmp_path / "p.edge")
    assert read.engine.runtimes.endswith("for single rows")
    assert read.decide(observation) == plain.decide(observation)
    assert read.rules == plain.rules
    assert read.version == bundle.version != plain.version


def test_without_litert_the_bundle_decides_as_before(monkeypatch):
    content, bundle = with_lite(made(NETWORKS["scaled"]))
    monkeypatch.setattr(lite, "_installed", lambda: None)
    read = parse(content, "x")
    assert "litert" not in read.engine.runtimes
    assert read.engine.one_by_one(np.zeros((1, 4))) is None
    row = [0.3, -0.1, 1.0, 0.5]
    assert read.engine.one(row) == bundle.engine.one(row)


def test_without_litert_none_is_written(monkeypatch):
    monkeypatch.setattr("edgewright.export.lite.lite_schema", lambda: None)
    with pytest.raises(InputError, match="LiteRT is not installed") as caught:
        with_lite(made(NETWORKS["bare"]))
    assert "edgewright[lite]" in str(caught.value)


def test_a_graph_that_is_cut_foreign_or_of_another_policy_is_refused():
    bundle = with_lite(made(NETWORKS["scaled"]))[1]
    model = bundle.members[MEMBER]
    other = with_lite(made((dense(4, 6, seed=3),)))[1].members[MEMBER]
    for wrong, said in (
        (model[: len(model) // 2], "LiteRT graph"),
        (b"", "not a LiteRT file"),
        (b"\xff" * 200, "not a LiteRT file"),
        (other, "decides otherwise"),
    ):
        with pytest.raises(InputError, match=said):
            pack_again(bundle.facts, {**bundle.members, MEMBER: wrong}, "x")


@pytest.mark.parametrize("wrong", [OSError("wrong ELF class"), ImportError("no module")])
def test_a_litert_that_cannot_be_loaded_is_as_none(wrong, monkeypatch):
    content, _ = with_lite(made(NETWORKS["scaled"]))

    def broken(name, *rest, **more):
        if name.startswith("ai_edge_litert"):
            raise wrong
        return usual(name, *rest, **more)

    usual = builtins.__import__
    lite._installed.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(builtins, "__import__", broken)
        read = parse(content, "x")
    lite._installed.cache_clear()
    assert "litert" not in read.engine.runtimes
    assert "litert" in parse(content, "x").engine.runtimes


def test_a_graph_that_fails_on_some_rows_is_refused(monkeypatch):
    bundle = with_lite(made(NETWORKS["scaled"]))[1]

    def many(self, rows):
        raise RuntimeError("gather index out of bounds")

    monkeypatch.setattr(lite.LiteRow, "many", many)
    with pytest.raises(InputError, match="out of bounds"):
        pack_again(bundle.facts, bundle.members, "x")


@pytest.mark.parametrize("entry", [None, "policy.tflite", 3, {}, {"file": "nothing"}, {"file": []}])
def test_an_odd_entry_in_the_manifest_is_refused(entry):
    bundle = with_lite(made(NETWORKS["scaled"]))[1]
    graphs = {"policy": {**bundle.facts["graphs"]["policy"], "lite": entry}}
    with pytest.raises(InputError, match="graphs.policy.lite"):
        pack_again({**bundle.facts, "graphs": graphs}, bundle.members, "x")


def test_whole_numbers_of_the_record_are_kept_exactly_in_few_bytes():
    for numbers, kind in (
        ([0, 255], np.uint8),
        ([-1, 5], np.int8),
        ([-1, 200], np.int16),
        ([-1, 2**60 + 1], np.int64),
        ([0, 2**63], np.uint64),
    ):
        narrow = _narrow(np.array(numbers, np.uint64 if numbers[1] == 2**63 else np.int64))
        assert narrow.dtype == kind
        assert narrow.tolist() == numbers


def test_without_litert_nothing_is_compressed_that_has_a_graph_for_it(monkeypatch):
    bundle = with_lite(made(NETWORKS["scaled"]))[1]
    monkeypatch.setattr("edgewright.export.lite.lite_schema", lambda: None)
    with pytest.raises(InputError, match="LiteRT is not installed"):
        pipeline.begin(bundle)


def test_a_foreign_operator_is_refused(monkeypatch):
    bundle = with_lite(made(NETWORKS["scaled"]))[1]
    monkeypatch.setattr(lite, "OPERATORS", lite.OPERATORS - {"FULLY_CONNECTED"})
    with pytest.raises(InputError, match="'FULLY_CONNECTED' is foreign"):
        pack_again(bundle.facts, bundle.members, "x")


def test_scores_that_are_not_finite_are_an_error():
    bundle = with_lite(made(NETWORKS["bare"]))[1]
    with pytest.raises(EngineError, match="not finite"):
        bundle.engine.one([float("inf"), 0.0, 0.0, 0.0])


def test_a_compressed_policy_keeps_it_until_it_is_in_8_bits():
    first = pipeline.begin(with_lite(made(NETWORKS["scaled"]))[1])
    rows = np.random.default_rng(0).uniform(-2, 2, (64, 4)).astype(np.float32)
    prune, int8 = parse_stages("prune:0.5,int8")
    pruned = pipeline.apply(prune, first, rows, 0)
    assert "litert" in pruned.bundle.engine.runtimes
    whole = pipeline.apply(int8, pruned, rows, 0)
    assert "litert" not in whole.bundle.engine.runtimes
    assert MEMBER not in whole.bundle.members


def test_what_is_not_written_is_refused(bundles):
    with pytest.raises(InputError, match="only networks in float32") as caught:
        with_lite(load(bundles["greedy"]))
    assert "without --litert" in str(caught.value)
    with pytest.raises(InputError, match="float32 does not hold exactly"):
        with_lite(made(NETWORKS["bare"], most=2**24))
