"""Distillation: teach a network the scores of another one on what that one sees.

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
from edgewright.deploy.heads import Head
from edgewright.deploy.layers import Dense, run
from edgewright.nets.mlp import init_mlp

STEPS, BATCH, RATE = 3000, 256, 2e-3


def smaller(layers: Sequence[Any], widths: tuple[int, ...], key: Array) -> tuple[Any, ...]:
    """Return layers with fresh dense ones of other widths; what is before and after them stays.

    Raises:
        InputError: there is no activation to take over.
    """
    dense = [place for place, layer in enumerate(layers) if isinstance(layer, Dense)]
    if len(dense) < 2:
        problem = "the network has no hidden layer, so there is no smaller one"
        raise InputError(problem, where="--stages", hint="leave distil out")
    first, last = dense[0], dense[-1]
    activation = layers[first + 1]
    sizes = (layers[first].weight.shape[0], *widths, layers[last].weight.shape[1])
    made = init_mlp(key, sizes)
    fresh = [Dense(weight=w, bias=b) for w, b in zip(made.weights, made.biases, strict=True)]
    chained = itertools.zip_longest(fresh, [activation] * len(widths))
    body: list[Any] = [layer for pair in chained for layer in pair if layer is not None]
    return (*layers[:first], *body, *layers[last + 1 :])


def fit(
    student: Sequence[Any], teacher: Sequence[Any], head: Head, rows: Array, key: Array
) -> tuple[Any, ...]:
    """Return the student after :data:`STEPS` steps towards the teacher's scores on ``rows``.

    Only dense layers learn. A weight that is exactly zero stays zero.
    """
    return _fit(tuple(student), tuple(teacher), head, rows, key)


@functools.partial(jax.jit, static_argnames=("head",))
def _fit(
    student: tuple[Any, ...], teacher: tuple[Any, ...], head: Head, rows: Array, key: Array
) -> tuple[Any, ...]:
    wanted = run(teacher, rows)
    learned = {n: layer for n, layer in enumerate(student) if isinstance(layer, Dense)}
    masks = {
        n: Dense(weight=(layer.weight != 0).astype(jnp.float32), bias=jnp.ones_like(layer.bias))
        for n, layer in learned.items()
    }
    optimiser = optax.adam(optax.cosine_decay_schedule(RATE, STEPS))

    def loss(learned: dict[int, Dense], part: Array, goal: Array) -> Array:
        whole: list[Any] = [learned.get(n, layer) for n, layer in enumerate(student)]
        return head.distance(run(whole, part), goal)

    def step(carry: Any, key: Array) -> tuple[Any, None]:
        learned, state = carry
        chosen = jax.random.randint(key, (BATCH,), 0, rows.shape[0])
        slope = jax.grad(loss)(learned, rows[chosen], wanted[chosen])
        slope = jax.tree.map(jnp.multiply, slope, masks)
        change, state = optimiser.update(slope, state)
        return (optax.apply_updates(learned, change), state), None

    start = (learned, optimiser.init(learned))
    (learned, _), _ = jax.lax.scan(step, start, jax.random.split(key, STEPS))
    return tuple(learned.get(n, layer) for n, layer in enumerate(student))
