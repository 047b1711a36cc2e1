"""The head of policies that decide one bit for each device, with its quantiser.

The JAX side calls :mod:`edgewright.rules.quantiser`; the ONNX side writes the same steps as
operators, ties included.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from onnx import TensorProto

from edgewright.bundle.engine import INPUT
from edgewright.bundle.interface import Output
from edgewright.core.errors import InputError
from edgewright.core.records import Array
from edgewright.export.graph import GraphBuilder
from edgewright.rules import quantiser

ROUNDING = 1e-6
"""Largest difference of a sigmoid between two machines."""

SHAKES = 40
"""Trials with signs drawn anew: two neighbours that could change places do so in all but 1e-5."""

MAX_BITS = 62
"""Devices of the nearest actions: a set of flips is one whole number of 64 bits."""


@dataclasses.dataclass(frozen=True)
class BinaryVectorHead:
    """A head of one relaxed bit for each of ``devices``, rounded, and as quantised ``proposals``.

    Attributes:
        proposals: how many actions are proposed, the rounding first.
        present: columns of the row that say which places hold a device; empty where all do.
    """

    devices: int
    proposals: int
    quantiser: Literal["order", "nearest"] = "order"
    present: tuple[int, ...] = ()
    kind: ClassVar[str] = "bits"

    @property
    def joint(self) -> bool:
        return True

    @property
    def outputs(self) -> tuple[Output, ...]:
        meaning = "actions worth pricing, the first is the action; the cheapest is the best"
        return (
            Output("action", "1 for each device that offloads", shape=(self.devices,)),
            Output("proposals", meaning, shape=(self.proposals, self.devices)),
        )

    def __call__(self, scores: Array, rows: Array) -> dict[str, Array]:
        return self._quantised(self._relaxed(scores, rows))

    def decoded(self, action: Array, rows: Array) -> dict[str, Array]:
        """Return the action, and nothing but it as proposals: a rule has no second thoughts."""
        same = jnp.broadcast_to(action[:, None], (len(action), self.proposals, self.devices))
        return {"action": action, "proposals": same}

    def action(self, outputs: Mapping[str, Array], agents: tuple[int, ...]) -> Any:
        return outputs["action"].reshape(agents)

    def anything(self, key: Array, count: int, scores: Array) -> dict[str, Array]:
        return {"action": jax.random.randint(key, (count, self.devices), 0, 2)}

    def gap(self, scores: Array) -> Array:
        return jnp.min(jnp.abs(scores))

    def distance(self, given: Array, wanted: Array) -> Array:
        """Return the divergence of relaxed bits: cross-entropy less what is left at best."""
        chance = jax.nn.sigmoid(wanted)

        def entropy(logits: Array) -> Array:
            return jax.nn.softplus(logits) - chance * logits

        return jnp.mean(entropy(given) - entropy(wanted))

    def settled(self, scores: np.ndarray, rows: np.ndarray, tolerance: float) -> np.ndarray:
        result = self(jnp.asarray(scores), jnp.asarray(rows))
        rng, steady = np.random.default_rng(0), np.ones((len(rows), len(self.outputs)), bool)

        @jax.jit
        def decide(scores: Array, noise: Array) -> dict[str, Array]:
            return self._quantised(self._relaxed(scores, jnp.asarray(rows), noise))

        for _ in range(SHAKES):
            moved = scores + 2 * tolerance * rng.choice([-1.0, 1.0], scores.shape)
            noise = ROUNDING * rng.choice([-1.0, 1.0], scores.shape)
            other = decide(jnp.asarray(moved, jnp.float32), jnp.asarray(noise, jnp.float32))
            for index, output in enumerate(self.outputs):
                same = np.asarray(other[output.name] == result[output.name])
                steady[:, index] &= same.reshape(len(rows), -1).all(axis=1)
        return steady

    def _relaxed(self, scores: Array, rows: Array, noise: Array | float = 0.0) -> Array:
        relaxed = jax.nn.sigmoid(scores) + noise
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
        chosen = graph.node("Identity", [action], "action")
        same = graph.node("Unsqueeze", [chosen, graph.constant([1], dtype=np.int64)])
        graph.node("Concat", [same] * self.proposals, "proposals", axis=1)

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
        cost, lowest = graph.pair("TopK", [costs, many], axis=1, largest=0, sorted=1)
        sets = graph.node("GatherElements", [both, lowest], axis=1)
    shifted = graph.node(
        "Div", [graph.node("Unsqueeze", [sets, whole([2])]), whole([2**n for n in range(devices)])]
    )
    flips = graph.node("Mod", [shifted, whole(2)])
    rounding = graph.node("Unsqueeze", [action, whole([1])])
    graph.node("Mod", [graph.node("Add", [flips, rounding]), whole(2)], "proposals")


def check_quantiser(kind: str, devices: int) -> Literal["order", "nearest"]:
    """Return the name of a quantiser that can be written and proposes the same every time.

    Raises:
        InputError: it draws, or there are more devices than a set of flips has bits.
    """
    if kind == "nearest" and devices > MAX_BITS:
        message = f"the quantiser 'nearest' is exported for up to {MAX_BITS} devices"
        hint = f"there are {devices}; train with quantiser = 'order'"
        raise InputError(message, where="export", hint=hint)
    if kind == "order" or kind == "nearest":
        return kind
    message = f"a bundle decides the same way twice, and the quantiser '{kind}' draws"
    raise InputError(message, where="export", hint="train with quantiser = 'order' or 'nearest'")


__all__ = ["BinaryVectorHead", "check_quantiser"]
