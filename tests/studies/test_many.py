"""Studies of many devices: alone and together, runs on other fleets, scaling."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewright.core.errors import InputError
from edgewright.scenarios.load import load
from edgewright.studies import scaling, together
from edgewright.studies.compare import compare

SMALL: dict[str, Any] = {
    "params.horizon_slots": 12,
    "evaluation.episodes": 4,
    "evaluation.reference": "greedy-in-turn",
    "world.overflow": "reject",
    "learner.envs": 2,
    "learner.rollout_steps": 16,
    "learner.minibatch": 32,
    "learner.epochs": 2,
    "learner.hidden": [8],
}
PAIR = {**SMALL, "world.devices": 2}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("together")
    scenario = load("aigc-heavy", PAIR)
    return out, together.together(together.Plan(out, scenario, 96, 2, ("random", "greedy")))


def test_the_study_has_all_arms_on_the_same_episodes(study: tuple[Path, dict[str, Any]]) -> None:
    out, found = study
    rows = {row["policy"]: row for row in found["policies"]}
    assert {together.ALONE, together.SHARED, together.EACH, "greedy"} <= set(rows)
    assert {rows[name]["seeds"] for name in together.LABELS} == {2}
    assert {row["episodes"] for row in rows.values()} == {4}
    shared = rows[together.SHARED]["reward"]
    for name, change in found["differences"].items():
        assert change["estimate"] == pytest.approx(rows[name]["reward"] - shared, abs=1e-6)
        assert change["low"] <= change["estimate"] <= change["high"]
    assert [bound["policy"] for bound in found["bounds"]] == list(together.BOUNDS)
    for bound in found["bounds"]:
        assert bound["reward"] >= max(row["reward"] for row in rows.values())
        gap = bound["reward"] - rows["greedy"]["reward"]
        assert bound["difference"]["mean"] == pytest.approx(gap, abs=1e-6)
    kept = json.loads((out / "together.json").read_text())
    assert kept["promised"] == found["promised"]
    assert (out / "together.png").stat().st_size > 1000


def test_what_was_promised_is_the_reward_without_the_others(
    study: tuple[Path, dict[str, Any]],
) -> None:
    out, found = study
    apart = compare(load("aigc-heavy", {**PAIR, "world.alone": True}), [str(out / together.ALONE)])
    reward = apart.result(together.ALONE).metrics["reward"]
    assert found["promised"]["estimate"] == pytest.approx(float(reward.mean()), abs=1e-6)
    deployed = next(row for row in found["policies"] if row["policy"] == together.ALONE)
    assert found["promised"]["estimate"] > deployed["reward"]


def test_a_shared_policy_fits_any_fleet_and_separate_ones_only_theirs(
    study: tuple[Path, dict[str, Any]],
) -> None:
    out, _ = study
    three = load("aigc-heavy", {**SMALL, "world.devices": 3})
    found = compare(three, [str(out / together.SHARED)])
    assert found.result(together.SHARED).metrics["reward"].shape == (2, 4)
    assert found.result(together.SHARED).played.metrics.reward.shape == (12, 4, 3)
    with pytest.raises(InputError, match=r"a policy for each of 2 devices; the scenario has 3"):
        compare(three, [str(out / together.EACH)])
    with pytest.raises(InputError, match=r"2 servers, 0 in reach \(0: all\)"):
        city = {"world.devices": 3, "world.servers": 4, "world.reach": 2, **SMALL}
        compare(load("aigc-city", city), [str(out / together.SHARED)])


def test_one_device_is_always_alone(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one device, which is always alone"):
        together.together(together.Plan(tmp_path, load("aigc-heavy"), 10, 2, ()))


def test_settings_of_the_study(tmp_path: Path) -> None:
    assert together.full(tmp_path).seeds >= 10
    assert "rollout-12" in together.full(tmp_path).rules
    assert "rollout-12" not in together.full(tmp_path, "aigc-city").rules
    assert together.quick(tmp_path).steps < together.full(tmp_path).steps


# ------------------------------------------------------------------ scaling


def test_a_size_is_measured_in_a_process_of_its_own() -> None:
    found = scaling.scaling(sizes=(3,), servers=5)
    (row,) = found["rows"]
    assert (row["devices"], row["servers"], row["reach"]) == (3, 5, 3)
    assert row["decisions_per_s"] == pytest.approx(3 * row["slots_per_s"], rel=0.01)
    assert row["peak_memory_mb"] > 50
    assert found["time_exponent"] is None


def made_up(devices: int) -> dict[str, Any]:
    """Return a row of a machine that needs 1 us and 1 kB for each device, and 300 MB."""
    speed = 1e6 / devices
    memory = 300 + devices / 1e3
    return {
        "devices": devices, "servers": 1000, "reach": 3, "slots_per_s": speed,
        "decisions_per_s": round(speed * devices), "peak_memory_mb": memory,
    }  # fmt: skip


def test_exponents_and_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "_probe", lambda devices, *_: made_up(devices))
    found = scaling.scaling()
    assert found["time_exponent"] == {"exponent": 1.0, "from": 10_000, "to": 1_000_000}
    assert found["memory_exponent"]["exponent"] == pytest.approx(1.0, abs=0.01)
    assert found["memory_exponent"]["from"] == 100_000
    assert found["bytes_per_device"] == pytest.approx(1000, abs=1)
    figure = scaling.draw(found)
    drawn = figure.axes[0].lines[0].get_xydata()
    np.testing.assert_allclose(np.asarray(drawn)[:, 0], scaling.SIZES)
    assert "M^{1.00}" in figure.axes[0].get_title(loc="right")
