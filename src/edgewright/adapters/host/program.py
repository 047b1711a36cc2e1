"""Make the functions of a world that run on the host, from the traces of its own code."""

from __future__ import annotations

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


@dataclass(frozen=True)
class HostWorld:
    """A world with its numbers, as functions of flat tuples; see :func:`host_world`.

    Attributes:
        state, x, action, metrics: layouts of the records that the tuples stand for.
        observation: shape of an observation, ``(*agents, features)``.
        reset: (x) to (state).
        observe: (state, x) to (observation).
        step: (state, action, x, x_next) to (state, observation, reward, terminated, truncated).
        measure: (state, action, x) to (metrics).
    """

    state: Layout
    x: Layout
    action: Layout
    metrics: Layout
    observation: tuple[int, ...]
    reset: Program
    observe: Program
    step: Program
    measure: Program


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
    arrays = [np.asarray(leaf) for leaf in leaves]
    key = tuple((array.shape, array.dtype.str, array.tobytes()) for array in arrays)
    known = _Known(world, structure, key, params)
    x = row_shapes(stream)
    try:
        return _translated(known, Layout.of(x), copies)
    except Exception:  # of whatever kind: the compiled step runs every world
        return None


class _Known:
    """A world and its numbers as a key of the cache."""

    def __init__(self, world: World, structure: Any, numbers: Any, params: Any) -> None:
        self.world, self.params = world, params
        self.key = (world, structure, numbers)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Known) and self.key == other.key


@functools.lru_cache(maxsize=64)
def _translated(known: _Known, layout: Layout, copies: int | None) -> HostWorld:
    world, params = known.world, known.params
    x = layout.shapes_of()
    state = jax.eval_shape(world.reset, params, x)
    key = jax.eval_shape(lambda: jax.random.key(0))
    action = jax.eval_shape(world.action_space(params).sample, key)

    def step(params: Any, state: Any, action: Any, x: Any, x_next: Any) -> tuple[Any, ...]:
        outcome = world.step(params, state, action, x)
        observation = world.observe(params, outcome.state, x_next)
        return outcome.state, observation, outcome.reward, outcome.terminated, outcome.truncated

    def measure(params: Any, state: Any, action: Any, x: Any) -> tuple[Any]:
        return (world.step(params, state, action, x).metrics,)

    def observe(params: Any, state: Any, x: Any) -> tuple[Any]:
        return (world.observe(params, state, x),)

    def reset(params: Any, x: Any) -> tuple[Any]:
        return (world.reset(params, x),)

    metrics = jax.eval_shape(measure, params, state, action, x)[0]
    return HostWorld(
        state=Layout.of(state),
        x=layout,
        action=Layout.of(action),
        metrics=Layout.of(metrics),
        observation=tuple(jax.eval_shape(world.observe, params, state, x).shape),
        reset=_program(reset, params, [x], copies),
        observe=_program(observe, params, [state, x], copies),
        step=_program(step, params, [state, action, x, x], copies),
        measure=_program(measure, params, [state, action, x], copies),
    )


def _program(
    function: Callable[..., tuple[Any, ...]], params: Any, given: list[Any], copies: int | None
) -> Program:
    """Return a function of ``params`` and ``given`` as a program with constant ``params``."""
    graph = Graph()
    traced, shapes = jax.make_jaxpr(function, return_shape=True)(params, *given)
    numbers, *nodes = [arguments(graph, params, known=True)] + [arguments(graph, g) for g in given]
    leaves = translate(graph, traced, [*numbers, *(leaf for part in nodes for leaf in part)])
    results, begin = [], 0
    for part in shapes:
        end = begin + len(jax.tree.leaves(part))
        results.append(_flat(leaves[begin:end]))
        begin = end
    return emit([_flat(part) for part in nodes], results, copies)


def _flat(leaves: list[np.ndarray]) -> list[Node]:
    return [node for leaf in leaves for node in leaf.reshape(-1)]
