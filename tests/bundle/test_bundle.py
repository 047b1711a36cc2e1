"""A bundle is whole or refused: every byte, every claim, every operator; and loads without JAX."""

import json
import subprocess
import sys

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from edgewright.bundle import BadField, archive, load, manifest
from edgewright.bundle.bundle import parse
from edgewright.bundle.engine import SCORES, EngineError
from edgewright.bundle.protobuf import DATA, fields
from edgewright.bundle.wire import check_operators
from edgewright.core.errors import InputError


def test_a_flipped_bit_anywhere_is_refused(content):
    """Every byte of what frames the members, and many inside them."""
    rng = np.random.default_rng(0)
    places = {*range(60), *range(len(content) - 400, len(content))}
    places |= {int(place) for place in rng.integers(len(content), size=150)}
    for place in places:
        broken = bytearray(content)
        broken[place] ^= 1 << int(rng.integers(8))
        with pytest.raises(InputError):
            parse(bytes(broken), "x.edge")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_cut_file_is_refused(content, share):
    with pytest.raises(InputError, match="altered"):
        parse(content[: int(share * len(content))], "x.edge")


def test_bytes_around_the_file_are_refused(content):
    for wrong in (content + b"x", b"x" + content):
        with pytest.raises(InputError, match="altered"):
            parse(wrong, "x.edge")


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_reader(content):
    with pytest.raises(InputError):
        parse(content, "x.edge")


@pytest.mark.parametrize("old", [1, 2, 3])
def test_another_schema_version_is_refused_with_the_remedy(content, old):
    members = archive.unpack(content, "")
    facts = json.loads(members.pop(manifest.MEMBER))
    facts["schema"] = old
    wrong = archive.pack({manifest.MEMBER: json.dumps(facts).encode(), **members})
    with pytest.raises(InputError, match=f"schema {old}, this version reads 4") as caught:
        parse(wrong, "x.edge")
    assert "edgewright export RUN --out FILE" in str(caught.value)


def test_a_wrong_hash_is_refused_where_the_zip_is_right(content):
    members = archive.unpack(content, "")
    altered = {**members, "parity.npz": members["parity.npz"] + b"x"}
    with pytest.raises(InputError, match=r"'parity.npz' does not match"):
        parse(archive.pack(altered), "x.edge")
    facts = json.loads(members[manifest.MEMBER])
    facts["name"] = "forged"
    altered = {**members, manifest.MEMBER: json.dumps(facts).encode()}
    with pytest.raises(InputError, match="manifest does not match its hash"):
        parse(archive.pack(altered), "x.edge")
    with pytest.raises(InputError, match="not those the manifest names: more"):
        parse(archive.pack({**members, "more": b""}), "x.edge")


def foreign_domain(model):
    model.graph.node[-1].domain = "com.evil"


def loop(model):
    body = helper.make_graph([], "b", [], [])
    model.graph.node.append(
        helper.make_node("If", ["c"], ["d"], then_branch=body, else_branch=body)
    )


def random(model):
    model.graph.node.append(helper.make_node("RandomNormal", [], ["r"], shape=[1]))


def external(model):
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"


def opset(model):
    model.opset_import[0].version = 17


def function(model):
    made = helper.make_function("d", "F", [], [], [], [helper.make_opsetid("", 18)])
    model.functions.append(made)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (foreign_domain, "foreign"),
        (loop, "foreign|graph inside"),
        (random, "'RandomNormal' is foreign"),
        (external, "another file"),
        (opset, "operator set"),
        (function, "functions of its own"),
    ],
)
def test_a_graph_that_asks_for_more_is_refused_though_every_hash_is_right(
    content, change, word, with_graph
):
    assert parse(with_graph(content, lambda model: None), "x").version
    with pytest.raises(InputError, match=word):
        parse(with_graph(content, change), "x.edge")


def test_a_graph_that_decides_otherwise_is_refused_by_its_own_record(content, with_graph):
    def change(model):
        bias = next(t for t in model.graph.initializer if t.name.endswith(".bias"))
        values = onnx.numpy_helper.to_array(bias) + np.float32(0.05)
        bias.CopyFrom(onnx.numpy_helper.from_array(values, bias.name))

    with pytest.raises(InputError, match="decides otherwise than the record"):
        parse(with_graph(content, change), "x.edge")


def test_a_graph_of_another_width_or_without_a_file_is_refused(content, resealed):
    def narrower(facts):
        facts["interface"]["fields"] = facts["interface"]["fields"][:-1]

    with pytest.raises(InputError, match="the graph takes"):
        parse(resealed(content, narrower), "x.edge")
    with pytest.raises(InputError, match=r"'interface.fields' cannot be used: it is missing"):
        parse(resealed(content, lambda facts: facts["interface"].pop("fields")), "x.edge")
    with pytest.raises(InputError, match=r"'graphs.policy' cannot be used: it is missing"):
        parse(resealed(content, lambda facts: facts["graphs"].clear()), "x.edge")


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader_of_graphs(model):
    with pytest.raises(InputError):
        check_operators(model, "x")


def test_fields_of_a_message_are_read_as_protobuf_writes_them():
    message = helper.make_tensor_value_info("x", 1, [300]).SerializeToString()
    assert next(fields(message)) == (1, DATA, b"x")


def test_a_file_that_is_missing_or_a_folder_is_refused(tmp_path):
    for path in (tmp_path / "none.edge", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            load(path)


def test_deciding_one_by_one_and_together_is_the_same(bundles, observation):
    bundle = load(bundles["dqn"])
    rng = np.random.default_rng(0)
    many = [
        {**observation, "charge_pct": float(c), "mode": m}
        for c, m in zip(rng.uniform(10, 100, 20), rng.choice(["preview", "best"], 20), strict=True)
    ]
    together = bundle.decide_many(many)
    assert together == [bundle.decide(one) for one in many]
    assert set(together[0]) == {"action", "location", "level"}
    assert bundle.decide_many([]) == []


def test_scores_of_one_row_are_those_of_many(bundles):
    engine = load(bundles["dqn"]).engine
    columns = load(bundles["dqn"]).interface.columns
    rows = np.random.default_rng(1).normal(size=(8, columns)).astype(np.float32)
    together = engine.many(rows)[SCORES]
    alone = [engine.scored(row.tolist()) for row in rows]
    np.testing.assert_allclose(alone, together, rtol=1e-5, atol=1e-6)
    with pytest.raises(EngineError, match="not finite"):
        engine.scored([float("nan")] * columns)
    with pytest.raises(EngineError, match="the model failed"):
        engine.scored([0.0])  # another number of columns


BAD = [
    ({"charge_pct": None}, "charge_pct", "not a number"),
    ({"charge_pct": "80"}, "charge_pct", "'80' is not a number"),
    ({"charge_pct": True}, "charge_pct", "True is not a number"),
    ({"charge_pct": float("nan")}, "charge_pct", "nan is not a number"),
    ({"charge_pct": float("inf")}, "charge_pct", "inf is not a number"),
    ({"mode": "bst"}, "mode", "none of the choices"),
    ({"mode": 1}, "mode", "none of the choices"),
    ({"mode": ["best"]}, "mode", "none of the choices"),
    ({"charge": 3.0}, "charge", "unknown field"),
]


@pytest.mark.parametrize(("change", "field", "word"), BAD)
def test_an_impossible_field_is_named_with_what_is_allowed(
    bundles, observation, change, field, word
):
    with pytest.raises(BadField, match=word) as caught:
        load(bundles["se-ppo"]).decide({**observation, **change})
    assert caught.value.field == field
    assert caught.value.allowed


def test_a_missing_field_is_named(bundles, observation):
    del observation["phase"]
    with pytest.raises(BadField, match="missing"):
        load(bundles["se-ppo"]).decide(observation)


def test_beyond_the_range_is_clamped_or_refused(bundles, observation):
    interface = load(bundles["se-ppo"]).interface
    assert interface.encode({**observation, "charge_pct": np.float32(70)})[0][5] == 70
    for value, end in ((1e300, 100.0), (-5, 0.0), (10**5000, 100.0), (-(10**400), 0.0)):
        row, clamped = interface.encode({**observation, "charge_pct": value})
        assert clamped == ("charge_pct",)
        assert row[5] == pytest.approx(end)
        with pytest.raises(BadField, match="out of range") as caught:
            interface.encode({**observation, "charge_pct": value}, "refuse")
        assert "from 0 to 100 %" in caught.value.allowed


def test_an_open_end_takes_every_number_that_32_bits_hold(bundles, observation):
    interface = load(bundles["se-ppo"]).interface
    field = interface.fields[0]
    assert (field.low, field.high, field.trained) == (0.0, None, (10.0, 25.0))
    assert field.allowed == "a number of at least 0 MB"
    for value in (0, 9.5, 1e9, 3.4e38):
        for mode in ("clamp", "refuse"):
            assert interface.encode({**observation, "input_mb": value}, mode)[0][0] == value
    for value in (1e39, 10**5000):
        row, clamped = interface.encode({**observation, "input_mb": value})
        assert clamped == ("input_mb",) and np.isfinite(np.float32(row[0]))
        with pytest.raises(BadField, match="larger than 32 bits hold"):
            interface.encode({**observation, "input_mb": value}, "refuse")
    with pytest.raises(BadField, match="inf is not a number"):
        interface.encode({**observation, "input_mb": float("inf")})
    assert interface.encode({**observation, "input_mb": -1})[0][0] == 0.0


def test_a_full_and_an_empty_battery_are_in_the_domain_of_the_charge(bundles, observation):
    bundle = load(bundles["se-ppo"])
    for charge in (0, 5.0, 99.5, 100):
        full = {**observation, "charge_pct": charge}
        row, clamped = bundle.interface.encode(full, "refuse")
        assert row[5] == charge and clamped == ()
        assert bundle.decide(full, "refuse") == bundle.decide(full)
    phase = next(field for field in bundle.interface.fields if field.name == "phase")
    assert (phase.low, phase.high) == (0.0, 1.0)


def test_an_open_end_is_null_in_the_manifest(bundles):
    first, *_ = load(bundles["se-ppo"]).facts["interface"]["fields"]
    assert (first["low"], first["high"], first["trained"]) == (0.0, None, [10.0, 25.0])


def test_an_observation_survives_its_row(bundles, observation):
    interface = load(bundles["se-ppo"]).interface
    assert interface.observation(interface.encode(observation)[0]) == observation


def test_loading_and_deciding_never_import_jax(bundles, observation):
    code = (
        "import sys, json\n"
        "from edgewright.bundle import load\n"
        "b = load(sys.argv[1])\n"
        "print(b.decide(json.loads(sys.argv[2]))['action'])\n"
        "heavy = {'jax', 'onnx', 'scipy', 'pydantic', 'equinox', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    command = [sys.executable, "-c", code, str(bundles["dqn"]), json.dumps(observation)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == load(bundles["dqn"]).decide(observation)["action"]
