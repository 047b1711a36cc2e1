"""Training on many devices from the command line, and what was exchanged."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from edgewright.evaluation.privacy import epsilon

SMALL = {
    "world.devices": 2,
    "world.overflow": "reject",
    "params.horizon_slots": 12,
    "evaluation.episodes": 2,
    "evaluation.reference": "greedy-in-turn",
    "learner.num_envs": 2,
    "learner.rollout_steps": 16,
    "learner.batch_size": 8,
    "learner.buffer_size": 64,
    "learner.learning_starts": 32.0,
    "learner.hidden_sizes": [8],
}


def overrides(**more: Any) -> list[str]:
    values = {**SMALL, **{f"learner.{name}": value for name, value in more.items()}}
    return [word for key, value in values.items() for word in ("--set", f"{key}={_toml(value)}")]


def _toml(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else json.dumps(value)


def test_a_fleet_trains_and_says_what_it_exchanged(edgewright: Any, tmp_path: Any) -> None:
    out = tmp_path / "run"
    private = {"normalize_observations": False, "normalize_rewards": False}
    settings = overrides(clip_norm=1.0, noise_multiplier=1.0, local_updates=2, **private)
    command = ("train", "aigc-heavy", "--learner", "dqn", "--mode", "federated")
    done = edgewright(
        *command, "--engine", "local", "--steps", 128, "--out", out, *settings, "--json"
    )
    result = json.loads(done.stdout)
    assert result["learner"] == "dqn-fleet"
    facts = result["exchange"]
    features, actions = 11, 9
    size = features * 8 + 8 + 8 * (actions + 1) + actions + 1  # dueling: a value beside
    rounds, steps, devices = 2, 128, 2  # four updates of 32 steps, a round after every second one
    expected = 1e3 * devices * rounds * 4 * size / steps
    assert facts["uplink_bytes_per_thousand_steps"] == pytest.approx(expected, rel=1e-3)
    assert facts["privacy"]["rounds"] == rounds
    assert facts["mode"] == "federated"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--mode", "federeted"), "did you mean 'federated'?"),
        (("--engine", "local"), "beside --mode"),
        (("--mode", "federated", "--engine", "rey"), "`--engine` must be local or ray"),
        (
            ("--mode", "federated", "--learner", "dqn", "--workers", "2"),
            "`--workers` must stand beside --engine ray",
        ),
        (("--address", "auto"), "`--address` must stand beside --engine ray"),
        (("--mode", "federated", "--learner", "ddpg"), "must be one of dqn, se-ppo"),
        (
            ("--mode", "federated", "--learner", "dqn", "--set", "learner.noise_multiplier=1.0"),
            "clip_norm",
        ),
    ],
)
def test_wrong_options_of_a_fleet_are_refused(
    edgewright: Any, tmp_path: Any, options: tuple[str, ...], message: str
) -> None:
    command = ("train", "aigc-fleet", "--out", tmp_path / "x", *options)
    assert message in edgewright(*command, code=2).stderr


def test_epsilon_is_below_the_classical_bound_and_grows_with_rounds() -> None:
    """The Rényi bound with the conversion of Mironov (2017): an upper bound, by hand."""
    pytest.importorskip("dp_accounting")
    delta = 1e-5

    def by_hand(noise: float, rounds: int) -> float:
        orders = [1.0 + n / 100 for n in range(1, 20_000)]
        return min(rounds * a / (2 * noise**2) + math.log(1 / delta) / (a - 1) for a in orders)

    for noise, rounds in ((1.0, 1), (2.0, 50), (5.0, 1000)):
        value = epsilon(noise, rounds, delta)
        assert 0.5 * by_hand(noise, rounds) < value <= by_hand(noise, rounds) * 1.001
    assert epsilon(2.0, 100) > epsilon(2.0, 50) > epsilon(4.0, 50)


def test_a_fleet_with_all_actions_is_refused(edgewright: Any, tmp_path: Any) -> None:
    command = ("train", "aigc-fleet", "--learner", "se-ppo-fleet", "--out", tmp_path / "x")
    more = ("--set", "learner.all_actions=true", "--set", "learner.look_ahead=1")
    refused = edgewright(*command, *more, code=2).stderr
    assert "learner.all_actions: must be false in a fleet" in refused
    assert "set learner.all_actions = false" in refused
    assert not (tmp_path / "x").exists()


def test_a_replay_that_is_too_small_leaves_no_folder(edgewright: Any, tmp_path: Any) -> None:
    out = tmp_path / "run"
    command = ("train", "aigc-heavy", "--learner", "dqn", "--seeds", "1", "--steps", "64")
    command = (*command, "--out", out, *overrides())
    refused = edgewright(*command, "--set", "learner.buffer_size=16", code=2).stderr
    assert "64 samples between two updates do not fit into 16 rows" in refused
    assert not out.exists()
    edgewright(*command)
    assert (out / "result.json").exists()


@pytest.mark.parametrize(
    ("setting", "hint"),
    [
        ("dropout=1.5", "from 0 to less than 1"),
        ("dropout=1.0", "from 0 to less than 1"),
        ("slowest=1.5", "from 0 to 1"),
        ("dropout=-0.5", "give 0 or more"),
        ("distil_steps=-1", "give a positive value"),
        ("malicious_devices=-1", "give 0 or more"),
    ],
)
def test_a_hint_names_the_values_that_are_taken(
    edgewright: Any, tmp_path: Any, setting: str, hint: str
) -> None:
    command = ("train", "aigc-fleet", "--learner", "dqn", "--mode", "federated")
    command = (*command, "--out", tmp_path / "x", "--set", f"learner.{setting}")
    assert hint in edgewright(*command, code=2).stderr
