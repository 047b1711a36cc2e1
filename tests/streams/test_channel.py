"""Fading against its law, recordings against the file they came from."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.io import savemat

from edgewright.core.errors import InputError
from edgewright.core.records import record
from edgewright.streams.channel import Fading, RecordedRows, recorded_gains
from edgewright.streams.compose import Composite
from edgewright.streams.gains import load_gains
from edgewright.testing import check_stream


@record
class Row:
    gain: jax.Array


def rows(process: Fading | RecordedRows, length: int, seed: int = 0) -> np.ndarray:
    stream = Composite(into=Row, fields={"gain": process})
    return np.asarray(stream.next_rows(stream.init_carry(jax.random.key(seed)), length)[1].gain)


def test_rayleigh_fading_is_exponential_with_the_mean_of_the_path():
    mean = jnp.array([1e-9, 1e-11])
    drawn = rows(Fading(mean_gain=mean, shadowing_db=0.0, shape=(2,)), 40_000) / np.asarray(mean)
    # A standard error of 0.005 for the mean and the deviation of 40 000 exponentials.
    np.testing.assert_allclose(drawn.mean(0), 1.0, atol=0.025)
    np.testing.assert_allclose(drawn.std(0), 1.0, atol=0.04)
    np.testing.assert_allclose(np.mean(drawn > 1, axis=0), np.exp(-1), atol=0.015)


def test_shadowing_spreads_the_decibels():
    plain = Fading(mean_gain=1.0, shadowing_db=0.0, shape=(3,))
    shadowed = Fading(mean_gain=1.0, shadowing_db=8.0, shape=(3,))
    extra = 10 * np.log10(rows(shadowed, 20_000) / rows(plain, 20_000))
    assert abs(extra.mean()) < 0.2
    assert abs(extra.std() - 8.0) < 0.15


def test_channels_are_streams(tmp_path: Path):
    fading = Composite(
        into=Row, fields={"gain": Fading(mean_gain=1e-9, shadowing_db=8.0, shape=(3,))}
    )
    check_stream(fading)
    values = np.random.default_rng(0).random((30, 3)) / 2 + 0.1
    savemat(tmp_path / "g.mat", {"input_h": values})
    recorded = recorded_gains(tmp_path / "g.mat", devices=3)
    check_stream(Composite(into=Row, fields={"gain": recorded}))


def test_recorded_rows_stay_together_and_in_order(tmp_path: Path):
    values = np.arange(1, 41.0).reshape(20, 2) / 64
    savemat(tmp_path / "g.mat", {"input_h": values, "output_mode": np.zeros((20, 2))})
    train = recorded_gains(tmp_path / "g.mat", devices=2, scale=2.0)
    test = recorded_gains(tmp_path / "g.mat", devices=1, part="test")
    np.testing.assert_array_equal(train.values, values[:16])
    np.testing.assert_array_equal(test.values, values[16:, :1])
    seen = rows(train, 40) / 2.0
    start = int(64 * seen[0, 0] - 1) // 2
    np.testing.assert_array_equal(seen, values[(start + np.arange(40)) % 16])
    place = train.resume(jax.random.key(0), jnp.asarray(values[3] * 2.0))
    assert int(place) == 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"h": np.ones((3, 2))}, "the matrix 'input_h'"),
        ({"input_h": -np.ones((3, 2))}, "must be a matrix of positive numbers"),
        ({"input_h": np.ones((3, 2)), "output_mode": np.zeros((4, 2))}, "belong together"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, content, message):
    savemat(tmp_path / "g.mat", content)
    with pytest.raises(InputError, match=message):
        load_gains(tmp_path / "g.mat")


def test_unreadable_files_and_too_many_devices_are_named(tmp_path: Path):
    (tmp_path / "g.mat").write_bytes(b"no matrix at all, but long enough to be looked at" * 9)
    with pytest.raises(InputError, match="no readable MATLAB file"):
        load_gains(tmp_path / "g.mat")
    with pytest.raises(InputError, match="no such file"):
        load_gains(tmp_path / "h.mat")
    savemat(tmp_path / "g.mat", {"input_h": np.ones((3, 2))})
    with pytest.raises(InputError, match="has 2 devices and 4 are wanted"):
        recorded_gains(tmp_path / "g.mat", devices=4)


def test_the_published_file_has_rayleigh_columns(data: Path):
    found = load_gains(data / "channel" / "droo_10_devices.mat")
    gain = found.gain
    assert gain.shape == found.mode.shape == (30_000, 10)
    np.testing.assert_allclose(gain.std(0) / gain.mean(0), 1.0, atol=0.02)
    assert len({tuple(row) for row in found.mode.astype(int)}) == 614
