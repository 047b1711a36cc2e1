"""Run the decision service as a process of its own, for as long as a block of code needs it."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from edgewright.core.errors import CheckFailed

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
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        address = None
        for line in process.stderr:
            printed.append(line)
            if address := re.search(r"http://[\w.\[\]:]+:\d+", line):
                break
        if address is None:
            raise CheckFailed(f"the service did not start: {''.join(printed)}")
        reader = threading.Thread(target=lambda: printed.extend(process.stderr or ()), daemon=True)
        reader.start()
        try:
            yield address[0]
        finally:
            process.terminate()
            code = process.wait(timeout=STOP_S)
            reader.join(STOP_S)
        if code != 0:
            raise CheckFailed(f"the service ended with {code}: {''.join(printed)}")


__all__ = ["running_service"]
