"""Every hint of a refused recording works as a key of the scenario that names the recording."""

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
from edgewright.scenarios.build import build, described
from edgewright.scenarios.load import load

Follow: TypeAlias = Callable[[InputError], dict[str, Any]]

HERE = Path(__file__).parent / "recordings"
SMALL = {"params.horizon_slots": 2, "evaluation.episodes": 2}


def built_by_hints(name: str, overrides: dict[str, Any], data: Path, follow: Follow) -> list[str]:
    """Build a scenario, adding the settings that hints name; return those settings."""
    followed: list[str] = []
    for _ in range(4):
        try:
            scenario = load(name, SMALL | overrides)
            described(scenario, str(data))
            build(scenario, str(data))
            return followed
        except InputError as error:
            named = follow(error)
            overrides = overrides | named
            followed += list(named)
    raise AssertionError(followed)


def kbit_files(folder: Path) -> None:
    for name in ("a.txt", "b.txt"):
        shutil.copy(HERE / "traces" / "two_columns_kbit.txt", folder / name)


def ms_files(folder: Path) -> None:
    for name in ("a.txt", "b.txt"):
        shutil.copy(HERE / "traces" / "two_columns_ms.txt", folder / name)


def loss_files(folder: Path) -> None:
    for name in ("a.txt", "b.txt"):
        shutil.copy(HERE / "traces" / "three_columns_loss.txt", folder / name)


def outage_files(folder: Path) -> None:
    for name in ("a.csv", "b.csv"):
        shutil.copy(HERE / "traces" / "gnettrack_1.csv", folder / name)


def nested_files(folder: Path) -> None:
    for name in ("a", "b"):
        (folder / name).mkdir()
        shutil.copy(HERE / "traces" / "cooked_no_suffix", folder / name / "x.xyz")


BANDWIDTH = [
    (kbit_files, ["unit"]),
    (ms_files, ["time_unit"]),
    (loss_files, ["columns"]),
    (outage_files, ["low_mbps"]),
    (nested_files, ["files"]),
]


@pytest.mark.parametrize(("make", "keys"), BANDWIDTH)
def test_bandwidth(make: Callable, keys: list[str], tmp_path: Path, follow: Follow) -> None:
    (tmp_path / "bandwidth").mkdir()
    make(tmp_path / "bandwidth")
    entry = {"streams.bandwidth_mbps": {"kind": "recorded_bandwidth", "folder": "bandwidth"}}
    followed = built_by_hints("aigc-heavy", entry, tmp_path, follow)
    assert followed == [f"streams.bandwidth_mbps.{key}" for key in keys]


@pytest.mark.parametrize("field", ["gap_s", "background_gcps"])
def test_requests(field: str, tmp_path: Path, follow: Follow) -> None:
    kinds = {
        "gap_s": {"kind": "recorded_gaps", "mean_s": 0.5},
        "background_gcps": {"kind": "recorded_load"},
    }
    shutil.copy(HERE / "requests" / "azure_night_gap.csv", tmp_path / "night.csv")
    times = np.sort(np.random.default_rng(0).uniform(0, 7200, 600)).tolist()
    rows = [{"timestamp": t, "input_length": 5, "output_length": 9} for t in times]
    (tmp_path / "two.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for file, key in (("night.csv", "max_gap_s"), ("two.jsonl", "time_unit")):
        entry = {f"streams.{field}": {**kinds[field], "file": file}}
        followed = built_by_hints("aigc-heavy", entry, tmp_path, follow)
        assert followed == [f"streams.{field}.{key}"]


GAINS = [
    ("db.mat", ["streams.gain.unit"]),
    ("named_h.mat", ["streams.gain.variable"]),
    ("transposed_6_devices_400_slots.mat", ["streams.gain.transpose"]),
    ("zeros.mat", ["streams.gain.low_gain"]),
    ("lydroo_form.mat", []),
]


@pytest.mark.parametrize(("name", "keys"), GAINS)
def test_gains(name: str, keys: list[str], follow: Follow) -> None:
    entry = {"streams.gain": {"kind": "recorded_gains", "file": f"channel/{name}"}}
    followed = built_by_hints("binary-hard", entry, HERE, follow)
    assert followed == [*keys, "world.devices"]  # six of the ten devices are recorded


def test_gains_of_another_problem_get_no_score(tmp_path: Path) -> None:
    """An optimum of other weights (half of the modes flipped) is not "the recorded optimum"."""
    from edgewright.systems.binary.recorded import MAX_PRICE_ERROR, cross_check

    gain = loadmat(str(HERE / "channel" / "named_h.mat"))["h"]
    mode = np.tile([1, 0], (400, 3))
    content = {"input_h": gain, "output_mode": mode, "output_obj": np.full((400, 1), 3e6)}
    savemat(tmp_path / "g.mat", content)
    check = cross_check(tmp_path / "g.mat", 6)
    assert check["price_error"] > MAX_PRICE_ERROR
    assert check["verdict"] == "disagrees" and "other weights" in check["why"]
    assert check["scores"] == [] and "optimum" not in check


def test_places(tmp_path: Path, follow: Follow) -> None:
    shutil.copytree(HERE / "placement" / "latlng", tmp_path / "placement")
    places = {"kind": "recorded", "folder": "placement"}
    followed = built_by_hints("aigc-city", {"params.placement": places}, tmp_path, follow)
    assert followed == ["world.devices", "world.servers"]
    (tmp_path / "placement" / "eua_melbourne_cbd_users.csv").rename(
        tmp_path / "placement" / "u.csv"
    )
    places["users"] = "u.csv"
    sizes = {"world.devices": 60, "world.servers": 20}
    assert not built_by_hints("aigc-city", {"params.placement": places, **sizes}, tmp_path, follow)


def test_what_was_read_is_described(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    kbit_files(tmp_path / "b")
    entry = {"kind": "recorded_bandwidth", "folder": ["b"], "unit": "kbit/s", "mean_mbps": 50.0}
    summaries = described(load("aigc-heavy", {"streams.bandwidth_mbps": entry}), str(tmp_path))
    line = summaries["bandwidth_mbps"].line()
    assert line == "bandwidth (two columns): 30 rows, 29 s, rate mean 16.12 Mbit/s"
