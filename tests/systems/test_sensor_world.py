"""A world with a real number for an action, with every learner that fits, from training to file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgewright as ew
from edgewright.systems import registry
from edgewright.systems.plugins import run_file

PLUGIN = Path(__file__).with_name("sensor_world.py")
SCENARIO = """
schema = 1
name = "sensor"
title = "A sensor that harvests energy"

[world]
kind = "sensor"

[params]
battery_j = 5.0
horizon_slots = 40

[evaluation]
episodes = 20
seed = 1
post_termination_reward = 0.0
baseline = "picky"
reference = "picky"

[training]
learner = "ppo"
steps = 2e4
"""
FITTING = ("se-ppo", "se-ppo-steady", "ppo-norm", "ppo-lr", "ppo", "a2c")


@pytest.fixture(scope="module")
def scenario(tmp_path_factory):
    before = dict(registry.systems())
    run_file(PLUGIN)
    path = tmp_path_factory.mktemp("sensor") / "sensor.toml"
    path.write_text(SCENARIO)
    yield path
    registry._systems = before


def test_the_learners_that_fit_are_those_with_numbers(scenario):
    assert set(ew.list_learners(str(scenario))) == set(FITTING)


@pytest.mark.parametrize("learner", FITTING)
def test_every_learner_that_fits_trains_and_learns_something(scenario, learner):
    run = ew.train(str(scenario), learner, steps=2e4)
    reward = run.result["reward"]["mean"]
    assert np.isfinite(reward)
    rows = {row["policy"]: row for row in ew.compare(str(scenario), ["random"]).rows}
    assert reward > rows["random"]["reward"] + 0.005
    assert run.result["gap_closed"] is None  # the world has no bound


def test_it_is_exported_and_decides_as_the_run_does(scenario, tmp_path):
    run = ew.train(str(scenario), "ppo", steps=4e3)
    bundle = run.export(tmp_path / "sensor.edge")
    answers = [
        bundle.decide({"charge": charge, "interest": interest})
        for charge in (0.1, 0.9)
        for interest in (0.1, 0.9)
    ]
    values = [float(answer["action"]) for answer in answers]
    assert all(0.0 <= value <= 1.0 for value in values)
    assert len(set(values)) == 4
    rows = {
        row["policy"]: row
        for row in ew.compare(str(scenario), [run, str(tmp_path / "sensor.edge")]).rows
    }
    (name,) = set(rows) - {"ppo", "random", "picky"}
    assert rows[name]["reward"] == pytest.approx(rows["ppo"]["reward"], abs=1e-5)
