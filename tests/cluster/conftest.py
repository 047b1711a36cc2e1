"""A Ray cluster with two cores for the tests of this folder."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# Ray reads these when it is imported: the head and all that join it have a token for this run.
os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(16))
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

HEAD = """
import sys, ray
options = {"include_dashboard": False, "object_store_memory": 128 * 2**20}
found = ray.init("local", num_cpus=2, **options)
print(found.address_info["gcs_address"], flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="session")
def ray() -> Any:
    """Return the module ``ray``; tests without it are skipped."""
    return pytest.importorskip("ray")


@pytest.fixture(scope="session")
def address(ray: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a cluster that another process started."""
    studies = str(Path(__file__).parents[1] / "studies")  # jobs are imported by name in workers
    paths = os.pathsep.join([studies, os.environ.get("PYTHONPATH", "")]).strip(os.pathsep)
    log: Path = tmp_path_factory.mktemp("cluster") / "head.log"
    with open(log, "w", encoding="utf-8") as errors:
        head = subprocess.Popen(
            [sys.executable, "-c", HEAD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONPATH": paths},
            text=True,
        )
        assert head.stdin is not None
        assert head.stdout is not None
        with head:
            line = head.stdout.readline().strip()
            assert line, log.read_text()
            yield line
            head.stdin.close()


KillWorker = Callable[[int, str, int], Callable[[Any], None]]


@pytest.fixture(scope="session")
def kill_worker() -> KillWorker:
    """Return what lets worker ``rank`` be killed while it works on its n-th call, from 0."""

    def at(rank: int, method: str, number: int) -> Callable[[Any], None]:
        def prepare(crew: Any) -> None:
            call, made = crew.call, []

            def killing(calls: Any) -> Any:
                if calls[0][0] == method:
                    made.append(method)
                    if len(made) == number + 1 and not crew.deaths:
                        os.kill(crew.pids[rank], signal.SIGKILL)
                return call(calls)

            crew.call = killing

        return prepare

    return at
