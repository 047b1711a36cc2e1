"""Trainings of fleets: earlier weights, and rounds with a deadline on recorded links."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from edgewright.core.errors import InputError
from edgewright.scenarios.build import build, build_learner
from edgewright.scenarios.load import load
from edgewright.training.recorded_rounds import with_recorded_rounds
from edgewright.training.runs import Request, request_digest, trainer_of
from edgewright.training.warm_start import warm_started

SMALL: dict[str, Any] = {
    "world.devices": 3,
    "world.overflow": "reject",
    "evaluation.episodes": 2,
    "learner.num_envs": 2,
    "learner.rollout_steps": 8,
    "learner.batch_size": 8,
    "learner.hidden_sizes": [8],
    "learner.buffer_size": 64,
    "learner.mode": "federated",
}


def planned(**settings: Any) -> tuple[Any, Any, Any]:
    """Return scenario, problem and plan of a small fleet."""
    values = {**SMALL, **{f"learner.{name}": value for name, value in settings.items()}}
    scenario = load("aigc-heavy", values)
    problem = build(scenario)
    return scenario, problem, build_learner("dqn-fleet", scenario, problem, 64.0)


def test_a_fleet_begins_with_the_networks_of_an_earlier_one() -> None:
    scenario, problem, plan = planned()
    trainer = trainer_of(scenario, problem, plan)
    fresh, old = (trainer.init_training(jax.random.key(seed)) for seed in (0, 1))
    state = dataclasses.replace(old.learner, updates=old.learner.updates + 5)
    old = dataclasses.replace(old, learner=state)
    started = warm_started(fresh, old).learner
    for name in ("shared", "based"):
        for one, other in zip(
            jax.tree.leaves(getattr(started, name)),
            jax.tree.leaves(getattr(old.learner, name)),
            strict=True,
        ):
            np.testing.assert_array_equal(one, other)
    network = started.devices.state.network
    np.testing.assert_array_equal(network.weights[0], state.devices.state.network.weights[0])
    assert int(started.updates) == 0
    assert np.any(network.weights[0] != fresh.learner.devices.state.network.weights[0])
    cut = jax.tree.map(lambda leaf: leaf[..., :3], state.devices.state.network)
    devices = dataclasses.replace(
        state.devices, state=dataclasses.replace(state.devices.state, network=cut)
    )
    small = dataclasses.replace(old, learner=dataclasses.replace(state, devices=devices))
    with pytest.raises(InputError, match="the sizes of 'network' must be those of"):
        warm_started(fresh, small)


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Return a folder in which the second of two links begins with an outage of 9 seconds."""
    folder = tmp_path / "bandwidth"
    folder.mkdir()
    (folder / "a.txt").write_text("".join(f"{t}.0 8.0\n" for t in range(10)))
    (folder / "b.txt").write_text("".join(f"{t}.0 {0.0 if t < 9 else 8.0}\n" for t in range(10)))
    return tmp_path


def test_a_device_whose_link_is_down_misses_the_rounds_of_a_deadline(recordings: Path) -> None:
    _, problem, plan = planned(deadline_s=0.5)
    fleet: Any = with_recorded_rounds(plan, problem, str(recordings), 16 * 40).learner
    late = np.asarray(fleet.late)
    assert late.shape == (40, 3)  # a round after each update of 16 steps
    assert not late[:, [0, 2]].any()  # links 0, 1 and 0 again
    assert late[0, 1]
    _, _, patient = planned()
    assert with_recorded_rounds(patient, problem, None, 64) is patient


@pytest.mark.parametrize(
    ("deadline", "folder", "message"),
    [(0.5, False, "beside recordings of bandwidth; got 0.5"), (1e-6, True, "a device is in time")],
)
def test_a_deadline_that_means_nothing_is_refused(
    deadline: float, folder: bool, message: str, recordings: Path
) -> None:
    _, problem, plan = planned(deadline_s=deadline)
    with pytest.raises(InputError, match=message):
        with_recorded_rounds(plan, problem, str(recordings) if folder else None, 64)


def test_other_recordings_are_another_run_where_there_is_a_deadline(recordings: Path) -> None:
    def digests() -> list[str]:
        made = (planned()[0], planned(deadline_s=0.5)[0])
        facts = (Request(one, "dqn-fleet", 64.0, 1, str(recordings)).facts() for one in made)
        return [request_digest(one) for one in facts]

    before = digests()
    (recordings / "bandwidth" / "b.txt").write_text("0.0 8.0\n1.0 4.0\n")
    after = digests()
    assert before[0] == after[0]  # nobody is late without a deadline
    assert before[1] != after[1]
