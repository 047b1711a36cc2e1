"""Every script and notebook of ``examples/`` runs as printed, in an empty folder."""

from __future__ import annotations

import importlib.util
import json
import os
import runpy
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest

from edgewright.core.errors import CheckFailed
from edgewright.scenarios import learners
from edgewright.systems import registry

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOK = EXAMPLES / "first_steps.ipynb"
EXPECTED = {
    "train_and_compare.py": ["se-ppo", "greedy", "bound", "no policy can earn more"],
    "own_world.py": ["threshold", "se-ppo", "bound"],
    "own_learner.py": ["reinforce", "se-ppo", "greedy"],
    "own_recordings.py": ["aigc-trace", "battery-price", "greedy"],
    "deploy_and_ask.py": ["from the file: ", "from the service: "],
}
SB3 = "gymnasium_sb3.py"
LOOP, LONG = "closed_loop.py", "EDGEWRIGHT_LONG_TESTS"
REPLAY = "update_by_replay.py"
STEPS = "five_steps.py"
STEPS_EXPECTED = [
    "step 1: 3 devices reported",
    "$ edgewright compress",
    "decides; mean reward",
    "servers are slower; mean reward",
    "$ edgewright calibrate",
    "on identical inputs the old network earns",
]
LOOP_EXPECTED = [
    "drift: noticed",
    "passed the gate",
    "0 failed",
    "rewards inverted: refused, log and simulator agree",
    "5 % absurd outcomes: refused, absurd outcomes",
    "one client lies: ['cell-7'] left out",
]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Run in an empty folder, without recordings; forget what the example registers or draws."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EDGEWRIGHT_DATA", raising=False)
    monkeypatch.setattr(registry, "_systems", dict(registry._systems))
    monkeypatch.setattr(learners, "_registered", {})
    monkeypatch.setattr(sys, "argv", ["example"])
    yield tmp_path
    plt.close("all")


def test_every_example_is_run_here() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*EXPECTED, SB3, LOOP, REPLAY, STEPS}
    assert list(EXAMPLES.glob("*.ipynb")) == [NOTEBOOK]


@pytest.mark.parametrize("name", EXPECTED)
def test_a_script_prints_what_it_promises(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    printed = capsys.readouterr().out
    for text in EXPECTED[name]:
        assert text in printed


@pytest.mark.skipif(LONG not in os.environ, reason=f"starts processes five times: set {LONG}")
def test_the_five_steps_are_one_chain(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, empty_folder: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["example", str(empty_folder / "steps")])
    runpy.run_path(str(EXAMPLES / STEPS), run_name="__main__")
    printed = capsys.readouterr().out
    for text in STEPS_EXPECTED:
        assert text in printed
    names = {path.name for path in (empty_folder / "steps").iterdir()}
    assert names >= {"fleet.toml", "fleet.edge", "served.edge", "decisions.db", "new.toml"}


def test_the_five_steps_end_when_their_service_does(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = runpy.run_path(str(EXAMPLES / STEPS))
    assert steps["address"](["ready: http://localhost:1/.\n"]) == "http://localhost:1"
    with pytest.raises(SystemExit, match="ended before .*\nerror: no port"):
        steps["address"](["error: no port\n"])
    monkeypatch.setitem(steps["wait_for"].__globals__, "PATIENCE_S", 0.0)
    client = types.SimpleNamespace(policy=lambda: {"version": "a"})
    steps["wait_for"](client, "a")
    with pytest.raises(SystemExit, match="the service has a, not b"):
        steps["wait_for"](client, "b")


@pytest.mark.learn
@pytest.mark.skipif(LONG not in os.environ, reason=f"takes minutes: set {LONG}")
def test_the_closed_loop_recovers_and_its_gate_holds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, empty_folder: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["example", "--quick"])
    runpy.run_path(str(EXAMPLES / LOOP), run_name="__main__")
    printed = capsys.readouterr().out
    for text in LOOP_EXPECTED:
        assert text in printed
    assert (empty_folder / "closed_loop.png").stat().st_size > 10_000


def test_the_closed_loop_ends_where_no_test_of_drift_fires(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("closed_loop", EXAMPLES / LOOP)
    assert spec is not None and spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    rates = []

    def silent(before: Any, after: Any, rate: float) -> Any:
        rates.append(rate)
        return types.SimpleNamespace(alarm=False)

    monkeypatch.setattr(example, "logged", lambda file: [])
    monkeypatch.setattr(example, "drift_of", silent)
    with pytest.raises(CheckFailed, match="no test of drift fired"):
        example.first_alarm("log.db", 100)
    assert len(rates) > 1 and sum(rates) == pytest.approx(0.01)


@pytest.mark.learn
@pytest.mark.skipif(LONG not in os.environ, reason=f"takes minutes: set {LONG}")
@pytest.mark.parametrize("kind", ["binary", "caching"])
def test_other_systems_are_updated_by_replay(
    kind: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["example", kind])
    runpy.run_path(str(EXAMPLES / REPLAY), run_name="__main__")
    printed = capsys.readouterr().out
    for text in ("drift: noticed", "passed the gate", "the same in simulation: +"):
        assert text in printed


def test_stable_baselines3_is_scored_beside_the_rules(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("stable_baselines3", reason="needs pip install 'edgewright[peers]'")
    runpy.run_path(str(EXAMPLES / SB3), run_name="__main__")
    printed = capsys.readouterr().out
    assert "Stable-Baselines3 PPO: " in printed
    assert "greedy" in printed


def test_without_stable_baselines3_the_example_names_the_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"pip install 'edgewright\[peers\]'"):
        runpy.run_path(str(EXAMPLES / SB3), run_name="__main__")
    assert "through Gymnasium" in capsys.readouterr().out


def test_the_notebook_runs_and_holds_no_outputs(empty_folder: Path) -> None:
    notebook = json.loads(NOTEBOOK.read_text())
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert notebook["nbformat"] == 4
    assert not any(cell["outputs"] or cell["execution_count"] for cell in cells)
    module = types.ModuleType("notebook")
    for number, cell in enumerate(cells):
        exec(compile("".join(cell["source"]), f"cell {number}", "exec"), module.__dict__)
    assert (empty_folder / "p.edge").exists()
    assert "greedy" in repr(module.__dict__["table"])
