"""The public API, as a newcomer types it."""

import gc
import json
import subprocess
import sys
import tempfile

import pytest

import edgewright as ew
from edgewright.scenarios import policies

TINY = {
    "params.horizon_slots": 20,
    "evaluation.episodes": 8,
    "learner.num_envs": 2,
    "learner.rollout_steps": 32,
    "learner.hidden_sizes": [8],
}


@pytest.fixture(scope="module")
def problem():
    return ew.make("aigc-heavy", TINY)


@pytest.fixture(scope="module")
def run(problem):
    return ew.train(problem, "se-ppo", steps=640, seeds=2)


def test_importing_it_imports_neither_jax_nor_matplotlib():
    code = (
        "import sys, edgewright as ew; "
        "names = dir(ew); "
        "print([m for m in ('jax', 'matplotlib', 'numpy', 'pydantic') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_every_public_name_is_there():
    for name in ew.__all__:
        assert getattr(ew, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(ew, "".join(["no", "thing"]))


def test_a_problem_shows_its_parts(problem):
    assert problem.world.servers == 2
    assert float(problem.params.horizon_slots) == 20
    assert set(problem.streams) == {"train", "test"}
    assert problem.policy("greedy").name == "greedy"
    assert "aigc-heavy" in repr(problem) and "AigcWorld" in problem._repr_html_()


def test_a_wrong_name_or_key_is_refused_when_it_is_made():
    with pytest.raises(ew.InputError, match="aigc-heavy"):
        ew.make("aigc-hevy")
    with pytest.raises(ew.InputError, match="horizon_slots"):
        ew.make("aigc-heavy", {"params.horizon": 3})


def test_a_run_has_a_history_a_figure_and_a_bundle(run, tmp_path):
    assert {row["seed"] for row in run.history} == {0, 1}
    assert run.history.rows[-1]["steps"] >= 640
    assert "reward/slot" in repr(run)
    assert run.plot().axes
    run.export(tmp_path / "p.edge", rules=["greedy"])
    bundle = ew.load_bundle(str(tmp_path / "p.edge"))
    assert bundle.rules == ["greedy"]


def test_one_level_or_an_amortised_planner_is_exported(tmp_path):
    settings = {
        "upper": {"hidden_sizes": [8], "learning_starts": 5},
        "lower": {"hidden_sizes": [8], "reward_hidden_sizes": [8], "num_candidates": 16,
                  "num_elites": 4, "plan_iterations": 2, "ensemble_size": 2,
                  "learning_starts": 50},
    }  # fmt: skip
    sets = {"evaluation.episodes": 4, "params.epochs": 2, "evaluation.reference": "spread+hit"}
    flat = {f"{level}.{key}": v for level, table in settings.items() for key, v in table.items()}
    run = ew.train(ew.make("caching-toy", sets), "hadrl", steps=200, settings=flat)
    upper = run.export(tmp_path / "u.edge", level="upper")
    assert [output.name for output in upper.interface.outputs] == ["cache", "cached"]
    with pytest.raises(ew.InputError, match="a planner searches"):
        run.export(tmp_path / "p.edge")
    whole = run.export(tmp_path / "p.edge", amortise=True)
    assert [output.name for output in whole.interface.outputs] == ["cache", "server", "cached"]
    with pytest.raises(ew.InputError, match="`level` must be one of upper, lower; got 'lover'"):
        run.export(tmp_path / "p.edge", level="lover")
    with pytest.raises(ew.InputError, match="beside an amortised planner"):
        run.export(tmp_path / "p.edge", amortise=True, rules=["random"])


def test_a_run_is_kept_where_it_is_asked_for(problem, tmp_path):
    kept = ew.train(problem, "dqn", steps=128, settings={"buffer_size": 256}, out=tmp_path / "r")
    again = ew.train(problem, "dqn", steps=128, settings={"buffer_size": 256}, out=tmp_path / "r")
    assert kept.result["reward"] == again.result["reward"]
    assert json.loads((tmp_path / "r" / "run.json").read_text())["learner"] == "dqn"


def test_a_temporary_folder_goes_with_its_run_and_where_training_fails(
    problem, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(ew.InputError, match="unknown learner 'nothing'"):
        ew.train(problem, "nothing", steps=64)
    assert not list(tmp_path.iterdir())
    made = ew.train(problem, "se-ppo", steps=64)
    assert made.folder.parent == tmp_path and made.folder.is_dir()
    folder = made.folder
    del made
    gc.collect()
    assert not folder.exists()


def test_a_comparison_prints_rows_and_the_bound(problem, run):
    table = ew.compare(problem, ["greedy", run])
    assert {"random", "greedy", "se-ppo"} <= {row["policy"] for row in table.rows}
    assert table.bound > table.row("greedy")["reward"]
    assert "greedy" in repr(table) and "<table>" in table._repr_html_()
    assert table.plot().axes
    assert ew.evaluate(run)["reward"] == table.row("se-ppo")["reward"]


def test_pandas_is_optional(problem, run, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ew.InputError, match="pandas is not installed"):
        run.history.to_pandas()


def test_a_policy_of_ones_own_is_compared(problem, monkeypatch):
    monkeypatch.setattr(policies, "_added", {})
    ew.register_policy("aigc", "mine", lambda built: ew.make("aigc-heavy").policy("local-0").policy)
    table = ew.compare(problem, ["mine", "local-0"])
    assert table.row("mine")["reward"] == table.row("local-0")["reward"]
    with pytest.raises(ew.InputError, match="unknown kind of system"):
        ew.register_policy("nothing", "mine", lambda built: None)


def test_what_there_is():
    assert "aigc-heavy" in ew.list_scenarios()
    assert "se-ppo" in ew.list_learners() and "droo" not in ew.list_learners("aigc-heavy")
    assert "greedy" in ew.list_policies("aigc-heavy")
    assert {"seppo", "mrl"} <= set(ew.list_studies())
