"""Loaders: small files of every format, every refusal, and the real recordings where present."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.core.errors import InputError
from edgewright.streams import traces

AZURE_HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens"


def write(folder: Path, name: str, *lines: str) -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def azure(folder: Path, *rows: str, header: str = AZURE_HEADER) -> Path:
    return write(folder, "log.csv", header, *rows)


def mooncake(folder: Path, *rows: dict | str) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    return write(folder, "log.jsonl", *lines)


def bandwidth(path: Path, reading: traces.Reading | None = None) -> traces.BandwidthTrace:
    [trace] = traces.load_bandwidth(path, reading)
    return trace


def moon_row(ms: object, read: object = 10, written: object = 5) -> dict:
    return {"timestamp": ms, "input_length": read, "output_length": written, "hash_ids": [1]}


# --- bandwidth ------------------------------------------------------------------------------------


def test_bandwidth_reads_every_number(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", "0.5\t4.25", "", "1.25   0", "  3 1e-2  ")
    trace = bandwidth(path)
    np.testing.assert_array_equal(trace.time_s, [0.5, 1.25, 3.0])
    np.testing.assert_array_equal(trace.bandwidth_mbps, [4.25, 0.0, 0.01])
    assert trace.source == "a.txt"


def test_bandwidth_reads_windows_line_ends_and_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbf0 1\r\n1 2\r\n")
    trace = bandwidth(path)
    np.testing.assert_array_equal(trace.bandwidth_mbps, [1.0, 2.0])


@pytest.mark.parametrize(
    ("lines", "match"),
    [
        (["0 1", "1 2 3"], r"a\.txt: line 2: 2 columns expected, 3 found: '1 2 3'"),
        (["0 1", "1"], r"line 2: 2 columns expected, 1 found"),
        (["0 1,5", "1 2,5"], r"line 2: numbers are written with a decimal comma(.|\n)*sed"),
        (
            ["time speed", "0 1"],
            r"the column 'bandwidth' is missing(.|\n)*columns are 'time', 'speed'",
        ),
        (["0 1", "1 fast"], r"line 2: Mbit/s = 'fast' is not a finite number"),
        (["0 1", "1 1_000"], r"line 2: Mbit/s = '1_000' is not"),
        (["0 1", "", "1 nan"], r"line 3: Mbit/s = 'nan' is not a finite number"),
        (["0 1", "inf 2"], r"line 2: seconds = 'inf' is not a finite number"),
        (["0 1", "1 -0.5", "2 1"], r"line 2: the bandwidth is negative: -0\.5 Mbit/s"),
        (["0 1", "2 2", "1 1"], r"line 3: the time does not increase: 1 s after 2 s\nhint: sort"),
        (["0 1", "0 2", "1 1"], r"line 2: the time does not increase"),
        (["3 0", "4 1", "2 2"], r"line 3: (.|\n)*the columns are swapped"),
        (["0 1", "1 2", "31.5 3"], r"line 3: nothing was recorded for 30\.5 s, from 1 s to 31\.5"),
        (["0 1", "1 2", "31.5 3"], r"set max_gap_s = 31 "),
        (["0 0", "1 0"], r"a\.txt: the bandwidth is 0 Mbit/s in every row"),
        (["0 1"], r"holds only 1 of the rows needed"),
        ([], r"a\.txt: the file is empty"),
    ],
)
def test_bandwidth_refuses(tmp_path: Path, lines: list[str], match: str) -> None:
    with pytest.raises(InputError, match=match):
        bandwidth(write(tmp_path, "a.txt", *lines))


def test_swapped_columns_are_not_suspected_of_an_unsorted_file(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        bandwidth(write(tmp_path, "a.txt", "2 5", "1 4", "3 6"))
    assert caught.value.hint.startswith("sort the file")


def test_a_gap_can_be_accepted_as_the_hint_says(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", "0 1", "1 2", "31.5 3")
    assert bandwidth(path, traces.Reading(max_gap_s=31)).time_s.size == 3
    assert bandwidth(path, traces.Reading(max_gap_s=math.inf)).time_s.size == 3
    with pytest.raises(InputError, match="max_gap_s = nan is not positive"):
        traces.Reading(max_gap_s=math.nan)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.txt: no such file"):
        bandwidth(tmp_path / "none.txt")
    with pytest.raises(InputError, match="cannot be read"):
        bandwidth(tmp_path)
    (tmp_path / "a.txt").write_bytes(b"\x1f\x8b\xff\xfe")
    with pytest.raises(InputError, match=r"is not UTF-8 text(.|\n)*unpack"):
        bandwidth(tmp_path / "a.txt")


# --- requests -------------------------------------------------------------------------------------


def test_azure_reads_seven_fractional_digits(tmp_path: Path) -> None:
    path = azure(
        tmp_path,
        "2023-11-16 23:59:59.9799600,4808,10",
        "2023-11-17 00:00:00.0319601,3180,8",
        "2023-11-17 00:00:00.0319601,1,0",
    )
    log = traces.load_requests(path)
    np.testing.assert_allclose(log.time_s, [0.0, 0.0520001, 0.0520001], atol=1e-12)
    np.testing.assert_array_equal(log.input_tokens, [4808, 3180, 1])
    np.testing.assert_array_equal(log.output_tokens, [10, 8, 0])
    assert log.source == "log.csv"


def test_azure_finds_columns_by_name(tmp_path: Path) -> None:
    path = azure(
        tmp_path,
        '7,"x,y",2024-05-10 00:00:00.009930+00:00,3',
        "8,z,2024-05-10T00:00:01Z,4",
        header="GeneratedTokens,Model,TIMESTAMP,ContextTokens",
    )
    log = traces.load_requests(path)
    np.testing.assert_allclose(log.time_s, [0.0, 0.99007], atol=1e-12)
    np.testing.assert_array_equal(log.input_tokens, [3, 4])
    np.testing.assert_array_equal(log.output_tokens, [7, 8])


T0 = "2023-11-16 18:00:00.0000000"


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ([f"{T0},1,2", "2023-11-16 18:00:01.0,1"], r"line 3: 3 fields expected, 2 found"),
        ([f"{T0},nan,2"], r"line 2: ContextTokens = 'nan' is not a finite number"),
        ([f"{T0},,2"], r"line 2: ContextTokens = '' is not a finite number"),
        ([f"{T0},1,-2"], r"line 2: GeneratedTokens = -2 is not a count of tokens"),
        ([f"{T0},1.5,2"], r"line 2: ContextTokens = 1\.5 is not a count of tokens"),
        ([f"{T0},1,2", "yesterday,1,2"], r"line 3: TIMESTAMP = 'yesterday' is not a timestamp"),
        (["2023-13-16 18:00:00.0,1,2"], r"TIMESTAMP = '2023-13-16 18:00:00\.0' is not a timestamp"),
        (
            [f"12,{T0},2"],
            r"TIMESTAMP = '12' (.|\n)*swapped: the timestamp is in the column Context",
        ),
        ([f"{T0},{T0},2"], r"ContextTokens = '2023(.|\n)*is a timestamp: the columns are swapped"),
        (
            ["2023-11-16 18:00:01.5,1,2", "2023-11-16 18:00:01.0,1,2"],
            r"log\.csv: line 3: the time goes back by 0\.5 s\nhint: sort",
        ),
        (
            [f"{T0},1,2", "2023-11-16 18:10:00.5,1,2"],
            r"line 3: nothing was recorded for 600\.5 s, from 0 s to 600\.5 s"
            r"(.|\n)*max_gap_s = 601",
        ),
        ([f"{T0},1,2"], r"holds only 1 of the requests needed"),
        ([], r"the file is empty"),
    ],
)
def test_azure_refuses(tmp_path: Path, rows: list[str], match: str) -> None:
    with pytest.raises(InputError, match=match):
        traces.load_requests(azure(tmp_path, *rows))


def test_azure_names_the_missing_column_and_the_nearest(tmp_path: Path) -> None:
    path = azure(tmp_path, f"{T0},1,2", header="TIMESTAMP,ContextToken,GeneratedTokens")
    with pytest.raises(
        InputError,
        match=r"line 1: the column 'ContextTokens' is missing(.|\n)*input = \"ContextToken\"",
    ):
        traces.load_requests(path)
    (tmp_path / "log.csv").write_text("")
    with pytest.raises(InputError, match="the file is empty"):
        traces.load_requests(tmp_path / "log.csv")


def test_mooncake_reads_milliseconds(tmp_path: Path) -> None:
    log = traces.load_requests(
        mooncake(tmp_path, moon_row(500), moon_row(500, 7, 0), moon_row(3501.5, 9, 8))
    )
    np.testing.assert_allclose(log.time_s, [0.0, 0.0, 3.0015], atol=1e-12)
    np.testing.assert_array_equal(log.input_tokens, [10, 7, 9])
    np.testing.assert_array_equal(log.output_tokens, [5, 0, 8])
    assert log.source == "log.jsonl"


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ([moon_row(0), "{not json"], r"log\.jsonl: line 2: is not a JSON object: '\{not json'"),
        ([moon_row(0), "[1, 2]"], r"line 2: is not a JSON object"),
        (
            [moon_row(0), {"timestamp": 0, "input_len": 1, "output_length": 2}],
            r"line 2: the field 'input_length' is missing\nhint: did you mean 'input_len'",
        ),
        ([moon_row("soon")], r"line 1: timestamp = 'soon' is not a finite number"),
        ([moon_row(True)], r"line 1: timestamp = True is not a finite number"),
        ([moon_row(0, math.nan)], r"line 1: input_length = nan is not a finite number"),
        ([moon_row(0, None)], r"line 1: input_length = None is not a finite number"),
        ([moon_row(0, -1)], r"line 1: input_length = -1 is not a count of tokens"),
        ([moon_row(0, 1, 2.5)], r"line 1: output_length = 2\.5 is not a count of tokens"),
        ([moon_row(1000), moon_row(0)], r"line 2: the time goes back by 1 s"),
        ([moon_row(0), moon_row(600_001)], r"line 2: nothing was recorded for 600\.001 s"),
        ([moon_row(0)], r"holds only 1 of the requests needed"),
        ([], r"the file is empty"),
    ],
)
def test_mooncake_refuses(tmp_path: Path, rows: list, match: str) -> None:
    with pytest.raises(InputError, match=match):
        traces.load_requests(mooncake(tmp_path, *rows))


def test_requests_are_picked_by_their_columns(tmp_path: Path) -> None:
    csv = azure(tmp_path, f"{T0},1,2", "2023-11-16 18:00:01.0,3,4")
    upper = csv.rename(tmp_path / "log.CSV")
    assert traces.load_requests(upper).input_tokens.tolist() == [1, 3]
    jsonl = mooncake(tmp_path, moon_row(0), moon_row(1))
    assert traces.load_requests(jsonl).input_tokens.tolist() == [10, 10]
    with pytest.raises(InputError, match=r"log\.parquet: no such file"):
        traces.load_requests(tmp_path / "log.parquet")
    with pytest.raises(InputError, match="the limit is 0.5 s"):
        traces.load_requests(upper, traces.Reading(max_gap_s=0.5))


# --- resampling -----------------------------------------------------------------------------------


def slow_hold(time_s: list[float], value: list[float], interval_s: float) -> list[float]:
    """Look every sample up from the start: the definition, in words of a loop."""
    samples, k = [], 0
    while time_s[0] + k * interval_s <= time_s[-1]:
        now = time_s[0] + k * interval_s
        held = value[0]
        for t, v in zip(time_s, value, strict=True):
            if t <= now:
                held = v
        samples.append(held)
        k += 1
    return samples


@settings(max_examples=200, deadline=None)
@given(
    start=st.integers(-640, 640),
    steps=st.lists(st.integers(1, 300), min_size=1, max_size=30),
    interval=st.integers(8, 200),
)
def test_resampling_equals_a_slow_loop(start: int, steps: list[int], interval: int) -> None:
    # Multiples of 1/64 are exact in binary, so that the two may be compared bit by bit.
    time_s = [(start + sum(steps[:n])) / 64 for n in range(len(steps) + 1)]
    value = [float(n) for n in range(len(time_s))]
    sampled = traces.resample_zero_order_hold(time_s, value, interval / 64)
    assert sampled.tolist() == slow_hold(time_s, value, interval / 64)


def test_resampling_forgives_decimal_rounding() -> None:
    time_s = [0.474 + 0.1 * n for n in range(31)]  # 0.1 and 0.474 have no exact binary form
    sampled = traces.resample_zero_order_hold(time_s, range(31), 0.1)
    assert sampled.tolist() == list(range(31))


@pytest.mark.parametrize(
    ("time_s", "value", "interval_s", "match"),
    [
        ([0, 1], [1, 2], 0.0, r"interval_s = 0\.0 is not positive"),
        ([0, 1], [1, 2], math.nan, "interval_s = nan is not positive"),
        ([0, 1], [1], 1.0, "two non-empty vectors"),
        ([], [], 1.0, "two non-empty vectors"),
        ([1, 1], [1, 2], 1.0, "time_s is not increasing"),
        ([0, 1e6], [1, 2], 1e-6, "choose an interval that makes fewer"),
    ],
)
def test_resampling_refuses(time_s: list, value: list, interval_s: float, match: str) -> None:
    with pytest.raises(InputError, match=match):
        traces.resample_zero_order_hold(time_s, value, interval_s)


# --- splitting ------------------------------------------------------------------------------------

NAMES = st.lists(st.text("abcdef", min_size=1, max_size=6), min_size=2, max_size=20, unique=True)


@settings(max_examples=150, deadline=None)
@given(names=NAMES, share=st.floats(0.05, 0.95), seed=st.integers(0, 99))
def test_split_is_a_partition_that_ignores_the_order(
    names: list[str], share: float, seed: int
) -> None:
    shuffled = [names[n] for n in np.random.default_rng(seed).permutation(len(names))]
    train = traces.split_by_file(names, "train", share)
    test = traces.split_by_file(names, "test", share)
    assert train and test
    assert sorted(map(str, train + test)) == sorted(names)
    assert traces.split_by_file(shuffled, "train", share) == train
    wanted = math.ceil(share * len(names) - 1e-9)
    assert len(test) == min(max(wanted, 1), len(names) - 1)


@settings(max_examples=150, deadline=None)
@given(names=NAMES, share=st.floats(0.05, 0.95))
def test_adding_a_file_moves_at_most_one_other(names: list[str], share: float) -> None:
    before = set(traces.split_by_file(names, "test", share))
    after = set(traces.split_by_file([*names, "new"], "test", share)) - {Path("new")}
    assert len(before ^ after) <= 1


def test_split_depends_on_the_name_not_on_the_folder() -> None:
    names = [f"trace_{n}.txt" for n in range(10)]
    here = traces.split_by_file([Path("here") / name for name in names], "test")
    there = traces.split_by_file([Path("there") / name for name in names], "test")
    assert [path.name for path in here] == [path.name for path in there]
    # Written down once, so that nobody changes the split (and every result) by mistake.
    assert {path.name for path in here} == PINNED


PINNED = {"trace_2.txt", "trace_5.txt", "trace_7.txt"}


@pytest.mark.parametrize("paths", [[], ["one.txt"], ["one.txt", "./one.txt"]])
def test_split_refuses_fewer_than_two_files(paths: list[str]) -> None:
    with pytest.raises(InputError, match="two or more files"):
        traces.split_by_file(paths, "train")


def test_split_refuses_unknown_parts_and_shares() -> None:
    with pytest.raises(InputError, match=r"'tset' is not a part\nhint: did you mean 'test'\?"):
        traces.split_by_file(["a", "b"], "tset")  # pyright: ignore[reportArgumentType]
    for share in (0.0, 1.0, math.nan):
        with pytest.raises(InputError, match=r"is not in \(0, 1\)"):
            traces.split_by_file(["a", "b"], "train", share)


# --- real recordings ------------------------------------------------------------------------------


def test_every_real_bandwidth_file_loads_with_the_default_gap(data: Path) -> None:
    files = sorted((data / "bandwidth").glob("*.txt"))
    loaded = [bandwidth(file) for file in files]
    assert len(loaded) >= 2
    for trace in loaded:
        assert trace.time_s.shape == trace.bandwidth_mbps.shape
        # Slow links (3G, Oboe): a unit mistake (kbit/s, bytes) would leave this range.
        assert 0.3 < trace.bandwidth_mbps.mean() < 10.0


@pytest.mark.parametrize(
    ("name", "count", "mean_gap_s", "variation"),
    [
        # data of the recordings: counts and mean gaps as published with them
        ("azure_llm_2023_conversation.csv", 19366, 0.1808, 1.094),
        ("azure_llm_2023_code.csv", 8819, 0.3897, 13.15),
        ("mooncake_conversation_3000.jsonl", 3000, 0.3291, 2.849),
    ],
)
def test_every_real_request_log_loads(
    data: Path, name: str, count: int, mean_gap_s: float, variation: float
) -> None:
    path = data / "requests" / name
    if not path.is_file():
        pytest.skip(f"{name} is not in the data folder")
    log = traces.load_requests(path)
    gaps = np.diff(log.time_s)
    assert log.time_s.size == log.input_tokens.size == log.output_tokens.size == count
    assert gaps.mean() == pytest.approx(mean_gap_s, rel=1e-3)
    assert gaps.std() / gaps.mean() == pytest.approx(variation, rel=1e-3)
    assert log.input_tokens.mean() > log.output_tokens.mean()
