"""Scenarios of many devices: lists for devices, placements, learners for each or alone."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
import pytest

from edgewright.agents.independent import Independent
from edgewright.agents.ppo import PPO
from edgewright.core.errors import InputError
from edgewright.scenarios.build import build, build_learner, fingerprint
from edgewright.scenarios.load import load
from edgewright.scenarios.policies import baseline, baseline_names
from edgewright.streams.placement import SITES_FILE, USERS_FILE

SMALL_CITY = {"world.devices": 4, "world.servers": 5, "world.reach": 2}


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Return a data folder with a city of five sites in a row, and users beside them."""
    folder = tmp_path / "placement"
    folder.mkdir()
    sites = [f"{n},-37.8,{144.90 + n / 100}" for n in range(5)]
    users = [f"-37.8,{144.901 + n / 100}" for n in range(4)]
    (folder / SITES_FILE).write_text("\n".join(["SITE_ID,LATITUDE,LONGITUDE", *sites]))
    (folder / USERS_FILE).write_text("\n".join(["Latitude,Longitude", *users]))
    return tmp_path


def test_the_fleet_is_sixteen_different_devices() -> None:
    problem = build(load("aigc-fleet"))
    assert problem.world.devices == 16
    numbers = [problem.params.device_ghz, problem.params.kappa, problem.params.battery_j]
    assert len(set(zip(*[np.asarray(n).tolist() for n in numbers], strict=True))) == 16
    stream = problem.train_stream
    rows = jax.jit(lambda key: stream.next_rows(stream.init_carry(key), 4000)[1])(jax.random.key(0))
    spec = load("aigc-fleet").streams
    for name in ("work_gcycles", "input_mb", "bandwidth_mbps"):
        low, high = (np.asarray(getattr(getattr(spec, name), end)) for end in ("low", "high"))
        drawn = np.asarray(getattr(rows, name))
        np.testing.assert_array_less(low - 1e-3, drawn.min(axis=0), err_msg=name)
        np.testing.assert_array_less(drawn.max(axis=0), high + 1e-3, err_msg=name)
        np.testing.assert_allclose(drawn.min(axis=0), low, atol=0.05 * np.max(high - low))
    shares = np.stack([(np.asarray(rows.mode) == mode).mean(axis=0) for mode in range(3)], axis=1)
    np.testing.assert_allclose(shares, np.asarray(spec.mode.probabilities), atol=0.04)


CASES = [
    ({"world.devices": 15}, r"params\.device_ghz: has 16 values, but world\.devices is 15"),
    ({"params.battery_j": [1.0, 2.0]}, r"params\.battery_j: has 2 values, but world\.devices"),
    ({"streams.input_mb.low": [1.0, 2.0]}, r"streams\.input_mb\.low: has 2 values"),
    ({"streams.input_mb.low": [30.0] * 16}, r"low = 30 is not below high = 26"),
    ({"streams.mode.probabilities": [[0.2, 0.3, 0.5]]}, r"mode\.probabilities: has 1 values"),
    ({"streams.mode.probabilities": [[0.2, 0.3, 0.6]] * 16}, r"sum to 1\.1, not 1"),
    ({"streams.mode.probabilities": [[0.5, 0.5]] * 16}, r"2 probabilities for 3 modes"),
    ({"streams.bandwidth_mbps.low": [0.0] * 16}, r"bandwidth may fall to 0"),
    ({"streams.gap_s": {"kind": "uniform", "low": [1.0], "high": 2.0}}, r"gap_s has none"),
    ({"world.reading": "paper"}, r"params\.kappa: .* devices differ in it"),
    ({"world.reach": 4}, r"world\.reach: 4 servers are in reach of a device, but .* is 3"),
    ({"world.reach": 2}, r"world\.reach: .* nothing says which\nhint: add \[params\.placement\]"),
]


@pytest.mark.parametrize(("change", "message"), CASES, ids=[str(list(c)[0]) for c, _ in CASES])
def test_mistakes_are_named(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load("aigc-fleet", change)


def test_unknown_keys_of_a_placement_are_named() -> None:
    place = {"kind": "uniform", "width_m": 1.0, "height_m": 1.0, "seed": 0}
    with pytest.raises(InputError, match=r"unknown key 'params\.placement\.heigth_m'"):
        load("aigc-city", {"params.placement": {**place, "heigth_m": 1.0}})
    nested = {"kind": "recorded", "folder": "f", "absent": {**place, "sed": 1}}
    with pytest.raises(InputError, match=r"unknown key 'params\.placement\.absent\.sed'"):
        load("aigc-city", {"params.placement": nested})
    with pytest.raises(InputError, match="unknown kind 'unifrom'"):
        load("aigc-city", {"params.placement": {**place, "kind": "unifrom"}})


def test_positions_without_reach_are_refused() -> None:
    with pytest.raises(InputError, match="positions change nothing"):
        load("aigc-city", {"world.reach": 0})


def test_the_city_is_drawn_without_recordings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGEWRIGHT_DATA", raising=False)
    problem = build(load("aigc-city"))
    assert problem.placement == "drawn"
    table = np.asarray(problem.params.neighbours)
    assert table.shape == (816, 3)
    assert table.dtype == np.int32
    assert set(np.unique(table)) <= set(range(125))
    assert fingerprint(load("aigc-city"), None) is None


def test_the_city_is_read_where_the_recording_is(
    recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EDGEWRIGHT_DATA", raising=False)
    scenario = load("aigc-city", SMALL_CITY)
    problem = build(scenario, str(recordings))
    assert problem.placement == "recorded"
    np.testing.assert_array_equal(problem.params.neighbours, [[0, 1], [1, 2], [2, 3], [3, 4]])
    before = fingerprint(scenario, str(recordings))
    users = recordings / "placement" / USERS_FILE
    users.write_text(users.read_text().replace("144.901", "144.949"))
    assert None is not before != fingerprint(scenario, str(recordings))
    assert build(scenario, str(recordings)).params.neighbours[0, 0] == 4
    users.write_text("broken")  # a broken recording is not an absent one
    with pytest.raises(InputError, match="'latitude' is missing"):
        build(scenario, str(recordings))
    assert build(scenario, str(recordings / "placement")).placement == "drawn"


def test_without_a_stand_in_the_recording_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGEWRIGHT_DATA", raising=False)
    strict = {"params.placement": {"kind": "recorded", "folder": "placement"}}
    with pytest.raises(InputError, match="placed by recordings, and 'placement' is missing"):
        build(load("aigc-city", {**SMALL_CITY, **strict}))


def test_learners_for_each_device_and_alone() -> None:
    scenario = load("aigc-fleet")
    problem = build(scenario)
    world = problem.world
    each = build_learner("se-ppo-independent", scenario, problem, 1e4)
    assert isinstance(each.learner, Independent)
    assert isinstance(each.learner.inner, PPO)
    assert each.train_world == each.world == world
    alone = build_learner("se-ppo-alone", scenario, problem, 1e4)
    assert alone.train_world.alone
    assert alone.world == world


def test_samples_of_all_devices_count() -> None:
    """8 x 64 slots of 16 devices are 8192 samples of a shared network, 512 of each own."""
    problem = build(load("aigc-fleet"))
    wide = load("aigc-fleet", {"learner.batch_size": 1024})
    build_learner("se-ppo", wide, problem, 1e4)
    with pytest.raises(InputError, match=r"1024 does not divide num_envs \* rollout_steps = 512"):
        build_learner("se-ppo-independent", wide, problem, 1e4)
    odd = load("aigc-fleet", {"learner.batch_size": 3})
    with pytest.raises(InputError, match=r"num_envs \* rollout_steps \* devices = 8192"):
        build_learner("se-ppo", odd, problem, 1e4)
    long = load("aigc-fleet", {"learner.rollout_steps": 2**14})
    with pytest.raises(InputError, match=r"devices = 2097152 is above 1048576"):
        build_learner("se-ppo", long, problem, 1e4)


def test_the_planner_is_named_or_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGEWRIGHT_DATA", raising=False)
    fleet, city = build(load("aigc-fleet")), build(load("aigc-city"))
    assert "rollout-12" not in baseline_names(fleet)
    assert "greedy-in-turn" in baseline_names(fleet)
    assert baseline("rollout-12", fleet).group == "oracle"
    with pytest.raises(
        InputError, match=r"32 devices at most, and there are 816\nhint: use greedy"
    ):
        baseline("rollout-12", city)
