"""The head of policies whose action has several parts or real numbers.

The scores of a policy are split between the parts (see :mod:`edgewright.nets.actions`, which the
JAX side calls); each part becomes one output with its own type, shape, unit and range. A rule gives
one row of numbers, part after part.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from onnx import TensorProto

from edgewright.bundle.interface import Output
from edgewright.core.records import Array
from edgewright.core.spaces import Bits, Box, Discrete, Record, Simplex, Space
from edgewright.export.graph import GraphBuilder
from edgewright.nets.actions import (
    bounded,
    from_units,
    part_action,
    parts_of,
    score_shape,
    split_scores,
)

Squash = Literal["tanh", "clip"]

CLEAR = 1e3
"""The gap of a policy without choices and bits: nothing turns."""


@dataclasses.dataclass(frozen=True)
class RecordHead:
    """The parts of a space as outputs.

    Attributes:
        space: of the decision of one agent.
        meanings: what each part is, by its name.
        squash: how scores of numbers with bounds become units, from -1 to 1.
    """

    space: Space
    meanings: tuple[tuple[str, str], ...] = ()
    squash: Squash = dataclasses.field(default="tanh", kw_only=True)
    kind: ClassVar[str] = "record"

    @property
    def joint(self) -> bool:
        return False

    @property
    def outputs(self) -> tuple[Output, ...]:
        about = dict(self.meanings)
        return tuple(_output(name, part, about.get(name)) for name, part in parts_of(self.space))

    def __call__(self, scores: Array, rows: Array) -> dict[str, Array]:
        pieces = split_scores(self.space, scores)
        return {name: self._decided(part, pieces[name]) for name, part in parts_of(self.space)}

    def decoded(self, action: Array, rows: Array) -> dict[str, Array]:
        """Return the outputs by name for rows ``[n, numbers]`` of actions, part after part."""
        parts = parts_of(self.space)
        ends = list(itertools.accumulate(math.prod(part.shape) for _, part in parts))
        outputs = {}
        for piece, (name, part) in zip(jnp.split(action, ends[:-1], axis=-1), parts, strict=True):
            values = piece.reshape(*action.shape[:-1], *part.shape)
            outputs[name] = values.astype(jnp.int32) if _whole(part) else values
        return outputs

    def action(self, outputs: Mapping[str, Array], agents: tuple[int, ...]) -> Any:
        """Return the world's action from outputs ``[n, ...]``, with the axes of the agents."""
        if not isinstance(self.space, Record):
            return _placed(outputs["action"], self.space, agents)
        return {name: _placed(outputs[name], part, agents) for name, part in self.space.parts}

    def anything(self, key: Array, count: int, scores: Array) -> dict[str, Array]:
        """Return random outputs for ``count`` decisions. Consumes ``key``."""
        keys = jax.random.split(key, count)
        if isinstance(self.space, Record):
            return jax.vmap(self.space.sample)(keys)
        return {"action": jax.vmap(self.space.sample)(keys)}

    def gap(self, scores: Array) -> Array:
        pieces = split_scores(self.space, scores)
        gaps = [jnp.float32(CLEAR)]
        for name, part in parts_of(self.space):
            gaps += [jnp.min(_margin(part, pieces[name]))] if _whole(part) else []
        return jnp.min(jnp.stack(gaps))

    def distance(self, given: Array, wanted: Array) -> Array:
        """Return the mean divergence over parts; numbers are compared in units of their range."""
        ours, goals = split_scores(self.space, given), split_scores(self.space, wanted)
        clips = self.squash == "clip"
        parts = [
            _divergence(part, ours[name], goals[name], clips) for name, part in parts_of(self.space)
        ]
        return jnp.mean(jnp.stack(parts))

    def settled(self, scores: np.ndarray, rows: np.ndarray, tolerance: float) -> np.ndarray:
        pieces = split_scores(self.space, jnp.asarray(scores))
        columns = []
        for name, part in parts_of(self.space):
            clear = np.ones((len(rows), 1), bool)
            if _whole(part):
                margin = np.asarray(_margin(part, pieces[name])).reshape(len(rows), -1)
                clear = margin > 2 * tolerance
            columns.append(clear.all(axis=1))
        return np.stack(columns, axis=1)

    def emit(self, graph: GraphBuilder, scores: str) -> None:
        first = 0
        for name, part in parts_of(self.space):
            shape = score_shape(part)
            piece = _piece(graph, scores, first, math.prod(shape), shape)
            first += math.prod(shape)
            _emit_part(graph, piece, name, part, self.squash)

    def emit_decoded(self, graph: GraphBuilder, action: str) -> None:
        first = 0
        for name, part in parts_of(self.space):
            count = math.prod(part.shape)
            piece = _piece(graph, action, first, count, part.shape)
            first += count
            if _whole(part):
                graph.node("Cast", [piece], name, to=TensorProto.INT64)
            else:
                graph.node("Identity", [piece], name)

    def facts(self) -> dict[str, Any]:
        parts = [{"name": name, **_space_facts(part)} for name, part in parts_of(self.space)]
        record = isinstance(self.space, Record)
        clips = {"squash": self.squash} if self.squash != "tanh" else {}
        return {"kind": self.kind, "record": record, "parts": parts, **clips}

    @classmethod
    def read(cls, facts: Mapping[str, Any], outputs: tuple[Output, ...]) -> RecordHead:
        """Return the head that a manifest describes.

        Raises:
            KeyError, TypeError, ValueError: it describes none.
        """
        parts = tuple((str(one["name"]), _read_space(one)) for one in facts["parts"])
        space = Record(parts) if facts["record"] else parts[0][1]
        meanings = tuple((output.name, output.meaning) for output in outputs)
        squash = facts.get("squash", "tanh")
        if squash not in get_args(Squash):
            raise ValueError(squash)
        head = cls(space, meanings, squash=squash)
        if head.outputs != outputs:
            raise ValueError("its parts are not the outputs")
        return head

    def _decided(self, part: Any, scores: Array) -> Array:
        """Return the action of one part from its scores ``[..., *score_shape(part)]``."""
        if self.squash == "tanh" or not isinstance(part, Box):
            return part_action(part, scores)
        lead = scores.shape[: scores.ndim - len(part.shape)]
        return from_units(part, scores.reshape(*lead, -1))


def cut(numbers: Array, outputs: Sequence[Output]) -> dict[str, Array]:
    """Return rows ``[n, numbers]`` as outputs by name, one after the other, in their shapes."""
    ends = list(itertools.accumulate(math.prod(output.shape) for output in outputs))
    named = {}
    for piece, output in zip(jnp.split(numbers, ends[:-1], axis=-1), outputs, strict=True):
        values = piece.reshape(len(numbers), *output.shape)
        named[output.name] = values.astype(jnp.int32) if output.kind == "integer" else values
    return named


def emit_cut(graph: GraphBuilder, numbers: str, outputs: Sequence[Output]) -> None:
    """Add the nodes of :func:`cut`, which end in the outputs."""
    first = 0
    for output in outputs:
        count = math.prod(output.shape)
        piece = _piece(graph, numbers, first, count, output.shape)
        kind = {"to": TensorProto.INT64} if output.kind == "integer" else {}
        graph.node("Cast" if kind else "Identity", [piece], output.name, **kind)
        first += count


def flat_action(space: Space, action: Any) -> Array:
    """Return one action as a row ``[numbers]``: what the program of a rule must give."""
    parts = action if isinstance(space, Record) else {"action": action}
    rows = [jnp.ravel(jnp.asarray(parts[name], jnp.float32)) for name, _ in parts_of(space)]
    return jnp.concatenate(rows)


def _whole(part: Any) -> bool:
    return isinstance(part, Discrete | Bits)


def _output(name: str, part: Any, meaning: str | None) -> Output:
    usual = {Discrete: "index of a choice", Bits: "one bit for each", Box: "numbers"}
    text = meaning or usual.get(type(part), "shares that sum to one, or to at most one")
    if _whole(part):
        return Output(name, text, shape=part.shape)
    low, high = part.bounds if isinstance(part, Box) else (np.zeros(1), np.ones(1))
    finite = not isinstance(part, Box) or bounded(part)
    ends = (float(low.min()), float(high.max())) if finite else (None, None)
    unit = part.unit if isinstance(part, Box) else ""
    return Output(name, text, (), part.shape, "number", unit, *ends)


def _placed(values: Array, part: Any, agents: tuple[int, ...]) -> Array:
    return values.reshape((*agents, *part.shape))


def _margin(part: Any, scores: Array) -> Array:
    """Return by how much scores must move to turn an entry of a choice or a bit."""
    if isinstance(part, Bits):
        return jnp.abs(scores)
    if part.n == 1:
        return jnp.full(scores.shape[:-1], CLEAR)
    best = jax.lax.top_k(scores, 2)[0]
    return best[..., 0] - best[..., 1]


def _divergence(part: Any, given: Array, wanted: Array, clips: bool) -> Array:
    if isinstance(part, Bits):
        chance = jax.nn.sigmoid(wanted)
        return jnp.mean(
            jax.nn.softplus(given) - jax.nn.softplus(wanted) - chance * (given - wanted)
        )
    if isinstance(part, Box):
        if clips:  # clipped scores would have no slope
            return jnp.mean(jnp.square(0.5 * (given - wanted)))
        low, high = part.bounds
        size = (high - low) if bounded(part) else 1.0
        error = (part_action(part, given) - part_action(part, wanted)) / size
        return jnp.mean(jnp.square(error))
    log_q, log_p = jax.nn.log_softmax(given), jax.nn.log_softmax(wanted)
    return jnp.mean(jnp.sum(jnp.exp(log_p) * (log_p - log_q), axis=-1))


def _piece(graph: GraphBuilder, row: str, first: int, count: int, shape: tuple[int, ...]) -> str:
    """Add the nodes that take ``count`` columns of rows from ``first`` on, in a shape."""
    ends = [graph.constant([index], dtype=np.int64) for index in (first, first + count, 1)]
    columns = graph.node("Slice", [row, *ends])
    wanted = graph.constant([0, *shape], dtype=np.int64)  # 0 keeps the batch
    return graph.node("Reshape", [columns, wanted])


def _emit_part(graph: GraphBuilder, scores: str, name: str, part: Any, squash: Squash) -> None:
    """Add :func:`edgewright.nets.actions.part_action`, or ``from_units`` where scores are units."""
    if isinstance(part, Discrete):
        graph.node("ArgMax", [scores], name, axis=-1, keepdims=0)
    elif isinstance(part, Bits):
        above = graph.node("Greater", [scores, graph.constant(0.0)])
        graph.node("Cast", [above], name, to=TensorProto.INT64)
    elif isinstance(part, Simplex):
        shares = graph.node("Softmax", [scores], axis=-1)
        ends = [graph.constant([n], dtype=np.int64) for n in (0, part.shape[-1], -1)]
        graph.node("Slice", [shares, *ends], name)
    elif not bounded(part):
        graph.node("Identity", [scores], name)
    else:
        low, high = part.bounds
        units = graph.node("Tanh", [scores]) if squash == "tanh" else scores
        up = graph.node("Add", [units, graph.constant(1.0)])
        scaled = graph.node("Mul", [up, graph.constant(0.5 * (high - low))])
        moved = graph.node("Add", [scaled, graph.constant(low)])
        above = graph.node("Max", [moved, graph.constant(low)])
        graph.node("Min", [above, graph.constant(high)], name)


def _space_facts(part: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {"space": type(part).__name__.lower(), "shape": list(part.shape)}
    if isinstance(part, Discrete):
        facts["n"] = part.n
    elif isinstance(part, Simplex):
        facts["at_most"] = part.at_most
    elif isinstance(part, Box):
        ends = [end.ravel().tolist() for end in part.bounds] if bounded(part) else None
        facts |= {"bounds": ends, "unit": part.unit}
    return facts


def _read_space(facts: Mapping[str, Any]) -> Any:
    kind, shape = facts["space"], tuple(map(int, facts["shape"]))
    if kind == "discrete":
        return Discrete(int(facts["n"]), shape)
    if kind == "bits":
        return Bits(shape)
    if kind == "simplex":
        return Simplex(shape, bool(facts["at_most"]))
    if kind != "box":
        raise ValueError(kind)
    if facts["bounds"] is None:
        return Box(-math.inf, math.inf, shape, unit=str(facts["unit"]))
    low, high = (tuple(map(float, end)) for end in facts["bounds"])
    ends = (low, high) if shape else (low[0], high[0])
    return Box(*ends, shape, unit=str(facts["unit"]))


__all__ = ["RecordHead", "cut", "emit_cut", "flat_action"]
