"""A service that a block of code needs, where the service does not start or stop."""

import subprocess
import sys
import time

import pytest

from edgewright.core.errors import CheckFailed
from edgewright.serve import process
from edgewright.serve.process import running_service

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "


@pytest.fixture
def instead(monkeypatch, tmp_path):
    """Return what runs a program in the place of the service, with little patience."""
    begun, popen = [], subprocess.Popen

    def start(program):
        def open_instead(command, **options):
            begun.append(popen([sys.executable, "-c", program], **options))
            return begun[-1]

        monkeypatch.setattr(process.subprocess, "Popen", open_instead)
        monkeypatch.setattr(process, "STOP_S", 0.3)
        return running_service(tmp_path / "p.edge", tmp_path / "log.db"), begun

    return start


def test_a_service_that_never_says_where_it_listens_is_given_up(instead, monkeypatch):
    monkeypatch.setattr(process, "START_S", 1.0)
    service, begun = instead(DEAF + "import sys; print('slow', file=sys.stderr, flush=True); "
                             "time.sleep(60)")  # fmt: skip
    began = time.monotonic()
    with pytest.raises(CheckFailed, match="did not start"), service:
        pass
    assert begun[0].returncode not in (0, None)
    assert time.monotonic() - began < 30.0


def test_a_service_that_does_not_stop_is_killed(instead):
    line = "import sys; print('http://127.0.0.1:1', file=sys.stderr, flush=True); time.sleep(60)"
    service, begun = instead(DEAF + line)
    with pytest.raises(CheckFailed, match="ended with -9"), service as address:
        assert address == "http://127.0.0.1:1"
    assert begun[0].returncode == -9


def test_what_a_service_printed_is_in_the_error(instead):
    service, _ = instead("raise SystemExit('no such bundle')")
    with pytest.raises(CheckFailed, match="no such bundle"), service:
        pass
