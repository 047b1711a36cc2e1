"""A stream of records composed of processes: pairing, keys, resuming."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.core.records import Array, record
from edgewright.streams.arrivals import PoissonArrivals
from edgewright.streams.compose import Composite
from edgewright.streams.processes import (
    Constant,
    MarkovChain,
    ReflectedWalk,
    Uniform,
)

KEY = jax.random.key(11)
NAMES = ("bandwidth_mbps", "gap_s", "load", "size_mb")


@record
class Inputs:
    """What a world might be given."""

    bandwidth_mbps: Array
    gap_s: Array
    load: Array
    size_mb: Array


def stream() -> Composite:
    f = jnp.float32
    return Composite(
        fields={
            "bandwidth_mbps": ReflectedWalk(low=f(5), high=f(15), step_std=f(1), shape=(2,)),
            "gap_s": PoissonArrivals(mean=f(3.0), shape=(2,)),
            "load": MarkovChain(levels=jnp.arange(5.0), stay=f(0.5), shape=(4,)),
            "size_mb": Uniform(low=f(1.0), high=f(2.0)),
        },
        into=Inputs,
    )


@jax.jit
def rows(stream: Composite, key: Array) -> Inputs:
    carry, first = stream.next_rows(stream.init_carry(key), 6)
    _, second = stream.next_rows(carry, 6)
    return jax.tree.map(lambda a, b: jnp.concatenate([a, b]), first, second)


def test_rows_are_records_of_every_field() -> None:
    taken = rows(stream(), KEY)
    assert isinstance(taken, Inputs)
    shapes = {name: getattr(taken, name).shape for name in NAMES}
    assert shapes == dict(zip(NAMES, [(12, 2), (12, 2), (12, 4), (12,)], strict=True))


def test_same_key_same_rows_other_key_other_rows() -> None:
    first, same, other = (
        rows(stream(), KEY),
        rows(stream(), KEY),
        rows(stream(), jax.random.key(12)),
    )
    for name in NAMES:
        np.testing.assert_array_equal(getattr(first, name), getattr(same, name))
        assert (getattr(first, name) != getattr(other, name)).any()


@pytest.mark.parametrize("replaced", NAMES)
def test_replacing_one_field_leaves_the_others_bit_identical(replaced: str) -> None:
    before = rows(stream(), KEY)
    shape = getattr(before, replaced).shape[1:]
    changed = stream().replace(**{replaced: Constant(value=jnp.float32(-1.0), shape=shape)})
    after = rows(changed, KEY)
    for name in NAMES:
        if name == replaced:
            assert (np.asarray(getattr(after, name)) == -1.0).all()
        else:
            np.testing.assert_array_equal(getattr(before, name), getattr(after, name))


def test_leaving_a_field_out_leaves_the_others_as_they_were() -> None:
    whole = stream()
    part = Composite(fields={"load": whole.fields["load"]}, into=dict)
    np.testing.assert_array_equal(rows(part, KEY)["load"], rows(whole, KEY).load)


def test_equal_processes_of_different_names_differ() -> None:
    # The last two names collide in the usual polynomial hash: 31 * 97 + 110 = 31 * 99 + 48.
    unit = Uniform(low=jnp.float32(0.0), high=jnp.float32(1.0))
    names = ("a", "b", "load_an", "load_c0")
    taken = rows(Composite(fields=dict.fromkeys(names, unit), into=dict), KEY)
    assert len({np.asarray(taken[name]).tobytes() for name in names}) == len(names)


def test_the_order_of_the_fields_does_not_matter() -> None:
    backwards = Composite(fields=dict(reversed(stream().fields.items())), into=Inputs)
    for a, b in zip(
        jax.tree.leaves(rows(stream(), KEY)), jax.tree.leaves(rows(backwards, KEY)), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_vmap_over_keys_equals_one_key_at_a_time() -> None:
    keys = jax.random.split(KEY, 3)
    together = jax.jit(jax.vmap(rows, in_axes=(None, 0)))(stream(), keys)
    for n in range(3):
        alone = rows(stream(), keys[n])
        for name in NAMES:
            np.testing.assert_allclose(
                getattr(together, name)[n], getattr(alone, name), rtol=1e-5, atol=1e-6
            )


def test_resume_hands_every_field_its_own_present() -> None:
    still = stream().replace(
        bandwidth_mbps=ReflectedWalk(
            low=jnp.float32(5), high=jnp.float32(15), step_std=jnp.float32(0), shape=(2,)
        ),
        load=MarkovChain(levels=jnp.arange(5.0), stay=jnp.float32(1.0), shape=(4,)),
    )
    x = Inputs(
        bandwidth_mbps=jnp.array([6.0, 14.0]),
        gap_s=jnp.array([1.0, 1.0]),
        load=jnp.array([4.0, 0.0, 2.0, 1.0]),
        size_mb=jnp.float32(1.5),
    )

    def future(key: Array) -> Inputs:
        return still.next_rows(still.resume(key, x), 3)[1]

    first, second = (jax.jit(future)(jax.random.key(n)) for n in (0, 1))
    np.testing.assert_allclose(first.bandwidth_mbps, [[6.0, 14.0]] * 3, rtol=1e-6)
    np.testing.assert_array_equal(first.load, [[4.0, 0.0, 2.0, 1.0]] * 3)
    assert (first.gap_s != second.gap_s).all()  # what is memoryless is drawn afresh
    usual, found = (
        jax.tree.structure(carry) for carry in (still.init_carry(KEY), still.resume(KEY, x))
    )
    assert usual == found


def test_replacing_an_unknown_field_is_refused() -> None:
    with pytest.raises(KeyError, match=r"no such field: bandwith_mbps; the fields are"):
        stream().replace(bandwith_mbps=Constant(value=jnp.float32(1.0)))
