"""Running normalisation: the moments are those of everything seen, however it arrived."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.rules.normalise import CLIP, merge, no_moments, scale, standardise
from edgewright.rules.returns import running_returns

merge_jit = jax.jit(merge)


@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**32 - 1),
    cuts=st.sets(st.sampled_from([1, 5, 6, 12, 20]), max_size=4),
    centre=st.sampled_from([0.0, 100.0]),
)
def test_merged_moments_are_numpys_on_the_whole(seed, cuts, centre):
    data = np.random.default_rng(seed).normal(centre, 3.0, size=(24, 2))
    moments = no_moments((2,))
    for chunk in np.split(data, sorted(cuts)):
        moments = merge_jit(moments, jnp.asarray(chunk, jnp.float32))
    assert float(moments.count) == 24
    np.testing.assert_allclose(moments.mean, data.mean(axis=0), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(moments.variance, data.var(axis=0), rtol=1e-3)


def test_leading_axes_are_all_samples():
    data = np.random.default_rng(0).normal(size=(4, 3, 2, 5)).astype(np.float32)
    one, flat = merge(no_moments((5,)), data), merge(no_moments((5,)), data.reshape(-1, 5))
    np.testing.assert_allclose(one.mean, flat.mean, rtol=1e-5)
    np.testing.assert_allclose(one.variance, data.reshape(-1, 5).var(axis=0), rtol=1e-5)
    scalar = merge(no_moments(()), data)
    np.testing.assert_allclose(scalar.variance, data.var(), rtol=1e-5)
    assert float(scalar.count) == data.size


def test_nothing_seen_changes_nothing():
    values = jnp.array([-3.0, 0.0, 4.0])
    np.testing.assert_allclose(standardise(no_moments((3,)), values), values)
    np.testing.assert_allclose(scale(no_moments(()), values), values)


def test_standardised_data_have_mean_zero_and_deviation_one_and_are_clipped():
    data = jnp.asarray(np.random.default_rng(1).normal(50.0, 7.0, (4096, 1)), jnp.float32)
    moments = merge(no_moments((1,)), data)
    seen = standardise(moments, data)
    np.testing.assert_allclose([seen.mean(), seen.std()], [0.0, 1.0], atol=1e-4)
    far = standardise(moments, jnp.array([[1e9], [-1e9]]))
    np.testing.assert_array_equal(far, [[CLIP], [-CLIP]])


def test_scaled_rewards_do_not_depend_on_their_unit():
    rng = np.random.default_rng(2)
    rewards = jnp.asarray(rng.normal(0.3, 1.0, (64, 3)), jnp.float32)
    done = jnp.asarray(rng.random((64, 3)) < 0.1)

    def scaled(unit):
        _, totals = running_returns(unit * rewards, done, jnp.zeros(3), 0.9)
        return scale(merge(no_moments(()), totals), unit * rewards)

    for unit in (1e-2, 10.0, 1e3):
        np.testing.assert_allclose(scaled(unit), scaled(1.0), rtol=1e-4)
    np.testing.assert_array_equal(jnp.sign(scaled(1.0)), jnp.sign(rewards))  # no centring
