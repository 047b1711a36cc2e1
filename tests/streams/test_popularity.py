"""Zipf requests with and without drift, and recorded requests as services."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.core.errors import InputError
from edgewright.streams.compose import Composite
from edgewright.streams.popularity import ZipfRequests, recorded_services, service_of, zipf


def rows_of(process: ZipfRequests, length: int, seed: int = 0) -> np.ndarray:
    stream = Composite(into=dict, fields={"service": process})
    _, rows = stream.next_rows(stream.init_carry(jax.random.key(seed)), length)
    return np.asarray(rows["service"])


def test_the_law_sums_to_one_and_is_that_of_zipf() -> None:
    law = np.asarray(zipf(0.8, 20))
    np.testing.assert_allclose(law.sum(), 1.0, atol=1e-6)
    np.testing.assert_allclose(law[:5], [0.2123, 0.1219, 0.0882, 0.0700, 0.0586], atol=5e-5)
    np.testing.assert_allclose(zipf(0.0, 4), 0.25)


def test_requests_have_the_frequencies_of_the_law() -> None:
    drawn = rows_of(ZipfRequests(exponent=0.8, services=10, shape=(50,)), 2000)
    share = np.bincount(drawn.ravel(), minlength=10) / drawn.size
    law = np.asarray(zipf(0.8, 10))
    assert np.all(np.abs(share - law) < 5 * np.sqrt(law * (1 - law) / drawn.size))


def test_the_ranking_drifts_by_one_place_as_often_as_stated() -> None:
    # exponent 40: everybody asks for the service of rank 0, so the shift can be read
    process = ZipfRequests(exponent=40.0, drift=0.2, services=7, shape=(3,))
    drawn = rows_of(process, 4000)
    assert np.all(drawn == drawn[:, :1])
    change = (np.diff(drawn[:, 0]) + 3) % 7 - 3
    assert set(change.tolist()) == {-1, 0, 1}
    moved = np.mean(change != 0)
    assert abs(moved - 0.2) < 5 * np.sqrt(0.2 * 0.8 / 4000)
    assert abs(np.mean(change)) < 5 * np.sqrt(0.2 / 4000)


def test_blocks_join_without_a_seam_and_a_future_continues_the_present() -> None:
    process = ZipfRequests(exponent=40.0, drift=0.3, services=9, shape=(2,))
    bits = jax.random.bits(jax.random.key(1), (2, 40, 2))
    memory = jnp.int32(4)
    _, whole = process.next_rows(memory, bits)
    middle, first = process.next_rows(memory, bits[:, :17])
    _, second = process.next_rows(middle, bits[:, 17:])
    np.testing.assert_array_equal(np.concatenate([first, second]), whole)
    assert int(process.resume(jax.random.key(0), whole[20])) == int(whole[20, 0])
    still = ZipfRequests(exponent=0.8, services=9, shape=(2,))
    assert int(still.resume(jax.random.key(0), whole[20])) == 0


@pytest.mark.parametrize(("random_start", "firsts"), [(False, {0}), (True, set(range(5)))])
def test_a_ranking_that_does_not_drift_may_begin_anywhere(
    random_start: bool, firsts: set[int]
) -> None:
    process = ZipfRequests(exponent=40.0, services=5, shape=(2,), random_start=random_start)
    starts = [process.init_carry(jax.random.key(seed)) for seed in range(60)]
    assert {int(start) for start in starts} == firsts
    bits = jax.random.bits(jax.random.key(1), (2, 30, 2))
    for start in starts[:5]:
        after, drawn = process.next_rows(start, bits)
        assert int(after) == int(start) and np.all(np.asarray(drawn) == int(start))


def test_services_are_bins_of_the_length_of_prompts() -> None:
    tokens = np.expm1(np.linspace(0.0, 10.0, 1001))
    service = service_of(tokens, 5)
    assert service.min() == 0 and service.max() == 4
    assert np.all(np.diff(service) >= 0)
    # equal widths between the 1st (0.1) and the 99th (9.9) percentile of the logarithm
    assert service_of(tokens, 5)[[0, 200, 210, 1000]].tolist() == [0, 0, 1, 4]
    with pytest.raises(InputError, match="one length"):
        service_of(np.full(10, 7), 3)


def test_recorded_requests_keep_their_order(tmp_path) -> None:
    file = tmp_path / "log.csv"
    tokens = [10, 1000, 10, 1000, 10, 10, 1000, 1000, 10, 1000]
    lines = [f"2023-11-16 18:00:{n:02d}.0000000,{t},5" for n, t in enumerate(tokens)]
    file.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n" + "\n".join(lines) + "\n")
    train = recorded_services(file, services=2, shape=(2,))
    np.testing.assert_array_equal(train.values, [[0, 1], [0, 1], [0, 0], [1, 1]])
    test = recorded_services(file, services=2, shape=(2,), part="test")
    np.testing.assert_array_equal(test.values, [[0, 1]])
    with pytest.raises(InputError, match="too few for 20"):
        recorded_services(file, services=2, shape=(20,))
