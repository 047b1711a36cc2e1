"""Turn scores into the outputs of a decision, in JAX and in ONNX.

The layers of a policy end in scores, one row ``[columns]`` of them for each decision. A head turns
them into named outputs. :class:`CategoricalHead` takes the best of several actions;
:class:`~edgewright.export.bits.BinaryVectorHead` rounds one bit for each device and proposes
further actions; :class:`~edgewright.export.record_head.RecordHead` serves every other space.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import onnx
from onnx import numpy_helper

from edgewright.bundle.interface import Output
from edgewright.core.errors import InputError
from edgewright.core.records import Array
from edgewright.export.bits import BinaryVectorHead
from edgewright.export.graph import GraphBuilder
from edgewright.export.record_head import RecordHead

TEMPERATURE = 0.5
"""Of the soft scores of a choice, in units of their spread: the mean deviation over actions."""


class Head(Protocol):
    """A rule that turns scores into outputs, see the module."""

    kind: ClassVar[str]

    @property
    def joint(self) -> bool:
        """Return whether a row holds all agents, and one decision serves them all."""
        ...

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Return the outputs, the action first."""
        ...

    def __call__(self, scores: Array, rows: Array) -> dict[str, Array]:
        """Return the outputs by name for scores and rows ``[n, columns]``."""
        ...

    def decoded(self, action: Array, rows: Array) -> dict[str, Array]:
        """Return the outputs by name for actions that a rule found itself, and rows."""
        ...

    def action(self, outputs: Mapping[str, Array], agents: tuple[int, ...]) -> Any:
        """Return the world's action from outputs ``[n, ...]``, with the axes of the agents."""
        ...

    def anything(self, key: Array, count: int, scores: Array) -> dict[str, Array]:
        """Return random outputs for ``count`` decisions. Consumes ``key``."""
        ...

    def gap(self, scores: Array) -> Array:
        """Return by how much one score ``[columns]`` must move to turn the action."""
        ...

    def distance(self, given: Array, wanted: Array) -> Array:
        """Return how far scores ``[n, columns]`` are apart: what a student minimises."""
        ...

    def settled(self, scores: np.ndarray, rows: np.ndarray, tolerance: float) -> np.ndarray:
        """Return for rows and outputs ``[n, outputs]`` which ones rounding cannot change."""
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
class CategoricalHead:
    """The best of several actions; ``tables`` ``[actions]`` give one more output each."""

    outputs: tuple[Output, ...]
    tables: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    kind: ClassVar[str] = "choice"

    @property
    def joint(self) -> bool:
        return False

    def __call__(self, scores: Array, rows: Array) -> dict[str, Array]:
        return self.decoded(jnp.argmax(scores, axis=-1).astype(jnp.int32), rows)

    def decoded(self, action: Array, rows: Array) -> dict[str, Array]:
        tables = {name: jnp.asarray(values)[action] for name, values in self.tables.items()}
        return {"action": action, **tables}

    def action(self, outputs: Mapping[str, Array], agents: tuple[int, ...]) -> Any:
        return outputs["action"].reshape(agents)

    def anything(self, key: Array, count: int, scores: Array) -> dict[str, Array]:
        return {"action": jax.random.randint(key, (count,), 0, scores.shape[-1])}

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
        tables = {name: [int(one) for one in values] for name, values in self.tables.items()}
        return {"kind": self.kind, "tables": tables}


READERS: dict[str, Callable[[Mapping[str, Any], tuple[Output, ...]], Head]] = {
    RecordHead.kind: RecordHead.read
}
"""What reads a head from its facts and outputs, by its kind; a system adds its own."""


def read_head(facts: Mapping[str, Any], model: bytes, outputs: Sequence[Output]) -> Head:
    """Return the head of a graph that :func:`edgewright.export.write.write_graph` made.

    Args:
        facts: what the manifest says of it.

    Raises:
        InputError: the manifest says something else.
    """
    rest = {name: value for name, value in facts.items() if name != "kind"}
    try:
        if facts["kind"] == BinaryVectorHead.kind:
            return BinaryVectorHead(**{**rest, "present": tuple(rest["present"])})
        if facts["kind"] in READERS:
            return READERS[facts["kind"]](rest, tuple(outputs))
        if facts["kind"] != CategoricalHead.kind:
            raise ValueError(facts["kind"])
    except (KeyError, TypeError, ValueError) as error:
        message = f"the manifest's head cannot be read ({error})"
        raise InputError(message, where="graphs", hint="export the policy again") from None
    graph = onnx.load_from_string(model).graph
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    names = {output.name for output in outputs}
    tables = {
        node.output[0]: arrays[node.input[0]]
        for node in graph.node
        if node.op_type == "Gather" and node.output[0] in names
    }
    return CategoricalHead(tuple(outputs), tables)


@functools.singledispatch
def head_for(policy: Any, usual: Head) -> Head:
    """Return the head of a policy: that of its world, unless its kind says otherwise."""
    return usual


__all__ = ["READERS", "CategoricalHead", "Head", "head_for", "read_head"]
