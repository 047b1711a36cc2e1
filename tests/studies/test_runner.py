"""The runner: nothing is lost by an error, a killed worker or Ctrl-C; nothing is done twice."""

import importlib
import json
import multiprocessing
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from edgewright import papers
from edgewright.cli.study_command import command
from edgewright.core.errors import CheckFailed, InputError
from edgewright.studies.job import FunctionJob, JobContext, JobResult, Plan
from edgewright.studies.runner import run_jobs, run_study
from edgewright.studies.workspace import workspace

STEPS = 12 * 256


@pytest.fixture(scope="module")
def tiny():
    """Return the tiny study, importable by name in workers too."""
    folder = str(Path(__file__).parent)
    sys.path.insert(0, folder)
    yield importlib.import_module("tiny_study")
    sys.path.remove(folder)
    del sys.modules["tiny_study"]


@pytest.fixture(scope="module")
def whole(tiny, tmp_path_factory):
    out = tmp_path_factory.mktemp("study") / "whole"
    plan = Plan(quick=True, seeds=2, steps=STEPS)
    return out, plan, run_study(tiny.STUDY, plan, out, processes=0)


def same(a, b):
    assert a.results.keys() == b.results.keys()
    for key, found in a.results.items():
        assert found.arrays.keys() == b[key].arrays.keys()
        for name, values in found.arrays.items():
            np.testing.assert_array_equal(values, b[key].arrays[name], err_msg=f"{key} {name}")


def test_arms_hold_what_they_should(whole):
    _, _, table = whole
    assert table.array("a", "episodes/reward").shape == (2, 4)
    assert table.array("a", "curves/reward").shape == table.array("a", "curves/steps").shape
    assert table.array("a", "curves/steps")[0, -1] == STEPS
    assert table["b"].facts["settings"]["actor_learning_rate"] == 1e-3  # from the choice
    assert table["choice"].facts["at_edge"]
    assert np.any(table.array("a", "episodes/reward") != table.array("b", "episodes/reward"))
    assert np.any(table.array("a", "episodes/delay_s") != table.array("tried", "episodes/delay_s"))
    rewards = table.array("a-elsewhere", "episodes/reward")
    assert np.any(rewards != table.array("a", "episodes/reward"))
    assert np.all(table.array("bound", "episodes/reward") >= table.array("a", "episodes/reward"))
    assert table.array("sum", "sum/x") == 3


def test_interrupted_and_killed_it_ends_with_the_same_table(whole, tiny, tmp_path):
    _, plan, expected = whole
    told, killed, heard = [], [], []

    def interrupt(share, key):
        told.append(key)
        if told.count("a") > 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(tiny.STUDY, plan, tmp_path / "out", processes=1, on_progress=interrupt)
    assert not multiprocessing.active_children()

    def kill(share, key):
        heard.append(key)
        if not killed and heard.count("b") == 2:  # it has begun
            (worker,) = multiprocessing.active_children()
            killed.append(worker.pid)
            os.kill(worker.pid, signal.SIGKILL)

    table = run_study(tiny.STUDY, plan, tmp_path / "out", processes=1, on_progress=kill)
    assert killed
    same(table, expected)


def test_nothing_is_done_twice_and_another_plan_disturbs_nothing(whole, tiny):
    out, plan, expected = whole
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.npz")}
    same(run_study(tiny.STUDY, plan, out, processes=0), expected)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.npz")} == before
    paths = workspace(tiny.jobs(plan), out).results
    other = workspace(tiny.jobs(Plan(True, 2, 2 * STEPS)), out).results
    assert paths["a"] != other["a"]
    assert paths["a-elsewhere"] != other["a-elsewhere"]  # it needs another arm
    assert paths["random"] == other["random"]


def test_an_error_loses_only_what_needs_it(tiny, tmp_path):
    jobs = [
        FunctionJob("bad", tiny.fail, cost=5.0),
        FunctionJob("after", tiny.double, {"of": "bad"}, needs=("bad",)),
        FunctionJob("good", tiny.add, {"a": 1, "b": 1}),
        FunctionJob("twice", tiny.double, {"of": "good"}, needs=("good",)),
        FunctionJob("dies", tiny.die_once),
    ]
    with pytest.raises(CheckFailed, match=r"1 of 5 jobs failed and 1 wait.*ZeroDivisionError: on"):
        run_jobs(jobs, tmp_path, processes=2)
    paths = workspace(jobs, tmp_path).results
    done = [key for key, path in paths.items() if path.exists()]
    assert done == ["good", "twice", "dies"]
    found = run_jobs(jobs[2:], tmp_path, processes=0)
    assert found["twice"].arrays["sum/x"] == 4


def test_a_job_that_always_kills_its_process_is_given_up(tiny, tmp_path):
    with pytest.raises(CheckFailed, match="died 3 times, last with code -9"):
        run_jobs([FunctionJob("dies", tiny.die_always)], tmp_path, processes=1)


def test_workers_that_cannot_be_had_leave_no_folder(tiny, tmp_path):
    def none(most, files):
        raise InputError("nobody is there", where="--address")

    jobs = [FunctionJob("sum", tiny.add, {"a": 1, "b": 2})]
    with pytest.raises(InputError, match="nobody is there"):
        run_jobs(jobs, tmp_path / "new", processes=none)
    assert not (tmp_path / "new").exists()
    run_jobs(jobs, tmp_path / "old", processes=0)
    more = [*jobs, FunctionJob("next", tiny.add, {"a": 1, "b": 1})]
    with pytest.raises(InputError, match="nobody is there"):
        run_jobs(more, tmp_path / "old", processes=none)
    assert workspace(jobs, tmp_path / "old").results["sum"].exists()


def test_a_result_that_was_altered_is_refused(tiny, tmp_path):
    jobs = [FunctionJob("sum", tiny.add, {"a": 1, "b": 2})]
    run_jobs(jobs, tmp_path, processes=0)
    path = workspace(jobs, tmp_path).results["sum"]
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match="does not match its hash"):
        run_jobs(jobs, tmp_path, processes=0)


def test_the_command_prints_one_object_and_writes_its_pages(whole, tiny, monkeypatch, tmp_path):
    monkeypatch.setitem(papers._added, "tiny", importlib.import_module("tiny_study").STUDY)
    out, plan, _ = whole
    options = ["tiny", "--quick", "--steps", str(STEPS), "--out", str(out)]
    done = CliRunner().invoke(command, [*options, "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert {"study", "verdicts", "seconds", "seeds", "out"} <= found.keys()
    keys = {"claim", "published", "measured", "low", "high", "status", "setting"}
    assert all(keys <= verdict.keys() for verdict in found["verdicts"])
    assert [v["status"] for v in found["verdicts"]] == ["reproduced", "not reproduced"]
    assert found["counts"]["one"] == {"reproduced": 1, "not reproduced": 0, "not comparable": 0}
    for name in ("table.csv", "curves.csv", "verdicts.json", "report.html", "outcome.md"):
        assert (out / name).stat().st_size > 0, name
    for extension in ("svg", "png"):
        assert (out / "figures" / f"tiny-one.{extension}").exists()
    page = (out / "outcome.md").read_text()
    assert "$ edgewright study tiny --quick --steps 3072" in page
    assert "| 1 | a is below the bound | below | **reproduced**" in page
    assert "![One dot.](figures/tiny-one.svg)" in page
    shown = CliRunner().invoke(command, options, catch_exceptions=False)
    assert "not reproduced" in shown.stdout


def test_the_folder_of_a_job_is_deleted_unless_another_job_reads_it(tmp_path: Path) -> None:
    first = FunctionJob("first", leave_a_file)
    alone = FunctionJob("alone", leave_a_file)
    reader = FunctionJob("reader", leave_a_file, needs=("first",))
    files = workspace([first, alone, reader], tmp_path)
    for job in (first, alone, reader):
        files.run(job, lambda share: None)
        assert files.results[job.key].exists()
    assert [key for key, folder in files.folders.items() if folder.exists()] == ["first"]


def leave_a_file(context: JobContext) -> JobResult:
    context.folder.mkdir(parents=True)
    (context.folder / "replay").write_text("large")
    return JobResult({"x": np.zeros(1)}, {})
