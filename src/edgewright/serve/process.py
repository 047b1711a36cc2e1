"""Run the decision service as a process of its own, for as long as a block of code needs it."""

from __future__ import annotations

import contextlib
import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from edgewright.core.errors import CheckFailed

START_S = 300.0
"""Seconds that the service may take to say where it listens, on a busy machine too."""

STOP_S = 60.0
"""Seconds that the service may take to stop."""


@contextlib.contextmanager
def running_service(bundle: Path, log: Path, *options: str) -> Iterator[str]:
    """Serve a bundle on a free port; yield the address, and stop the service at the end.

    Args:
        bundle: file of the policy.
        log: file of its decisions and outcomes.
        options: further ones of `edgewright serve`, e.g. ``"--explore", "own"``.

    Raises:
        CheckFailed: the service did not start, or did not end well; with what it printed.
    """
    command = [sys.executable, "-m", "edgewright", "serve", str(bundle), "--port", "0"]
    command += ["--log", str(log), *options]
    printed: list[str] = []
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        stderr = process.stderr
        assert stderr is not None, "it is a pipe"

        def read() -> None:
            for line in stderr:
                printed.append(line)
                lines.put(line)
            lines.put("")

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            address = _address(lines)
            if address is None:
                raise CheckFailed(f"the service did not start: {''.join(printed)}")
            yield address
        finally:
            code = _stopped(process)
            reader.join(STOP_S)
        if code != 0:
            raise CheckFailed(f"the service ended with {code}: {''.join(printed)}")


def _address(lines: queue.SimpleQueue[str]) -> str | None:
    """Return the first address in lines; None where they end, or none comes in time."""
    end = time.monotonic() + START_S
    with contextlib.suppress(queue.Empty):
        while line := lines.get(timeout=max(0.0, end - time.monotonic())):
            if address := re.search(r"http://[\w.\[\]:]+:\d+", line):
                return address[0]
    return None


def _stopped(process: subprocess.Popen[str]) -> int:
    """Stop a process, in good order or after a while without; return its exit code."""
    process.terminate()
    try:
        return process.wait(timeout=STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


__all__ = ["running_service"]
