"""What a graph takes is known before it runs: shapes are those of the runtime, and bounded."""

import asyncio

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgewright.bundle import engine as engine_module
from edgewright.bundle import load
from edgewright.bundle.bundle import parse
from edgewright.bundle.shapes import BATCH, MAX_MEMORY, GraphMemory
from edgewright.bundle.wire import OPERATORS, _Reader, check_operators
from edgewright.core.errors import InputError
from edgewright.core.files import write_bytes
from edgewright.serve.app import Service
from edgewright.serve.settings import Settings

COLUMNS = 4


def refuse(message):
    raise InputError(message)


def graph_of(model):
    return _Reader("x").read("model", model)[7][0]


def model_of(nodes, constants, columns=COLUMNS):
    """Return a graph of nodes whose last output is its output, whatever its shape."""
    ends = [helper.make_empty_tensor_value_info(name) for name in nodes[-1].output if name]
    start = helper.make_tensor_value_info("observation", TensorProto.FLOAT, ["N", columns])
    tensors = [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()]
    graph = helper.make_graph(nodes, "g", [start], ends, tensors)
    imports = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=imports, ir_version=9).SerializeToString()


def floats(*shape):
    return np.linspace(0.1, 0.9, int(np.prod(shape)), dtype=np.float32).reshape(shape)


def whole(*values):
    return np.array(values, np.int64)


BOTH = floats(3, 1), floats(2, 1, 4)
LOGIC = floats(3, 1) > 0.5, floats(4) > 0.5
GRU = floats(5, 3, 4), floats(1, 6, 4), floats(1, 6, 2)
TWO_WAYS = floats(5, 3, 4), floats(2, 6, 4), floats(2, 6, 2)
UNARY = ["Abs", "Ceil", "Erf", "Exp", "Floor", "Identity", "Log", "Neg", "Relu", "Sigmoid", "Sign"]
UNARY += ["Softmax", "Sqrt", "Tanh"]
BINARY = ["Add", "Div", "Max", "Min", "Mul", "Pow", "Sub"]
COMPARED = ["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"]
CASES = [
    *((name, [floats(2, 3)], {}) for name in UNARY),
    *((name, [*BOTH], {}) for name in (*BINARY, *COMPARED)),
    *((name, [*LOGIC], {}) for name in ("And", "Or", "Xor")),
    ("Not", [LOGIC[0]], {}),
    ("Mod", [whole(5, 6), whole(2)], {}),
    ("Max", [floats(3), floats(2, 1), floats(1, 1, 1)], {}),
    ("Clip", [floats(2, 3), np.float32(0), None], {}),
    ("Where", [LOGIC[0], *BOTH], {}),
    ("ArgMax", [floats(2, 3)], {"axis": -1, "keepdims": 0}),
    ("ArgMin", [floats(2, 3)], {}),
    ("Cast", [floats(2, 3)], {"to": TensorProto.DOUBLE}),
    ("Cast", [floats(2, 3)], {"to": TensorProto.BOOL}),
    ("Concat", [floats(2, 3), floats(2, 1)], {"axis": -1}),
    ("Concat", [whole(2), whole(3, 4)], {"axis": 0}),
    ("QuantizeLinear", [floats(2, 3), np.float32(1)], {}),
    ("QuantizeLinear", [floats(2, 3), np.float32(1), np.int8(0)], {}),
    ("DequantizeLinear", [whole(1, 2).astype(np.int8), np.float32(1)], {}),
    ("Expand", [floats(3, 1), whole(2, 1, 4)], {}),
    ("Gather", [floats(3, 4), whole(1)], {}),
    ("Gather", [floats(3, 4, 5), np.array([[0, 1], [2, 3]])], {"axis": 1}),
    ("Gather", [whole(3, 4, 5), np.array(-1)], {}),
    ("GatherElements", [floats(3, 4), np.array([[0], [2]])], {"axis": 1}),
    ("Gemm", [floats(4, 2), floats(3, 4), floats(3)], {"transA": 1, "transB": 1}),
    ("Gemm", [floats(2, 4), floats(4, 3)], {}),
    ("MatMul", [floats(5, 1, 2, 3), floats(4, 3, 6)], {}),
    ("MatMul", [floats(3), floats(4, 3, 6)], {}),
    ("MatMul", [floats(4, 2, 3), floats(3)], {}),
    ("MatMul", [floats(3), floats(3)], {}),
    ("GRU", [*GRU], {"hidden_size": 2}),
    ("GRU", [*TWO_WAYS], {"hidden_size": 2, "direction": "bidirectional"}),
    ("ReduceSum", [floats(2, 3, 4), whole(-1, 0)], {"keepdims": 0}),
    ("ReduceMax", [floats(2, 3, 4), whole(1)], {}),
    ("ReduceMin", [floats(2, 3, 4)], {}),
    ("ReduceMean", [floats(2, 3, 4)], {"noop_with_empty_axes": 1}),
    ("Reshape", [floats(2, 3, 4), whole(0, -1)], {}),
    ("Reshape", [floats(0, 3), whole(3, 0)], {"allowzero": 1}),
    ("Shape", [floats(2, 3, 4)], {}),
    ("Shape", [floats(2, 3, 4)], {"start": -2, "end": 99}),
    ("Slice", [floats(5, 6), whole(1), whole(2**63 - 1), whole(-1)], {}),
    ("Slice", [floats(5, 6), whole(-1, 0), whole(-99, 5), whole(0, 1), whole(-2, 2)], {}),
    ("Slice", [floats(5, 6), whole(4), whole(1)], {}),
    ("TopK", [floats(2, 3), whole(2)], {}),
    ("TopK", [floats(2, 3), whole(1)], {"axis": 0}),
    ("Transpose", [floats(2, 3, 4)], {}),
    ("Transpose", [floats(2, 3, 4)], {"perm": [1, 0, 2]}),
    ("Unsqueeze", [floats(2, 3), whole(-1, 0)], {}),
]


def made_of(operator, inputs, settings):
    names = [f"i{n}" if value is not None else "" for n, value in enumerate(inputs)]
    outputs = ["o0", "o1"][: 2 if operator in ("TopK", "GRU") else 1]
    constants = {name: v for name, v in zip(names, inputs, strict=True) if name}
    return model_of([helper.make_node(operator, names, outputs, **settings)], constants)


def check_against_runtime(model, rows):
    """Compare each inferred shape and kind with what the runtime makes; return how many."""
    inferred = {name: value for _, name, value in GraphMemory(graph_of(model), refuse).values(rows)}
    changed = onnx.load_from_string(model)
    known = {output.name for output in changed.graph.output}
    more = [name for name in inferred if name not in known]
    changed.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in more)
    session = onnxruntime.InferenceSession(changed.SerializeToString())
    columns = changed.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    row = np.zeros((rows, columns), np.float32)
    results = session.run([*inferred], {"observation": row})
    for (name, value), result in zip(inferred.items(), results, strict=True):
        assert (value.shape, value.kind) == (result.shape, result.dtype), name
        if value.content is not None:
            np.testing.assert_array_equal(value.content, result)
    return len(results)


@pytest.mark.parametrize(("operator", "inputs", "settings"), CASES)
def test_a_rule_infers_what_the_runtime_makes(operator, inputs, settings):
    assert check_against_runtime(made_of(operator, inputs, settings), 1)


def test_every_operator_of_bundles_has_a_rule_that_is_compared():
    assert {operator for operator, _, _ in CASES} == OPERATORS


@pytest.mark.parametrize("name", ["se-ppo", "dqn", "dqn-plain", "greedy"])
def test_every_value_of_an_exported_graph_is_inferred(name, bundles):
    bundle = load(bundles[name])
    for graph in ("policy", *bundle.rules):
        model = bundle.graph(graph)
        assert check_against_runtime(model, 3) > 2
        memory = GraphMemory(graph_of(model), refuse)
        assert memory.check(BATCH) < MAX_MEMORY[BATCH] / 50


X, SHAPE = floats(2, 3), whole(2, 3)
WRONG = [
    ("Add", [X, floats(4)], {}, "do not fit each other"),
    ("Add", [X, None], {}, "input 1 is missing"),
    ("MatMul", [X, X], {}, "multiplies"),
    ("Gemm", [floats(3), X], {}, "multiplies"),
    ("Gemm", [X, floats(3, 4), floats(9, 2, 4)], {}, "adds"),
    ("Reshape", [X, whole(2**40)], {}, "makes"),
    ("Reshape", [X, whole(-1, -1)], {}, "makes"),
    ("Reshape", [X, whole(-2, -3)], {}, "makes"),
    ("Reshape", [X, whole(0, -1, 0, 0)], {}, "makes"),
    ("Expand", [X, whole(-1)], {}, "asks for -1"),
    ("Expand", [X, whole(*[1] * 33)], {}, "33 numbers"),
    ("Concat", [X, floats(2, 3, 1)], {"axis": 0}, "joins"),
    ("Concat", [X, X], {}, "axis 32 of 2"),
    ("Cast", [X], {"to": TensorProto.STRING}, "kind 8"),
    ("ArgMax", [X], {"axis": 2}, "axis 2 of 2"),
    ("Slice", [X, whole(0), whole(1), whole(0), whole(0)], {}, "do not fit"),
    ("Slice", [X, whole(0, 0), whole(1, 1), whole(0, 0)], {}, "do not fit"),
    ("TopK", [X, whole(4)], {}, r"takes \[4\] of 3"),
    ("TopK", [X, whole(1)], {"axis": "x"}, "cannot be read"),
    ("TopK", [X, SHAPE], {}, "takes"),
    ("Transpose", [X], {"perm": [0, 0]}, "order"),
    ("Unsqueeze", [X, whole(0, 0)], {}, "twice"),
    ("Gather", [SHAPE, whole(2)], {}, "outside of 2"),
    ("GRU", [GRU[0], GRU[1], floats(1, 6, 3)], {"hidden_size": 2}, "weights"),
    ("GRU", [*GRU], {"hidden_size": 2, "layout": 1}, "must be"),
]


@pytest.mark.parametrize(("operator", "inputs", "settings", "word"), WRONG)
def test_what_cannot_be_inferred_is_refused_with_its_operator(operator, inputs, settings, word):
    with pytest.raises(InputError, match=rf"^p.edge: the node 'o0' \({operator}\) .*{word}"):
        check_operators(made_of(operator, inputs, settings), "p.edge")


def test_a_shape_that_follows_from_numbers_of_the_row_is_refused():
    nodes = [
        node("Cast", ["observation"], "whole", to=TensorProto.INT64),
        node("Reshape", ["whole", "flat"], "shape"),
        node("Expand", ["one", "shape"], "big"),
    ]
    model = model_of(nodes, {"flat": whole(-1), "one": floats(1)})
    with pytest.raises(InputError, match=r"'n.big' \(Expand\) has a shape that is computed"):
        check_operators(model, "x")


@pytest.mark.parametrize("chooses", ["Slice", "Gather", "TopK"])
def test_the_number_of_rows_chooses_nothing(chooses):
    """Else a graph could ask for little at 1 and at 1024 rows, and for very much at 3."""
    inputs = ["sizes", "rows", "end"][: 3 if chooses == "Slice" else 2]
    makes = ["shape", "second"][: 2 if chooses == "TopK" else 1]
    nodes = [
        node("Shape", ["observation"], "rows", start=0, end=1),
        helper.make_node(chooses, inputs, makes),
        node("Expand", ["one", "shape"], "big"),
    ]
    constants = {"sizes": whole(1, 1, 1, 2**30), "end": whole(9), "one": floats(1)}
    with pytest.raises(InputError, match="depends on the number of rows"):
        check_operators(model_of(nodes, constants), "x")


def forged(change):
    model = onnx.load_from_string(made_of("Unsqueeze", [X, whole(0)], {}))
    change(model.graph)
    return model.SerializeToString()


def typed(graph):
    """Write numbers in fields of their own instead of in bytes."""
    del graph.initializer[:]
    graph.initializer.append(helper.make_tensor("i0", TensorProto.FLOAT, [2, 3], [0.5] * 6))
    graph.initializer.append(helper.make_tensor("i1", TensorProto.INT64, [1], [-(2**40)]))


def kind_of_setting(graph):
    setting = helper.make_attribute("axes", 1)
    setting.type = onnx.AttributeProto.FLOAT
    graph.node[0].attribute.append(setting)


FORGED = [
    (lambda graph: graph.initializer[0].dims.extend([2**40]), "constant 'i0' .*not those of"),
    (lambda graph: graph.initializer[0].dims.__setitem__(0, -2), "constant 'i0' .*negative"),
    (lambda graph: graph.initializer[0].float_data.append(1.0), "another field"),
    (lambda graph: setattr(graph.initializer[0], "data_type", TensorProto.BFLOAT16), "kind 16"),
    (lambda graph: graph.node[0].attribute.extend([helper.make_attribute("a", 1)] * 2), "two ways"),
    (kind_of_setting, "two ways"),
    (typed, "axis -1099511627776 of 3"),
    (lambda graph: graph.node[0].output.append("more"), "makes too much"),
    (lambda graph: graph.node[0].output.__setitem__(0, "i0"), "made already"),
    (lambda graph: graph.node[0].input.__setitem__(0, "later"), "takes 'later' before it is made"),
    (lambda graph: graph.input[0].type.tensor_type.shape.dim.pop(), "input 'observation' must be"),
    (lambda graph: graph.input.add(name="more"), "input 'more' must be"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "word"), FORGED)
def test_a_graph_that_contradicts_itself_is_refused(change, word):
    with pytest.raises(InputError, match=word):
        check_operators(forged(change), "x")


@pytest.mark.parametrize("operator", ["Tile", "ConstantOfShape", "Range", "Resize", "Pad"])
def test_operators_that_only_grow_are_foreign(operator):
    with pytest.raises(InputError, match=f"'{operator}' is foreign"):
        check_operators(made_of(operator, [X, whole(2**20)], {}), "x")


def test_many_rows_go_through_the_graph_in_parts(bundles, monkeypatch):
    engine = load(bundles["dqn-plain"]).engine
    rows = np.random.default_rng(0).normal(size=(BATCH + 9, 11)).astype(np.float32)
    runs, run = [], engine._run
    monkeypatch.setattr(
        engine, "_run", lambda names, part: runs.append(len(part)) or run(names, part)
    )
    found = engine.many(rows)
    assert runs == [BATCH, 9]
    for name, values in engine.many(rows[BATCH - 3 : BATCH + 3]).items():
        np.testing.assert_allclose(found[name][BATCH - 3 : BATCH + 3], values, rtol=1e-5)


def node(operator, inputs, output, **settings):
    return helper.make_node(operator, inputs, [output], name=f"n.{output}", **settings)


def doubled(count):
    """Return a chain whose every link is twice as long as the one before."""
    links = [node("Concat", [f"d{n}"] * 2, f"d{n + 1}", axis=0) for n in range(count)]
    return [node("Identity", ["long"], "d0"), *links], {"long": floats(2)}


def grown(count):
    """Return sums that each give their input one axis more."""
    nodes, constants = [node("Identity", ["long"], "g0")], {"long": floats(64)}
    for n in range(count):
        constants[f"c{n}"] = floats(64, *[1] * (n + 1))
        nodes.append(node("Add", [f"g{n}", f"c{n}"], f"g{n + 1}"))
    return nodes, constants


OUTER = {"column": floats(33_000, 1), "row": floats(1, 33_000), "far": whole(-1, 1)}
BOMBS = {
    "the outer product of 4.4 GB": ([node("MatMul", ["column", "row"], "big")], OUTER),
    "a sum that broadcasts": ([node("Add", ["column", "row"], "big")], OUTER),
    "a choice that broadcasts": (
        [node("Less", ["column", "row"], "big"), node("Where", ["big", "row", "row"], "bigger")],
        OUTER,
    ),
    "sums that each add an axis": grown(6),
    "joints that double": doubled(40),
    "a shape that is written": (
        [node("Expand", ["row", "shape"], "big")],
        {"row": floats(1), "shape": whole(2**15, 2**15)},
    ),
    "a shape that is joined of parts": (
        [
            node("Shape", ["observation"], "size", start=0, end=1),
            node("Unsqueeze", ["n", "axis"], "more"),
            node("Concat", ["size", "more"], "shape", axis=0),
            node("Expand", ["row", "shape"], "big"),
        ],
        {"row": floats(1), "n": np.int64(2**28), "axis": whole(0)},
    ),
    "a shape of numbers that are picked": (
        [
            node("Slice", ["sizes", "one", "two"], "part"),
            node("Gather", ["part", "places"], "shape"),
            node("Expand", ["row", "shape"], "big"),
        ],
        {"row": floats(1), "sizes": whole(1, 2**10, 1), "one": whole(1), "two": whole(2),
         "places": whole(0, 0, 0)},
    ),
    "a table that is read very often": (
        [node("Gather", ["table", "index"], "big")],
        {"table": floats(4, 10_000), "index": np.zeros(20_000, np.int64)},
    ),
    "rows that meet all other rows": (
        [node("Reshape", ["observation", "far"], "column"),
         node("Transpose", ["column"], "row"), node("MatMul", ["column", "row"], "big"),
         node("Exp", ["big"], "more")],
        {"far": whole(-1, 1)},
    ),
    "many numbers for each row": (
        [node("MatMul", ["observation", "wide"], "big")], {"wide": floats(11, 200_000)},
    ),
    "weights of 8 bits that become wide": (
        [node("DequantizeLinear", ["small", "scale"], "wide")],
        {"small": np.zeros(2**25, np.int8), "scale": np.float32(1)},
    ),
}  # fmt: skip


@pytest.fixture
def bomb(content, resealed):
    """Return what adds the nodes of a graph in BOMBS to a bundle and seals it again."""

    def forge(name):
        def members(found):
            model = onnx.load_from_string(found["policy.onnx"])
            nodes, constants = BOMBS[name]
            model.graph.node.extend(nodes)
            for key, value in constants.items():
                model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), key))
            found["policy.onnx"] = model.SerializeToString()

        return resealed(content, change_members=members)

    return forge


@pytest.mark.parametrize("name", BOMBS)
def test_a_graph_that_asks_for_very_much_is_refused_before_it_runs(name, bomb, monkeypatch):
    def runs(*rest):
        raise AssertionError("it reached the runtime")

    monkeypatch.setattr(engine_module, "_session", runs)
    with pytest.raises(InputError, match=r"^x.edge: policy: the node 'n\.\w+' \(\w+\) .*bytes for"):
        parse(bomb(name), "x.edge")


def test_a_service_keeps_its_policy_where_another_takes_too_much(bomb, content, tmp_path):
    (tmp_path / "p.edge").write_bytes(content)
    file = bomb("the outer product of 4.4 GB")
    assert len(file) < 316_000

    async def go():
        service = Service(Settings(bundle=tmp_path / "p.edge", watch_s=0.02))
        async with service._live(service._rest):
            active = service.decider.serving.bundle
            write_bytes(tmp_path / "p.edge", file)
            async with asyncio.timeout(20):
                while not service.counters.reloads["refused"]:
                    await asyncio.sleep(0.01)
            assert "4356" in service.reloader.message
            assert service.decider.serving.bundle is active

    asyncio.run(go())
