"""Make the functions of a world that run on the host, from the traces of its own code."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from edgewright.adapters.drawing import row_shapes
from edgewright.adapters.host.emit import emit
from edgewright.adapters.host.graph import Graph, Node
from edgewright.adapters.host.translate import arguments, translate
from edgewright.adapters.packing import Layout
from edgewright.core.protocols import Stream, World

Program = Callable[..., tuple[tuple[Any, ...], ...]]
"""A function of tuples of values to a tuple of tuples of values."""

_Nodes = tuple[list[list[Node]], list[list[Node]]]


@dataclass(frozen=True)
class HostWorld:
    """A world with its numbers, as functions of flat tuples; see :func:`host_world`.

    Attributes:
        trace: what the functions are written from.
        copies: None: values are NumPy scalars; a number ``N``: they are columns ``[N]``.
        x, action: layouts of the records that the tuples stand for.
        observation: shape of an observation, ``(*agents, features)``.
        reset: (x) to (state).
        observe: (state, x) to (observation).
        step: (state, action, x, x_next) to (state, observation, reward, terminated, truncated).
    """

    trace: _Trace
    copies: int | None
    x: Layout
    action: Layout
    observation: tuple[int, ...]
    reset: Program
    observe: Program
    step: Program

    @property
    def operations(self) -> int:
        """Return the number of operations of a step."""
        return vars(self.step)["code"].count("\n")

    @functools.cached_property
    def metrics(self) -> Layout:
        """Return the layout of the metrics."""
        return Layout.of(self.trace.metrics())

    @functools.cached_property
    def measure(self) -> Program:
        """Return the function (state, action, x) to (metrics), written when it is first used."""
        return emit(*self.trace.measure, self.copies)


def host_world(
    world: World, params: Any, stream: Stream[Any], copies: int | None = None
) -> HostWorld | None:
    """Return a world as functions that run on the host, None where it cannot be translated.

    Args:
        world, params: what is translated; the numbers become constants.
        stream: its inputs.
        copies: None: values are NumPy scalars; a number ``N``: they are columns ``[N]``.
    """
    leaves, structure = jax.tree.flatten(params)
    try:
        arrays = [np.asarray(leaf) for leaf in leaves]
        numbers = tuple((array.shape, array.dtype.str, array.tobytes()) for array in arrays)
        trace = _trace(_Known((world, structure, numbers), params), Layout.of(row_shapes(stream)))
        return _written(trace, copies)
    except Exception:  # of whatever kind: the compiled step runs every world
        return None


@dataclass(frozen=True)
class _Known:
    """A world and its numbers, as a key of the cache."""

    key: tuple[World, Any, Any]
    params: Any = dataclasses.field(compare=False)


@functools.lru_cache(maxsize=64)
def _trace(known: _Known, x: Layout) -> _Trace:
    return _Trace(known.key[0], known.params, x)


@functools.lru_cache(maxsize=64)
def _written(trace: _Trace, copies: int | None) -> HostWorld:
    return HostWorld(
        trace=trace,
        copies=copies,
        x=Layout.of(trace.x),
        action=Layout.of(trace.action),
        observation=trace.observation,
        reset=emit(*trace.reset, copies),
        observe=emit(*trace.observe, copies),
        step=emit(*trace.step, copies),
    )


class _Trace:
    """Functions of a world as expressions, by the nodes of their arguments and results."""

    def __init__(self, world: World, params: Any, x: Layout) -> None:
        self.world, self.params, self.x = world, params, x.shapes_of()
        self.state = jax.eval_shape(world.reset, params, self.x)
        key = jax.eval_shape(lambda: jax.random.key(0))
        self.action = jax.eval_shape(world.action_space(params).sample, key)
        shown = jax.eval_shape(world.observe, params, self.state, self.x)
        self.observation = tuple(shown.shape)

    @functools.cached_property
    def reset(self) -> _Nodes:
        return self._nodes(lambda params, x: (self.world.reset(params, x),), self.x)

    @functools.cached_property
    def observe(self) -> _Nodes:
        def observe(params: Any, state: Any, x: Any) -> tuple[Any]:
            return (self.world.observe(params, state, x),)

        return self._nodes(observe, self.state, self.x)

    @functools.cached_property
    def step(self) -> _Nodes:
        def step(params: Any, state: Any, action: Any, x: Any, x_next: Any) -> tuple[Any, ...]:
            outcome = self.world.step(params, state, action, x)
            observation = self.world.observe(params, outcome.state, x_next)
            ends = outcome.terminated, outcome.truncated
            return outcome.state, observation, outcome.reward, *ends

        return self._nodes(step, self.state, self.action, self.x, self.x)

    @functools.cached_property
    def measure(self) -> _Nodes:
        return self._nodes(lambda *given: (self._metrics(*given),), *self._slot)

    def metrics(self) -> Any:
        """Return the shapes and types of the metrics."""
        return jax.eval_shape(self._metrics, self.params, *self._slot)

    @property
    def _slot(self) -> tuple[Any, Any, Any]:
        return self.state, self.action, self.x

    def _metrics(self, params: Any, state: Any, action: Any, x: Any) -> Any:
        return self.world.step(params, state, action, x).metrics

    def _nodes(self, function: Callable[..., tuple[Any, ...]], *given: Any) -> _Nodes:
        """Return a function of ``params`` and ``given`` with constant ``params``."""
        graph = Graph()
        traced, shapes = jax.make_jaxpr(function, return_shape=True)(self.params, *given)
        numbers = arguments(graph, self.params, known=True)
        nodes = [arguments(graph, part) for part in given]
        leaves = iter(translate(graph, traced, [*numbers, *(n for part in nodes for n in part)]))
        results = [[next(leaves) for _ in jax.tree.leaves(part)] for part in shapes]
        return [_flat(part) for part in nodes], [_flat(part) for part in results]


def _flat(leaves: list[np.ndarray]) -> list[Node]:
    return [node for leaf in leaves for node in leaf.reshape(-1)]
