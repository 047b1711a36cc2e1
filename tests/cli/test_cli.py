"""The command line as a user meets it: a real process, its output and its exit code."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "EDGEWRIGHT_DATA"}
SMALL = [
    "--set=evaluation.episodes=4",
    "--set=params.horizon_slots=30",
    "--set=evaluation.reference=rollout-2",
]


def process(*arguments, cwd):
    """Run a command as a user does; return what it wrote."""
    command = [sys.executable, "-m", "edgewright", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr[-2000:]
    return done


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    train = ["train", "aigc-heavy", "--learner", "se-ppo", "--steps", "6e3", "--seeds", "2"]
    done = process(*train, "--out", "runs/a", "--json", *SMALL, cwd=folder)
    return folder, json.loads(done.stdout), done.stderr


def test_train_prints_one_object_and_progress_on_stderr(run):
    folder, found, stderr = run
    assert {"steps_per_s", "compile_s", "score"} <= set(found)
    assert found["steps_per_s"] > 0
    assert set(found["score"]) == {"mean", "low", "high"}
    assert "se-ppo on aigc-heavy" in stderr
    assert (folder / "runs/a/seed-1/checkpoint.npz").exists()


def test_evaluate_and_compare_take_the_run(run, edgewright):
    folder, trained, _ = run
    found = json.loads(edgewright("evaluate", "runs/a", "--json", cwd=folder).stdout)
    assert found["reward"] == pytest.approx(trained["reward"]["mean"], abs=1e-6)
    other = ["evaluate", "runs/a", "--scenario", "aigc-calibrated", "--episodes", "4", "--json"]
    assert (
        json.loads(edgewright(*other, *SMALL, cwd=folder).stdout)["scenario"] == "aigc-calibrated"
    )
    policies = ["compare", "aigc-heavy", "--policies", "greedy,runs/a", "--episodes", "4"]
    found = json.loads(edgewright(*policies, "--json", *SMALL, cwd=folder).stdout)
    rows = {row["policy"]: row for row in found["policies"]}
    assert {"greedy", "se-ppo"} <= set(rows)
    keys = {"reward", "delay_s", "energy_j", "quality", "score", "low", "high", "difference"}
    assert keys <= set(rows["se-ppo"])
    assert found["bound"]["reward"] >= rows["se-ppo"]["reward"]
    text = edgewright(*policies, *SMALL, cwd=folder).stdout
    assert "bound" in text
    assert "of the gap" in text


def test_list(tmp_path, edgewright):
    found = json.loads(edgewright("list", "--json").stdout)
    assert "aigc-heavy" in [scenario["name"] for scenario in found["scenarios"]]
    assert "se-ppo" in found["learners"]
    assert "greedy" in found["policies"]
    assert found["recommended"]["aigc"] in found["learners"]
    assert json.loads(edgewright("list", "--schema").stdout)["title"] == "Edgewright scenario"
    assert "aigc-heavy" in edgewright("list").stdout


def test_help_is_light(edgewright):
    code = (
        "import sys, edgewright.cli.main as m\n"
        "try: m.app(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'jax', 'numpy', 'pydantic', 'matplotlib', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    for name in ("list", "train", "evaluate", "compare", "bench", "demo"):
        assert name in edgewright("--help").stdout
        words = (name, "speed") if name == "bench" else (name,)
        assert "--json" in edgewright(*words, "--help").stdout


WRONG = [
    (["train", "aigc-heavy", "--out", "b", "--steps", "0"], "--steps: 0 is too small"),
    (["train", "aigc-heavy", "--out", "b", "--steps", "1.5"], "not a whole number"),
    (["train", "aigc-heavy", "--out", "b", "--seeds", "0"], "--seeds: 0 is too small"),
    (["train", "aigc-heavy", "--out", "b", "--learner", "se-pp"], "did you mean 'se-ppo'"),
    (["train", "aigc-heavi", "--out", "b"], "did you mean 'aigc-heavy'"),
    (["train", "aigc-heavy"], "--out"),
    (["train", "aigc-heavy", "--out", "b", "--set", "params.slot_z=1"], "did you mean 'slot_s'"),
    (["train", "aigc-heavy", "--out", "b", "--set", "params.slot_s=-1"], "greater than 0"),
    (["train", "aigc-trace", "--out", "b"], "--data FOLDER"),
    (["evaluate", "nowhere"], "must be the folder of a run"),
    (["compare", "aigc-heavy", "--policies", "gredy"], "did you mean 'greedy'"),
    (["compare", "aigc-heavy", "--policies", "runs/none"], "the run is missing"),
    (["compare", "aigc-heavy", "--episodes", "1"], "too small"),
    (["tarin"], "No such command"),
    (
        ["compare", "aigc-heavy", "--set", "evaluation.fixed_inputs={bandwidth_mbps=[-5]}"],
        "not a possible",
    ),
    (
        ["train", "aigc-heavy", "--out", "b", "--set", "learner.num_envs=0"],
        "must be a whole number from 1",
    ),
    (["train", "aigc-heavy", "--out", "b", "--set", "learner.gamma=2.0"], "above 1"),
    (["train", "aigc-heavy", "--out", "/proc/nowhere/b"], "is the path right"),
    (["evaluate", "runs/a", "--set", "params.slot_s=1"], "must be the folder of a run"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_wrong_input_gets_one_message_and_code_2(tmp_path, arguments, message, edgewright):
    done = edgewright(*arguments, cwd=tmp_path, code=2)
    assert message in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "b").exists()


def test_bad_traces_are_named(tmp_path, edgewright):
    (tmp_path / "bandwidth").mkdir()
    good = "".join(f"{t}\t{50 + t % 7}\n" for t in range(200))
    for name in "abc":
        (tmp_path / "bandwidth" / f"{name}.txt").write_text(good)
    mine = tmp_path / "mine.toml"
    mine.write_text(
        'schema = 1\nextends = "aigc-heavy"\nname = "mine"\n[streams]\n'
        'bandwidth_mbps = { kind = "recorded_bandwidth", folder = "bandwidth" }\n'
    )
    compare = ["compare", mine, "--policies", "greedy", "--data", tmp_path, *SMALL]
    edgewright(*compare)
    cases = {
        "gap": ("".join(f"{t + 500 * (t > 90)}\t50\n" for t in range(200)), "gap"),
        "nan": (good.replace("20\t56", "20\tnan"), "nan"),
        "swapped": ("".join(f"{50 + t % 7}\t{t}\n" for t in range(200)), "swapped"),
        "negative": (good.replace("20\t56", "20\t-5"), "-5"),
    }
    for name, (text, word) in cases.items():
        (tmp_path / "bandwidth" / "b.txt").write_text(text)
        done = edgewright(*compare, code=2)
        assert word in done.stderr, name
        assert "b.txt" in done.stderr, name


def test_a_half_written_run_is_refused(run, tmp_path, edgewright):
    folder, _, _ = run
    copy = tmp_path / "half"
    (copy / "seed-0").mkdir(parents=True)
    (copy / "run.json").write_text((folder / "runs/a/run.json").read_text())
    done = edgewright("evaluate", copy, code=2)
    assert "checkpoint is missing" in done.stderr
    (copy / "half.json").write_text("")
    torn = tmp_path / "torn"
    torn.mkdir()
    (torn / "run.json").write_text('{"schema": 2}')
    assert "was altered" in edgewright("evaluate", torn, code=2).stderr
    whole = (folder / "runs/a/seed-0/checkpoint.npz").read_bytes()
    (copy / "seed-0/checkpoint.npz").write_bytes(whole[: len(whole) // 2])
    done = edgewright("evaluate", copy, code=2)
    assert "does not match its hash" in done.stderr


LONG = ["train", "aigc-heavy", "--steps", "1.2e5", "--seeds", "2", "--json", *SMALL]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, edgewright):
    """Return the weights of each seed of a run that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole")
    edgewright(*LONG, "--out", "whole", cwd=folder)
    return [weights(folder / "whole", seed) for seed in range(2)]


def weights(run, seed):
    with np.load(run / f"seed-{seed}/checkpoint.npz") as found:
        return {name: found[name] for name in found.files if name != "__facts__"}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_stopped_goes_on_to_the_same_weights(tmp_path, how, whole, edgewright):
    command = [sys.executable, "-m", "edgewright", *LONG, "--out", "stopped"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a shell:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # children would ignore it too
    process = subprocess.Popen(command, cwd=tmp_path, env=ENVIRONMENT, **quiet)
    first = tmp_path / "stopped" / "seed-0" / "checkpoint.npz"
    for _ in range(900):
        if process.poll() is not None or first.exists():
            break
        time.sleep(0.1)
    assert process.poll() is None, "it ended before it could be stopped"
    process.send_signal(how)
    process.wait(timeout=20)
    assert process.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL)
    done = edgewright("evaluate", "stopped", cwd=tmp_path, code=2)
    assert "again" in done.stderr or "checkpoint is missing" in done.stderr
    edgewright(*LONG, "--out", "stopped", cwd=tmp_path)
    for seed in range(2):
        ours = weights(tmp_path / "stopped", seed)
        assert ours.keys() == whole[seed].keys()
        for name, values in ours.items():
            np.testing.assert_array_equal(values, whole[seed][name])


@pytest.mark.parametrize("preset", ["aigc-fleet", "aigc-city"])
def test_many_devices_are_compared(preset, edgewright):
    """Sixteen different devices, and 816 that see their nearest servers, at their full size."""
    small = ("--episodes", "2", "--set", "params.horizon_slots=6")
    policies = ("--policies", "greedy,greedy-in-turn")
    found = json.loads(edgewright("compare", preset, *policies, *small, "--json").stdout)
    rows = {row["policy"]: row for row in found["policies"]}
    assert {"random", "greedy", "greedy-in-turn"} <= set(rows)
    assert all(row["episodes"] == 2 and row["reward"] <= 1.0 for row in rows.values())
    assert found["bound"]["reward"] >= max(row["reward"] for row in rows.values())
    assert (found.get("placement") is not None) == (preset == "aigc-city")
