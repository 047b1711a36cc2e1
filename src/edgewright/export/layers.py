"""Define the layers of networks, each of which runs in JAX and writes itself as ONNX.

A layer is a record with three duties: calling it computes it in JAX on ``[..., columns]``;
``emit(graph, x, name)`` adds its nodes and returns the name of its output; ``kind`` names it in the
manifest. A layer that holds chains of layers, as :class:`Branches` or a denoising loop
(:mod:`.denoise`), is a :class:`Nested` one. What comes after the scores is a head, see
:mod:`.heads` and :mod:`.bits`. Arrays that a layer writes are named ``<place>.<field>``, so
:func:`read_layers` finds them again.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.errors import InputError
from edgewright.core.records import Array, record, static
from edgewright.export.graph import GraphBuilder
from edgewright.nets.heads import dueling_values
from edgewright.nets.mlp import MISH_LINEAR, mish
from edgewright.rules.normalise import CLIP


class Layer(Protocol):
    """One step from what comes in to the scores, see the module."""

    kind: ClassVar[str]

    def __call__(self, x: Array) -> Array:
        """Return the output for ``[..., columns]``."""
        ...

    def emit(self, graph: GraphBuilder, x: str, name: str) -> str:
        """Add the nodes for one batch ``[N, columns]``; return the name of the output."""
        ...


@record
class Scale:
    """``x / scale``: from units to the features of a world that does not normalise."""

    scale: Array
    kind: ClassVar[str] = "scale"

    def __call__(self, x: Array) -> Array:
        return x / self.scale

    def emit(self, graph: GraphBuilder, x: str, name: str) -> str:
        return graph.node("Div", [x, graph.constant(self.scale, f"{name}.scale")])


@record
class Shift:
    """``x - offset``: for units whose zero is not that of the world's feature, as dB."""

    offset: Array
    kind: ClassVar[str] = "shift"

    def __call__(self, x: Array) -> Array:
        return x - self.offset

    def emit(self, graph: GraphBuilder, x: str, name: str) -> str:
        return graph.node("Sub", [x, graph.constant(self.offset, f"{name}.offset")])


@record
class Gate:
    """``x (x pick + base)``: features of an empty place become 0 where another column says so."""

    pick: Array  # [columns, columns] 1 from the column that says whether, to those it gates
    base: Array  # [columns] 1 where nothing gates
    kind: ClassVar[str] = "gate"

    def __call__(self, x: Array) -> Array:
        return x * (x @ self.pick + self.base)

    def emit(self, graph: GraphBuilder, x: str, name: str) -> str:
        pick, base = (graph.constant(getattr(self, n), f"{name}.{n}") for n in ("pick", "base"))
        return graph.node("Mul", [x, graph.node("Add", [graph.node("MatMul", [x, pick]), base])])


@record
class Standardise:
    """``clip((x - mean) / deviation, -C, C)``, SE-PPO equation (21), in units."""

    mean: Array
    deviation: Array
    kind: ClassVar[str] = "standardise"

    def __call__(self, x: Array) -> Array:
        return jnp.clip((x - self.mean) / self.deviation, -CLIP, CLIP)

    def emit(self, graph: GraphBuilder, x: str, name: str) -> str:
        centred = graph.node("Sub", [x, graph.constant(self.mean, f"{name}.mean")])
        scaled = graph.node("Div", [centred, graph.constant(self.deviation, f"{name}.deviation")])
        ends = [
            graph.constant(end, f"{name}.{tag}") for tag, end in (("low", -CLIP), ("high", CLIP))
        ]
        return graph.node("Clip", [scaled, *ends])


@record
class Dense:
    """``x W + b``."""

    weight: Array  # [in, out]
    bias: Array  # [out]
    kind: ClassVar[str] = "dense"

    def __call__(self, x: Array) -> Array:
        return x @ self.weight + self.bias

    def emit(self, graph: GraphBuilder, x: str, name: str, call: str = "") -> str:
        """Add the nodes for one batch; return the name of the output.

        Args:
            call: behind the name of the bias. A layer that is called several times has a bias for
                each call: in 8 bits its scale is that of the call's input.
        """
        weight = graph.constant(self.weight, f"{name}.weight")
        bias = graph.constant(self.bias, f"{name}.bias{call}")
        return graph.node("Gemm", [x, weight, bias])


@record
class Tanh:
    """``tanh(x)``."""

    kind: ClassVar[str] = "tanh"

    def __call__(self, x: Array) -> Array:
        return jnp.tanh(x)

    def emit(self, graph: GraphBuilder, x: str, name: str) -> str:
        return graph.node("Tanh", [x])


@record
class Relu:
    """``max(x, 0)``."""

    kind: ClassVar[str] = "relu"

    def __call__(self, x: Array) -> Array:
        return jax.nn.relu(x)

    def emit(self, graph: GraphBuilder, x: str, name: str) -> str:
        return graph.node("Relu", [x])


@record
class Mish:
    """``x tanh(ln(1 + exp(x)))``, see :func:`edgewright.nets.mlp.mish`."""

    kind: ClassVar[str] = "mish"

    def __call__(self, x: Array) -> Array:
        return mish(x)

    def emit(self, graph: GraphBuilder, x: str, name: str) -> str:
        two = graph.constant(2.0, "two")
        grown = graph.node("Exp", [graph.node("Min", [x, graph.constant(MISH_LINEAR, "linear")])])
        ratio = graph.node("Mul", [grown, graph.node("Add", [grown, two])])
        return graph.node("Mul", [x, graph.node("Div", [ratio, graph.node("Add", [ratio, two])])])


@record
class Dueling:
    """``V + A - mean A`` of ``[V, A...]`` (Wang et al., ICML 2016, equation 9)."""

    kind: ClassVar[str] = "dueling"

    def __call__(self, x: Array) -> Array:
        return dueling_values(x[..., :1], x[..., 1:])

    def emit(self, graph: GraphBuilder, x: str, name: str) -> str:
        def part(first: int, last: int) -> str:
            ends = [graph.constant([index], dtype=np.int64) for index in (first, last, 1)]
            return graph.node("Slice", [x, *ends])

        value, advantages = part(0, 1), part(1, np.iinfo(np.int64).max)
        axis = graph.constant([1], dtype=np.int64)
        mean = graph.node("ReduceMean", [advantages, axis], keepdims=1)
        return graph.node("Sub", [graph.node("Add", [value, advantages]), mean])


class Nested(abc.ABC):
    """A layer that holds chains of layers.

    Its dense layers are compressed like those of a plain network.
    """

    @abc.abstractmethod
    def __call__(self, x: Array) -> Array:
        """Return the output for ``[..., columns]``."""

    @property
    def calls(self) -> int:
        """Return how often a decision runs the chains."""
        return 1

    @property
    @abc.abstractmethod
    def chains(self) -> tuple[tuple[Any, ...], ...]:
        """Return the layers of every chain."""

    @abc.abstractmethod
    def with_chains(self, chains: tuple[tuple[Any, ...], ...]) -> Nested:
        """Return the layer with others in their place."""

    @abc.abstractmethod
    def chain_inputs(self, x: Array) -> tuple[Array, ...]:
        """Return what each chain is given ``[n, ...]`` for inputs ``[N, columns]`` of the layer."""

    @abc.abstractmethod
    def described(self) -> dict[str, Any]:
        """Return what a manifest says of the layer."""


@record
class Branches(Nested):
    """Chains of layers side by side, each on its own columns; their outputs in a row.

    Attributes:
        parts: the layers of every chain.
        columns: which columns of the input every chain looks at.
    """

    parts: tuple[tuple[Any, ...], ...]
    columns: tuple[tuple[int, ...], ...] = static()
    kind: ClassVar[str] = "branches"

    def __call__(self, x: Array) -> Array:
        pairs = zip(self.parts, self.chain_inputs(x), strict=True)
        return jnp.concatenate([run(part, own) for part, own in pairs], axis=-1)

    @property
    def chains(self) -> tuple[tuple[Any, ...], ...]:
        return self.parts

    def with_chains(self, chains: tuple[tuple[Any, ...], ...]) -> Branches:
        return dataclasses.replace(self, parts=chains)

    def chain_inputs(self, x: Array) -> tuple[Array, ...]:
        return tuple(x[..., np.asarray(own, np.int32)] for own in self.columns)

    def described(self) -> dict[str, Any]:
        parts = [describe(part) for part in self.parts]
        return {"kind": self.kind, "columns": [list(own) for own in self.columns], "parts": parts}

    def emit(self, graph: GraphBuilder, x: str, name: str) -> str:
        ends = []
        for index, (part, own) in enumerate(zip(self.parts, self.columns, strict=True)):
            end = graph.node("Gather", [x, graph.constant(own, dtype=np.int64)], axis=1)
            for number, layer in enumerate(part):
                end = layer.emit(graph, end, f"{name}.{index}.{number}")
            ends.append(end)
        return graph.node("Concat", ends, axis=1)


@record
class Program:
    """Any JAX function of one row, written operator by operator (see :mod:`..trace`).

    Attributes:
        decides: whether it gives the action itself, as a rule does, or the scores of a head.
        learned: numbers in it that were learned.
        products: multiply-adds of one decision in dense layers in it.
    """

    function: Callable[[Array], Array] = static()
    columns: int = static()
    decides: bool = static(default=True)
    learned: int = static(default=0)
    products: int = static(default=0)
    kind: ClassVar[str] = "program"

    def __call__(self, x: Array) -> Array:
        flat = x.reshape(-1, x.shape[-1])
        result = jax.vmap(self.function)(flat)
        return result.reshape(*x.shape[:-1], *result.shape[1:])

    def emit(self, graph: GraphBuilder, x: str, name: str) -> str:
        from edgewright.export.trace import write_program

        return write_program(graph, x, self.function, self.columns)


KINDS: dict[str, type] = {
    layer.kind: layer
    for layer in (Scale, Shift, Gate, Standardise, Dense, Tanh, Relu, Mish, Dueling)
}
"""Layers that can be read back from a bundle; a program cannot."""

NESTED: dict[str, Callable[[Mapping[str, Any], Mapping[str, np.ndarray], str, str], Nested]] = {}
"""How a nested layer is read: entry of the manifest, arrays, bundle, what names begin with."""


def run(layers: Sequence[Layer], x: Array) -> Array:
    """Return the output of the last layer."""
    for layer in layers:
        x = layer(x)
    return x


def describe(layers: Sequence[Layer]) -> list[dict[str, Any]]:
    """Return what a manifest says of layers: kind, and the shapes of their arrays."""
    return [_described(layer) for layer in layers]


def _described(layer: Any) -> dict[str, Any]:
    if isinstance(layer, Nested):
        return layer.described()
    shapes = {f.name: list(np.shape(getattr(layer, f.name))) for f in _arrays(type(layer))}
    return {"kind": layer.kind} | shapes


def read_layers(
    described: Sequence[Mapping[str, Any]],
    arrays: Mapping[str, np.ndarray],
    where: str,
    within: str = "",
) -> tuple[Any, ...]:
    """Return the layers that a manifest describes, with their arrays from the graph.

    Args:
        within: what the names of the arrays begin with, for a chain of a nested layer.

    Raises:
        InputError: a layer is of a kind that has no weights to read, e.g. a rule's program.
    """
    layers = []
    for index, entry in enumerate(described):
        if nested := NESTED.get(entry["kind"]):
            layers.append(nested(entry, arrays, where, f"{within}{index}."))
            continue
        make = KINDS.get(entry["kind"])
        if make is None:
            message = f"only a network can be compressed; got '{entry['kind']}'"
            hint = "rules are small as they are; compress the policy of a trained run"
            raise InputError(message, where=where, hint=hint)
        fields = {f.name: jnp.asarray(arrays[f"{within}{index}.{f.name}"]) for f in _arrays(make)}
        layers.append(make(**fields))
    return tuple(layers)


def _read_branches(
    entry: Mapping[str, Any], arrays: Mapping[str, np.ndarray], where: str, within: str
) -> Branches:
    parts = tuple(
        read_layers(part, arrays, where, f"{within}{index}.")
        for index, part in enumerate(entry["parts"])
    )
    return Branches(parts=parts, columns=tuple(tuple(map(int, own)) for own in entry["columns"]))


NESTED[Branches.kind] = _read_branches


def every(layers: Sequence[Any]) -> list[Any]:
    """Return all layers, those of the chains of nested ones too."""
    result = []
    for layer in layers:
        inner = layer.chains if isinstance(layer, Nested) else ()
        result += [one for chain in inner for one in every(chain)] if inner else [layer]
    return result


def parameters(layers: Sequence[Any]) -> int:
    """Return how many numbers of dense layers, and of programs, were learned."""
    dense = sum(int(x.weight.size + x.bias.size) for x in every(layers) if isinstance(x, Dense))
    return dense + sum(x.learned for x in every(layers) if isinstance(x, Program))


def multiply_adds(layers: Sequence[Any]) -> int:
    """Return the multiply-adds of one decision in dense layers, and in programs."""

    def products(layer: Any) -> int:
        if isinstance(layer, Nested):
            return layer.calls * sum(multiply_adds(chain) for chain in layer.chains)
        if isinstance(layer, Program):
            return layer.products
        return int(layer.weight.size) if isinstance(layer, Dense) else 0

    return sum(map(products, layers))


def _arrays(kind: type) -> list[Any]:
    return [f for f in dataclasses.fields(kind) if not f.metadata.get("static", False)]
