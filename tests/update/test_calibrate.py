"""A scenario is fitted to a log: what changed is found, and poison moves little."""

import dataclasses
import json

import numpy as np
import pytest

from edgewright.core.errors import InputError
from edgewright.gateway.reward import Measured, task_reward
from edgewright.scenarios.load import load, resolved
from edgewright.scenarios.write import changed_scenario, scenario_text
from edgewright.serve.log_table import LogTable
from edgewright.specs.fitting import fit_law, nearest_law, robust_ratio
from edgewright.systems.aigc.calibration import predicted
from edgewright.systems.aigc.features import MODES
from edgewright.update.calibrate import calibrated
from edgewright.update.simulate import simulated_log

BASE = {"evaluation.episodes": 8, "params.horizon_slots": 40}
TRUE = {
    "params.server_ghz": [6.0, 16.0],
    "params.device_ghz": 1.5,
    "params.transmit_w": 3.0,
    "params.background_utilisation": [0.5, 0.3],
    "streams.bandwidth_mbps": {
        "kind": "reflected_walk",
        "low": 20.0,
        "high": 60.0,
        "step_std": 4.0,
    },
}


@pytest.fixture(scope="module")
def old():
    return load("aigc-heavy", BASE)


@pytest.fixture(scope="module")
def log(old, running, edge_of):
    """Return decisions of a bundle in a world that changed."""
    edge = edge_of(changed_scenario(old, TRUE, "test"))
    return simulated_log(edge, running, slots=150, explore=0.5, seed=1)


@pytest.fixture(scope="module")
def report(old, log):
    return calibrated(old, LogTable(log), "log.db")


def test_what_changed_is_found(report):
    scenario, fitted = report
    fits = {fit.key: fit for fit in fitted.fits}
    numbers = scenario.params
    assert numbers.server_ghz == pytest.approx([6.0, 16.0], rel=0.02)
    assert numbers.device_ghz == pytest.approx(1.5, rel=0.02)
    assert numbers.transmit_w == pytest.approx(3.0, rel=0.02)
    assert numbers.background_utilisation == pytest.approx([0.5, 0.3], abs=0.06)
    walk = scenario.streams.bandwidth_mbps
    assert (walk.kind, walk.low, walk.high) == (
        "reflected_walk", pytest.approx(20, abs=3), pytest.approx(60, abs=3),
    )  # fmt: skip
    assert walk.step_std == pytest.approx(4.0, rel=0.15)
    assert all(fits[key].changed for key in TRUE)


def test_what_did_not_change_is_said_to_be_the_same(report):
    fits = {fit.key: fit for fit in report[1].fits}
    for key in ("params.kappa", "params.edge_j_per_gcycle"):
        assert not fits[key].changed and fits[key].goodness < 0.01
    assert fits["streams.work_gcycles"].after["low"] == pytest.approx(3.0, abs=0.2)
    assert "streams.gap_s" in report[1].left


def test_the_gap_to_the_log_closes(report):
    for gap in report[1].gap.values():
        assert gap["after_wasserstein"] < 0.1 * gap["before_wasserstein"]
        assert gap["after_relative_error"] < 0.05


def test_predictions_are_the_prices_of_the_world(old, running, edge_of):
    edge = edge_of(old, 8)
    table = LogTable(simulated_log(edge, running, slots=20, explore=0.5))
    forecast = predicted(old, table)
    for name in ("delay_s", "device_energy_j"):
        np.testing.assert_allclose(forecast[name], table.metric(name), rtol=1e-4)


def test_the_reward_of_a_gateway_is_that_of_the_world(old, log, running):
    reward, count = task_reward(running, MODES, 3), 0
    for row in log:
        observed, metrics = row.observation, row.metrics
        if not metrics["served"]:
            assert row.reward == pytest.approx(reward.rejected, abs=1e-5)
        elif row.reward > -15.0:  # where an episode ended, a part of it is not the task's
            parts = [metrics[n] for n in ("delay_s", "device_energy_j", "edge_energy_j", "quality")]
            earned = reward.reward(Measured(*parts), observed["mode"], observed["charge_pct"])
            assert earned == pytest.approx(row.reward, abs=1e-4)
            count += 1
    assert count > 1000


def test_measured_services_say_how_fast_machines_are(old, log):
    """Backlogs of a gateway are waits times the old speed, so they say nothing of the new one."""
    names = ("local_backlog_gcycles", "server_1_backlog_gcycles", "server_2_backlog_gcycles")
    true_ghz = [TRUE["params.device_ghz"], *TRUE["params.server_ghz"]]
    old_ghz = [old.params.device_ghz, old.params.server_ghz, old.params.server_ghz]
    rows = []
    for row in log:
        multiplier = old.params.quality_multiplier[row.decision["level"]]
        work = row.observation["work_gcycles"] * multiplier
        waits = {
            name: row.observation[name] / true * before
            for name, true, before in zip(names, true_ghz, old_ghz, strict=True)
        }
        metrics = {**row.metrics, "service_s": work / true_ghz[row.decision["location"]]}
        observed = {**row.observation, **waits}
        rows.append(dataclasses.replace(row, observation=observed, metrics=metrics))
    after, report = calibrated(old, LogTable(rows), "log.db")
    assert after.params.server_ghz == pytest.approx([6.0, 16.0], rel=1e-6)
    assert after.params.device_ghz == pytest.approx(1.5, rel=1e-6)
    assert report.gap["delay_s"]["after_relative_error"] < 0.05
    assert "own requests" in report.left["params.background_utilisation"]


def test_absurd_outcomes_and_a_client_that_lies_move_little(old, log):
    rng = np.random.default_rng(0)
    poisoned = [
        dataclasses.replace(row, metrics={**row.metrics, "delay_s": 1e6, "device_energy_j": 1e9})
        if rng.random() < 0.05
        else dataclasses.replace(
            row, metrics={**row.metrics, "delay_s": row.metrics["delay_s"] / 9}
        )
        if row.client == "copy-3"
        else row
        for row in log
    ]
    numbers = calibrated(old, LogTable(poisoned), "log.db")[0].params
    assert numbers.server_ghz == pytest.approx([6.0, 16.0], rel=0.05)
    assert numbers.transmit_w == pytest.approx(3.0, rel=0.05)


def test_a_small_log_changes_nothing_that_it_does_not_show(old, log):
    _, few = calibrated(old, LogTable(log[:40]), "log.db")
    assert any("fewer than 30" in reason for reason in few.left.values())
    with pytest.raises(InputError, match="nothing in the log says something"):
        calibrated(old, LogTable(log[:5]), "log.db")


FIELDS = {
    "input_mb": "streams.input_mb",
    "work_gcycles": "streams.work_gcycles",
    "mode": "streams.mode",
    "bandwidth_mbps": "streams.bandwidth_mbps",
    "local_backlog_gcycles": "params.device_ghz",
    "server_1_backlog_gcycles": "params.background_utilisation[0]",
    "server_2_backlog_gcycles": "params.background_utilisation[1]",
    "delay_s": "params.server_ghz[1]",
    "device_energy_j": "params.kappa",
    "edge_energy_j": "params.edge_j_per_gcycle",
}
"""Fields and metrics of a log, each with a fit that needs it."""


def without(log, names):
    """Return a table of decisions whose observations and outcomes lack some names."""
    rows = []
    for row in log:
        observation, metrics = (
            {key: value for key, value in one.items() if key not in names}
            for one in (row.observation, row.metrics)
        )
        rows.append(dataclasses.replace(row, observation=observation, metrics=metrics))
    return LogTable(rows)


@pytest.mark.parametrize("name", [*FIELDS, "charge_pct", "phase", "served", "quality"])
def test_a_fit_that_lacks_its_field_is_left_and_the_others_are_not(name, old, log):
    some = log[:800]
    full = {fit.key for fit in calibrated(old, LogTable(some), "log.db")[1].fits}
    report = calibrated(old, without(some, {name}), "log.db")[1]
    fits = {fit.key for fit in report.fits}
    assert fits <= full and all(np.isfinite(fit.goodness) for fit in report.fits)
    assert name not in FIELDS or FIELDS[name] in report.left
    assert {key for key in full - fits if key not in report.left} <= {"params.server_ghz"}


def test_a_log_without_queues_says_that_loads_are_left(old, log):
    queues = {f"server_{n}_backlog_gcycles" for n in (1, 2)}
    left = calibrated(old, without(log[:800], queues), "log.db")[1].left
    for n in (0, 1):
        reason = left[f"params.background_utilisation[{n}]"]
        assert f"server_{n + 1}_backlog_gcycles is missing" in reason
    left = calibrated(old, without(log[:800], {"charge_pct", "phase"}), "log.db")[1].left
    assert "in an episode" in left["params.background_utilisation"]


def test_a_system_without_a_calibration_is_refused(log):
    with pytest.raises(InputError, match="'contract' are not fitted"):
        calibrated(load("contract-d2"), LogTable(log), "log.db")
    for name, reason in (("binary-easy", "one task"), ("caching-es2", "every field")):
        with pytest.raises(InputError, match=f"nothing in the log says .*{reason}"):
            calibrated(load(name), LogTable(log), "log.db")


def test_laws_are_those_of_the_values():
    rng = np.random.default_rng(0)
    values = rng.uniform(3, 8, 4000)
    steps = np.stack([values[:-1], values[1:]], axis=1)
    law, distance = nearest_law(("uniform", "autoregressive"), "uniform", values, steps)
    assert law["low"] == pytest.approx(3, abs=0.1) and distance < 0.1
    logs = np.zeros(20_000)
    for n in range(1, len(logs)):
        logs[n] = 0.9 * logs[n - 1] + 0.4 * np.sqrt(1 - 0.81) * rng.normal()
    values = 50 * np.exp(logs)
    steps = np.stack([values[:-1], values[1:]], axis=1)
    kinds = ("reflected_walk", "autoregressive", "uniform")
    law, distance = nearest_law(kinds, "reflected_walk", values, steps)
    assert law["kind"] == "autoregressive" and distance < 0.05
    assert law["correlation"] == pytest.approx(0.9, abs=0.03)
    assert law["mean"] == pytest.approx(50 * np.exp(0.08), rel=0.05)
    assert fit_law("uniform", np.ones(100), steps) is None


def test_a_ratio_ignores_the_absurd():
    below = np.arange(1.0, 101)
    above = 2 * below
    above[:5] = 1e9
    assert robust_ratio(above, below) == (2.0, 0.0)


def test_a_scenario_is_written_as_it_was(old, tmp_path):
    for name in ("aigc-heavy", "aigc-city", "binary-easy", "caching-dynamic"):
        scenario = load(name)
        path = tmp_path / "s.toml"
        path.write_text(scenario_text(scenario, {"params.slot_s": "a comment"}))
        assert resolved(load(str(path))) == resolved(scenario)


def test_the_command_writes_a_scenario_that_can_be_built(log, tmp_path, write_log, edgewright):
    path, out = write_log(log, tmp_path / "log.db"), tmp_path / "new.toml"
    asked = ("calibrate", "--log", path, "--scenario", "aigc-heavy", "--out", out)
    result = json.loads(edgewright(*asked, "--json").stdout)
    assert {fit["key"] for fit in result["fits"]} >= set(TRUE)
    assert load(str(out)).params.server_ghz == pytest.approx([6.0, 16.0], rel=0.02)
    assert "Wasserstein" in edgewright(*asked).stdout
