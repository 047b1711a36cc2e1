"""Loops of a fixed length in an exported graph: a denoising actor and a recurrent cell."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import onnxruntime
import pytest

from edgewright.bundle.engine import SCORES
from edgewright.core.errors import InputError
from edgewright.core.spaces import Box, Discrete
from edgewright.export.layers import Program
from edgewright.export.observation import head_of, interface_of
from edgewright.export.trace import MAX_TURNS
from edgewright.export.write import make_bundle, write_graph
from edgewright.systems.probes import ProbeWorld, probe

COLUMNS, ACTIONS, TURNS = 6, 3, 5
FACTS = {"name": "p", "kind": "learned", "scenario": {}, "provenance": {}, "scores": {}}


class Choices:
    """A world as far as an export looks at it."""

    def observation_space(self, params):
        return Box(-1.0, 1.0, (COLUMNS,))

    def action_space(self, params):
        return Discrete(ACTIONS)


def weights(key, *shape):
    return jax.random.normal(jax.random.key(key), shape) / jnp.sqrt(shape[0])


def denoise(row):
    """Return the scores of a diffusion actor without noise: x <- a_k x - b_k f(x, row, k)."""
    first, second = weights(0, ACTIONS + COLUMNS + 1, 16), weights(1, 16, ACTIONS)
    keep, move = jnp.linspace(1.2, 1.0, TURNS), jnp.linspace(0.5, 0.1, TURNS)

    def turn(k, x):
        given = jnp.concatenate([x, row, jnp.asarray(k, jnp.float32)[None] / TURNS])
        return jnp.clip(keep[k] * x - move[k] * (jnp.tanh(given @ first) @ second), -1.0, 1.0)

    return jax.lax.fori_loop(0, TURNS, turn, jnp.zeros(ACTIONS))


def recur(row):
    """Return the scores of a gated recurrent unit over a row of three slots of two numbers."""
    gates, inner, out = weights(2, 10, 16), weights(3, 10, 8), weights(4, 8, ACTIONS)

    def cell(state, slot):
        both = jnp.concatenate([state, slot])
        keep, reset = jnp.split(jax.nn.sigmoid(both @ gates), 2)
        new = jnp.tanh(jnp.concatenate([reset * state, slot]) @ inner)
        return keep * state + (1 - keep) * new, jnp.sum(new)

    state, sums = jax.lax.scan(cell, jnp.zeros(8), row.reshape(3, 2))
    return state @ out + jnp.sum(sums)


@pytest.mark.parametrize("function", [denoise, recur])
def test_the_graph_computes_the_loop_and_the_bundle_keeps_its_parity(function):
    head = head_of(Choices(), None)
    rows = np.asarray(jax.random.uniform(jax.random.key(5), (200, COLUMNS), minval=-1, maxval=1))
    interface = interface_of(Box(-1.0, 1.0, (COLUMNS,)), head, rows)
    layers = (Program(function=function, columns=COLUMNS, decides=False),)
    _, bundle = make_bundle(layers, head, interface, {}, {**FACTS, "lineage": []}, "x.edge")
    found = bundle.engine.many(rows)
    expected = jax.vmap(function)(rows)
    np.testing.assert_allclose(found[SCORES], expected, atol=2e-6)
    np.testing.assert_array_equal(found["action"], np.argmax(expected, axis=1))
    assert len(set(found["action"].tolist())) > 1


def test_a_loop_over_constants_only_costs_no_operator():
    head = head_of(Choices(), None)
    rows = np.zeros((2, COLUMNS))
    interface = interface_of(Box(-1.0, 1.0, (COLUMNS,)), head, rows)

    def sizes(function):
        layers = (Program(function=function, columns=COLUMNS, decides=False),)
        model = write_graph(layers, head, interface, "t").model
        session = onnxruntime.InferenceSession(model)
        return session.run([SCORES], {"observation": np.ones((1, COLUMNS), np.float32)})[0]

    def looped(row):
        sums = jax.lax.scan(lambda total, x: (total + x, total), 0.0, jnp.arange(3.0))[1]
        return row[:ACTIONS] + sums

    np.testing.assert_allclose(sizes(looped), [[1.0, 1.0, 2.0]])


def test_a_loop_that_is_too_long_is_refused():
    def long(row):
        return jax.lax.fori_loop(0, MAX_TURNS + 1, lambda _, x: x * 0.5, row[:ACTIONS])

    head = head_of(ProbeWorld(), probe("match"))
    interface = interface_of(Box(-1.0, 1.0, (COLUMNS,)), head, np.zeros((2, COLUMNS)))
    layers = (Program(function=long, columns=COLUMNS, decides=False),)
    with pytest.raises(InputError, match=f"{MAX_TURNS + 1} turns"):
        write_graph(layers, head, interface, "t")
