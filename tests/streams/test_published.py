"""Every published form of a recording loads with the right numbers, or after what its hint says.

The files in ``recordings`` are synthetic, in the forms in which recordings are published; the
numbers beside them were computed from the text by hand, not by the readers.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from edgewright.core.errors import InputError
from edgewright.streams import gains as gains_module
from edgewright.streams.channel import recorded_gains
from edgewright.streams.contents import read_recording
from edgewright.streams.gains import GainReading, Gains, load_gains
from edgewright.streams.placement import load_placement
from edgewright.streams.positions import USERS_FILE
from edgewright.streams.recorded import recorded_bandwidth
from edgewright.streams.summary import Summary
from edgewright.streams.traces import (
    FORMATS,
    RATE_UNITS,
    TIME_UNITS,
    Reading,
    load_bandwidth,
    load_requests,
    recording_files,
)

Follow: TypeAlias = Callable[[InputError], dict[str, Any]]

HERE = Path(__file__).parent / "recordings"
MAX_HINTS = 4


def read_by_hints(file: Path, follow: Follow) -> tuple[Summary, Any, list[str]]:
    """Return what a file holds after following its hints, with the settings that they named."""
    settings: dict[str, Any] = {}
    followed: list[str] = []
    for _ in range(MAX_HINTS):
        try:
            return *read_recording(file, settings), followed
        except InputError as error:
            assert error.hint, str(error)
            named = follow(error)
            settings |= named
            followed += list(named) or ["edit"]
    raise AssertionError(f"{MAX_HINTS} hints do not lead to a recording: {followed}")


# file, hints followed, format, rows, span [s], mean of the first quantity, its first value
BANDWIDTH = [
    ("cooked_no_suffix", [], "two columns", 30, 29.0, 95.047 / 30, 1.340),
    # bytes * 8 / ms: 1803301 * 8 / 1000 kbit/s in the first row; ms since the start 40287 to 59285
    ("ghent_six_columns.txt", [], "HSDPA or Ghent", 20, 18.998, 189.4720722 / 20, 14.426408),
    # 24 rows in 21 seconds: pairs (81000, 0), (31400, 72), (31400, 27600) share a second
    ("gnettrack_1.csv", [], "G-NetTrack", 21, 20.0, (444.516 - 85.736) / 21, 3.4),
    # 2318 packets of 1500 bytes in 3 s
    ("mahimahi_lte.txt", [], "Mahimahi", 3, 2.0, 2318 * 12000 / 3e6, 9.036),
    ("two_columns_crlf_comment.txt", [], "two columns", 30, 29.0, 93.134 / 30, 3.886),
    ("two_columns_header.txt", [], "named columns", 30, 29.0, 83.513 / 30, 3.120),
    ("two_columns_kbit.txt", ["unit"], "two columns", 30, 29.0, 483.675 / 30, 23.138),
    ("two_columns_ms.txt", ["time_unit"], "two columns", 30, 29.0, 94.315 / 30, 2.185),
    ("three_columns_loss.txt", ["columns"], "columns as named", 30, 29.0, 86.071 / 30, 4.303),
    ("comma_decimal.txt", ["edit"], "two columns", 30, 29.0, 87.114 / 30, 3.154),
]


@pytest.mark.parametrize("case", BANDWIDTH, ids=lambda case: case[0])
def test_bandwidth_as_published(case: tuple, tmp_path: Path, follow: Follow) -> None:
    name, hints, form, rows, span_s, mean_mbps, first_mbps = case
    file = Path(shutil.copy(HERE / "traces" / name, tmp_path))
    summary, [trace], followed = read_by_hints(file, follow)
    assert followed == hints
    assert (summary.format, summary.rows) == (form, rows)
    assert summary.span_s == pytest.approx(span_s, abs=1e-9)
    assert summary.quantities[0].unit == "Mbit/s"
    assert summary.quantities[0].mean == pytest.approx(mean_mbps, rel=1e-6)
    assert trace.bandwidth_mbps[0] == pytest.approx(first_mbps, rel=1e-6)


# file, hints followed, format, requests, span [s], sum of input tokens, of output tokens
REQUESTS = [
    ("alibaba_gentd26.csv", [], "Alibaba GenTD26", 40, 39.0, 83458, 7721),
    ("azure_2024.csv", [], "Azure LLM", 40, 41.773428, 81106, 7568),
    ("azure_2025_float.csv", [], "Azure LLM", 40, 39.0, 94605, 8057),
    ("azure_2025_multimodal.csv", [], "Azure LLM", 40, 39.0, 81094, 8806),
    ("azure_night_gap.csv", ["max_gap_s"], "Azure LLM", 60, 1077.0, 7770, 2970),
    ("burstgpt.csv", [], "BurstGPT", 40, 273.0, 19660, 648),
    ("mooncake_float_ms.jsonl", [], "Mooncake", 40, 1071.8175, 78637, 7877),
    ("qwen_bailian.jsonl", [], "Qwen-Bailian", 40, 5.343, 76197, 7971),
]


@pytest.mark.parametrize("case", REQUESTS, ids=lambda case: case[0])
def test_requests_as_published(case: tuple, tmp_path: Path, follow: Follow) -> None:
    name, hints, form, count, span_s, read, written = case
    file = Path(shutil.copy(HERE / "requests" / name, tmp_path))
    summary, log, followed = read_by_hints(file, follow)
    assert followed == hints
    assert (summary.format, summary.rows) == (form, count)
    assert summary.span_s == pytest.approx(span_s, abs=1e-6)
    assert (log.input_tokens.sum(), log.output_tokens.sum()) == (read, written)


def two_hours(file: Path, **more: Any) -> Path:
    """Write two hours of requests in seconds under the names of Mooncake's log."""
    times = np.sort(np.random.default_rng(0).uniform(0, 7200, 6000)).round(3)
    rows = [{"timestamp": t, "input_length": 500, "output_length": 50, **more} for t in times]
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def test_two_hours_in_seconds_are_not_read_as_seven_seconds(tmp_path: Path, follow: Follow) -> None:
    file = two_hours(tmp_path / "log.jsonl")
    with pytest.raises(InputError, match=r"833(.|\n)*time_unit = \"s\""):
        load_requests(file)
    summary, _, followed = read_by_hints(file, follow)
    assert followed == ["time_unit"]
    assert summary.span_s == pytest.approx(7200, abs=5)
    assert load_requests(file, Reading(time_unit="ms")).time_s[-1] == pytest.approx(7.2, abs=0.01)
    log = load_requests(two_hours(tmp_path / "qwen.jsonl", chat_id=1))
    assert log.format == "Qwen-Bailian" and log.time_s[-1] == pytest.approx(7200, abs=5)


# Forms of which the field's folder holds no file: name, text, format, times [s], rates [Mbit/s].
LUMOS = "run_num,seq_num,latitude,Throughput,mobility_mode\n"
GOPHERS = "protocol,num_tcp_conn,seq_num,radio_type,throughput_mbps\n"
MORE = [
    ("lumos.csv", LUMOS + "1,1,4,50,w\n1,2,4,850,w\n2,1,4,3,d\n2,2,4,7,d\n2,4,4,9,d\n", "Lumos5G",
     [[1, 2], [1, 2, 4]], [[50, 850], [3, 7, 9]]),
    ("gophers.csv", GOPHERS + "TCP,1,1,5G,227\nTCP,1,2,4G,94.3\nTCP,8,1,5G,90\nTCP,8,2,5G,80\n",
     "5Gophers", [[1, 2], [1, 2]], [[227, 94.3], [90, 80]]),
    ("hsdpa.log", "1284365000 1000 59.1 10.7 250000 1000\n1284365001 2250 59.1 10.7 0 1250\n",
     "HSDPA or Ghent", [[1, 2.25]], [[2, 0]]),
    ("iso.csv", "Time;Throughput (kbit/s)\n2024-03-01T10:00:00+01:00;1500\n"
     "2024-03-01T09:00:02.5Z;500\n", "named columns", [[0, 2.5]], [[1.5, 0.5]]),
    ("epoch.csv", "timestamp,bandwidth_MBps\n1700000000500,1\n1700000001500,2.5\n",
     "named columns", [[0, 1]], [[8, 20]]),
    ("named.jsonl", '{"time_ms": 0, "rate_bps": 2e6}\n{"time_ms": 500, "rate_bps": 1e6}\n',
     "named columns", [[0, 0.5]], [[2, 1]]),
]  # fmt: skip


@pytest.mark.parametrize("case", MORE, ids=lambda case: case[0])
def test_further_forms_of_bandwidth(case: tuple, tmp_path: Path) -> None:
    name, text, form, times, rates = case
    (tmp_path / name).write_text(text)
    traces = load_bandwidth(tmp_path / name)
    assert [trace.format for trace in traces] == [form] * len(times)
    for trace, time_s, mbps in zip(traces, times, rates, strict=True):
        np.testing.assert_allclose(trace.time_s, time_s, atol=1e-9)
        np.testing.assert_allclose(trace.bandwidth_mbps, mbps, rtol=1e-12)


def test_the_uplink_of_a_known_format_is_a_column_to_name(tmp_path: Path) -> None:
    file = HERE / "traces" / "gnettrack_1.csv"
    [up] = load_bandwidth(file, Reading(columns={"rate": "UL_bitrate"}))
    assert up.bandwidth_mbps[0] == pytest.approx(0.017)  # 17 kbit/s
    with pytest.raises(InputError, match=r"no column 'UL'(.|\n)*'UL_bitrate'"):
        load_bandwidth(file, Reading(columns={"rate": "UL"}))


UNSURE = [
    ("a.csv", "when,downlink\n0,5.5\n1,6.5\n2,4.5\n", ["columns", "unit"]),
    ("b.csv", "time,bandwidth\n0,5.5\n1,6.5\n", ["unit"]),
    ("c.csv", "time_s,bandwidth_mbps,throughput_mbps\n0,5.5,1\n1,6.5,1\n", ["columns"]),
    ("d.csv", "arrived_at,prompt_tokens,completion_tokens\n5,7,8\n6,9,1\n", ["time_unit"]),
    ("e.csv", "day,prompt,answer\n5,7,8\n6,9,1\n", ["columns", "time_unit"]),
    ("f.txt", "0 5.5\n1 x\n2 6.5\n", ["edit"]),
    ("g.txt", "\n".join(f"{t} {3e-7 * (t % 3 + 1)}" for t in range(20)), ["unit"]),
    ("h.txt", "\n".join(f"{t} {800 + t}" for t in range(20)), ["unit"]),
    ("i.txt", "\n".join(f"{t * 1e-4} 2.5" for t in range(20)), ["time_unit"]),
    ("j.csv", "timestamp,input_length,output_length\nx,1,2\n", None),
]


@pytest.mark.parametrize("case", UNSURE, ids=lambda case: case[0])
def test_hints_lead_to_a_recording(case: tuple, tmp_path: Path, follow: Follow) -> None:
    name, text, hints = case
    (tmp_path / name).write_text(text)
    if hints is None:
        with pytest.raises(InputError):
            read_recording(tmp_path / name)
        return
    assert read_by_hints(tmp_path / name, follow)[2] == hints


# --- folders --------------------------------------------------------------------------------------


def test_several_folders_and_names_of_files(tmp_path: Path) -> None:
    for folder, names in (("a", ("r.log", "README.md", "LICENSE")), ("b/c", ("r.log", "x.down"))):
        (tmp_path / folder).mkdir(parents=True)
        for name in names:
            (tmp_path / folder / name).write_text("0 1.5\n1 2.5\n")
    taken = recording_files([tmp_path / "a", tmp_path / "b" / "c"])
    assert [f"{path.parent.name}/{path.name}" for path in taken] == [
        "a/r.log",
        "c/r.log",
        "c/x.down",
    ]
    assert len(recording_files(tmp_path, Reading(files="**/r.*"))) == 2
    process = recorded_bandwidth([tmp_path / "a", tmp_path / "b" / "c"], interval_s=1.0)
    assert int(np.sum(process.lengths)) == 4  # two of three files train
    with pytest.raises(InputError, match=r'holds no recording(.|\n)*files = "\*\*/\*\.down"'):
        recording_files(tmp_path)
    assert [p.name for p in recording_files(tmp_path, Reading(files="**/*.down"))] == ["x.down"]


def test_runs_of_one_file_are_split(tmp_path: Path) -> None:
    file = tmp_path / "lumos.csv"
    file.write_text(MORE[0][1])
    parts: tuple[Any, Any] = ("train", "test")
    lengths = [recorded_bandwidth(file, interval_s=1.0, part=p).lengths for p in parts]
    assert sorted(int(n) for one in lengths for n in one) == [2, 4]


# --- positions ------------------------------------------------------------------------------------

PLACES = [
    ("blank_site", ["edit"]),
    ("ip_users", []),
    ("latlng", []),
    ("null_island", None),
    ("swapped", ["edit", "edit"]),
    ("swapped_users_only", ["edit"]),
]


@pytest.mark.parametrize("case", PLACES, ids=lambda case: case[0])
def test_positions_as_published(case: tuple, tmp_path: Path, follow: Follow) -> None:
    name, hints = case
    folder = Path(shutil.copytree(HERE / "placement" / name, tmp_path / name))
    followed = []
    for _ in range(9):
        try:
            placement = load_placement(folder, 50, 9)
            break
        except InputError as error:
            follow(error)
            followed.append("edit")
    else:
        raise AssertionError(followed)
    assert hints is None or followed == hints
    assert len(followed) <= 8
    # All are within 1.2 km of the middle of a town.
    assert np.max(np.abs(placement.devices_m)) < 1500
    assert placement.servers_m.shape == (9, 2)


def test_positions_by_hand(tmp_path: Path) -> None:
    placement = load_placement(HERE / "placement" / "latlng", 50, 9)
    sites = np.genfromtxt(
        HERE / "placement" / "latlng" / "eua_melbourne_cbd_sites.csv",
        delimiter=",", skip_header=1, usecols=(1, 2),
    )  # fmt: skip
    north = np.radians(9.99006 - sites[:, 0].mean()) * 6_371_008.8  # the first user
    assert placement.devices_m[0, 1] == pytest.approx(north, abs=1e-6)


def test_users_of_a_whole_country_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"59 of 60 are more than 1 degree(.|\n)*of one city"):
        load_placement(HERE / "placement" / "country", 50, 9)
    folder = Path(shutil.copytree(HERE / "placement" / "latlng", tmp_path / "p"))
    with (folder / USERS_FILE).open("a") as file:
        file.write("40.0,20.0\n")
    with pytest.raises(InputError, match=r"1 of 61 (.|\n)*remove them; the first is .*: line 62"):
        load_placement(folder, 50, 9)
    (folder / USERS_FILE).rename(folder / "mine.csv")
    with pytest.raises(InputError, match=r"line 62"):
        load_placement(folder, 50, 9, users="mine.csv")


# --- gains ----------------------------------------------------------------------------------------

GAINS = [
    ("db.mat", ["unit"]),
    ("named_h.mat", ["variable"]),
    ("transposed_6_devices_400_slots.mat", ["transpose"]),
    ("zeros.mat", ["low_gain"]),
    ("lydroo_form.mat", []),
    ("v73.mat", []),
]
MEAN_GAIN, FIRST_GAIN = 1.0157393205920815e-06, 6.79931904e-07
"""Of the 400 slots of 6 devices that most of the files hold."""


@pytest.mark.parametrize("case", GAINS, ids=lambda case: case[0])
def test_gains_as_published(case: tuple, tmp_path: Path, follow: Follow) -> None:
    name, hints = case
    if name == "v73.mat":
        pytest.importorskip("h5py")
    summary, content, followed = read_by_hints(
        Path(shutil.copy(HERE / "channel" / name, tmp_path)), follow
    )
    assert followed == hints and isinstance(content, Gains)
    assert content.gain.shape == (400, 6) and summary.rows == 400
    scale = 1e-5 if name == "lydroo_form.mat" else 1.0
    rel = 1e-3 if name == "zeros.mat" else 1e-6
    assert content.gain.mean() == pytest.approx(scale * MEAN_GAIN, rel=rel)
    assert content.gain[0, 0] == pytest.approx(scale * FIRST_GAIN, rel=1e-6)


def test_matlab_73_without_h5py_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(InputError, match=r"7\.3(.|\n)*pip install 'h5py(.|\n)*-v7"):
        load_gains(HERE / "channel" / "v73.mat")


def test_gains_of_more_devices_than_recorded_name_the_number(follow: Follow) -> None:
    file = HERE / "channel" / "lydroo_form.mat"
    with pytest.raises(InputError, match=r"world\.devices = 6") as caught:
        recorded_gains(file, devices=10)
    assert recorded_gains(file, devices=follow(caught.value)["world.devices"]).shape == (6,)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"input_h": np.full((5, 2), 90.0)}, r"from 90 to 90; power gains(.|\n)*10\^\(-loss/10\)"),
    ({"input_h": np.full((5, 2), 1j)}, r"complex(.|\n)*abs\(h\)\^2"),
    ({"input_h": np.full((5, 2), np.nan)}, r"nan in row 1, column 1"),
    ({"input_h": np.full((5, 2), 1e-6), "weights": np.ones(3)}, r"one positive number for each"),
    ({"input_h": np.full((5, 2), 1e-6), "output_obj": np.full(5, np.inf)}, "belong together"),
    ({"a": "text"}, "the file's matrices: none"),
]


@pytest.mark.parametrize(("content", "match"), REFUSED)
def test_gains_that_cannot_be_are_refused(content: dict, match: str, tmp_path: Path) -> None:
    savemat(tmp_path / "g.mat", content)
    with pytest.raises(InputError, match=match):
        load_gains(tmp_path / "g.mat")


def test_weights_beside_gains_are_read(tmp_path: Path) -> None:
    gain = loadmat(str(HERE / "channel" / "lydroo_form.mat"))["input_h"]
    savemat(tmp_path / "g.mat", {"input_h": gain, "weights": [1.5, 1, 1.5, 1, 1.5, 1]})
    weights = load_gains(tmp_path / "g.mat").weights
    assert weights is not None and weights.tolist() == [1.5, 1, 1.5, 1, 1.5, 1]
    with pytest.raises(InputError, match=r"'db'(.|\n)*dB, linear"):
        GainReading(unit="db")


def test_every_file_of_the_folder_has_a_case() -> None:
    listed: dict[str, Callable[[], set[str]]] = {
        "traces": lambda: {case[0] for case in BANDWIDTH},
        "requests": lambda: {case[0] for case in REQUESTS},
        "channel": lambda: {case[0] for case in GAINS},
        "placement": lambda: {case[0] for case in PLACES} | {"country"},
    }
    for folder, names in listed.items():
        assert {path.name for path in (HERE / folder).iterdir()} == names(), folder
    assert gains_module.MAX_GAIN == 1.0


def test_the_guide_names_every_format_and_unit() -> None:
    page = (Path(__file__).parents[2] / "docs" / "guides" / "recording-formats.md").read_text()
    for form in FORMATS:
        assert f"| {form.name} " in page, form.name
    for unit in (*RATE_UNITS, *TIME_UNITS):
        assert f"`{unit}`" in page, unit
