"""Write the denoising loop of a diffusion actor as a layer that can be read back and compressed.

The loop is unrolled in the graph. The weights of its dense layers are arrays that every step uses,
as is the table of embeddings of the steps.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, get_args

import jax.numpy as jnp
import numpy as np

from edgewright.core.records import Array, record, static
from edgewright.export.graph import GraphBuilder
from edgewright.export.layers import NESTED, Dense, Nested, describe, read_layers, run
from edgewright.nets.chain import TIME_SIZE, Chain, Parameterisation
from edgewright.nets.denoising import NoiseSchedule, ScheduleName, noise_schedule


@record
class Denoise(Nested):
    """Features and normal numbers to the mean of the last step of a denoising chain.

    A row holds ``features`` numbers of an observation and then ``T`` times ``numbers`` normal ones.
    The output is ``mu_1``, which the head of the bundle turns into an action, see
    ``docs/concepts/diffusion-actor.md``.

    Attributes:
        entry: layers from features to what the network was trained on.
        network: layers from ``[a_t, time, observation]`` to the ``numbers`` outputs.
        times: embedding of every step ``[T, TIME_SIZE]``.
        rule: the equations of the steps.
    """

    entry: tuple[Any, ...]
    network: tuple[Any, ...]
    times: Array
    features: int = static()
    rule: Chain = static()
    kind: ClassVar[str] = "denoise"

    def __call__(self, x: Array) -> Array:
        observed, noise = self._parts(x)
        noisy, _ = self.rule.until_last(self._output, self.times, observed, noise)
        output = self._output(self.rule.given(noisy, self.times[0], observed))
        return self.rule.last_mean(noisy, output)

    @property
    def calls(self) -> int:
        return self.rule.steps

    @property
    def chains(self) -> tuple[tuple[Any, ...], ...]:
        return (self.network,)

    def with_chains(self, chains: tuple[tuple[Any, ...], ...]) -> Denoise:
        return dataclasses.replace(self, network=chains[0])

    def chain_inputs(self, x: Array) -> tuple[Array, ...]:
        """Return what the network is given in all steps of its own chain ``[T * n, inputs]``."""
        observed, noise = self._parts(x)
        noisy, given = self.rule.until_last(self._output, self.times, observed, noise)
        last = self.rule.given(noisy, self.times[0], observed)
        return (jnp.concatenate([given.reshape(-1, last.shape[-1]), last]),)

    def described(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "features": self.features,
            "rule": {field.name: getattr(self.rule, field.name) for field in _RULE},
            "entry": describe(self.entry),
            "network": describe(self.network),
            "times": list(self.times.shape),
        }

    def emit(self, graph: GraphBuilder, x: str, name: str) -> str:
        steps, numbers = self.rule.steps, self.rule.numbers
        observed = _columns(graph, x, 0, self.features)
        for index, layer in enumerate(self.entry):
            observed = layer.emit(graph, observed, f"{name}.entry.{index}")
        times, constants = self._emit_times(graph, x, name), noise_schedule(*self._schedule)
        noisy = _columns(graph, x, self.features, numbers)
        for step in range(steps - 1, 0, -1):
            output = self._emit_output(graph, (noisy, times, observed), name, step)
            mean = self._emit_mean(graph, constants, step, noisy, output)
            fresh = _columns(graph, x, self.features + (steps - step) * numbers, numbers)
            noisy = _weighted(graph, (1.0, mean), (constants.deviation[step], fresh))
        output = self._emit_output(graph, (noisy, times, observed), name, 0)
        return self._emit_last(graph, constants, noisy, output)

    def _parts(self, x: Array) -> tuple[Array, Array]:
        """Return the normalised features ``[..., F]`` and the noise ``[..., T, numbers]``."""
        noise = x[..., self.features :]
        shape = (*x.shape[:-1], self.rule.steps, self.rule.numbers)
        return run(self.entry, x[..., : self.features]), noise.reshape(shape)

    def _output(self, given: Array) -> Array:
        return run(self.network, given)

    @property
    def _schedule(self) -> tuple[ScheduleName, int]:
        return self.rule.schedule, self.rule.steps

    def _emit_times(self, graph: GraphBuilder, x: str, name: str) -> str:
        """Add the embeddings of all steps, in a row, for each row of the batch."""
        table = graph.constant(self.times, f"{name}.times")
        flat = graph.node("Reshape", [table, graph.constant([1, -1], dtype=np.int64)])
        count = graph.node("Shape", [x], start=0, end=1)
        one = graph.constant([1], dtype=np.int64)
        return graph.node("Expand", [flat, graph.node("Concat", [count, one], axis=0)])

    def _emit_output(
        self, graph: GraphBuilder, given: tuple[str, str, str], name: str, step: int
    ) -> str:
        """Add the network of one step, given ``a_t``, the embeddings of all steps and features."""
        noisy, times, observed = given
        time = _columns(graph, times, step * TIME_SIZE, TIME_SIZE)
        output = graph.node("Concat", [noisy, time, observed], axis=1)
        call = f".{step}" if step else ""
        for index, layer in enumerate(self.network):
            own = {"call": call} if isinstance(layer, Dense) else {}
            output = layer.emit(graph, output, f"{name}.network.{index}", **own)
        return output

    def _emit_mean(
        self, graph: GraphBuilder, constants: NoiseSchedule, step: int, noisy: str, output: str
    ) -> str:
        """Add the mean of a reverse step that is not the last one."""
        if self.rule.parameterisation == "tanh_eps":
            noise = graph.node("Tanh", [output])
            root = np.sqrt(1.0 - constants.signal[step])
            moved = _weighted(graph, (1.0, noisy), (-constants.beta[step] / root, noise))
            return _scaled(graph, 1.0 / np.sqrt(constants.alpha[step]), moved)
        if self.rule.parameterisation == "x0":
            clean = graph.node("Tanh", [output])
        else:
            clean = _clipped(graph, _estimated(graph, constants, step, noisy, output), 1.0)
        from_clean, from_noisy = constants.from_clean[step], constants.from_noisy[step]
        return _weighted(graph, (from_clean, clean), (from_noisy, noisy))

    def _emit_last(
        self, graph: GraphBuilder, constants: NoiseSchedule, noisy: str, output: str
    ) -> str:
        """Add the mean of the last step."""
        if self.rule.parameterisation == "x0":
            return output
        if self.rule.parameterisation == "tanh_eps":
            output = graph.node("Tanh", [output])
        mean = _estimated(graph, constants, 0, noisy, output)
        return _clipped(graph, mean, self.rule.bound)


_RULE = dataclasses.fields(Chain)  # pyright: ignore[reportArgumentType]


def read_denoise(
    entry: Mapping[str, Any], arrays: Mapping[str, np.ndarray], where: str, within: str
) -> Denoise:
    """Return the layer that a manifest describes, with its arrays from the graph.

    Raises:
        LookupError, TypeError, ValueError: it describes none.
    """
    facts = entry["rule"]
    known = (get_args(ScheduleName), get_args(Parameterisation), (True, False))
    names = ("schedule", "parameterisation", "density")
    for name, allowed in zip(names, known, strict=True):
        if facts[name] not in allowed:
            raise ValueError(f"{name} {facts[name]!r}")
    rule = Chain(
        numbers=int(facts["numbers"]),
        steps=int(facts["steps"]),
        **{name: facts[name] for name in names},
    )
    times = jnp.asarray(arrays[f"{within}times"])
    if times.shape != (rule.steps, TIME_SIZE):
        raise ValueError(f"{rule.steps} steps do not go with times {times.shape}")
    return Denoise(
        entry=read_layers(entry["entry"], arrays, where, f"{within}entry."),
        network=read_layers(entry["network"], arrays, where, f"{within}network."),
        times=times,
        features=int(entry["features"]),
        rule=rule,
    )


NESTED[Denoise.kind] = read_denoise


def _columns(graph: GraphBuilder, row: str, first: int, count: int) -> str:
    ends = [graph.constant([index], dtype=np.int64) for index in (first, first + count, 1)]
    return graph.node("Slice", [row, *ends])


def _scaled(graph: GraphBuilder, factor: float, x: str) -> str:
    return x if factor == 1.0 else graph.node("Mul", [x, graph.constant(factor)])


def _weighted(graph: GraphBuilder, *parts: tuple[float, str]) -> str:
    """Add the weighted sum of two values."""
    return graph.node("Add", [_scaled(graph, factor, x) for factor, x in parts])


def _estimated(
    graph: GraphBuilder, constants: NoiseSchedule, step: int, noisy: str, noise: str
) -> str:
    """Add :func:`edgewright.nets.denoising.estimated_clean`."""
    signal = constants.signal[step]
    moved = _weighted(graph, (1.0, noisy), (-np.sqrt(1.0 - signal), noise))
    return _scaled(graph, 1.0 / np.sqrt(signal), moved)


def _clipped(graph: GraphBuilder, x: str, bound: float) -> str:
    ends = [graph.constant(end) for end in (-bound, bound)]
    return graph.node("Clip", [x, *ends])


__all__ = ["Denoise", "read_denoise"]
