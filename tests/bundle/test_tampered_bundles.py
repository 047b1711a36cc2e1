"""What a forger may write who makes every hash right again: one message, and nothing runs."""

import io
import json
import os
import zipfile

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from edgewright.bundle import archive, load, manifest
from edgewright.bundle import bundle as bundle_module
from edgewright.bundle.bundle import parse
from edgewright.bundle.engine import _session
from edgewright.bundle.protobuf import fields, numbers
from edgewright.bundle.wire import MAX_FIELDS, OPERATORS, check_operators
from edgewright.core.errors import InputError
from edgewright.export.graph import GraphBuilder


def varint(number):
    found = b""
    while number >= 0x80:
        found, number = found + bytes([number & 0x7F | 0x80]), number >> 7
    return found + bytes([number])


def entry(field, payload, wire=2, beyond=0):
    """Return a field; ``beyond`` 2**32 hides it from readers that do not cut keys to 32 bits."""
    length = varint(len(payload)) if wire == 2 else b""
    return varint((field << 3 | wire) + beyond) + length + payload


RANDOM = helper.make_node("RandomNormal", [], ["evil"], shape=[1]).SerializeToString()
OUTPUT = helper.make_tensor_value_info("evil", 1, [1]).SerializeToString()
HIDDEN_GRAPH = entry(7, entry(1, RANDOM) + entry(12, OUTPUT), beyond=2**32)


def inside(graph):
    """Return a change of the file that puts bytes into its graph message."""

    def change(model):
        found = [(f, w, v) for f, w, v in fields(model) if f != 7]
        (whole,) = (bytes(v) for f, _, v in fields(model) if f == 7)
        rest = b"".join(
            entry(f, varint(v), w) if isinstance(v, int) else entry(f, v, w) for f, w, v in found
        )
        return rest + entry(7, whole + graph)

    return change


# A node of eight letters, written as protobuf would skip it: what stood before it would run.
TWICE = entry(4, b"RandomNormal") + entry(4, b"Identity", wire=1) + entry(2, b"evil")
EXTERNAL = entry(13, entry(1, b"location") + entry(2, b"secret"), beyond=2**32)
SMUGGLED = {
    "a graph under a key of more than 32 bits": lambda model: model + HIDDEN_GRAPH,
    "a node under such a key": inside(entry(1, RANDOM, beyond=2**32)),
    "a second graph": lambda model: model + entry(7, entry(1, RANDOM)),
    "an operator of two wire types": inside(entry(1, TWICE)),
    "data of another file under such a key": inside(entry(5, entry(8, b"x") + EXTERNAL)),
    "a field of number 0": lambda model: model + b"\x02\x00",
    "a group": lambda model: model + entry(7, b"", wire=3) + entry(7, b"", wire=4),
    "a key longer than it is": lambda model: model + b"\xba\x00\x00",
    "a key of six bytes": lambda model: model + b"\xba\x80\x80\x80\x80\x00\x00",
    "a number of more than 64 bits": lambda model: model + b"\x08" + b"\xff" * 9 + b"\x02",
    "properties": lambda model: model + entry(14, b""),
    "functions": lambda model: model + entry(25, b""),
    "annotations": inside(entry(14, b"")),
    "sparse tensors": inside(entry(15, b"")),
    "an overloaded operator": inside(entry(1, entry(4, b"Relu") + entry(8, b"f"))),
    "a graph in an attribute": inside(entry(1, entry(4, b"Relu") + entry(5, entry(6, b"")))),
    "a tensor in an attribute": inside(entry(1, entry(4, b"Relu") + entry(5, entry(5, b"")))),
    "the runtime's own format": lambda model: b"\x12\x80\x80\x01ORTM" + model,
}


@pytest.mark.parametrize("name", SMUGGLED)
def test_nothing_is_smuggled_past_the_reader_of_graphs(content, resealed, name):
    def members(found):
        found["policy.onnx"] = SMUGGLED[name](found["policy.onnx"])

    forged = resealed(content, change_members=members)
    with pytest.raises(InputError):
        check_operators(archive.unpack(forged, "")["policy.onnx"], "p")
    with pytest.raises(InputError, match="policy: the"):
        parse(forged, "x.edge")


def test_a_graph_of_very_many_fields_is_not_read_to_its_end():
    with pytest.raises(InputError, match="more than"):
        check_operators(entry(7, entry(11, b"") * (MAX_FIELDS + 1)), "x")


def test_numbers_are_read_as_protobuf_packs_them():
    assert list(numbers(varint(0) + varint(300) + varint(2**64 - 1))) == [0, 300, 2**64 - 1]


def expand(shape, *more):
    def change(model):
        for name, values in (("far", shape), ("one", [1])):
            model.graph.initializer.append(numpy_helper.from_array(np.array(values), name))
        for node in (*more, helper.make_node("Expand", ["one", "wide"], ["big"])):
            model.graph.node.append(node)

    return change


SHAPES = [
    (expand([1] * 33, helper.make_node("Concat", ["far"], ["wide"], axis=0)), "33|axes"),
    (expand([2**27], helper.make_node("Identity", ["far"], ["wide"])), "computed"),
    (expand([2**27], helper.make_node("Concat", ["far"], ["wide"], axis=0)), "asks for"),
    (expand([-1], helper.make_node("Concat", ["far", "far"], ["wide"], axis=0)), "asks for"),
]


@pytest.mark.parametrize(("change", "word"), SHAPES)
def test_a_shape_that_asks_for_far_more_than_it_was_given_is_refused(
    content, with_graph, change, word
):
    with pytest.raises(InputError, match=word):
        parse(with_graph(content, change), "x.edge")


def test_a_name_that_is_no_text_is_refused_and_nothing_is_written(content, resealed, capfd):
    def members(found):
        found["policy.onnx"] = found["policy.onnx"].replace(b"Gemm", b"Gem\xff")

    with pytest.raises(InputError, match="utf-8"):
        parse(resealed(content, change_members=members), "x.edge")
    with pytest.raises(InputError, match="does not load"):
        _session(b"\x3a\x08\x12\x06\xff\xff\xff\xff\xff\xff", "x")
    assert capfd.readouterr() == ("", "")


def test_two_constants_of_one_name_are_refused(content, with_graph):
    def change(model):
        model.graph.initializer.append(model.graph.initializer[0])

    with pytest.raises(InputError, match="two constants"):
        parse(with_graph(content, change), "x.edge")


def test_operators_are_those_that_are_written():
    """Nothing is allowed that nobody writes, but for the cell that the documentation promises."""
    for name in (
        "Range",
        "OneHot",
        "CumSum",
        "Loop",
        "If",
        "Scan",
        "RandomNormal",
        "ConstantOfShape",
    ):
        assert name not in OPERATORS
    assert "GRU" in OPERATORS


def test_a_recurrent_cell_passes_the_reader():
    graph = GraphBuilder(4)
    steps = graph.node("Unsqueeze", ["observation", graph.constant([0], dtype=np.int64)])
    weights = [graph.constant(np.ones((1, 9, size))) for size in (4, 3)]
    settings = {"hidden_size": 3, "linear_before_reset": 1, "direction": "forward"}
    settings |= {"activations": ["Sigmoid", "Tanh"], "clip": 5.0}
    _, last = graph.pair("GRU", [steps, *weights], **settings)
    graph.node("Reshape", [last, graph.constant([-1, 3], dtype=np.int64)], "scores")
    model = graph.model({"scores": (np.float32, (3,))}, "cell")
    assert check_operators(model, "x") == ["GRU", "Reshape", "Unsqueeze"]
    onnxruntime.InferenceSession(model)


def put(*path):
    *way, last = path[:-1]

    def change(facts):
        for key in way:
            facts = facts[key]
        facts[last] = path[-1]

    return change


def drop(*path):
    *way, last = path

    def change(facts):
        for key in way:
            facts = facts[key]
        del facts[last]

    return change


CHARGE = ("interface", "fields", 3)
FIELD, OUT = ("interface", "fields", 0), ("interface", "outputs", 0)
VALUES = [
    (put("parity", "tolerance", 10**400), "parity.tolerance"),
    (put("parity", "tolerance", "inf"), "parity.tolerance"),
    (put("parity", "tolerance", True), "parity.tolerance"),
    (put("parity", "tolerance", 1e30), "parity.tolerance"),
    (put("parity", "tolerance", -1.0), "parity.tolerance"),
    (put("interface", "scales", [1.0]), "interface.scales"),  # of schema 2
    (put("interface", "fields", []), "interface.fields"),
    (put(*FIELD, []), "interface.fields"),
    (put(*FIELD, "low", "a"), r"interface.fields\[0\].low"),
    (put(*CHARGE, "low", 1e9), r"fields\[3\].low.*above high"),
    (put(*FIELD, "high", 1e39), r"fields\[0\].high"),
    (put(*FIELD, "high", [None]), r"fields\[0\].high"),
    (put(*FIELD, "trained", None), r"fields\[0\].trained.*without both bounds"),
    (put(*FIELD, "trained", [1.0]), r"fields\[0\].trained"),
    (put(*FIELD, "trained", [2.0, 1.0]), r"fields\[0\].trained"),
    (put(*FIELD, "trained", ["a", 1.0]), r"fields\[0\].trained"),
    (put(*FIELD, "trained", [0.0, 1e39]), r"fields\[0\].trained"),
    (drop(*FIELD, "high"), r"fields\[0\].high.*missing"),
    (drop(*FIELD, "trained"), r"fields\[0\].trained.*missing"),
    (put(*FIELD, "name", ["a"]), r"fields\[0\].name"),
    (put(*FIELD, "name", ""), r"fields\[0\].name"),
    (put(*FIELD, "unit", 3), r"fields\[0\].unit"),
    (put(*FIELD, "name", "work_gcycles"), "twice"),
    (put(*FIELD, "encoding", "foo"), r"fields\[0\].encoding"),
    (put(*FIELD, "encoding", []), r"fields\[0\].encoding"),
    (put(*FIELD, "encoding", "index"), r"fields\[0\].choices"),
    (put(*FIELD, "choices", ["a"]), r"fields\[0\].choices"),
    (put("interface", "fields", 2, "choices", ["a", "a", "a"]), r"fields\[2\].choices"),
    (put(*FIELD, "more", 1), r"fields\[0\].more"),
    (put(*OUT, "name", ["a"]), r"outputs\[0\].name"),
    (put(*OUT, "name", "scores"), r"outputs\[0\].name"),
    (put(*OUT, "name", "location"), "twice"),
    (put(*OUT, "name", "other"), "the graph takes"),
    (put(*OUT, "labels", 5), r"outputs\[0\].labels"),
    (put(*OUT, "shape", [10**12]), r"outputs\[0\].shape"),
    (put(*OUT, "shape", [-1]), r"outputs\[0\].shape"),
    (put(*OUT, "shape", [2**19, 2**19]), r"outputs\[0\].shape"),
    (put(*OUT, "shape", [3]), "does not run"),
    (put("graphs", "policy", []), "graphs.policy"),
    (put("graphs", "policy", "file", []), "graphs.policy.file"),
    (put("graphs", "rule", {"file": "parity.npz"}), "graphs.rule.file"),
    (put("graphs", "rule", {"file": "manifest.json"}), "graphs.rule.file"),
    (put("provenance", {"learner": 3}), "provenance.learner"),
    (put("provenance", {"learner": "dqn"}), "provenance.steps"),
    (put("kind", "other"), "'kind' cannot be used"),
    (put("lineage", [3]), "lineage"),
    (put("lineage", [{}]), "lineage"),
]


@pytest.mark.parametrize(("change", "word"), VALUES)
def test_a_wrong_value_is_named_by_its_place(content, resealed, change, word):
    with pytest.raises(InputError, match=word):
        parse(resealed(content, change), "x.edge")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_json_does_not_have_are_refused(content, number):
    members = archive.unpack(content, "")
    written = members[manifest.MEMBER].replace(
        b'"scores": {}', b'"scores": {"x": %s}' % number.encode()
    )
    assert written != members[manifest.MEMBER]
    facts = json.loads(written)
    facts["sha256"] = manifest._own_digest(facts)
    text = json.dumps(facts).replace("Infinity", number) if number == "1e999" else json.dumps(facts)
    with pytest.raises(InputError, match="must be finite; got"):
        parse(archive.pack({**members, manifest.MEMBER: text.encode()}), "x.edge")


def arrays(change):
    def members(found):
        record = archive.unpack_arrays(found["parity.npz"], "")
        change(record)
        found["parity.npz"] = archive.pack_arrays(record)

    return members


def converted(name, how):
    return lambda record: record.update({name: how(record[name])})


def first_rows(count):
    return lambda record: record.update({name: one[:count] for name, one in record.items()})


def many_times(record):
    record.update({name: np.concatenate([one] * 30) for name, one in record.items()})


RECORDS = [
    (converted("settled", lambda a: a[:, 0]), "'settled' is bool"),
    (converted("settled", lambda a: a[..., None]), "'settled' is bool"),
    (converted("settled", lambda a: a.astype(float)), "'settled' is float64"),
    (converted("settled", lambda a: a & False), "says nothing"),
    (converted("settled", lambda a: a.astype(str)), "plain numbers"),
    (converted("kind", lambda a: a.astype(float)), "0 rows|'kind' is float64"),
    (converted("kind", lambda a: a + 3), "kind"),
    (converted("rows", lambda a: a[:, :-1]), "'rows' is float32"),
    (converted("rows", lambda a: a * np.float32(np.nan)), "not finite"),
    (converted("rows", lambda a: a.astype(complex)), "plain numbers"),
    (converted("scores", lambda a: a[:, 0]), "'scores' is float32"),
    (converted("scores", lambda a: a[:, :1]), "does not fit"),
    (converted("scores", lambda a: a * np.float32(np.nan)), "decides otherwise"),
    (converted("action", lambda a: a[:, None]), "'action' is"),
    (lambda record: record.pop("scores"), "'scores' is missing"),
    (lambda record: record.update(more=np.zeros(3)), "'more' is float64.*no record has"),
    (first_rows(0), "0 rows"),
    (many_times, "may have 1 to 4096"),
]


@pytest.mark.parametrize(("change", "word"), RECORDS)
def test_a_record_of_other_arrays_is_refused_by_its_name(content, resealed, change, word):
    with pytest.raises(InputError, match=word):
        parse(resealed(content, change_members=arrays(change)), "x.edge")


def test_a_record_that_unpacks_to_much_more_is_not_unpacked(content, resealed):
    def bomb(found):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("rows.npy", bytes(30_000_000))
        found["parity.npz"] = file.getvalue()
        assert len(found["parity.npz"]) < 100_000

    with pytest.raises(InputError, match="not stored"):
        parse(resealed(content, change_members=bomb), "x.edge")


def test_an_array_that_says_it_is_larger_is_not_made():
    file = io.BytesIO()
    facts = {"descr": "<f4", "fortran_order": False, "shape": (10**13,)}
    np.lib.format.write_array_header_1_0(file, facts)
    with pytest.raises(InputError, match="0 bytes do not make an array"):
        archive.unpack_arrays(archive.pack({"rows.npy": file.getvalue()}), "x")


def with_rule(change):
    def facts(found):
        found["graphs"]["rule"] = {"file": "rules/rule.onnx"}

    def members(found):
        model = onnx.load_from_string(found["policy.onnx"])
        change(model)
        found["rules/rule.onnx"] = model.SerializeToString()

    return facts, members


def foreign(model):
    model.graph.node[-1].domain = "com.evil"


def narrower(model):
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 3


def without_an_output(model):
    model.graph.output.pop(0)


@pytest.mark.parametrize("change", [foreign, narrower, without_an_output])
def test_a_rule_is_checked_as_the_policy_is_when_the_bundle_is_loaded(content, resealed, change):
    assert parse(resealed(content, *with_rule(lambda model: None)), "x").rules == ["rule"]
    with pytest.raises(InputError, match="x.edge: rule"):
        parse(resealed(content, *with_rule(change)), "x.edge")


def test_a_member_that_belongs_to_no_graph_is_refused(content, resealed):
    def members(found):
        found["rules/other.onnx"] = found["policy.onnx"]

    with pytest.raises(InputError, match=r"no graph brings the member 'rules/other.onnx'"):
        parse(resealed(content, change_members=members), "x.edge")
    facts = put("graphs", "policy", "file", "rules/other.onnx")
    with pytest.raises(InputError, match=r"no graph brings the member 'policy.onnx'"):
        parse(resealed(content, facts, members), "x.edge")


def test_whatever_else_goes_wrong_is_one_message_too(content, monkeypatch):
    def broken(*rest):
        raise TypeError("\x1b[2Junhashable")

    monkeypatch.setattr(bundle_module, "check_parity", broken)
    with pytest.raises(InputError, match=r"TypeError: \\x1b\[2Junhashable"):
        parse(content, "x.edge")


def test_a_pipe_or_a_device_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "p.edge")
    for path in (tmp_path / "p.edge", "/dev/zero"):
        with pytest.raises(InputError, match="must be a regular file"):
            load(path)


def test_a_file_is_read_no_further_than_the_limit(content, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_BYTES", 1000)
    (tmp_path / "p.edge").write_bytes(content)
    with pytest.raises(InputError, match="larger than"):
        load(tmp_path / "p.edge")
    with pytest.raises(InputError, match="cannot be read"):
        load("p\0.edge")


ODD = [
    put("scores", "score", 3),
    put("scores", "score", {"mean": [], "low": 10**30}),
    put("scores", "gap_closed", 3),
    put("scores", "gap_closed", {"share": [], "low": 10**30}),
    put("scores", "gap_closed", {"share": 10**400, "high": None}),
    put("graphs", "policy", "parameters", "many"),
    put("graphs", "policy", "precision", 8),
    lambda facts: facts["graphs"]["policy"].pop("bytes"),
    put("operators", "none"),
]


@pytest.mark.parametrize("change", ODD)
def test_inspect_shows_a_bundle_with_an_odd_manifest(
    content, resealed, change, tmp_path, edgewright
):
    (tmp_path / "p.edge").write_bytes(resealed(content, change))
    assert "all decisions agree" in edgewright("inspect", tmp_path / "p.edge").stdout
    shown = json.loads(edgewright("inspect", tmp_path / "p.edge", "--json").stdout)
    assert "Gemm" in shown["operators"]


def test_inspect_writes_no_control_characters(content, resealed, tmp_path, edgewright):
    def change(facts):
        facts["name"] = "\x1b[2J\nparity here: all\ud800"
        facts["provenance"] = {"\x07": "\r"}
        facts["interface"]["fields"][0]["meaning"] = "\x9b2J"

    (tmp_path / "p.edge").write_bytes(resealed(content, change))
    said = edgewright("inspect", tmp_path / "p.edge").stdout
    assert r"\x1b[2J\nparity here: all\ud800" in said
    assert said.isascii() or not set(said) & set("\x1b\x07\r\x9b")
    bad = resealed(content, lambda facts: facts["graphs"].update({"\x1b[2J": 3}))
    (tmp_path / "p.edge").write_bytes(bad)
    assert "\x1b" not in edgewright("inspect", tmp_path / "p.edge", code=2).stderr


def test_inspect_says_in_how_many_rows_decisions_count(bundles, edgewright):
    settled = load(bundles["dqn-plain"]).parity["settled"]
    said = edgewright("inspect", bundles["dqn-plain"]).stdout
    assert "144 rows, scores within" in said
    assert f"all decisions agree in the {settled} rows where they are settled" in said
