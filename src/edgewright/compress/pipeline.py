"""Apply stages one after the other to the policy of a bundle; each result is a bundle again.

A policy stays in 8 bits once it is: later stages work on the weights that its integers stand for,
and the result is quantised again. So the order is the user's. A graph for LiteRT is written again
for every result but one in 8 bits, which has none.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import onnx

from edgewright.bundle import Bundle
from edgewright.bundle.bundle import POLICY
from edgewright.bundle.onnx_runtime import onnxruntime
from edgewright.compress.distil import fit, smaller, without_chain
from edgewright.compress.prune import prune, sparsify
from edgewright.compress.quantise import quantise, reference_of_int8
from edgewright.compress.stages import CompressionStage
from edgewright.core.errors import InputError
from edgewright.export.heads import Head, read_head
from edgewright.export.layers import Nested, Program, read_layers, run
from edgewright.export.lite import required, with_lite
from edgewright.export.record import make_record
from edgewright.export.write import (
    Graph,
    assemble,
    how_far,
    make_bundle,
    read_arrays,
    score_size,
    write_graph,
)

INT8_TOLERANCE = 1e-2
"""Scores of an 8-bit graph may differ by this share of their size: a rounding that falls on the
other side moves an input of the next product by one of 256 steps. In a denoising loop that may
happen in every step."""

SMALLEST = 1e-3
"""Scores are taken to be this large at least. A step of 8 bits is as small as the scores are, so a
bound made for scores of size 1 would settle nothing where they are small."""


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A policy between two stages, the bundle it would be, and what it learns to be like."""

    teacher: tuple[Any, ...]
    layers: tuple[Any, ...]
    head: Head
    int8: bool
    content: bytes
    bundle: Bundle


def begin(bundle: Bundle) -> Candidate:
    """Return the policy of a bundle as the first candidate.

    Raises:
        InputError: it holds a program, e.g. a rule, which has no layers to read, or a graph for
            LiteRT where that is not installed.
    """
    entry = bundle.facts["graphs"][POLICY]
    if "lite" in entry:
        required(bundle.path)
    try:
        _check_learned_program(bundle, entry["layers"])
        layers = read_layers(entry["layers"], read_arrays(bundle.graph()), bundle.path)
        head = read_head(entry.get("head", {}), bundle.graph(), bundle.interface.outputs)
        int8 = entry["precision"] == "int8"
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        message = f"the manifest's layers are not those of the graph ({error!r})"
        raise InputError(message, where=bundle.path, hint="export the policy again") from None
    return Candidate(layers, layers, head, int8, b"", bundle)


def _check_learned_program(bundle: Bundle, layers: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a learned policy that was written as one program, e.g. the best of some candidates."""
    if bundle.facts["kind"] != "learned" or layers[-1]["kind"] != Program.kind:
        return
    message = "a policy written as a program cannot be compressed: it takes the best of several "
    message += "actions by its critics, or an older version exported it"
    hint = "export it again from its run, trained with learner.num_candidates = 1"
    raise InputError(message, where=bundle.path, hint=hint)


def apply(stage: CompressionStage, before: Candidate, rows: np.ndarray, seed: int) -> Candidate:
    """Return the next candidate.

    Args:
        rows: ``[n, columns]`` in units, seen in play: for importance, teaching and calibration.
        seed: of everything drawn.
    """
    observations, layers, key = jnp.asarray(rows), before.layers, jax.random.key(seed)
    if stage.kind == "prune":
        layers = prune(layers, stage.share, observations, stage.importance)
    elif stage.kind == "sparse":
        layers = sparsify(layers, stage.share)
    elif stage.kind == "distil":
        student_key, key = jax.random.split(key)
        if stage.plain:
            layers = without_chain(layers, stage.widths, student_key)
        else:
            layers = smaller(layers, stage.widths, before.head, student_key)
    if stage.kind != "int8":
        layers = fit(layers, before.teacher, before.head, observations, key)
    int8 = before.int8 or stage.kind == "int8"
    bundle = before.bundle
    facts = {
        **{name: bundle.facts[name] for name in ("name", "kind", "scenario", "provenance")},
        "scores": {},  # those of the policy before: measured again for this one
        "lineage": [*bundle.facts["lineage"], {"stage": stage.text, "from": bundle.version}],
    }
    rules = {n: Graph(bundle.graph(n), bundle.facts["graphs"][n]) for n in bundle.rules}
    if not int8:
        made = make_bundle(layers, before.head, bundle.interface, rules, facts, bundle.path)
        if "lite" in bundle.facts["graphs"][POLICY]:
            made = with_lite(made[1])
        return Candidate(before.teacher, layers, before.head, int8, *made)
    content, made = _quantised(layers, before.head, bundle, rules, facts, rows)
    entry = made.facts["graphs"][POLICY]["layers"]
    quantised = read_layers(entry, read_arrays(made.graph()), bundle.path)
    return Candidate(before.teacher, quantised, before.head, int8, content, made)


def _quantised(
    layers: tuple[Any, ...],
    head: Head,
    bundle: Bundle,
    rules: Mapping[str, Graph],
    facts: Mapping[str, Any],
    rows: np.ndarray,
) -> tuple[bytes, Bundle]:
    interface = bundle.interface
    plain = write_graph(layers, head, interface, POLICY)
    model = quantise(plain.model, rows)
    graph = Graph(model, {**plain.facts, "precision": "int8", "bytes": len(model)})
    reference = reference_of_int8(model, interface)
    far = how_far(layers)
    size = score_size(reference, interface, far, SMALLEST)
    tolerance = INT8_TOLERANCE * _steps(layers) * size
    scores = functools.partial(run, layers)
    record = make_record(interface, reference, head, scores, tolerance, far)
    named = f"onnx {onnx.__version__} reference evaluator"
    parity = {"reference": named, "tolerance": tolerance, "quantiser": onnxruntime.__version__}
    extended = {**facts, "parity": parity}
    return assemble(interface, {POLICY: graph, **rules}, record, extended, bundle.path)


def _steps(layers: Sequence[Any]) -> int:
    """Return how often a decision runs the layers that it runs most."""
    return max((layer.calls for layer in layers if isinstance(layer, Nested)), default=1)
