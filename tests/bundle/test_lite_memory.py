"""A LiteRT graph makes the shapes that it declares, and takes little memory."""

import flatbuffers
import numpy as np
import pytest

from edgewright.bundle.lite import FILE_IDENTIFIER, LiteRow, lite_schema
from edgewright.core.errors import InputError
from edgewright.export.lite import _Writer


def floats(to, *shape):
    return to.tensor(shape, np.float32, np.ones(shape, np.float32))


def whole(to, *values):
    return to.tensor((len(values),), np.int32, values)


def options(to, name, **values):
    made = getattr(to.schema, f"{name}OptionsT")()
    for key, value in values.items():
        setattr(made, key, value)
    return made


def file_of(build):
    """Return the file of a graph of four columns that ``build`` adds operators to."""
    to = _Writer(lite_schema(), "x")
    row = to.tensor((1, 4), name="observation")
    to.graph.inputs, to.graph.outputs = [row], [build(to, row)]
    builder = flatbuffers.Builder(4096)
    builder.Finish(to.model.Pack(builder), FILE_IDENTIFIER)
    return bytes(builder.Output())


def undeclared(to, row):
    return to.operator("ADD", [floats(to, 9000, 1), floats(to, 1, 9000)], (1, 4))


def outer(to, row):
    return to.operator("ADD", [floats(to, 9000, 1), floats(to, 1, 9000)], (9000, 9000))


def chain(to, row):
    result, joins = floats(to, 1, 1024), options(to, "Concatenation", axis=1)
    for link in range(1, 16):
        result = to.operator("CONCATENATION", [result] * 2, (1, 1024 * 2**link), options=joins)
    return result


def product(to, row):
    places = [floats(to, 9000, 1), floats(to, 9000, 1), -1]
    chosen = options(to, "FullyConnected")
    return to.operator("FULLY_CONNECTED", places, (9000, 9000), options=chosen)


def look_up(to, row):
    index = to.tensor((9000,), np.int32, np.zeros(9000))
    places, chosen = [floats(to, 4, 9000), index], options(to, "Gather")
    return to.operator("GATHER", places, (9000, 9000), options=chosen)


def computed(to, row):
    shape = to.operator("CAST", [row], (1, 4), np.int32, options(to, "Cast"))
    return to.operator("RESHAPE", [row, shape], (1, 4))


def outside(to, row):
    return to.operator("SLICE", [row, whole(to, 0, 3), whole(to, 1, 2)], (1, 2))


def later(to, row):
    return to.operator("ADD", [row, to.tensor((1, 4))], (1, 4))


def larger(to, row):
    place = floats(to, 1, 4)
    to.graph.tensors[place].shape = [2**15, 2**15]
    return to.operator("ADD", [row, place], (1, 4))


def input_of_much(to, row):
    to.graph.tensors[row].shape = [2**15, 2**15]
    return to.operator("TANH", [row], (2**15, 2**15))


def changes(to, row):
    to.graph.tensors[row].isVariable = True
    return to.operator("TANH", [row], (1, 4))


WRONG = {
    undeclared: r"operator 0 \(ADD\) makes \[9000, 9000\] and declares \[1, 4\]",
    outer: r"operator 0 \(ADD\) asks for \[9000, 9000\], 324000016 bytes",
    chain: r"\(CONCATENATION\) asks for",
    product: r"\(FULLY_CONNECTED\) asks for",
    look_up: r"\(GATHER\) asks for",
    computed: r"operator 1 \(RESHAPE\) has a shape or an axis that is computed",
    outside: r"\(SLICE\) takes",
    later: "not made yet",
    larger: "16 bytes do not make a tensor",
    input_of_much: "asks for",
    changes: "kind that bundles do not use",
}


@pytest.mark.parametrize("build", WRONG, ids=lambda build: build.__name__)
def test_a_graph_that_takes_much_or_declares_otherwise_is_refused(build):
    with pytest.raises(InputError, match=f"^p.edge: in the LiteRT file, .*{WRONG[build]}"):
        LiteRow(file_of(build), 4, 1, "p.edge")


def test_a_graph_of_the_declared_shapes_decides():
    def build(to, row):
        halves = [
            to.operator("SLICE", [row, whole(to, 0, first), whole(to, 1, 2)], (1, 2))
            for first in (0, 2)
        ]
        joins = options(to, "Concatenation", axis=-1)
        return to.operator("CONCATENATION", halves, (1, 4), options=joins)

    assert LiteRow(file_of(build), 4, 1, "x").one([1.0, 2.0, 3.0, 4.0]) == ([1], 9.0)
