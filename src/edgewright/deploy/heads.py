"""Heads: from scores to the outputs of a decision, in JAX and in ONNX.

The layers of a policy end in scores, one row ``[columns]`` of them for each decision. A head turns
them into named outputs. ``Choice`` takes the best of several actions; ``Bits`` rounds one relaxed
bit for each device, and proposes further actions to whoever can price them.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from edgewright.core.errors import InputError
from edgewright.core.records import Array
from edgewright.deploy.bundle.engine import INPUT, SCORES
from edgewright.deploy.bundle.interface import Output
from edgewright.deploy.graph import GraphBuilder
from edgewright.rules import quantiser

ROUNDING = 1e-6
"""How far a sigmoid may be from itself on another machine."""

SHAKES = 8
TEMPERATURE = 0.5
"""Of the soft scores of a choice, in units of their spread: the mean deviation over actions."""


class Head(Protocol):
    """How scores become outputs, see the module."""

    kind: ClassVar[str]
    joint: ClassVar[bool]  # one row holds all agents of the world

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Return the outputs, the action first."""
        ...

    def __call__(self, scores: Array, rows: Array) -> dict[str, Array]:
        """Return the outputs by name for scores and rows ``[n, columns]``."""
        ...

    def decoded(self, action: Array) -> dict[str, Array]:
        """Return the outputs by name for actions that a rule found itself."""
        ...

    def chances(self, scores: Array) -> int:
        """Return how many values one action may take."""
        ...

    def gap(self, scores: Array) -> Array:
        """Return by how much one score ``[columns]`` must move to turn the action."""
        ...

    def distance(self, given: Array, wanted: Array) -> Array:
        """Return how far scores ``[n, columns]`` are apart: what a student minimises."""
        ...

    def settled(self, scores: np.ndarray, rows: np.ndarray, tolerance: float) -> np.ndarray:
        """Say for rows and outputs ``[n, outputs]`` what cannot turn by rounding."""
        ...

    def emit(self, graph: GraphBuilder, scores: str) -> None:
        """Add the nodes from scores to outputs."""
        ...

    def emit_decoded(self, graph: GraphBuilder, action: str) -> None:
        """Add the nodes from an action to outputs."""
        ...

    def facts(self) -> dict[str, Any]:
        """Return what the manifest says of it."""
        ...


@dataclasses.dataclass(frozen=True, eq=False)
class Choice:
    """The best of several actions; ``tables`` ``[actions]`` give one more output each."""

    named: tuple[Output, ...]
    tables: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    kind: ClassVar[str] = "choice"
    joint: ClassVar[bool] = False

    @property
    def outputs(self) -> tuple[Output, ...]:
        return self.named

    def __call__(self, scores: Array, rows: Array) -> dict[str, Array]:
        return self.decoded(jnp.argmax(scores, axis=-1).astype(jnp.int32))

    def decoded(self, action: Array) -> dict[str, Array]:
        tables = {name: jnp.asarray(values)[action] for name, values in self.tables.items()}
        return {"action": action, **tables}

    def chances(self, scores: Array) -> int:
        return scores.shape[-1]

    def gap(self, scores: Array) -> Array:
        best = jax.lax.top_k(scores, 2)[0]
        return best[0] - best[1]

    def distance(self, given: Array, wanted: Array) -> Array:
        """Return the divergence of soft choices (Hinton, Vinyals and Dean 2015)."""
        temperature = TEMPERATURE * jnp.mean(jnp.std(wanted, axis=-1)) + 1e-12
        log_q = jax.nn.log_softmax(given / temperature)
        log_p = jax.nn.log_softmax(wanted / temperature)
        return jnp.mean(jnp.sum(jnp.exp(log_p) * (log_p - log_q), axis=-1))

    def settled(self, scores: np.ndarray, rows: np.ndarray, tolerance: float) -> np.ndarray:
        top = np.sort(scores, axis=1)
        clear = top[:, -1] - top[:, -2] > 2 * tolerance
        return np.repeat(clear[:, None], len(self.outputs), axis=1)

    def emit(self, graph: GraphBuilder, scores: str) -> None:
        self._look_up(graph, graph.node("ArgMax", [scores], "action", axis=-1, keepdims=0))

    def emit_decoded(self, graph: GraphBuilder, action: str) -> None:
        self._look_up(graph, graph.node("Identity", [action], "action"))

    def _look_up(self, graph: GraphBuilder, action: str) -> None:
        for name, values in self.tables.items():
            graph.node("Gather", [graph.constant(values, dtype=np.int64), action], name, axis=0)

    def facts(self) -> dict[str, Any]:
        return {"kind": self.kind}


@dataclasses.dataclass(frozen=True)
class Bits:
    """One relaxed bit for each of ``devices``: rounded, and as ``proposals`` of a quantiser.

    Attributes:
        proposals: how many actions are proposed, the rounding first.
        present: columns of the row that say which places hold a device; empty where all do.
    """

    devices: int
    proposals: int
    quantiser: Literal["order", "nearest"] = "order"
    present: tuple[int, ...] = ()
    kind: ClassVar[str] = "bits"
    joint: ClassVar[bool] = True

    @property
    def outputs(self) -> tuple[Output, ...]:
        meaning = "actions worth pricing, the first is the action; the cheapest is the best"
        return (
            Output("action", "1 for each device that offloads", shape=(self.devices,)),
            Output("proposals", meaning, shape=(self.proposals, self.devices)),
        )

    def __call__(self, scores: Array, rows: Array) -> dict[str, Array]:
        return self._quantised(self._relaxed(scores, rows))

    def decoded(self, action: Array) -> dict[str, Array]:
        return self._quantised(action.astype(jnp.float32))

    def chances(self, scores: Array) -> int:
        return 2

    def gap(self, scores: Array) -> Array:
        return jnp.min(jnp.abs(scores))

    def distance(self, given: Array, wanted: Array) -> Array:
        """Return the divergence of relaxed bits: cross-entropy less what is left at best."""
        chance = jax.nn.sigmoid(wanted)

        def entropy(logits: Array) -> Array:
            return jax.nn.softplus(logits) - chance * logits

        return jnp.mean(entropy(given) - entropy(wanted))

    def settled(self, scores: np.ndarray, rows: np.ndarray, tolerance: float) -> np.ndarray:
        found = self(jnp.asarray(scores), jnp.asarray(rows))
        rng, steady = np.random.default_rng(0), np.ones((len(rows), len(self.outputs)), bool)
        for _ in range(SHAKES):
            moved = scores + 2 * tolerance * rng.choice([-1.0, 1.0], scores.shape)
            relaxed = self._relaxed(jnp.asarray(moved, jnp.float32), jnp.asarray(rows))
            other = self._quantised(relaxed + ROUNDING * rng.choice([-1.0, 1.0], scores.shape))
            for place, output in enumerate(self.outputs):
                same = np.asarray(other[output.name] == found[output.name])
                steady[:, place] &= same.reshape(len(rows), -1).all(axis=1)
        return steady

    def _relaxed(self, scores: Array, rows: Array) -> Array:
        relaxed = jax.nn.sigmoid(scores)
        return relaxed * rows[..., np.array(self.present)] if self.present else relaxed

    def _quantised(self, relaxed: Array) -> dict[str, Array]:
        rules = {"order": quantiser.order_preserving, "nearest": quantiser.nearest_neighbours}
        propose = functools.partial(rules[self.quantiser], count=self.proposals)
        return {"action": quantiser.rounded(relaxed), "proposals": jax.vmap(propose)(relaxed)}

    def emit(self, graph: GraphBuilder, scores: str) -> None:
        relaxed = graph.node("Sigmoid", [scores])
        if self.present:
            there = graph.constant(self.present, dtype=np.int64)
            relaxed = graph.node("Mul", [relaxed, graph.node("Gather", [INPUT, there], axis=1)])
        self._emit(graph, relaxed)

    def emit_decoded(self, graph: GraphBuilder, action: str) -> None:
        self._emit(graph, graph.node("Cast", [action], to=TensorProto.FLOAT))

    def _emit(self, graph: GraphBuilder, relaxed: str) -> None:
        above = graph.node("Greater", [relaxed, graph.constant(0.5)])
        action = graph.node("Cast", [above], "action", to=TensorProto.INT64)
        if self.quantiser == "order":
            _emit_order(graph, relaxed, action, self.proposals)
        else:
            _emit_nearest(graph, relaxed, action, self.proposals, self.devices)

    def facts(self) -> dict[str, Any]:
        return {"kind": self.kind, **dataclasses.asdict(self)}


def _emit_order(graph: GraphBuilder, relaxed: str, action: str, count: int) -> None:
    """Add :func:`edgewright.rules.quantiser.order_preserving`: the rounding, then cuts at pivots.

    Of equal values ``TopK`` takes the one with the lower index first, as a stable sort does.
    """
    axis = {n: graph.constant([n], dtype=np.int64) for n in (1, 2)}
    half = graph.constant(0.5)
    first = graph.node("Unsqueeze", [action, axis[1]])
    if count == 1:
        graph.node("Identity", [first], "proposals")
        return
    distance = graph.node("Abs", [graph.node("Sub", [relaxed, half])])
    many = graph.constant([count - 1], dtype=np.int64)
    _, nearest = graph.pair("TopK", [distance, many], axis=1, largest=0, sorted=1)
    pivots = graph.node("GatherElements", [relaxed, nearest], axis=1)
    pivot = graph.node("Unsqueeze", [pivots, axis[2]])
    entries = graph.node("Unsqueeze", [relaxed, axis[1]])
    high = graph.node("Greater", [pivot, half])
    low = graph.node("Not", [high])
    strict = graph.node("And", [high, graph.node("Greater", [entries, pivot])])
    loose = graph.node("And", [low, graph.node("GreaterOrEqual", [entries, pivot])])
    cuts = graph.node("Cast", [graph.node("Or", [strict, loose])], to=TensorProto.INT64)
    graph.node("Concat", [first, cuts], "proposals", axis=1)


def _emit_nearest(graph: GraphBuilder, relaxed: str, action: str, count: int, devices: int) -> None:
    """Add :func:`edgewright.rules.quantiser.nearest_neighbours`: the cheapest sets of flips.

    A set of flips is one whole number, a bit for each entry.
    """

    def whole(values: Any) -> str:
        return graph.constant(values, dtype=np.int64)

    one = graph.constant(1.0)
    doubled = graph.node("Mul", [relaxed, graph.constant(2.0)])
    price = graph.node("Abs", [graph.node("Sub", [one, doubled])])
    nothing = graph.node(
        "Mul", [graph.node("Gather", [price, whole([0])], axis=1), graph.constant(0.0)]
    )
    start = np.full((1, count), np.inf, np.float32)
    start[0, 0] = 0.0
    cost = graph.node("Add", [nothing, graph.constant(start)])
    none = graph.node("Cast", [nothing], to=TensorProto.INT64)
    sets = graph.node("Add", [none, whole(np.zeros((1, count)))])
    many = whole([count])
    for entry in range(devices):
        added = graph.node("Gather", [price, whole([entry])], axis=1)
        costs = graph.node("Concat", [cost, graph.node("Add", [cost, added])], axis=1)
        flipped = graph.node("Add", [sets, whole(2**entry)])
        both = graph.node("Concat", [sets, flipped], axis=1)
        cost, kept = graph.pair("TopK", [costs, many], axis=1, largest=0, sorted=1)
        sets = graph.node("GatherElements", [both, kept], axis=1)
    shifted = graph.node(
        "Div", [graph.node("Unsqueeze", [sets, whole([2])]), whole([2**n for n in range(devices)])]
    )
    flips = graph.node("Mod", [shifted, whole(2)])
    rounding = graph.node("Unsqueeze", [action, whole([1])])
    graph.node("Mod", [graph.node("Add", [flips, rounding]), whole(2)], "proposals")


def read_head(facts: Mapping[str, Any], model: bytes, outputs: Sequence[Output]) -> Head:
    """Return the head of a graph that :func:`edgewright.deploy.export.write_graph` made.

    Args:
        facts: what the manifest says of it.
    """
    if facts["kind"] == Bits.kind:
        rest = {name: value for name, value in facts.items() if name != "kind"}
        return Bits(**{**rest, "present": tuple(rest["present"])})
    graph = onnx.load_from_string(model).graph
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    names = {output.name for output in outputs}
    tables = {
        node.output[0]: arrays[node.input[0]]
        for node in graph.node
        if node.op_type == "Gather" and node.output[0] in names
    }
    return Choice(tuple(outputs), tables)


@functools.singledispatch
def head_for(policy: Any, usual: Head) -> Head:
    """Return the head of a policy: that of its world, unless its kind says otherwise."""
    return usual


def check_repeatable(kind: str) -> Literal["order", "nearest"]:
    """Return the name of a quantiser that proposes the same every time.

    Raises:
        InputError: it draws.
    """
    if kind == "order" or kind == "nearest":
        return kind
    problem = f"a bundle decides the same way twice, and the quantiser '{kind}' draws"
    raise InputError(problem, where="export", hint="train with quantiser = 'order' or 'nearest'")


__all__ = ["SCORES", "Bits", "Choice", "Head", "check_repeatable", "head_for", "read_head"]
