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
from edgewright.studies.jobs import BoundJob, Rule, TrainingJob
from edgewright.studies.setup import Setup
from edgewright.studies.claim import Claim, Measured
from edgewright.studies.job import FunctionJob, JobResult, Plan
from edgewright.studies.study import Study

SMALL = {"evaluation.episodes": 8, "params.horizon_slots": 20}


def total(context, a, b):
    return JobResult({"sum/x": np.array([[float(a + b)]])})


def jobs(plan):
    setup = Setup("sensor-small", SMALL)
    return [
        TrainingJob("se-ppo", setup, "se-ppo", plan.steps, plan.seeds, "one"),
        BoundJob("bound", setup),
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


HEAD = """from pathlib import Path

from edgewright.core.features import Feature

HERE = Path(__file__).parent
FEATURES = (
    Feature("charge_share", about="of the battery", low=0.0, high=1.0),
    Feature("interest", about="worth of the picture", low=0.0, high=1.0),
    Feature("harvest_j", unit="J", about="what comes in", low=0.0, high=1.0),
)

"""

EXPORT = """
from edgewright.bundle.interface import Output
from edgewright.export.heads import CategoricalHead
from edgewright.export.observation import head_of
from edgewright_plugin_third import SensorWorld

SENT = ("nothing", "thumbnail", "picture")


@head_of.register
def _(world: SensorWorld, params):
    return CategoricalHead((Output("action", "what is sent", SENT),))
"""

LEARNERS = """
[sensor-ppo]
extends = "se-ppo"
num_envs = 8
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the plug-in: the guide's world, with all that a system may bring."""
    made = tmp_path_factory.mktemp("a third system")
    files = {m["name"]: m["code"] for m in TITLED.finditer(GUIDE.read_text())}
    world = files["sensor.py"]
    for old, new in (
        (
            "        bound=bound,\n",
            "        bound=bound,\n        presets=str(HERE / 'presets'),\n",
        ),
        ('Box(0.0, 1.0, (3,), names=("charge", "interest", "harvest"))', "Box.of(FEATURES)"),
        ("register_system(\n    plain_system(", "SYSTEM = (\n    plain_system("),
    ):
        assert old in world
        world = world.replace(old, new)
    more = "learners=str(HERE / 'learners.toml'), export='third_export'"
    world += f"register_system(dataclasses.replace(SYSTEM, {more}))\n"
    (made / "third.py").write_text(HEAD + world + STUDY)
    (made / "third_export.py").write_text(EXPORT)
    (made / "learners.toml").write_text(LEARNERS)
    (made / "presets").mkdir()
    preset = files["sensor.toml"].replace('name = "sensor"', 'name = "sensor-small"')
    quick = "\n[learner]\nepochs = 1\nrollout_steps = 16\n"
    (made / "presets" / "sensor-small.toml").write_text(preset + quick)
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
    assert "sensor-ppo" in listed["learners"]


def test_it_has_a_reference_page(call):
    page = call("list", "sensor")
    assert page["scenarios"] == ["sensor-small"]
    assert [row["name"] for row in page["observations"]] == [
        "charge_share",
        "interest",
        "harvest_j",
    ]
    assert page["observations"][2]["unit"] == "J"
    assert page["actions"] == [{"name": "action", "shape": [], "what": "0 to 2"}]
    settings = {row["name"]: row["settings"] for row in page["learners"]}
    assert settings["sensor-ppo"] == {"num_envs": 8}
    assert "se-ppo-independent" not in settings  # it needs an axis of agents
    assert {"params.cost_j", "streams"} & {row["key"] for row in page["keys"]}


def test_it_trains_compares_and_is_decided_for(call, folder, listening):
    small = ["--set", "params.horizon_slots=20", "--set", "evaluation.episodes=8"]
    call(
        "train",
        "sensor-small",
        *small,
        "--learner",
        "sensor-ppo",
        "--steps",
        "4096",
        "--out",
        "run",
    )
    rows = call("compare", "sensor-small", *small, "--policies", "picky,run")
    assert {"picky", "sensor-ppo"} <= {row["policy"] for row in rows["policies"]}
    assert rows["bound"]["reward"] > max(row["reward"] for row in rows["policies"])
    made = call("export", "run", "--out", "p.edge")
    assert made["bytes"] > 0
    command = [sys.executable, "-m", "edgewright", "serve", "p.edge", "--port", "0"]
    said = folder / "stderr"
    with contextlib.ExitStack() as stack:
        stderr = stack.enter_context(said.open("wb"))
        service = stack.enter_context(subprocess.Popen(command, cwd=folder, stderr=stderr))
        stack.callback(service.terminate)
        url = listening(service, said)
        document = json.loads(urllib.request.urlopen(f"{url}/openapi.json", timeout=10).read())
        fields = document["components"]["schemas"]["Observation"]["properties"]
        assert set(fields) == {"charge_share", "interest", "harvest_j"}
        assert "what is sent" in json.dumps(document["components"]["schemas"]["Decision"])
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


def test_its_speed_is_measured_by_processes_that_know_the_plug_in(call):
    result = call("bench", "speed", "--scenario", "sensor-small")
    assert result["world"]["inputs_given_steps_per_s"] > 0
    assert result["compile"]["cached"]["total_s"] > 0
    assert result["training"]["learner"] == "se-ppo"
