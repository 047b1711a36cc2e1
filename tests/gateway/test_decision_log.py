"""The log of a gateway holds what updates read: actions, rewards and metrics of the scenario."""

import concurrent.futures
import json
import random

import pytest

from edgewright.bundle import load
from edgewright.bundle.bundle import pack_again
from edgewright.gateway.observation import Signals
from edgewright.gateway.options import Option
from edgewright.gateway.reward import Measured, task_reward
from edgewright.scenarios.load import resolved
from edgewright.scenarios.write import changed_scenario
from edgewright.serve.log_reader import DecisionLogReader
from edgewright.serve.log_table import LogTable
from edgewright.systems.aigc.features import MODES
from edgewright.update.calibrate import calibrated
from edgewright.update.samples import samples_of
from edgewright.update.update import compared

SIGNALS = Signals(1.0, [1.0, 2.0, 4.0], "best", 100.0, 80.0, [0.0, 0.0, 0.0], 0)
STEPS, STEP_MS, SIZE = [2, 4, 8], 64.0, "32x32"  # small, so that the pace is kept
SPEED, SLOWER = 0.4, 3.0
COUNT = 110
CHANGE = {"params.delay_norm_s": 0.1, "params.energy_norm_j": 0.2}  # as services are so short


@pytest.fixture(scope="module")
def scenario(deployable):
    return changed_scenario(deployable["scenario"], CHANGE, "test")


@pytest.fixture(scope="module")
def file(bundles, scenario, tmp_path_factory):
    """Return a bundle of random weights whose scenario has short services."""
    before, path = load(bundles["se-ppo"]), tmp_path_factory.mktemp("bundle") / "p.edge"
    facts = {**before.facts, "scenario": resolved(scenario)}
    path.write_bytes(pack_again(facts, before.members, str(path))[0])
    return path


@pytest.fixture(scope="module")
def bundle(file):
    return load(file)


def test_energy_is_divided_between_device_server_and_radio(bundle):
    reward = task_reward(bundle, MODES, 3)
    actual = {"energy_j": 6.0, "total_ms": 2500.0, "transfer_ms": 1000.0}
    local = reward.measured(Option(0, 2, "d", 0, 1, 0, 6), SIGNALS, actual, ())
    assert local == Measured(2.5, 6.0, 0.0, reward.score[2])
    remote = reward.measured(Option(1, 0, "e", 0, 1, 1, 6), SIGNALS, actual, (0.1, 0.2, 0.3))
    # 1 MB each way: half of a second at 2 W, half at 0.5 W
    assert remote == Measured(2.5, 1.25, 6.0, 0.1)
    unknown = reward.measured(Option(0, 0, "d", 0, 1, 0, 0), SIGNALS, {**actual, "energy_j": 0}, ())
    assert set(unknown.metrics()) == {"delay_s", "quality"}


def test_other_readings_are_not_guessed(bundle):
    facts = bundle.facts["scenario"]
    paper = {**bundle.facts, "scenario": {**facts, "world": {**facts["world"], "reading": "paper"}}}

    class Other:
        facts = paper

    assert task_reward(Other(), MODES, 3) is None


def worker(speed):
    return {
        "name": "edge", "kind": "digits", "location": 0, "steps": STEPS, "step_ms": STEP_MS,
        "speed": speed, "power_w": 20.0, "queue": 500,
    }  # fmt: skip


@pytest.fixture(scope="module")
def logged(tmp_path_factory, write_config, file, run_gateway):
    """Return the log of a gateway whose only server becomes three times slower half-way."""
    folder = tmp_path_factory.mktemp("slower")
    log, near = folder / "decisions.db", write_config(folder, "near.toml", backend=[worker(SPEED)])
    rng = random.Random(0)
    device = {**worker(SPEED), "name": "device", "power_w": 2.0}
    with (
        run_gateway(near) as fast,
        run_gateway(write_config(folder, "slow.toml", backend=[worker(SPEED / SLOWER)])) as slow,
    ):
        front = {
            "name": "edge", "kind": "upstream", "location": 1, "power_w": 20.0, "queue": 500,
            "link": "access", "levels": [{"quality": one} for one in ("low", "medium", "high")],
            "seconds": [1e-3 * STEP_MS * one / SPEED for one in STEPS],
        }  # fmt: skip
        tables = {
            "policy": {"bundle": str(file), "explore": 0.5},
            "log": {"path": str(log)},
            "quality": {"scores": [0.2, 0.5, 0.9]},
            "link": [{"name": "access", "initial_mbps": 100.0}],
        }

        def text(upstream):
            backends = [device, {**front, "url": f"{upstream.url}/v1"}]
            return {"backend": backends, **tables}

        for number, upstream in enumerate((fast, slow)):
            config = write_config(folder, "front.toml", **text(upstream))
            with run_gateway(config) as service, concurrent.futures.ThreadPoolExecutor(2) as pool:

                def ask(mode, service=service):
                    return service.image({"size": SIZE, "edgewright": {"mode": mode}})

                statuses = [one[0] for one in pool.map(ask, rng.choices(MODES, k=COUNT))]
            assert statuses == [200] * COUNT, number
    return log


def test_a_gateways_log_is_one_that_estimates_read(logged, bundle):
    with DecisionLogReader(logged, bundle.version) as reader:
        table = LogTable(list(reader.rows()))
    samples = samples_of(table, bundle, "log")
    assert len(samples.rows) == 2 * COUNT and not samples.left_out
    reward = task_reward(bundle, MODES, 3)
    for row in samples.table.rows:
        decided, metrics = row.decision, row.metrics
        assert decided["action"] == 3 * decided["location"] + decided["level"]
        assert metrics["quality"] == [0.2, 0.5, 0.9][decided["level"]]
        assert metrics["delay_s"] == pytest.approx(1e-3 * metrics["total_ms"])
        spent = "device_energy_j" if decided["location"] == 0 else "edge_energy_j"
        watts = 2.0 if decided["location"] == 0 else 20.0
        assert metrics[spent] == pytest.approx(watts * metrics["service_s"], rel=1e-6)
        parts = [metrics[n] for n in ("delay_s", "device_energy_j", "edge_energy_j", "quality")]
        earned = reward.reward(Measured(*parts), row.observation["mode"], 100.0)
        assert row.reward == pytest.approx(earned, rel=1e-6)
    value = compared(bundle, bundle, samples, "log")
    assert value.logged.low <= value.logged.estimate <= value.logged.high
    assert value.difference["doubly_robust"].estimate == 0.0


def test_calibration_finds_the_slower_worker_in_it(logged, scenario):
    with DecisionLogReader(logged) as reader:
        rows = list(reader.rows())
    halves = []
    for part in (rows[:COUNT], rows[COUNT:]):
        after, report = calibrated(scenario, LogTable(part), "log")
        halves.append(after.params.server_ghz[0])
        assert {"delay_s", "device_energy_j"} <= report.gap.keys()
    assert halves[0] / halves[1] > 0.5 * SLOWER  # a busy machine may keep a pace late


def test_drift_by_the_command_line(logged, edgewright):
    result = json.loads(edgewright("drift", "--log", logged, "--json").stdout)
    assert result["alarm"] and result["reward"]["direction"] == "down"
    assert edgewright("log", "check", logged).stdout
