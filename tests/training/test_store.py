"""The run store: a pytree comes back as it was, in a structure that is checked."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.core.errors import InputError
from edgewright.training import store


def tree(value=1.0):
    return {"weights": jnp.full((2, 3), value), "key": jax.random.key(7), "count": jnp.int32(4)}


def test_round_trip_keeps_values_types_and_random_keys(tmp_path):
    path = tmp_path / "checkpoint.npz"
    store.save_tree(path, tree(), {"iteration": 9})
    loaded, facts = store.load_tree(path, tree(0.0))
    assert facts["iteration"] == 9
    np.testing.assert_array_equal(loaded["weights"], np.ones((2, 3)))
    assert loaded["count"].dtype == jnp.int32
    assert jax.random.uniform(loaded["key"]) == jax.random.uniform(jax.random.key(7))


def test_another_structure_is_refused(tmp_path):
    path = tmp_path / "checkpoint.npz"
    store.save_tree(path, tree(), {})
    other = {**tree(), "weights": jnp.zeros((3, 3))}
    with pytest.raises(InputError, match=r"another structure, first at .*weights"):
        store.load_tree(path, other)
