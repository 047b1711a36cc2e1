"""A log that cannot grow: real writes of the service fail, as on a full disk.

The largest file that the running service may write is lowered from outside, and raised again.
"""

import contextlib
import json
import resource
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request

import pytest

from edgewright.client import Client, ServiceError

pytestmark = pytest.mark.skipif(
    not hasattr(resource, "prlimit"), reason="limits of another process are Linux'"
)

QUEUE, MORE_BYTES = 50, 40_000


@pytest.fixture
def service(bundles, tmp_path, listening):
    """Run the service with a short queue; return the process, its address and its log."""
    log = tmp_path / "log.db"
    command = [
        sys.executable, "-m", "edgewright.cli.main", "serve", str(bundles["se-ppo"]), "--port", "0",
        "--log", str(log), "--log-queue-size", str(QUEUE),
    ]  # fmt: skip
    said = tmp_path / "stderr"
    with said.open("wb") as stderr, subprocess.Popen(command, stderr=stderr) as process:
        url = listening(process, said)
        until(lambda: answers(url))
        yield process, url, log
        process.kill()


def ask(url, path):
    with urllib.request.urlopen(url + path, timeout=5) as answer:
        return answer.read().decode()


def answers(url):
    with contextlib.suppress(OSError):
        return ask(url, "/healthz")


def log_of(url):
    return json.loads(ask(url, "/readyz"))["log"]


def until(true):
    for _ in range(400):
        if true():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come to that")


def limit(process, size):
    hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size or hard, hard))


def written(log):
    with contextlib.closing(sqlite3.connect(log)) as database:
        decisions = {row[0] for row in database.execute("SELECT id FROM decisions")}
        outcomes = {row[0] for row in database.execute("SELECT decision FROM outcomes")}
    return decisions, outcomes


@pytest.mark.parametrize("freed", [True, False])
def test_a_full_disk_stops_no_decision_and_loses_nothing_acknowledged(service, observation, freed):
    process, url, log = service
    queued, dropped, acknowledged = set(), 0, set()
    with Client(url) as client:

        def decide():
            nonlocal dropped
            decision = client.decide(observation)
            assert decision["decided_by"] == "policy"
            if decision["log"] == "queued":
                queued.add(decision["id"])
            else:
                dropped += 1
            return decision["id"]

        for _ in range(3):
            known = decide()
            client.outcome(known, reward=0.5)
            acknowledged.add(known)
        limit(process, log.with_name("log.db-wal").stat().st_size + MORE_BYTES)
        spare = decide()
        until(lambda: decide() and log_of(url)["failures"])  # the first bytes still fit
        while dropped < 20:
            decide()

        told = log_of(url)
        assert json.loads(ask(url, "/readyz"))["ready"]
        assert told["alive"]
        assert told["problem"]
        assert (told["waiting"], told["dropped"]) == (QUEUE, dropped)
        assert f"edgewright_log_dropped_total {float(dropped)}" in ask(url, "/metrics")
        with pytest.raises(ServiceError, match=r"503.*not recorded"):
            client.outcome(spare, reward=0.5)
        decisions, outcomes = written(log)
        assert acknowledged == outcomes
        assert acknowledged | {spare} <= decisions
        assert len(queued - decisions) == QUEUE

        if freed:
            limit(process, None)
            until(lambda: not log_of(url)["waiting"])
            assert log_of(url)["problem"] == ""
            client.outcome(spare, reward=0.5)  # it was refused, so it may come again
            acknowledged.add(spare)
            assert client.decide(observation)["log"] == "queued"

    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == (0 if freed else 1)  # 1: decisions were lost
    said = (log.parent / "stderr").read_text()
    decisions, outcomes = written(log)
    assert outcomes == acknowledged
    assert len(queued - decisions) == (0 if freed else QUEUE)
    assert (f"{QUEUE} decisions could not be written" in said) != freed
    assert "Traceback" not in said
