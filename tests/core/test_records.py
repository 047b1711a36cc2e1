"""Records: frozen, keyword-only, pytrees whose static fields are structure."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import pytest

from edgewright.core.records import Array, Trajectory, record, static


@record
class Numbers:
    """Two leaves and a size."""

    first: Array
    second: Array
    size: int = static(default=3)


def test_leaves_are_the_fields_that_are_not_static():
    made = Numbers(first=jnp.ones(2), second=jnp.zeros(()))
    assert len(jax.tree.leaves(made)) == 2
    doubled = jax.tree.map(lambda leaf: 2 * leaf, made)
    assert isinstance(doubled, Numbers)
    assert doubled.size == 3
    assert float(doubled.first[0]) == 2.0


def test_a_static_field_is_structure_and_a_number_is_not():
    traces = []

    @jax.jit
    def total(numbers: Numbers) -> Array:
        traces.append(numbers.size)
        return numbers.first + numbers.size

    total(Numbers(first=1.0, second=2.0))
    total(Numbers(first=5.0, second=6.0))
    assert traces == [3]
    total(Numbers(first=1.0, second=2.0, size=4))
    assert traces == [3, 4]


def test_a_record_is_frozen_and_wants_names():
    made = Numbers(first=jnp.ones(2), second=jnp.zeros(()))
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.first = jnp.zeros(2)  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(TypeError):
        Numbers(jnp.ones(2), jnp.zeros(()))  # pyright: ignore[reportCallIssue]


def test_done_is_either_end():
    ends = {
        "terminated": jnp.array([[True, False, False]]),
        "truncated": jnp.array([[False, True, False]]),
    }
    rest = dict.fromkeys(
        ("observation", "action", "aux", "reward", "next_observation", "metrics"), ()
    )
    assert Trajectory(**rest, **ends).done.tolist() == [[True, True, False]]


def test_records_with_the_same_fields_are_different_structures():
    """Two policies with the same fields must never share one compiled program."""

    @record
    class Base:
        x: Array

        def worth(self) -> float:
            return -1.0

    worth = jax.jit(lambda one: one.worth())
    found, structures = [], set()
    for number in range(30):
        body = {"worth": lambda self, number=number: float(number)}
        made = record(type("Same", (Base,), body))(x=jnp.ones(()))
        structures.add(jax.tree.structure(made))
        found.append(float(worth(made)))
    assert found == list(range(30))
    assert len(structures) == 30
    assert jax.tree.structure(Base(x=1.0)) not in structures
