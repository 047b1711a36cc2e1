"""The files that the guides show for a custom environment and learner work on the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from edgewright.cli.main import app
from edgewright.core.errors import InputError
from edgewright.scenarios import learners
from edgewright.systems import registry

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
TITLED = re.compile(r'^```\w+ title="(?P<name>[^"]+)"\n(?P<code>.*?)^```$', re.M | re.S)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files of both guides."""
    made = tmp_path_factory.mktemp("own")
    for guide in ("custom-environment.md", "custom-learner.md"):
        for found in TITLED.finditer((GUIDES / guide).read_text()):
            (made / found["name"]).write_text(found["code"])
    assert {path.name for path in made.iterdir()} == {"sensor.py", "sensor.toml", "reinforce.py"}
    return made


@pytest.fixture
def edgewright(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run a command in the folder with both plug-ins and return its JSON."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(registry, "_systems", dict(registry._systems))
    monkeypatch.setattr(learners, "_registered", {})

    def run(*words: str) -> dict:
        plugins = ["--plugin", "sensor.py", "--plugin", "reinforce.py"]
        app.main([*plugins, *words, "--json"], standalone_mode=False)
        return json.loads(capsys.readouterr().out)

    return run


def test_the_size_of_what_a_user_writes(folder: Path) -> None:
    """A world in about sixty lines, a learner in about a hundred: blank lines do not count."""
    text = (folder / "sensor.py").read_text()
    world = text[text.index("@record\nclass SensorParams") : text.index("@record\nclass Random")]
    assert sum(bool(line.strip()) for line in world.splitlines()) <= 60
    learner = (folder / "reinforce.py").read_text()
    assert sum(bool(line.strip()) for line in learner.splitlines()) <= 100


def test_a_world_of_ones_own_trains_and_is_bounded(edgewright) -> None:
    made = edgewright("train", "sensor.toml", "--learner", "reinforce", "--steps", "2e5",
                      "--seeds", "2", "--out", "run")  # fmt: skip
    assert made["scenario"] == "sensor"
    found = edgewright("compare", "sensor.toml", "--policies", "picky,always,run", "--out", "page")
    rows = {row["policy"]: row for row in found["policies"]}
    assert set(rows) == {"random", "picky", "always", "reinforce"}
    assert max(row["reward"] for row in rows.values()) < found["bound"]["reward"]
    assert rows["random"]["reward"] < rows["reinforce"]["reward"]
    assert rows["reinforce"]["energy_j"] > 0
    page = Path("page/report.html").read_text()
    assert "reinforce" in page
    assert Path("page/figures/comparison.svg").exists()


@pytest.mark.parametrize("learner", ["se-ppo", "dqn"])
def test_a_world_of_ones_own_is_learnt_by_learners_that_are_there(learner, edgewright) -> None:
    made = edgewright(
        "train", "sensor.toml", "--learner", learner, "--steps", "4096", "--out", learner
    )
    assert made["learner"] == learner
    assert made["env_steps"] >= 4096


def test_a_learner_of_ones_own_trains_with_devices_too(edgewright) -> None:
    made = edgewright("train", "aigc-heavy", "--learner", "reinforce", "--steps", "4096",
                      "--set", "learner.learning_rate=0.005", "--set", "evaluation.episodes=4",
                      "--set", "params.horizon_slots=40", "--out", "aigc")  # fmt: skip
    assert made["learner"] == "reinforce"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("compare", "sensor.toml", "--set", "params.battery_k=1"), "did you mean 'battery_j'"),
        (("compare", "sensor.toml", "--set", "params.battery_j=a"), "params.battery_j = 'a'"),
        (("compare", "sensor.toml", "--set", "streams.harvest_j.low=2.0"), "swap them"),
        (("compare", "sensor.toml", "--set", "evaluation.baseline=pick"), "did you mean 'picky'"),
        (("train", "sensor.toml", "--learner", "reinforc", "--out", "x"), "'reinforce'"),
        (
            ("train", "sensor.toml", "--learner", "se-ppo-fixed-quality", "--out", "x"),
            "unknown learner",
        ),
    ],
)
def test_wrong_input_to_a_plain_system(edgewright, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError) as caught:
        edgewright(*words)
    assert message in str(caught.value)


def test_a_system_that_nobody_registered(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(registry, "_systems", {})
    with pytest.raises(InputError, match="--plugin"):
        app.main(["compare", "sensor.toml"], standalone_mode=False)


@pytest.mark.parametrize("name", ["no-such.py", "no_such_module"])
def test_a_plugin_that_is_not_there(name: str) -> None:
    with pytest.raises(InputError, match=f"--plugin {name}"):
        app.main(["--plugin", name, "list"], standalone_mode=False)
