"""Policies that are not ours in a comparison, and one label for each."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import edgewright as ew
from edgewright.evaluation import sources
from edgewright.evaluation.sources import gather
from edgewright.scenarios import policies
from edgewright.scenarios.policies import PolicyEntry

TINY = {
    "params.horizon_slots": 12,
    "evaluation.episodes": 4,
    "evaluation.reference": "greedy-location",
}

MINE = """
import jax.numpy as jnp
from edgewright.core.records import Decision, record, static
from edgewright.systems.aigc import AigcWorld

@record
class Calm:
    world: AigcWorld = static()
    enough: float = 4.0

    def init_carry(self, key):
        return ()

    def act(self, key, carry, observation):
        backlogs = observation[:, -self.world.servers :]
        emptiest = jnp.argmin(backlogs, axis=-1).astype(jnp.int32) + 1
        location = jnp.where(jnp.min(backlogs, axis=-1) < self.enough, emptiest, 0)
        action = self.world.encode(location, jnp.zeros_like(location))
        return carry, Decision(action=action, aux=())

@record
class Home:
    def init_carry(self, key):
        return ()

    def act(self, key, carry, observation):
        return carry, Decision(action=jnp.zeros(observation.shape[0], jnp.int32), aux=())

@record
class Informed(Home):
    informed = True

    def act(self, key, carry, seen):
        return carry, Decision(action=jnp.zeros_like(seen.x.mode), aux=())

@record
class TooHigh(Home):
    def act(self, key, carry, observation):
        return carry, Decision(action=jnp.full(observation.shape[0], 99, jnp.int32), aux=())

home = Home()

def make(anything):
    assert anything.kind == "aigc"
    return Home()

def broken():
    return 1 / 0

def needy(problem, password):
    return Home()

number = 3
"""


@pytest.fixture(scope="module")
def problem():
    return ew.make("aigc-heavy", TINY)


@pytest.fixture
def mine(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    return file


def test_a_policy_of_a_file_has_its_row_beside_ours(problem, mine):
    asked = [f"{mine}:Calm", f"home={mine}:Home", f"made={mine}:make", f"ready={mine}:home"]
    table = ew.compare(problem, [*asked, f"told={mine}:Informed", "local-0"])
    local = table.row("local-0")
    for name in ("home", "made", "ready", "told"):
        assert table.row(name)["reward"] == local["reward"]
    assert local["reward"] < table.row("Calm")["reward"]
    assert table.row("Calm")["reward_low"] <= table.row("Calm")["reward"]
    assert [w.split(" ")[0] for w in table.result["warnings"]] == ["Calm", "home", "made", "ready",
                                                                   "told"]  # fmt: skip
    assert "Calm always decided level = 0" in table.result["warnings"][0]
    assert "home took the same action in every decision: device, level 0" in repr(table)
    assert "local-0 took" not in repr(table)  # a rule of ours does so on purpose


def test_the_python_interface_takes_objects_and_labels(problem):
    policy = problem.policy("local-0").policy
    table = ew.compare(problem, {"mine": policy, "theirs": "local-0"})
    assert policy is not None
    assert ew.compare(problem, [type("Quiet", (), {"__new__": lambda cls: policy})]).row("Quiet")
    with pytest.raises(ew.InputError, match="must be a list"):
        ew.compare(problem, "greedy")
    assert {row["policy"] for row in table.rows} >= {"mine", "theirs", "greedy", "random"}


def test_a_registered_policy_is_compared_by_name_and_watched(problem, mine, monkeypatch):
    monkeypatch.setattr(policies, "_added", {})
    ew.register_policy("aigc", "calm", lambda built: problem.policy("local-0").policy)
    table = ew.compare(problem, ["calm"])
    assert table.result["warnings"] == [
        "calm took the same action in every decision: device, level 0"
    ]


WRONG = [
    ("Clam", "did you mean 'Calm'"),
    ("number", "it is a int"),
    ("broken", "ZeroDivisionError"),
    ("needy", "needs 'password'"),
    ("TooHigh", "an action lies in action_space"),
]


@pytest.mark.parametrize(("name", "message"), WRONG)
def test_what_makes_no_policy_is_refused_by_name(problem, mine, name, message):
    with pytest.raises(ew.InputError, match=message):
        ew.compare(problem, [f"{mine}:{name}"])


def test_wrong_files_are_refused(problem, mine, tmp_path):
    with pytest.raises(ew.InputError, match="must name the policy in the file"):
        ew.compare(problem, [str(mine)])
    with pytest.raises(ew.InputError, match="the file must exist"):
        ew.compare(problem, [f"{tmp_path}/none.py:Calm"])
    (tmp_path / "raises.py").write_text("\n\nraise RuntimeError('no licence')\n")
    with pytest.raises(ew.InputError, match=r"RuntimeError: no licence \(raises.py:3\)"):
        ew.compare(problem, [f"{tmp_path}/raises.py:Calm"])


def named(problem, asked, runs=(), monkeypatch=None):
    """Return the names of a comparison's rows, with folders that stand for runs of se-ppo."""
    run = SimpleNamespace(request=SimpleNamespace(learner="se-ppo"))
    entry = PolicyEntry("se-ppo", "learned", None, None, problem.world)
    monkeypatch.setattr(sources, "load_run", lambda folder, data: run)
    monkeypatch.setattr(sources, "seeds_of", lambda run, built: [entry])
    found = gather(problem.scenario, problem.built, asked, None)
    return [source.name for source in found if source.name not in ("random", "greedy",
                                                                   "greedy-location")]  # fmt: skip


def test_each_run_has_one_label(problem, monkeypatch):
    both = ["runs/a", "runs/b"]
    assert named(problem, ["runs/a"], monkeypatch=monkeypatch) == ["se-ppo"]
    assert named(problem, both, monkeypatch=monkeypatch) == both
    labelled = ["first=runs/a", "second=runs/b"]
    assert named(problem, labelled, monkeypatch=monkeypatch) == ["first", "second"]
    assert named(problem, ["x=runs/a", "runs/b"], monkeypatch=monkeypatch) == ["x", "se-ppo"]
    with pytest.raises(ew.InputError, match="two policies are called 'x'"):
        named(problem, ["x=runs/a", "x=runs/b"], monkeypatch=monkeypatch)
    with pytest.raises(ew.InputError, match="two policies are called 'greedy'"):
        named(problem, ["greedy=runs/a"], monkeypatch=monkeypatch)


def test_a_path_with_an_equals_sign_is_a_path(problem, tmp_path, monkeypatch):
    folder = tmp_path / "runs" / "lr=0.1"
    folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert named(problem, ["runs/lr=0.1"], monkeypatch=monkeypatch) == ["se-ppo"]
    assert named(problem, ["a=runs/lr=0.1"], monkeypatch=monkeypatch) == ["a"]


def test_a_model_needs_its_statistics_its_files_and_its_library(problem, tmp_path, monkeypatch):
    (tmp_path / "m.zip").write_bytes(b"")
    with pytest.raises(ew.InputError, match=r"what normalised.*\n.*\+none"):
        ew.compare(problem, [f"sb3:{tmp_path}/m.zip"])
    with pytest.raises(ew.InputError, match=r"stats.pkl: the file must exist"):
        ew.compare(problem, [f"sb3:{tmp_path}/m.zip+{tmp_path}/stats.pkl"])
    for name in list(sys.modules):
        if name.startswith(("stable_baselines3", "edgewright.adapters.stable_baselines3")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "stable_baselines3", None)
    with pytest.raises(ew.InputError, match=r"pip install 'edgewright\[peers\]'"):
        ew.compare(problem, [f"sb3:{tmp_path}/m.zip+none"])


def test_the_command_line_takes_them_too(problem, mine):
    command = [Path(sys.executable).with_name("edgewright"), "compare", "aigc-heavy"]
    settings = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]
    asked = ["--policies", f"a={mine}:Calm,{mine}:TooHigh"]
    done = subprocess.run([*command, *asked, *settings], capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "an action lies in action_space" in done.stderr
