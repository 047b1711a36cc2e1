"""From layers to a bundle: graph, record of parity, manifest."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import onnx
from onnx import numpy_helper

from edgewright.deploy.bundle.bundle import POLICY, Bundle, make
from edgewright.deploy.bundle.engine import INPUT, SCORES
from edgewright.deploy.bundle.interface import Interface
from edgewright.deploy.bundle.manifest import interface_facts
from edgewright.deploy.graph import GraphBuilder
from edgewright.deploy.layers import Layer, Program, describe, multiply_adds, parameters, run
from edgewright.deploy.record import Reference, make_record

TOLERANCE = 1e-4
"""Scores may differ by this share of their size, see :func:`score_size`."""


@dataclasses.dataclass(frozen=True)
class Graph:
    """A graph and what the manifest says of it."""

    model: bytes
    facts: dict[str, Any]


def write_graph(
    layers: Sequence[Layer], interface: Interface, tables: Mapping[str, np.ndarray], title: str
) -> Graph:
    """Return the ONNX file of layers with the decoding behind them.

    Scores become the index of the best; every table gives one more output, looked up by that index.
    A program gives the index itself.
    """
    graph = GraphBuilder(interface.columns)
    x = INPUT
    for place, layer in enumerate(layers[:-1]):
        x = layer.emit(graph, x, str(place))
    last = layers[-1]
    x = last.emit(graph, x, str(len(layers) - 1))
    outputs: dict[str, tuple[Any, tuple[int, ...]]] = {"action": (np.int64, ())}
    if isinstance(last, Program):
        graph.node("Identity", [x], "action")
    else:
        graph.node("Identity", [x], SCORES)
        graph.node("ArgMax", [SCORES], "action", axis=-1, keepdims=0)
        width = jax.eval_shape(lambda row: run(layers, row), jnp.zeros((1, interface.columns)))
        outputs[SCORES] = (np.float32, width.shape[1:])
    for name, values in tables.items():
        graph.node("Gather", [graph.constant(values, dtype=np.int64), "action"], name, axis=0)
        outputs[name] = (np.int64, ())
    model = graph.model(outputs, title)
    return Graph(
        model, {"layers": describe(layers), "precision": "float32", **sizes(layers, model)}
    )


def sizes(layers: Sequence[Layer], model: bytes) -> dict[str, int]:
    """Return what tables of compression show of a graph."""
    return {
        "parameters": parameters(layers),
        "multiply_adds": multiply_adds(layers),
        "bytes": len(model),
    }


def reference_of(layers: Sequence[Layer], tables: Mapping[str, np.ndarray]) -> Reference:
    """Return what the layers decide in JAX, with the decoding, as NumPy arrays."""
    compute = jax.jit(lambda rows: run(layers, rows))

    def reference(rows: np.ndarray) -> dict[str, np.ndarray]:
        found = np.asarray(compute(jnp.asarray(rows, jnp.float32)))
        scored = not isinstance(layers[-1], Program)
        action = (found.argmax(axis=-1) if scored else found).astype(np.int64)
        decoded = {name: np.asarray(values, np.int64)[action] for name, values in tables.items()}
        return {"action": action, **decoded, **({SCORES: found} if scored else {})}

    return reference


def read_arrays(model: bytes) -> dict[str, np.ndarray]:
    """Return the constants of a graph by name; quantised weights as the numbers they stand for."""
    graph = onnx.load_from_string(model).graph
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in found:
            values, scale, zero = (found[name].astype(np.float32) for name in node.input)
            name = node.output[0].removesuffix("_DequantizeLinear_Output")
            found[name] = (values - zero) * scale
    return found


def read_tables(model: bytes, interface: Interface) -> dict[str, np.ndarray]:
    """Return the decoding tables of a graph that :func:`write_graph` made."""
    graph = onnx.load_from_string(model).graph
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    names = {output.name for output in interface.outputs}
    return {
        node.output[0]: arrays[node.input[0]]
        for node in graph.node
        if node.op_type == "Gather" and node.output[0] in names
    }


def make_bundle(
    layers: Sequence[Layer],
    interface: Interface,
    tables: Mapping[str, np.ndarray],
    rules: Mapping[str, Graph],
    facts: Mapping[str, Any],
    where: str,
) -> tuple[bytes, Bundle]:
    """Return the file of a float policy with rules beside it, and the bundle read back from it.

    Args:
        tables: values of the outputs for each action index.
        facts: ``name``, ``kind``, ``scenario``, ``provenance``, ``scores``, ``lineage``.
    """
    graphs = {POLICY: write_graph(layers, interface, tables, POLICY), **rules}
    reference, scores = reference_of(layers, tables), None
    if not isinstance(layers[-1], Program):
        scores = functools.partial(run, layers)
    tolerance = TOLERANCE * score_size(reference, interface)
    record = make_record(interface, reference, scores, tolerance)
    parity = {"reference": f"jax {jax.__version__}", "tolerance": tolerance}
    return assemble(interface, graphs, record, {**facts, "parity": parity}, where)


def score_size(reference: Reference, interface: Interface) -> float:
    """Return how large scores become, at least 1: what tolerances are relative to."""
    low, high = interface.bounds()
    ends = np.stack([low, high, (low + high) / 2, low - 1e6, high + 1e6])
    found = reference(ends)
    return float(np.abs(found[SCORES]).max(initial=1.0)) if SCORES in found else 1.0


def assemble(
    interface: Interface,
    graphs: Mapping[str, Graph],
    record: Mapping[str, np.ndarray],
    facts: Mapping[str, Any],
    where: str,
) -> tuple[bytes, Bundle]:
    """Return the file of graphs with their record of parity, and the bundle read back from it."""
    content = {
        **facts,
        "interface": interface_facts(interface),
        "graphs": {name: graph.facts for name, graph in graphs.items()},
    }
    return make(content, {name: graph.model for name, graph in graphs.items()}, record, where)
