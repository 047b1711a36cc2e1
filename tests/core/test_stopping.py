"""Signals stop long work so that what is done is saved, in real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edgewright.core.stopping import Stopped, saving_on_signals


def test_the_first_signal_asks_and_further_ones_wait() -> None:
    asked: list[bool] = []
    finished = False
    with pytest.raises(Stopped) as stopped, saving_on_signals(lambda: asked.append(True)):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGINT):
            os.kill(os.getpid(), number)
        time.sleep(0.01)
        finished = True
    assert asked == [True]
    assert finished
    assert stopped.value.code == 128 + signal.SIGTERM


def test_without_a_question_the_work_itself_is_stopped_once() -> None:
    with pytest.raises(Stopped, match="SIGINT"), saving_on_signals():
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
            raise AssertionError("it went on")
        finally:
            os.kill(os.getpid(), signal.SIGINT)  # while it saves


def test_handlers_are_restored_and_other_threads_may_use_it() -> None:
    before = signal.getsignal(signal.SIGINT)
    with saving_on_signals():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before

    def work() -> None:
        with saving_on_signals():
            assert signal.getsignal(signal.SIGINT) == before

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


TRAIN = ("train", "aigc-toy", "--learner", "se-ppo", "--steps", "5e8", "--seeds", "2",
         "--set", "evaluation.episodes=2", "--set", "evaluation.reference=\"greedy\"")  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["term", "int"])
def test_a_training_saves_at_a_signal_and_resumes(tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "edgewright", *TRAIN, "--out", str(out)]
    said = tmp_path / "stderr"  # nobody reads a pipe here, and a full one would stop the training
    with said.open("wb") as stderr:
        process = subprocess.Popen(command, stderr=stderr, stdout=subprocess.DEVNULL)
    logs = [out / f"seed-{seed}" / "metrics.jsonl" for seed in range(2)]
    try:
        deadline = time.monotonic() + 300
        while not all(log.exists() and log.read_bytes().count(b"\n") > 2 for log in logs):
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < deadline, said.read_text()[-2000:]
            time.sleep(0.05)
        for _ in range(3):
            process.send_signal(number)
            time.sleep(0.02)
        process.wait(timeout=60)
    finally:
        process.kill()
        process.wait()
    error = said.read_bytes()
    assert process.returncode == 128 + number
    assert b"stopping: saving" in error
    assert b"Traceback" not in error
    rows = [log.read_bytes().count(b"\n") for log in logs]
    from edgewright.training import checkpoint

    for log, count in zip(logs, rows, strict=True):
        assert len(checkpoint.read_log(log.parent, "metrics")) == count  # nothing newer was lost
