"""Write a bundle from layers, with graph, parity rows and manifest."""

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

from edgewright.bundle.bundle import POLICY, Bundle, make
from edgewright.bundle.engine import INPUT, SCORES
from edgewright.bundle.interface import Interface
from edgewright.bundle.manifest import interface_facts
from edgewright.export.graph import GraphBuilder
from edgewright.export.heads import Head
from edgewright.export.layers import (
    Branches,
    Layer,
    Program,
    Standardise,
    describe,
    multiply_adds,
    parameters,
    run,
)
from edgewright.export.record import FAR, NEAR, Reference, make_record

TOLERANCE = 1e-4
"""Scores may differ by this share of their size, see :func:`score_size`."""


@dataclasses.dataclass(frozen=True)
class Graph:
    """A graph and what the manifest says of it."""

    model: bytes
    facts: dict[str, Any]


def write_graph(layers: Sequence[Layer], head: Head, interface: Interface, title: str) -> Graph:
    """Return the ONNX file of layers with a head behind them. A program finds the action itself."""
    graph = GraphBuilder(interface.columns)
    x = INPUT
    for index, layer in enumerate(layers[:-1]):
        x = layer.emit(graph, x, str(index))
    last = layers[-1]
    x = last.emit(graph, x, str(len(layers) - 1))
    kinds = {"integer": np.int64, "number": np.float32}
    outputs: dict[str, Any] = {one.name: (kinds[one.kind], one.shape) for one in head.outputs}
    if finds_action(layers):
        head.emit_decoded(graph, x)
    else:
        head.emit(graph, graph.node("Identity", [x], SCORES))
        width = jax.eval_shape(lambda row: run(layers, row), jnp.zeros((1, interface.columns)))
        outputs[SCORES] = (np.float32, width.shape[1:])
    model = graph.model(outputs, title)
    facts = {"layers": describe(layers), "head": head.facts(), "precision": "float32"}
    return Graph(model, {**facts, **sizes(layers, model)})


def finds_action(layers: Sequence[Layer]) -> bool:
    """Return whether layers end in the action itself, not in scores."""
    return isinstance(layers[-1], Program) and layers[-1].decides


def sizes(layers: Sequence[Layer], model: bytes) -> dict[str, int]:
    """Return what tables of compression show of a graph."""
    return {
        "parameters": parameters(layers),
        "multiply_adds": multiply_adds(layers),
        "bytes": len(model),
    }


def reference_of(layers: Sequence[Layer], head: Head) -> Reference:
    """Return what the layers and the head decide in JAX, as NumPy arrays."""

    @jax.jit
    def compute(rows: Any) -> Any:
        result = run(layers, rows)
        if finds_action(layers):
            return head.decoded(result, rows), {}
        return head(result, rows), {SCORES: result}

    def reference(rows: np.ndarray) -> dict[str, np.ndarray]:
        outputs, scores = jax.tree.map(np.asarray, compute(jnp.asarray(rows, jnp.float32)))
        real = {output.name for output in head.outputs if output.kind == "number"}
        return {
            name: value if name in real else value.astype(np.int64)
            for name, value in outputs.items()
        } | scores

    return reference


def read_arrays(model: bytes) -> dict[str, np.ndarray]:
    """Return the constants of a graph by name; quantised weights as the numbers they stand for."""
    graph = onnx.load_from_string(model).graph
    result = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in result:
            values, scale, zero = (result[name].astype(np.float32) for name in node.input)
            name = node.output[0].removesuffix("_DequantizeLinear_Output")
            result[name] = (values - zero) * scale
    return result


def make_bundle(
    layers: Sequence[Layer],
    head: Head,
    interface: Interface,
    rules: Mapping[str, Graph],
    facts: Mapping[str, Any],
    where: str,
) -> tuple[bytes, Bundle]:
    """Return the file of a float policy with rules beside it, and the bundle read back from it.

    Args:
        facts: ``name``, ``kind``, ``scenario``, ``provenance``, ``scores``, ``lineage``.
    """
    graphs = {POLICY: write_graph(layers, head, interface, POLICY), **rules}
    reference, scores = reference_of(layers, head), None
    if not finds_action(layers):
        scores = functools.partial(run, layers)
    far = how_far(layers)
    tolerance = TOLERANCE * score_size(reference, interface, far)
    record = make_record(interface, reference, head, scores, tolerance, far)
    parity = {"reference": f"jax {jax.__version__}", "tolerance": tolerance}
    return assemble(interface, graphs, record, {**facts, "parity": parity}, where)


def how_far(layers: Sequence[Layer]) -> float:
    """Return how many typical ranges outside the range parity is tried."""
    return FAR if _clips(layers) else NEAR


def _clips(layers: Sequence[Layer]) -> bool:
    """Return whether every chain of layers clips its inputs."""
    return any(
        isinstance(layer, Standardise)
        or (isinstance(layer, Branches) and all(map(_clips, layer.parts)))
        for layer in layers
    )


def score_size(reference: Reference, interface: Interface, far: float, least: float = 1.0) -> float:
    """Return how large scores become, at least ``least``: what tolerances are relative to."""
    low, high = interface.typical()
    beyond = far * (high - low)
    ends = np.stack([low, high, (low + high) / 2, low - beyond, high + beyond])
    result = reference(ends)
    return float(np.abs(result[SCORES]).max(initial=least)) if SCORES in result else least


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
