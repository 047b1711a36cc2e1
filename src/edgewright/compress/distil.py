"""Distil a network by training on the scores of another network on its observations.

Hinton, Vinyals and Dean 2015, by the distance of the policy's head; for action values that is
policy distillation (Rusu et al., ICLR 2016). Fine-tuning after pruning is the same with a student
that is already close.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from edgewright.core.errors import InputError
from edgewright.core.records import Array
from edgewright.export.denoise import Denoise
from edgewright.export.heads import CategoricalHead, Head
from edgewright.export.layers import Branches, Dense, Dueling, Nested, run
from edgewright.nets.mlp import init_mlp

STEPS, BATCH, RATE = 3000, 256, 2e-3


def smaller(
    layers: Sequence[Any], widths: tuple[int, ...], head: Head, key: Array
) -> tuple[Any, ...]:
    """Return layers with fresh dense ones of other widths; what is before and after them stays.

    Scores that may all move together without a change of the choice begin with mean 0, see
    :func:`fit`.

    Raises:
        InputError: the network has no hidden layer, whose activation and widths are taken.
    """
    if any(isinstance(layer, Nested) for layer in layers):  # each chain has a network of its own
        return tuple(_smaller_chains(layer, widths, head, key) for layer in layers)
    first, last = _ends(layers)
    sizes = (layers[first].weight.shape[0], *widths, layers[last].weight.shape[1])
    body = _fresh(sizes, layers[first + 1], key)
    student = [*layers[:first], *body, *layers[last + 1 :]]
    at = max(n for n, layer in enumerate(student) if isinstance(layer, Dense))
    for part in _held(student, head):
        layer = student[at]
        student[at] = _hold(layer, jax.tree.map(jnp.ones_like, layer), part)
    return tuple(student)


def without_chain(layers: Sequence[Any], widths: tuple[int, ...], key: Array) -> tuple[Any, ...]:
    """Return fresh layers that decide at once what a denoising loop decides in several steps.

    They read the features and leave the normal numbers of the row aside, so whoever asks for a
    decision asks as before; a seed changes nothing any more.

    Args:
        widths: of the hidden layers.

    Raises:
        InputError: there is no denoising loop.
    """
    if not isinstance(layers[0], Denoise):
        message = "distil with plain must be given a policy that denoises; this one does not"
        raise InputError(message, where="--stages", hint="leave :plain out")
    loop = layers[0]
    first, _ = _ends(loop.network)
    sizes = (loop.features, *widths, loop.rule.numbers)
    body = _fresh(sizes, loop.network[first + 1], key)
    chain = (*loop.entry, *body)
    return (Branches(parts=(chain,), columns=(tuple(range(loop.features)),)), *layers[1:])


def _ends(layers: Sequence[Any]) -> tuple[int, int]:
    """Return where the first and the last dense layer of a network with a hidden layer are."""
    dense = [index for index, layer in enumerate(layers) if isinstance(layer, Dense)]
    if len(dense) < 2:
        message = "distil must be given a network with a hidden layer; this one has none"
        raise InputError(message, where="--stages", hint="leave distil out")
    return dense[0], dense[-1]


def _fresh(sizes: tuple[int, ...], activation: Any, key: Array) -> list[Any]:
    """Return dense layers of widths ``sizes`` with an activation between them."""
    made = init_mlp(key, sizes)
    fresh = [Dense(weight=w, bias=b) for w, b in zip(made.weights, made.biases, strict=True)]
    chained = itertools.zip_longest(fresh, [activation] * (len(sizes) - 2))
    return [layer for pair in chained for layer in pair if layer is not None]


def _smaller_chains(layer: Any, widths: tuple[int, ...], head: Head, key: Array) -> Any:
    """Return a layer whose chains, if it has some, have fresh dense layers of other widths."""
    if not isinstance(layer, Nested):
        return layer
    pairs = zip(layer.chains, jax.random.split(key, len(layer.chains)), strict=True)
    return layer.with_chains(tuple(smaller(chain, widths, head, one) for chain, one in pairs))


def fit(
    student: Sequence[Any], teacher: Sequence[Any], head: Head, rows: Array, key: Array
) -> tuple[Any, ...]:
    """Return the student after :data:`STEPS` steps towards the teacher's scores on ``rows``.

    Only dense layers learn. A weight that is exactly zero stays zero. Scores that may all move
    together without a change of the choice do not: no slope holds them, so Adam would make steps of
    its rounding, and scores far from zero leave 8 bits no room for the differences between actions.
    """
    return imitate(student, run(teacher, rows), head, rows, key)


def imitate(
    student: Sequence[Any], wanted: Array, head: Head, rows: Array, key: Array
) -> tuple[Any, ...]:
    """Return the student after :data:`STEPS` steps towards scores ``wanted`` on ``rows``.

    See :func:`fit`.
    """
    return _fit(tuple(student), wanted, head, rows, key)


def _held(student: Sequence[Any], head: Head) -> list[slice]:
    """Return the columns of the last dense layer whose common move turns no choice."""
    if not isinstance(head, CategoricalHead):
        return []
    last = max(n for n, layer in enumerate(student) if isinstance(layer, Dense))
    if not any(isinstance(layer, Dueling) for layer in student[last:]):
        return [slice(None)]
    return [slice(0, 1), slice(1, None)]


def _hold(change: Dense, mask: Dense, part: slice) -> Dense:
    """Return a change without what moves all columns of a part alike, where none is masked."""
    weight, bias = change.weight[:, part], change.bias[part]
    unmasked = jnp.all(mask.weight[:, part] != 0, axis=1, keepdims=True)
    common = jnp.where(unmasked, jnp.mean(weight, axis=1, keepdims=True), 0.0)
    return Dense(
        weight=change.weight.at[:, part].set(weight - common),
        bias=change.bias.at[part].set(bias - jnp.mean(bias)),
    )


@functools.partial(jax.jit, static_argnames=("head",))
def _fit(
    student: tuple[Any, ...], wanted: Array, head: Head, rows: Array, key: Array
) -> tuple[Any, ...]:
    parts, shape = jax.tree.flatten(student, is_leaf=lambda one: isinstance(one, Dense))
    learned = {n: part for n, part in enumerate(parts) if isinstance(part, Dense)}
    masks = {
        n: Dense(weight=(layer.weight != 0).astype(jnp.float32), bias=jnp.ones_like(layer.bias))
        for n, layer in learned.items()
    }
    last = max(learned)
    optimiser = optax.adam(optax.cosine_decay_schedule(RATE, STEPS))

    def together(learned: dict[int, Dense]) -> tuple[Any, ...]:
        return jax.tree.unflatten(shape, [learned.get(n, part) for n, part in enumerate(parts)])

    def loss(learned: dict[int, Dense], part: Array, goal: Array) -> Array:
        return head.distance(run(together(learned), part), goal)

    def step(carry: Any, key: Array) -> tuple[Any, None]:
        change: Any
        learned, state = carry
        chosen = jax.random.randint(key, (BATCH,), 0, rows.shape[0])
        slope = jax.grad(loss)(learned, rows[chosen], wanted[chosen])
        slope = jax.tree.map(jnp.multiply, slope, masks)
        change, state = optimiser.update(slope, state)
        for part in _held(student, head):
            change[last] = _hold(change[last], masks[last], part)
        return (optax.apply_updates(learned, change), state), None

    start = (learned, optimiser.init(learned))
    (learned, _), _ = jax.lax.scan(step, start, jax.random.split(key, STEPS))
    return together(learned)
