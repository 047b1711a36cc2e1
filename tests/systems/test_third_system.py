"""A third system in one plug-in: every command takes it, and no other file is touched."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "custom-environment.md"
TITLED = re.compile(r'^```\w+ title="(?P<name>[^"]+)"\n(?P<code>.*?)^```$', re.M | re.S)

STUDY = """
import numpy as np

from edgewright.evaluation.joint_bootstrap import joint_bootstrap
from edgewright.papers import register_study
from edgewright.studies.jobs import Rule, Setup, TrainingJob
from edgewright.studies.study import Claim, FunctionJob, JobResult, Measured, Plan, Study

SMALL = {"evaluation.episodes": 8, "params.horizon_slots": 20}


def total(context, a, b):
    return JobResult({"sum/x": np.array([[float(a + b)]])})


def jobs(plan):
    setup = Setup("sensor-small", SMALL)
    return [
        TrainingJob("se-ppo", setup, "se-ppo", plan.steps, plan.seeds, "one"),
        Rule("bound", setup, "bound"),
        FunctionJob("sum", total, {"a": 1, "b": 2}),
    ]


def below_bound(table):
    arms = {k: {"x": table.array(k, "episodes/reward")} for k in ("se-ppo", "bound")}
    gap = joint_bootstrap(arms, lambda m: m["bound"]["x"] - m["se-ppo"]["x"])
    return Measured(gap.estimate, gap.low, gap.high, "bound less se-ppo", 2)


register_study(
    Study(
        name="third",
        title="A third system",
        source="A test.",
        full=Plan(False, 2, 4e3),
        quick=Plan(True, 2, 4e3),
        jobs=jobs,
        claims=lambda plan: [
            Claim("gap", "1", "nobody passes the bound", "above 0", "one", below_bound, (0, np.inf))
        ],
        figures=lambda table: {},
        sections=lambda table: [],
        notes=lambda table: [],
        axes={
            "episodes": ("seed", "episode"),
            "curves": ("seed", "mark"),
            "sum": ("row", "column"),
        },
    )
)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the plug-in (the guide's world, presets, a study) and its preset."""
    made = tmp_path_factory.mktemp("a third system")
    files = {m["name"]: m["code"] for m in TITLED.finditer(GUIDE.read_text())}
    world = files["sensor.py"].replace(
        "        bound=bound,\n", "        bound=bound,\n        presets=PRESETS,\n"
    )
    head = "from pathlib import Path\n\nPRESETS = str(Path(__file__).parent / 'presets')\n"
    (made / "third.py").write_text(head + world + STUDY)
    (made / "presets").mkdir()
    preset = files["sensor.toml"].replace('name = "sensor"', 'name = "sensor-small"')
    (made / "presets" / "sensor-small.toml").write_text(preset)
    return made


@pytest.fixture(scope="module")
def call(folder: Path):
    """Return what runs a command with the plug-in in a process of its own, and reads its JSON."""
    environment = {k: v for k, v in os.environ.items() if k != "EDGEWRIGHT_DATA"}

    def run(*words: str) -> dict:
        command = [sys.executable, "-m", "edgewright", "--plugin", "third.py", *words, "--json"]
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, env=environment, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)

    return run


def test_it_is_listed_with_its_preset_and_study(call):
    listed = call("list")
    assert "sensor-small" in {row["name"] for row in listed["scenarios"]}
    assert "third" in listed["studies"]
    assert listed["systems"]["sensor"] == ["random", "picky", "always"]


def test_it_trains_compares_and_is_decided_for(call, folder):
    small = ["--set", "params.horizon_slots=20", "--set", "evaluation.episodes=8"]
    call("train", "sensor-small", *small, "--learner", "se-ppo", "--steps", "4096", "--out", "run")
    rows = call("compare", "sensor-small", *small, "--policies", "picky,run")
    assert {"picky", "se-ppo"} <= {row["policy"] for row in rows["policies"]}
    assert rows["bound"]["reward"] > max(row["reward"] for row in rows["policies"])
    made = call("export", "run", "--out", "p.edge")
    assert made["bytes"] > 0
    command = [sys.executable, "-m", "edgewright", "serve", "p.edge", "--port", "0"]
    service = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    with service, contextlib.ExitStack() as stack:
        stack.callback(service.terminate)
        assert service.stderr is not None
        url = next(m[0] for line in service.stderr if (m := re.search(r"http://\S+:\d+", line)))
        document = json.loads(urllib.request.urlopen(f"{url}/openapi.json", timeout=10).read())
        fields = document["components"]["schemas"]["Observation"]["properties"]
        assert len(fields) == 3
        body = json.dumps({"observation": dict.fromkeys(fields, 0.5)})
        request = urllib.request.Request(
            f"{url}/v1/decide", body.encode(), {"content-type": "application/json"}
        )
        answer = json.loads(urllib.request.urlopen(request, timeout=10).read())
    assert answer["decision"]["action"] in (0, 1, 2)


def test_its_study_runs_over_two_processes(call):
    outcome = call("study", "third", "--quick", "--processes", "2", "--out", "study")
    (verdict,) = outcome["verdicts"]
    assert verdict["status"] == "reproduced"


def test_its_speed_is_measured_by_processes_that_know_the_plug_in(folder):
    code = (
        "import json\n"
        "from edgewright.bench.training import _probe, measure_world\n"
        "from edgewright.scenarios.build import build\n"
        "from edgewright.scenarios.load import load\n"
        "from edgewright.systems.plugins import load_plugin\n"
        "load_plugin('third.py')\n"
        "world = measure_world(build(load('sensor-small')))\n"
        "print(json.dumps([world, _probe('sensor-small', 'cache')]))\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    world, compiled = json.loads(done.stdout)
    assert world["inputs_given_steps_per_s"] > 0
    assert compiled["total_s"] > 0
