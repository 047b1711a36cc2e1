"""Commands that are printed work as printed, with the options of the command that printed them."""

from __future__ import annotations

import html
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = (
    "from edgewright.agents.ppo import PPO\n"
    "from edgewright.scenarios.learners import register_learner\n"
    "register_learner('mine', PPO, num_envs=4, rollout_steps=16, epochs=1)\n"
)
SMALL = ("--set", "params.horizon_slots=10", "--set", "evaluation.episodes=4")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("a folder with blanks")
    (made / "my plug in.py").write_text(PLUGIN)
    return made


def run(folder: Path, *words: str) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "EDGEWRIGHT_DATA"}
    command = [sys.executable, "-m", "edgewright", *words]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def follow(folder: Path, command: str) -> str:
    name, *words = shlex.split(command)
    assert name == "edgewright"
    return run(folder, *words)


def following(output: str) -> str:
    return re.search(r"next: (edgewright .*)$", output, re.M)[1]


def test_the_command_after_a_training_names_what_it_needs(folder: Path) -> None:
    plugin, out = str(folder / "my plug in.py"), "a run"
    words = ["--plugin", plugin, "train", "aigc-toy", "--learner", "mine", "--steps", "64", *SMALL]
    command = following(run(folder, *words, "--out", out))
    for needed in (plugin, "params.horizon_slots=10", "evaluation.episodes=4", f"greedy,{out}"):
        assert needed in shlex.split(command)
    table = json.loads(follow(folder, f"{command} --json"))
    assert table["episodes"] == 4
    assert {"greedy", "mine"} <= {row["policy"] for row in table["policies"]}


def test_the_page_says_the_command_that_made_it(folder: Path) -> None:
    words = ("compare", "aigc-toy", "--policies", "greedy", *SMALL, "--episodes", "6")
    run(folder, *words, "--out", "the page")
    page = folder / "the page" / "report.html"
    said = re.search(r'<pre class="command"><code>(.*?)</code>', page.read_text(), re.S)[1]
    page.unlink()
    follow(folder, html.unescape(said))
    assert page.exists()
    assert json.loads((folder / "the page" / "result.json").read_text())["episodes"] == 6
