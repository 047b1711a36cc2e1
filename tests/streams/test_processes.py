"""Synthetic processes against closed forms, slow references and the laws of a stream.

Tolerances are stated as standard errors of the estimate (the keys are fixed, so that a test either
always or never passes) or as a relative error that is several of them.
"""

from __future__ import annotations

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.core.protocols import Process
from edgewright.core.records import Array
from edgewright.streams import arrivals
from edgewright.streams import processes as p

KEY = jax.random.key(2024)
F = jnp.float32
SHAPE = (3,)

PROCESSES = {
    "constant": p.Constant(value=F(5.0), shape=SHAPE),
    "uniform": p.Uniform(low=F(2.0), high=F(4.0), shape=SHAPE),
    "categorical": p.Categorical(probabilities=jnp.array([0.2, 0.3, 0.5]), shape=SHAPE),
    "walk": p.ReflectedWalk(low=F(50.0), high=F(150.0), step_std=F(5.0), shape=SHAPE),
    "autoregressive": p.Autoregressive(
        mean=F(100.0),
        variation=F(0.5),
        correlation=F(0.9),
        low=F(1.0),
        high=F(1000.0),
        shape=SHAPE,
    ),
    "chain": p.MarkovChain(levels=jnp.array([1.0, 2.0, 4.0, 8.0]), stay=F(0.7), shape=SHAPE),
    "poisson": arrivals.PoissonArrivals(mean=F(3.0), shape=SHAPE),
    "modulated": arrivals.ModulatedArrivals(
        mean=F(3.0), calm_factor=F(1.5), busy_factor=F(0.5), switch=F(0.1), shape=SHAPE
    ),
    "compound": arrivals.CompoundPoisson(
        utilisation=F(0.4),
        capacity=F(50.0),
        interval=F(1.0),
        job_low=F(10.0),
        job_high=F(30.0),
        multipliers=jnp.array([0.5, 1.0, 2.0]),
        shape=SHAPE,
    ),
}


def bits_for(process: Process, key: Array, length: int) -> Array:
    return jax.random.bits(key, (process.words, length, *process.shape))


@partial(jax.jit, static_argnums=2)
def rows(process: Process, key: Array, length: int = 16) -> Array:
    key, now = jax.random.split(key)
    return process.next_rows(process.init_carry(now), bits_for(process, key, length))[1]


@partial(jax.jit, static_argnums=3)
def resumed_rows(process: Process, key: Array, x: Array, length: int) -> Array:
    key, now = jax.random.split(key)
    return process.next_rows(process.resume(now, x), bits_for(process, key, length))[1]


def draw(process: Process, length: int) -> np.ndarray:
    return np.asarray(rows(process, KEY, length), np.float64)


# --- laws -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROCESSES)
def test_same_key_same_rows_other_key_other_rows(name: str) -> None:
    process = PROCESSES[name]
    first = rows(process, KEY)
    assert first.shape == (16, *SHAPE)
    np.testing.assert_array_equal(rows(process, KEY), first)
    other = rows(process, jax.random.key(1))
    assert bool((other == first).all()) == (name == "constant")


@pytest.mark.parametrize("name", PROCESSES)
def test_blocks_join_without_a_seam(name: str) -> None:
    process = PROCESSES[name]
    take = jax.jit(process.next_rows)
    bits = bits_for(process, KEY, 20)
    start = process.init_carry(jax.random.key(5))
    memory, first = take(start, bits[:, :7])
    end, second = take(memory, bits[:, 7:])
    whole_end, whole = take(start, bits)
    assert jax.tree.structure(end) == jax.tree.structure(start)
    np.testing.assert_allclose(jnp.concatenate([first, second]), whole, rtol=1e-4)
    for one, other in zip(jax.tree.leaves(end), jax.tree.leaves(whole_end), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", PROCESSES)
def test_vmap_over_keys_equals_one_key_at_a_time(name: str) -> None:
    process = PROCESSES[name]
    keys = jax.random.split(KEY, 4)
    together = jax.jit(jax.vmap(lambda key: rows(process, key)))(keys)
    for n in range(4):
        np.testing.assert_allclose(together[n], rows(process, keys[n]), rtol=2e-5)


@pytest.mark.parametrize("name", PROCESSES)
def test_elements_of_a_row_are_independent_of_each_other(name: str) -> None:
    values = draw(PROCESSES[name], 4000)
    if name == "constant":
        assert (values == 5.0).all()
        return
    # Walks and chains remember, so 4000 rows are as few as 4000 (1-r)/(1+r) independent ones.
    change = np.diff(values, axis=0)
    off_diagonal = np.corrcoef(change, rowvar=False)[np.triu_indices(3, 1)]
    assert np.abs(off_diagonal).max() < 0.08


@pytest.mark.parametrize("name", PROCESSES)
def test_resume_gives_a_memory_of_the_usual_form(name: str) -> None:
    process = PROCESSES[name]
    memory, taken = process.next_rows(process.init_carry(KEY), bits_for(process, KEY, 4))
    resumed = jax.jit(process.resume)(jax.random.key(3), taken[-1])
    usual, found = (jax.tree.map(lambda a: (a.shape, a.dtype), m) for m in (memory, resumed))
    assert usual == found


# --- random words ---------------------------------------------------------------------------------


def test_the_extreme_words_give_finite_numbers_inside_the_unit_interval() -> None:
    words = jnp.array(
        [0, 1, 0x1FF, 0x200, 0x7FFFFFFF, 0x80000000, 0xFFFFFE00, 0xFFFFFFFF], jnp.uint32
    )
    values = np.asarray(p.unit(words), np.float64)
    assert (values > 0).all() and (values < 1).all()
    assert (np.diff(values) >= 0).all()
    np.testing.assert_allclose(values, np.asarray(words, np.float64) / 2**32, atol=2**-23)
    normal = np.asarray(p.normal(words), np.float64)
    assert normal[0] == pytest.approx(-5.29, abs=0.01)
    assert normal[-1] == pytest.approx(5.29, abs=0.01)


def test_normal_numbers_are_normal() -> None:
    words = jax.random.bits(KEY, (400_000,))
    values = np.asarray(p.normal(words), np.float64)
    moments = [(values**order).mean() for order in (1, 2, 3, 4)]
    # Standard errors: 1, sqrt(2), sqrt(15), sqrt(96) over sqrt(400 000).
    for moment, wanted, std in zip(moments, (0, 1, 0, 3), (1, 1.42, 3.9, 9.8), strict=True):
        assert moment == pytest.approx(wanted, abs=4 * std / math.sqrt(400_000))
    assert (np.abs(values) > 3).mean() == pytest.approx(0.0027, rel=0.1)


# --- independent draws ----------------------------------------------------------------------------


def test_constant_is_broadcast() -> None:
    process = p.Constant(value=jnp.array([1.0, 2.0]), shape=(2,))
    assert rows(process, KEY, 3).tolist() == [[1.0, 2.0]] * 3


def test_uniform_moments_and_bounds() -> None:
    values = draw(p.Uniform(low=F(2.0), high=F(5.0)), 100_000)
    assert values.min() >= 2.0 and values.max() <= 5.0
    std = 3.0 / math.sqrt(12)
    assert values.mean() == pytest.approx(3.5, abs=4 * std / math.sqrt(100_000))
    assert values.std() == pytest.approx(std, rel=0.01)


def test_categorical_frequencies() -> None:
    wanted = np.array([0.1, 0.0, 0.6, 0.3])
    values = draw(p.Categorical(probabilities=jnp.array(wanted)), 100_000).astype(int)
    share = np.bincount(values, minlength=4) / 100_000
    errors = np.sqrt(wanted * (1 - wanted) / 100_000)
    assert (np.abs(share - wanted) <= 4 * errors).all()


def test_poisson_gaps_are_exponential() -> None:
    values = draw(arrivals.PoissonArrivals(mean=F(3.0)), 100_000)
    assert values.mean() == pytest.approx(3.0, abs=4 * 3.0 / math.sqrt(100_000))
    assert values.std() == pytest.approx(3.0, rel=0.02)
    assert (values > 6.0).mean() == pytest.approx(math.exp(-2), abs=0.005)


# --- the reflected walk ---------------------------------------------------------------------------


def thousandths(low: float, high: float) -> st.SearchStrategy[float]:
    """Return numbers that are far from subnormal: XLA flushes those to zero."""
    return st.floats(low, high).map(lambda value: round(value, 3))


@settings(max_examples=300, deadline=None)
@given(low=thousandths(-1e3, 1e3), width=thousandths(0, 1e3), at=st.floats(-1e6, 1e6, width=32))
def test_reflection_stays_in_bounds(low: float, width: float, at: float) -> None:
    low32, high32 = np.float32(low), np.float32(low) + np.float32(width)
    inside = np.asarray(p.reflect(F(at), F(low32), F(high32)))
    assert low32 <= inside <= high32


@settings(max_examples=30, deadline=None)
@given(
    low=thousandths(-100.0, 100.0),
    width=thousandths(0.0, 200.0),
    step_std=thousandths(0.0, 300.0),
    seed=st.integers(0, 1000),
)
def test_the_walk_stays_in_bounds(low: float, width: float, step_std: float, seed: int) -> None:
    low32, high32 = np.float32(low), np.float32(low) + np.float32(width)
    walk = p.ReflectedWalk(low=F(low32), high=F(high32), step_std=F(step_std), shape=(2,))
    values = np.asarray(rows(walk, jax.random.key(seed), 50))
    assert (values >= low32).all() and (values <= high32).all()


def reflect_step_by_step(start: float, steps: list[float], low: float, high: float) -> list[float]:
    """Walk between two mirrors: each bounce turns the direction of everything after it round."""
    at, direction, path = start, 1.0, []
    for step in steps:
        at += direction * step
        while not low <= at <= high:
            at = 2 * (low if at < low else high) - at
            direction = -direction
        path.append(at)
    return path


@settings(max_examples=200, deadline=None)
@given(
    low=st.floats(-50.0, 50.0, width=32),
    width=st.floats(1.0, 100.0, width=32),
    unit=st.floats(0.0, 1.0, width=32),
    steps=st.lists(st.floats(-150.0, 150.0, width=32), min_size=1, max_size=25),
)
def test_folding_equals_reflecting_step_by_step(
    low: float, width: float, unit: float, steps: list[float]
) -> None:
    start = low + unit * width
    slow = reflect_step_by_step(start, steps, low, low + width)
    free = jnp.asarray(start + np.cumsum(steps), jnp.float32)
    fast = p.reflect(free, F(low), F(low + width))
    # Free positions reach 4000, where float32 has steps of 2.5e-4; a bounce keeps distances.
    np.testing.assert_allclose(fast, slow, atol=5e-3)


def test_the_walk_has_the_law_of_reflecting_each_step() -> None:
    low, high, std, start, count, length = 0.0, 10.0, 2.0, 1.0, 20_000, 8
    walk = p.ReflectedWalk(low=F(low), high=F(high), step_std=F(std), shape=(count,))
    fast = np.asarray(resumed_rows(walk, KEY, jnp.full((count,), start), length))
    rng, at = np.random.default_rng(0), np.full(count, start)
    for t in range(length):
        at = at + std * rng.standard_normal(count)
        while ((at < low) | (at > high)).any():
            at = np.where(at < low, 2 * low - at, np.where(at > high, 2 * high - at, at))
        # 4.5 standard errors of the difference of two means
        error = math.sqrt((fast[t].var() + at.var()) / count)
        assert fast[t].mean() == pytest.approx(at.mean(), abs=4.5 * error)
        assert fast[t].std() == pytest.approx(at.std(), rel=0.04)


def test_the_walk_starts_and_stays_uniform() -> None:
    walk = p.ReflectedWalk(low=F(50.0), high=F(150.0), step_std=F(20.0), shape=(20_000,))
    values = draw(walk, 3)
    error = 100 / math.sqrt(12) / math.sqrt(20_000)
    for row in values:
        assert row.mean() == pytest.approx(100.0, abs=4 * error)
        assert row.std() == pytest.approx(100 / math.sqrt(12), rel=0.02)


def test_the_walk_takes_steps_of_the_stated_size() -> None:
    walk = p.ReflectedWalk(low=F(-1e4), high=F(1e4), step_std=F(3.0), shape=(20,))
    values = resumed_rows(walk, KEY, jnp.zeros(20), 1000)
    steps = np.diff(np.asarray(values, np.float64), axis=0)
    assert steps.std() == pytest.approx(3.0, rel=0.02)
    assert np.corrcoef(steps[1:].ravel(), steps[:-1].ravel())[0, 1] == pytest.approx(0, abs=0.03)


def test_a_walk_without_room_is_constant() -> None:
    walk = p.ReflectedWalk(low=F(7.0), high=F(7.0), step_std=F(3.0), shape=(2,))
    assert (np.asarray(rows(walk, KEY, 10)) == 7.0).all()


def test_the_walk_resumes_from_x() -> None:
    x = jnp.array([50.0, 100.0, 149.0])
    walk = p.ReflectedWalk(low=F(50.0), high=F(150.0), step_std=F(1.0), shape=(3,))

    def first(key: Array) -> Array:
        return resumed_rows(walk, key, x, 1)[0]

    values = np.asarray(jax.jit(jax.vmap(first))(jax.random.split(KEY, 5000)))
    assert np.abs(values - x).max() < 5.5
    # In the middle: mean x, spread of one step. At a mirror: x plus the mean of |N(0, 1)|.
    assert values[:, 1].mean() == pytest.approx(100.0, abs=4 / math.sqrt(5000))
    assert values[:, 1].std() == pytest.approx(1.0, rel=0.05)
    assert values[:, 0].mean() == pytest.approx(50 + math.sqrt(2 / math.pi), abs=0.04)


# --- the autoregressive bandwidth -----------------------------------------------------------------


def autoregressive(shape: tuple[int, ...], **changes: Array) -> p.Autoregressive:
    law = {"mean": F(80.0), "variation": F(0.5), "correlation": F(0.8)}
    law |= {"low": F(0.0), "high": F(1e9)} | changes
    return p.Autoregressive(**law, shape=shape)


def test_autoregressive_mean_variation_and_correlation() -> None:
    values = draw(autoregressive((400,)), 1000)
    # 4e5 rows, each worth (1-0.8)/(1+0.8) of an independent one: standard error 0.24 % of the mean.
    assert values.mean() == pytest.approx(80.0, rel=0.01)
    assert values.std() / values.mean() == pytest.approx(0.5, rel=0.03)
    logs = np.log(values)
    logs = logs - logs.mean()
    for lag in (1, 2, 5):
        correlation = (logs[lag:] * logs[:-lag]).mean() / logs.var()
        assert correlation == pytest.approx(0.8**lag, abs=0.015)


def test_autoregressive_is_stationary_from_the_first_row_on() -> None:
    first = draw(autoregressive((40_000,)), 1)[0]
    assert first.mean() == pytest.approx(80.0, abs=4 * 40.0 / math.sqrt(40_000))
    assert first.std() == pytest.approx(40.0, rel=0.04)


def test_autoregressive_equals_its_recursion() -> None:
    # The same random numbers, one step at a time.
    process = autoregressive((2,))
    memory, bits = process.init_carry(KEY), bits_for(process, KEY, 50)
    last, fast = jax.jit(process.next_rows)(memory, bits)
    noise = np.asarray(p.normal(bits[0]), np.float64)
    spread = math.sqrt(math.log(1.25))
    state = np.asarray(memory, np.float64)
    for t in range(50):
        state = 0.8 * state + 0.6 * noise[t]
        slow = np.exp(math.log(80.0) - spread**2 / 2 + spread * state)
        np.testing.assert_allclose(fast[t], slow, rtol=1e-4)
    np.testing.assert_allclose(last, state, atol=1e-4)


def test_autoregressive_is_clipped() -> None:
    values = draw(autoregressive((50,), low=F(60.0), high=F(90.0)), 100)
    assert values.min() == 60.0 and values.max() == 90.0
    assert ((values > 60.0) & (values < 90.0)).any()


def test_autoregressive_resumes_from_x() -> None:
    process = autoregressive((3,))
    x = jnp.array([20.0, 80.0, 300.0])

    def first(key: Array) -> Array:
        return jnp.log(resumed_rows(process, key, x, 1)[0])

    logs = np.asarray(jax.jit(jax.vmap(first))(jax.random.split(KEY, 5000)), np.float64)
    spread = math.sqrt(math.log(1.25))
    centre = math.log(80.0) - spread**2 / 2
    wanted = centre + 0.8 * (np.log(np.asarray(x)) - centre)
    np.testing.assert_allclose(logs.mean(axis=0), wanted, atol=4 * 0.6 * spread / math.sqrt(5000))
    np.testing.assert_allclose(logs.std(axis=0), 0.6 * spread, rtol=0.05)


def test_autoregressive_recovers_from_an_outage() -> None:
    process = autoregressive((500,))
    values = np.asarray(resumed_rows(process, KEY, jnp.zeros(500), 100))
    assert np.isfinite(values).all()
    assert values[0].mean() < 10.0  # it starts from as low as the law knows
    assert values[-1].mean() == pytest.approx(80.0, rel=0.1)  # 0.8^100 of that is left
    still = autoregressive((2,), variation=F(0.0))
    np.testing.assert_allclose(resumed_rows(still, KEY, jnp.zeros(2), 3), 80.0, rtol=1e-5)


# --- the chain ------------------------------------------------------------------------------------


def test_chain_stays_and_moves_as_stated() -> None:
    levels = jnp.array([1.0, 2.0, 4.0, 8.0])
    values = draw(p.MarkovChain(levels=levels, stay=F(0.7), shape=(200,)), 1000)
    index = np.log2(values).astype(int)
    assert (index[1:] == index[:-1]).mean() == pytest.approx(0.7, abs=0.005)
    np.testing.assert_allclose(np.bincount(index.ravel()) / index.size, 0.25, atol=0.01)
    moved = np.mod(index[1:] - index[:-1], 4)[index[1:] != index[:-1]]
    np.testing.assert_allclose(np.bincount(moved)[1:] / moved.size, 1 / 3, atol=0.01)


def test_chain_resumes_from_the_nearest_level() -> None:
    chain = p.MarkovChain(levels=jnp.array([1.0, 2.0, 4.0, 8.0]), stay=F(0.7), shape=(4,))
    x = jnp.array([1.0, 2.0, 3.9, 100.0])

    def first(key: Array) -> Array:
        return resumed_rows(chain, key, x, 1)[0]

    values = np.asarray(jax.jit(jax.vmap(first))(jax.random.split(KEY, 5000)))
    stayed = (values == np.array([1.0, 2.0, 4.0, 8.0])).mean(axis=0)
    np.testing.assert_allclose(stayed, 0.7, atol=4 * math.sqrt(0.21 / 5000))


def test_chain_of_one_level_is_constant() -> None:
    chain = p.MarkovChain(levels=jnp.array([3.0]), stay=F(0.2), shape=(2,))
    assert (np.asarray(rows(chain, KEY, 20)) == 3.0).all()


# --- modulated arrivals and compound load ---------------------------------------------------------


def test_modulated_gaps_have_the_stated_mean_variation_and_memory() -> None:
    calm, busy, switch = 1.6, 0.4, 0.1
    process = arrivals.ModulatedArrivals(
        mean=F(2.0), calm_factor=F(calm), busy_factor=F(busy), switch=F(switch), shape=(500,)
    )
    gaps = draw(process, 800) / 2.0
    second = (calm**2 + busy**2) / 2
    variance = 2 * second - 1  # an exponential of mean m has second moment 2 m^2
    # 4e5 gaps; phases last 10 gaps, so the standard error is about 0.35 %.
    assert gaps.mean() == pytest.approx(1.0, rel=0.014)
    assert gaps.var() == pytest.approx(variance, rel=0.04)
    for lag in (1, 3):
        product = (gaps[lag:] * gaps[:-lag]).mean() - gaps.mean() ** 2
        assert product == pytest.approx((second - 1) * (1 - 2 * switch) ** lag, abs=0.03)


def compound(shape: tuple[int, ...] = (), **changes: object) -> arrivals.CompoundPoisson:
    law: dict = {"utilisation": F(0.4), "capacity": F(50.0), "interval": F(2.0)}
    law |= {"job_low": F(10.0), "job_high": F(30.0), "multipliers": jnp.array([0.5, 1.0, 2.0])}
    return arrivals.CompoundPoisson(**{**law, **changes}, shape=shape)


def test_compound_load_has_the_stated_mean_and_variance() -> None:
    count = 200_000
    values = draw(compound(), count)
    a, b, interval, rate = 10.0, 30.0, 2.0, 0.4 * 50.0 * 2.0 / (20.0 * 3.5 / 3)
    second = (b**3 - a**3) / (3 * (b - a)) * (0.25 + 1 + 4) / 3
    fourth = (b**5 - a**5) / (5 * (b - a)) * (0.0625 + 1 + 16) / 3
    variance = rate * second / interval**2
    kurtosis = 3 + fourth / (rate * second**2)
    assert float(compound().mean_jobs()) == pytest.approx(rate, rel=1e-5)
    # 4 standard errors each; cutting at 12 jobs costs less than 1e-7 of the mean
    assert values.mean() == pytest.approx(20.0, abs=4 * math.sqrt(variance / count))
    assert values.var() == pytest.approx(variance, rel=4 * math.sqrt((kurtosis - 1) / count))
    empty = (values == 0).mean()
    assert empty == pytest.approx(math.exp(-rate), abs=4 * math.sqrt(0.15 / count))


def test_compound_load_differs_by_server() -> None:
    process = compound((3,), utilisation=jnp.array([0.0, 0.2, 0.4]), capacity=jnp.array([50.0] * 3))
    mean = draw(process, 50_000).mean(axis=0)
    np.testing.assert_allclose(mean, [0.0, 10.0, 20.0], rtol=0.02)


@pytest.mark.parametrize("levels", [[1.0], [0.5, 1.0, 2.0], [1.0, 3.0, 5.0, 7.0, 11.0, 13.0, 17.0]])
def test_a_job_has_every_level_and_size_equally_often(levels: list[float]) -> None:
    process = compound(multipliers=jnp.array(levels))
    jobs = np.asarray(process._job(jnp.arange(2**16, dtype=jnp.uint32)), np.float64)
    mean, second = np.mean(levels), np.mean(np.square(levels))
    assert jobs.mean() == pytest.approx(20.0 * mean, rel=2e-4)
    assert np.square(jobs).mean() == pytest.approx((400 + 400 / 12) * second, rel=4e-4)
    assert jobs.min() == pytest.approx(10.0 * min(levels), rel=1e-3)
    assert jobs.max() == pytest.approx(30.0 * max(levels), rel=1e-3)


def test_poisson_tail_is_what_the_docstring_says() -> None:
    assert arrivals.poisson_tail(1.8, 12) < 1e-7
    assert arrivals.poisson_tail(1.0, 0) == pytest.approx(1 - math.exp(-1))
    assert arrivals.poisson_tail(5.0, 100) == pytest.approx(0.0, abs=1e-12)
