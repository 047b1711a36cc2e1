"""Answer caches, servers and shares from bundles, and not only the numbers they follow from."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from onnx import TensorProto

from edgewright.bundle.interface import Output
from edgewright.core.records import Array
from edgewright.core.spaces import Discrete, Record
from edgewright.export.graph import GraphBuilder
from edgewright.export.record_head import RecordHead, cut, emit_cut
from edgewright.export.trace import write_program
from edgewright.systems.caching.latency import budget_shares

SHARED = ("bandwidth", "speed")

CACHED = "1 where the server holds the service from now on; counts where placing = 1"


def placed_by_turns(priority: Array, size: Array, capacity: Array) -> Array:
    """Return :func:`edgewright.physics.caching.fit` without a sort, which graphs do not have.

    Args:
        priority, size: ``[K]`` of the services.
        capacity: of the server, in the unit of ``size``.
    """
    places = jnp.arange(priority.shape[0])

    def turn(_: Any, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        wanted, used, taken = carry
        best = (places == jnp.argmax(wanted)).astype(jnp.float32)
        need = used + jnp.sum(best * size)
        fits = ((jnp.max(wanted) > 0.0) & (need <= capacity)).astype(jnp.float32)
        used = used + fits * jnp.sum(best * size)
        return wanted * (1.0 - best), used, taken + fits * best

    start = (jnp.maximum(priority, 0.0), jnp.zeros(()), jnp.zeros_like(priority))
    return jax.lax.fori_loop(0, priority.shape[0], turn, start)[2]


@dataclasses.dataclass(frozen=True)
class PlacingHead(RecordHead):
    """The action of the world, and behind it what the world makes of it.

    The caches ``cached`` fit, and the shares ``bandwidth_share`` and ``speed_share`` of the users
    of a server sum to one.

    Attributes:
        sizes_mib: of the services.
        capacities_mib: of the servers' caches.
        least_weight: added to every weight of a share.
    """

    sizes_mib: tuple[float, ...] = ()
    capacities_mib: tuple[float, ...] = ()
    least_weight: float = 0.0
    kind: ClassVar[str] = "placing"

    @property
    def outputs(self) -> tuple[Output, ...]:
        table = (len(self.capacities_mib), len(self.sizes_mib))
        more = [Output("cached", CACHED, (), table, "integer")] if self._places else []
        for name in self._weighed:
            about, users = f"share of its server's {name} that each user gets", self._part[name]
            more.append(Output(f"{name}_share", about, (), users.shape, "number", "", 0.0, 1.0))
        return (*super().outputs, *more)

    def __call__(self, scores: Array, rows: Array) -> dict[str, Array]:
        return self._with_answers(super().__call__(scores, rows))

    def decoded(self, action: Array, rows: Array) -> dict[str, Array]:
        return self._with_answers(super().decoded(action, rows))

    def settled(self, scores: np.ndarray, rows: np.ndarray, tolerance: float) -> np.ndarray:
        """Return which outputs no rounding changes; shares follow servers, caches an order."""
        own = super().settled(scores, rows, tolerance)
        columns = list(own.T)
        if self._places:
            priority = np.asarray(self(jnp.asarray(scores), jnp.asarray(rows))["cache"])
            zero = np.zeros((*priority.shape[:2], 1))
            ranked = np.sort(np.concatenate([priority, zero], axis=-1), axis=-1)
            columns.append((np.diff(ranked, axis=-1) > 2 * tolerance).all(axis=(1, 2)))
        servers = [list(self._part).index("server")] if self._weighed else []
        columns += [own.T[index] for index in servers * len(self._weighed)]
        return np.column_stack(columns)

    def emit(self, graph: GraphBuilder, scores: str) -> None:
        super().emit(graph, scores)
        self._emit_answers(graph)

    def emit_decoded(self, graph: GraphBuilder, action: str) -> None:
        super().emit_decoded(graph, action)
        self._emit_answers(graph)

    def facts(self) -> dict[str, Any]:
        own = ("sizes_mib", "capacities_mib", "least_weight")
        return {**super().facts(), **{name: getattr(self, name) for name in own}}

    @classmethod
    def read(cls, facts: Mapping[str, Any], outputs: tuple[Output, ...]) -> PlacingHead:
        known = RecordHead.read(facts, outputs[: len(facts["parts"])])
        sizes, capacities = (
            tuple(map(float, facts[name])) for name in ("sizes_mib", "capacities_mib")
        )
        least = float(facts["least_weight"])
        head = cls(known.space, known.meanings, sizes, capacities, least)
        if head.outputs != outputs:
            raise ValueError("its parts are not the outputs")
        return head

    @property
    def _part(self) -> dict[str, Any]:
        assert isinstance(self.space, Record)
        return dict(self.space.parts)

    @property
    def _places(self) -> bool:
        return "cache" in self._part

    @property
    def _weighed(self) -> list[str]:
        return [name for name in self._part if name in SHARED]

    def _with_answers(self, action: dict[str, Array]) -> dict[str, Array]:
        count = len(next(iter(action.values())))
        flat = [action[name].reshape(count, -1).astype(jnp.float32) for name in self._part]
        if len(self.outputs) == len(self._part):
            return action
        numbers = jax.vmap(self._numbers)(jnp.concatenate(flat, axis=-1))
        return {**action, **cut(numbers, self.outputs[len(self._part) :])}

    def _numbers(self, row: Array) -> Array:
        """Return caches and shares ``[numbers]`` of one action, part after part."""
        parts, first = {}, 0
        for name, part in self._part.items():
            width = math.prod(part.shape)
            parts[name] = row[first : first + width].reshape(part.shape)
            first += width
        made = []
        if self._places:
            fill = jax.vmap(placed_by_turns, in_axes=(0, None, 0))
            sizes, capacities = jnp.asarray(self.sizes_mib), jnp.asarray(self.capacities_mib)
            made.append(fill(parts["cache"], sizes, capacities).reshape(-1))
        if self._weighed:
            servers = jnp.arange(len(self.capacities_mib), dtype=jnp.float32)
            chosen = (parts["server"][:, None] == servers).astype(jnp.float32)
            weights = [parts[name] for name in self._weighed]
            made += [budget_shares(weight, chosen, self.least_weight) for weight in weights]
        return jnp.concatenate(made)

    def _emit_answers(self, graph: GraphBuilder) -> None:
        if len(self.outputs) == len(self._part):
            return  # one level, or a world that divides its servers itself
        pieces, numbers = [], 0
        for name, part in self._part.items():
            width = math.prod(part.shape)
            is_whole = isinstance(part, Discrete)
            real = graph.node("Cast", [name], to=TensorProto.FLOAT) if is_whole else name
            shape = graph.constant([0, width], dtype=np.int64)
            pieces.append(graph.node("Reshape", [real, shape]))
            numbers += width
        flat = write_program(graph, graph.node("Concat", pieces, axis=1), self._numbers, numbers)
        emit_cut(graph, flat, self.outputs[len(self._part) :])


__all__ = ["PlacingHead", "placed_by_turns"]
