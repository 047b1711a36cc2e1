"""Recordings as processes: looping, phases, resuming, scaling, and the builders from files."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.core.errors import InputError
from edgewright.core.records import Array, record
from edgewright.streams import recorded
from edgewright.streams.arrivals import PoissonArrivals
from edgewright.streams.compose import Composite
from edgewright.streams.processes import Constant
from edgewright.streams.recorded import Place, Recording, recording
from edgewright.streams.traces import Reading

KEY = jax.random.key(7)
ROWS = ([10.0, 11.0, 12.0], [20.0, 21.0, 22.0, 23.0, 24.0], [30.0])


def padded_with_nan(shape: tuple[int, ...], scale: object = 1.0) -> Recording:
    """Return ROWS with padding that poisons whatever reads it."""
    made = recording(ROWS, shape=shape)
    filled = jnp.arange(made.values.shape[1]) < made.lengths[:, None]
    values = jnp.where(filled, made.values, jnp.nan)
    return dataclasses.replace(made, values=values, scale=scale)


@partial(jax.jit, static_argnums=2)
def next_rows(process: Recording, memory: Place, length: int) -> tuple[Place, Array]:
    bits = jnp.zeros((process.words, length, *process.shape), jnp.uint32)
    return process.next_rows(memory, bits)


@partial(jax.jit, static_argnums=2)
def start_and_take(process: Recording, key: Array, length: int) -> Array:
    return next_rows(process, process.init_carry(key), length)[1]


def slow_take(file: int, position: int, length: int) -> list[float]:
    row = list(ROWS[file])
    out = []
    for _ in range(length):
        out.append(row[position])
        position = position + 1 if position + 1 < len(row) else 0
    return out


# --- the process ----------------------------------------------------------------------------------


def test_take_loops_each_element_over_its_own_file() -> None:
    places = [(f, p) for f, row in enumerate(ROWS) for p in range(len(row))]
    process = padded_with_nan((len(places),))
    file, position = (jnp.array(column, jnp.int32) for column in zip(*places, strict=True))
    (file_after, position_after), values = next_rows(process, (file, position), 13)
    for n, place in enumerate(places):
        assert values[:, n].tolist() == slow_take(*place, 13)
        assert values[0, n] == ROWS[place[0]][place[1]]
        following = slow_take(int(file_after[n]), int(position_after[n]), 1)
        assert following == slow_take(*place, 14)[-1:]
    assert values.shape == (13, len(places)) and values.dtype == jnp.float32


@pytest.mark.parametrize("shape", [(), (4,), (2, 3)])
def test_two_blocks_are_one_long_block(shape: tuple[int, ...]) -> None:
    process = padded_with_nan(shape)
    carry = process.init_carry(KEY)
    middle, first = next_rows(process, carry, 7)
    end, second = next_rows(process, middle, 30)
    whole_end, whole = next_rows(process, carry, 37)
    assert whole.shape == (37, *shape)
    np.testing.assert_array_equal(jnp.concatenate([first, second]), whole)
    np.testing.assert_array_equal(end[0], whole_end[0])
    np.testing.assert_array_equal(end[1], whole_end[1])
    assert not np.isnan(whole).any()


def test_every_recorded_value_is_equally_likely_in_the_first_and_in_a_later_row() -> None:
    count = 30_000
    process = padded_with_nan((count,))
    values = start_and_take(process, KEY, 5)
    cells = sorted(value for row in ROWS for value in row)
    share = 1 / len(cells)
    error = np.sqrt(share * (1 - share) / count)
    for t in (0, 4):
        found, counts = np.unique(values[t], return_counts=True)
        assert found.tolist() == cells
        np.testing.assert_allclose(counts / count, share, atol=4.5 * error)


def test_same_key_same_rows_other_key_other_rows_under_jit_and_vmap() -> None:
    process = padded_with_nan((6,))

    def rows(process: Recording, key: Array) -> Array:
        return start_and_take(process, key, 20)

    run = jax.jit(rows)
    with jax.disable_jit():
        eager = rows(process, KEY)
    np.testing.assert_array_equal(run(process, KEY), eager)
    keys = jax.random.split(KEY, 5)
    together = jax.jit(jax.vmap(rows, in_axes=(None, 0)))(process, keys)
    for n in range(5):
        np.testing.assert_array_equal(together[n], run(process, keys[n]))
    assert len({np.asarray(block).tobytes() for block in together}) == 5


def test_take_uses_no_random_numbers() -> None:
    process = padded_with_nan((3,))
    text = str(jax.make_jaxpr(lambda carry: next_rows(process, carry, 4))(process.init_carry(KEY)))
    assert "gather" in text
    assert "random" not in text and "threefry" not in text


def test_numpy_leaves_work_under_jit() -> None:
    leaves: dict = {
        "values": np.array([[1.0, 2.0]]),
        "lengths": np.array([2]),
        "order": np.array([0, 1]),
    }
    process = Recording(**leaves, shape=(2,))
    values = jax.jit(lambda key: start_and_take(process, key, 4))(KEY)
    assert sorted(np.unique(values).tolist()) == [1.0, 2.0]


def test_scale_is_a_leaf_for_each_element() -> None:
    scale = jnp.array([1.0, 2.0, 0.0])
    plain, scaled = padded_with_nan((3,)), padded_with_nan((3,), scale)
    base, values = start_and_take(plain, KEY, 9), start_and_take(scaled, KEY, 9)
    np.testing.assert_array_equal(values, base * scale)
    assert any(leaf is scale for leaf in jax.tree.leaves(scaled))


@pytest.mark.parametrize("scale", [1.0, 0.37])
def test_resume_follows_the_observed_row(scale: float) -> None:
    # All values differ, so the true future is known: also over the end of a file.
    process = padded_with_nan((9,), scale)
    carry, _ = next_rows(process, process.init_carry(KEY), 3)
    carry, row = next_rows(process, carry, 1)
    _, future = next_rows(process, carry, 8)
    resumed = jax.jit(process.resume)(jax.random.key(1), row[0])
    np.testing.assert_array_equal(next_rows(process, resumed, 8)[1], future)
    assert all(leaf.dtype == jnp.int32 for leaf in resumed)


def test_resume_takes_the_nearest_value_and_ignores_padding() -> None:
    process = recording([[5.0], [8.0, 9.0, 20.0]], shape=(3,))  # padding is 0, nearer to 1 than 5
    file, position = process.resume(KEY, jnp.array([1.0, 8.9, 99.0]))
    assert file.tolist() == [0, 1, 1]
    assert position.tolist() == [0, 2, 0]


def test_resume_draws_among_ties() -> None:
    process = recording([[0.0, 1.0, 0.0, 2.0], [0.0, 3.0]])
    keys = jax.random.split(KEY, 6000)
    carries = jax.vmap(process.resume, in_axes=(0, None))(keys, jnp.float32(0.0))
    first = jax.vmap(lambda carry: next_rows(process, carry, 1)[1][0])(carries)
    found, counts = np.unique(first, return_counts=True)
    assert found.tolist() == [1.0, 2.0, 3.0]
    # Three ties, 6000 draws: one third each within 4.5 standard errors.
    np.testing.assert_allclose(counts / 6000, 1 / 3, atol=4.5 * np.sqrt(2 / 9 / 6000))


def test_packing_refuses_what_cannot_be_played() -> None:
    with pytest.raises(InputError, match="vectors that are not empty"):
        recording([])
    with pytest.raises(InputError, match="vectors that are not empty"):
        recording([[1.0], []])
    with pytest.raises(InputError, match="vectors that are not empty"):
        recording([np.ones((2, 2))])
    with pytest.raises(InputError, match="not finite"):
        recording([[1.0, np.nan]])
    with pytest.raises(InputError, match=r"scale has shape \(2,\), .* broadcast to \(3,\)"):
        recording([[1.0]], shape=(3,), scale=[1.0, 2.0])


@record
class Rows:
    """What a world might be given."""

    bandwidth_mbps: Array
    gap_s: Array


def test_a_recording_replaces_a_synthetic_field() -> None:
    stream = Composite(
        fields={
            "bandwidth_mbps": Constant(value=jnp.float32(5.0), shape=(2,)),
            "gap_s": PoissonArrivals(mean=jnp.float32(3.0), shape=(2,)),
        },
        into=Rows,
    )
    replaced = stream.replace(bandwidth_mbps=recording(ROWS, shape=(2,)))

    def rows(stream: Composite) -> Rows:
        return stream.next_rows(stream.init_carry(KEY), 6)[1]

    before, after = jax.jit(rows)(stream), jax.jit(rows)(replaced)
    np.testing.assert_array_equal(before.gap_s, after.gap_s)
    assert after.bandwidth_mbps.shape == (6, 2)
    assert (np.asarray(after.bandwidth_mbps) >= 10.0).all()
    resumed = replaced.resume(KEY, jax.tree.map(lambda leaf: leaf[-1], after))
    assert replaced.next_rows(resumed, 2)[1].bandwidth_mbps.shape == (2, 2)


# --- bandwidth ------------------------------------------------------------------------------------


def traces_of(folder: Path, count: int, level: float = 1.0) -> list[Path]:
    """Write traces of different lengths; trace n has the values n+1 and (n+1)/2 times level."""
    files = []
    for n in range(count):
        lines = [f"{t} {level * (n + 1) * (1.0 if t % 2 else 0.5)}" for t in range(4 + n)]
        files.append(folder / f"trace_{n}.txt")
        files[-1].write_text("\n".join(lines) + "\n")
    return files


def cells(process: Recording) -> list[np.ndarray]:
    return [
        np.asarray(row[:length])
        for row, length in zip(process.values, process.lengths, strict=True)
    ]


def test_bandwidth_without_a_mean_is_as_recorded(tmp_path: Path) -> None:
    files = traces_of(tmp_path, 6)
    train = recorded.recorded_bandwidth(tmp_path, interval_s=1.0, part="train")
    test = recorded.recorded_bandwidth(files[::-1], interval_s=1.0, part="test")
    assert (len(train.lengths), len(test.lengths)) == (4, 2)
    peaks = sorted(float(row.max()) for row in cells(train) + cells(test))
    assert peaks == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    for row in cells(train) + cells(test):
        peak = row.max()
        assert row.tolist() == [peak * (1.0 if t % 2 else 0.5) for t in range(int(peak) + 3)]


def test_bandwidth_is_scaled_by_one_common_factor(tmp_path: Path) -> None:
    traces_of(tmp_path, 6)
    plain = recorded.recorded_bandwidth(tmp_path, interval_s=0.5)
    scaled = recorded.recorded_bandwidth(tmp_path, interval_s=0.5, mean_mbps=100.0, shape=(3,))
    assert np.concatenate(cells(scaled)).mean() == pytest.approx(100.0, rel=1e-5)
    ratios = np.concatenate(cells(scaled)) / np.concatenate(cells(plain))
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-5)
    # What a stream shows over a whole loop is the file's own mean, whatever the phase.
    carry = scaled.init_carry(KEY)
    for n in range(3):
        length = int(scaled.lengths[carry[0][n]])
        own = cells(scaled)[int(carry[0][n])].mean()
        shown = next_rows(scaled, carry, length)[1][:, n].mean()
        assert float(shown) == pytest.approx(float(own), rel=1e-5)


def test_bandwidth_floor_clips_outages_only(tmp_path: Path) -> None:
    for n in (1, 2):
        (tmp_path / f"{n}.txt").write_text(f"0 {n}\n1 0\n2 {n}\n3 {2 * n}\n")
    process = recorded.recorded_bandwidth(
        tmp_path, interval_s=1.0, mean_mbps=8.0, low_mbps=0.25, part="test"
    )
    np.testing.assert_allclose(cells(process)[0], [8.0, 0.25, 8.0, 16.0], rtol=1e-6)
    with pytest.raises(InputError, match="give low_mbps"):
        recorded.recorded_bandwidth(tmp_path, interval_s=1.0, part="test")


def test_bandwidth_refuses(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        recorded.recorded_bandwidth(tmp_path / "none", interval_s=1.0)
    with pytest.raises(InputError, match="holds no recording"):
        recorded.recorded_bandwidth(tmp_path, interval_s=1.0)
    files = traces_of(tmp_path, 3)
    with pytest.raises(InputError, match=r"only 'trace_0\.txt' was given"):
        recorded.recorded_bandwidth(files[0], interval_s=1.0)
    for name, value in (("interval_s", 0.0), ("mean_mbps", -1.0), ("low_mbps", 0.0)):
        options: dict = {"interval_s": 1.0, name: value}
        with pytest.raises(InputError, match=f"{name} = .* is not positive"):
            recorded.recorded_bandwidth(tmp_path, **options)
    with pytest.raises(InputError, match=r"is shorter than interval_s = 100"):
        recorded.recorded_bandwidth(tmp_path, interval_s=100.0)
    with pytest.raises(InputError, match=r"the limit is 0\.5 s"):
        recorded.recorded_bandwidth(tmp_path, interval_s=1.0, reading=Reading(max_gap_s=0.5))
    with pytest.raises(InputError, match="is not a part"):
        recorded.recorded_bandwidth(tmp_path, interval_s=1.0, part="all")  # pyright: ignore


# --- requests -------------------------------------------------------------------------------------

# Seconds, input, output tokens. 70 % of 10 s is 7 s: six requests train, four test.
LOG = [(0, 1, 1), (1, 2, 0), (1, 3, 0), (2.5, 0, 1), (4.5, 5, 0), (6.5, 7, 7)]
LOG += [(7, 4, 0), (8, 0, 2), (8, 1, 0), (10, 9, 9)]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.jsonl"
    row = '{{"timestamp": {}, "input_length": {}, "output_length": {}}}'
    path.write_text("\n".join(row.format(t * 1000, i, o) for t, i, o in LOG))
    return path


def test_gaps_keep_order_and_zeros_and_have_the_mean(log: Path) -> None:
    train = recorded.recorded_gaps(log, mean_s=2.6, shape=(2,))
    test = recorded.recorded_gaps(log, mean_s=1.0, part="test")
    np.testing.assert_allclose(cells(train)[0] * 2.6, [2.0, 0.0, 3.0, 4.0, 4.0], rtol=1e-6)
    np.testing.assert_allclose(cells(test)[0], [1.0, 0.0, 2.0], rtol=1e-6)
    gaps = start_and_take(train, KEY, 5)
    np.testing.assert_allclose(gaps.mean(axis=0), 2.6, rtol=1e-6)
    np.testing.assert_allclose(np.sort(gaps[:, 0]), [0.0, 2.0, 3.0, 4.0, 4.0], rtol=1e-6)


def test_gaps_take_a_mean_for_each_device(log: Path) -> None:
    process = recorded.recorded_gaps(log, mean_s=[1.0, 10.0], shape=(2,))
    gaps = start_and_take(process, KEY, 5)
    np.testing.assert_allclose(gaps.mean(axis=0), [1.0, 10.0], rtol=1e-6)


def test_load_is_the_work_of_each_slot(log: Path) -> None:
    capacity = np.array([50.0, 20.0])
    process = recorded.recorded_load(
        log, utilisation=[0.5, 0.1], capacity=capacity, interval_s=2.0, shape=(2,)
    )
    # Slots [0, 2), [2, 4), [4, 6): 11 + 2 + 3, 10, 5 (the cut slot from 6 s on is left out).
    work = np.array([16.0, 10.0, 5.0])
    np.testing.assert_allclose(cells(process)[0], work / work.mean(), rtol=1e-6)
    load = start_and_take(process, KEY, 3)
    np.testing.assert_allclose(load.mean(axis=0), [25.0, 2.0], rtol=1e-6)
    np.testing.assert_allclose(np.sort(load[:, 1]), np.sort(2.0 * work / work.mean()), rtol=1e-6)


def test_load_of_the_test_part_starts_at_its_first_request(log: Path) -> None:
    process = recorded.recorded_load(
        log, utilisation=1.0, capacity=1.0, interval_s=1.0, part="test"
    )
    # From 7 s: 4, then 20 + 1, then nothing in [9, 10).
    np.testing.assert_allclose(cells(process)[0], np.array([4.0, 21.0, 0.0]) * 3 / 25, rtol=1e-6)


def test_the_train_part_may_begin_later_and_go_on_at_the_beginning(log: Path) -> None:
    # From 2.5 s to 9.5 s; then the request at 10 s and those from 0 to 2.5 s are held out.
    early, late = (
        recorded.recorded_gaps(log, mean_s=1.0, part=part, train_from=0.25)
        for part in ("train", "test")
    )
    np.testing.assert_allclose(cells(early)[0] * 1.1, [2.0, 2.0, 0.5, 1.0, 0.0], rtol=1e-6)
    np.testing.assert_allclose(cells(late)[0], [0.0, 3.0, 0.0], rtol=1e-6)
    load = recorded.recorded_load(
        log, utilisation=1.0, capacity=1.0, interval_s=0.5, part="test", train_from=0.25
    )
    np.testing.assert_allclose(cells(load)[0], [2.0, 0.0], rtol=1e-6)
    # From 6 s on 7 s remain with what is before 3 s, so both parts are cut from one piece.
    wrapped = recorded.recorded_gaps(log, mean_s=1.0, train_from=0.6)
    gaps = np.array([0.5, 1.0, 0.0, 2.0, 0.0, 1.0, 0.0, 1.5])
    np.testing.assert_allclose(cells(wrapped)[0], gaps / gaps.mean(), rtol=1e-6)


def test_servers_have_phases_of_their_own(log: Path) -> None:
    process = recorded.recorded_load(
        log, utilisation=0.5, capacity=2.0, interval_s=0.5, shape=(200,)
    )
    _, position = process.init_carry(KEY)
    assert len(np.unique(position)) == int(process.lengths[0])


def test_requests_refuse(log: Path, tmp_path: Path) -> None:
    load: dict = {"utilisation": 0.5, "capacity": 50.0, "interval_s": 1.0}
    for name, value, match in (
        ("utilisation", -0.1, "utilisation = -0.1 is not zero or positive"),
        ("capacity", 0.0, "capacity = 0.0 is not positive"),
        ("capacity", np.inf, "capacity = inf is not positive"),
        ("interval_s", 0.0, "interval_s = 0.0 is not positive"),
        ("interval_s", 5.0, "fewer than two slots of 5 s"),
        ("interval_s", 1e-9, "slots"),
    ):
        with pytest.raises(InputError, match=match):
            recorded.recorded_load(log, **{**load, name: value})
    with pytest.raises(InputError, match=r"utilisation has shape \(2,\)"):
        recorded.recorded_load(log, utilisation=[1, 2], capacity=1.0, interval_s=1.0, shape=(3,))
    with pytest.raises(InputError, match="mean_s = 0.0 is not positive"):
        recorded.recorded_gaps(log, mean_s=0.0)
    with pytest.raises(InputError, match="the limit is 1 s"):
        recorded.recorded_gaps(log, mean_s=1.0, reading=Reading(max_gap_s=1.0))
    with pytest.raises(InputError, match=r"did you mean 'train'"):
        recorded.recorded_gaps(log, mean_s=1.0, part="trian")  # pyright: ignore
    short = tmp_path / "short.jsonl"
    short.write_text("\n".join(log.read_text().split("\n")[:3]))
    with pytest.raises(InputError, match=r"part 'train' of the log holds 1 requests"):
        recorded.recorded_gaps(short, mean_s=1.0)
    idle = tmp_path / "idle.jsonl"
    row = '{{"timestamp": {}, "input_length": 0, "output_length": 0}}'
    idle.write_text("\n".join(row.format(1000 * t) for t in range(10)))
    with pytest.raises(InputError, match="the mean work is 0"):
        recorded.recorded_load(idle, utilisation=0.5, capacity=1.0, interval_s=1.0)


# --- real recordings ------------------------------------------------------------------------------


def test_real_bandwidth_has_the_wanted_mean_in_both_parts(data: Path) -> None:
    folder = data / "bandwidth"
    parts = [
        recorded.recorded_bandwidth(folder, interval_s=1.0, mean_mbps=100.0, part=part)
        for part in ("train", "test")
    ]
    assert sum(len(part.lengths) for part in parts) == len(list(folder.glob("*.txt")))
    for part in parts:
        pooled = np.concatenate(cells(part))
        assert pooled.mean() == pytest.approx(100.0, rel=1e-4)
        # 3G on the move is bursty: far from constant, and never dead in these files.
        assert 0.3 < pooled.std() / pooled.mean() < 1.5
        assert pooled.min() > 0


def test_real_requests_drive_gaps_and_load(data: Path) -> None:
    path = data / "requests" / "azure_llm_2023_conversation.csv"
    if not path.is_file():
        pytest.skip("the Azure log is not in the data folder")
    gaps = recorded.recorded_gaps(path, mean_s=10.0, shape=(4,))
    values = np.asarray(start_and_take(gaps, KEY, int(gaps.lengths[0])))
    np.testing.assert_allclose(values.mean(axis=0), 10.0, rtol=1e-3)
    # Near Poisson: the coefficient of variation of the whole log is 1.09.
    np.testing.assert_allclose(values.std(axis=0) / 10.0, 1.09, atol=0.03)
    load = recorded.recorded_load(
        path, utilisation=0.4, capacity=50.0, interval_s=1.0, part="test", shape=(5,)
    )
    work = start_and_take(load, KEY, int(load.lengths[0]))
    np.testing.assert_allclose(work.mean(axis=0), 20.0, rtol=1e-3)
