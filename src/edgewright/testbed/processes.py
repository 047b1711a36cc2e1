"""Start gateways and links as processes of their own, and stop them in good order."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from edgewright.core.errors import InputError
from edgewright.core.files import write_bytes

COMMAND = [sys.executable, "-m", "edgewright.cli.main"]
START_S, STOP_S = 120.0, 30.0
_CHECK = "edgewright gateway --config FILE --check says what is wrong with it"
_ADDRESS = re.compile(r"http://([\w.]+:\d+)(?=\D)")


@dataclasses.dataclass(frozen=True)
class GatewayProcess:
    """A gateway that runs, with its address and its configuration."""

    address: str
    config: Path
    process: subprocess.Popen[bytes]

    def reload(self, text: str, timeout_s: float = 30.0) -> None:
        """Give it another configuration, and wait until that is applied.

        Raises:
            InputError: it refuses it.
        """
        content = text.encode()
        write_bytes(self.config, content)
        self.process.send_signal(signal.SIGHUP)
        wanted, end = hashlib.sha256(content).hexdigest()[:12], time.monotonic() + timeout_s
        applied: dict[str, Any] = {}
        while time.monotonic() < end:
            with urllib.request.urlopen(f"http://{self.address}/v1/state", timeout=10) as answer:
                applied = json.loads(answer.read())["config"]
            if applied["digest"] == wanted:
                return
            time.sleep(0.02)
        reason = applied.get("problem") or "it was not applied in time"
        raise InputError(f"must be taken up: {reason}", where=str(self.config), hint=_CHECK)


@contextlib.contextmanager
def gateways(configs: Sequence[Path]) -> Iterator[list[GatewayProcess]]:
    """Run ``edgewright gateway`` for each configuration, all at the same time.

    Raises:
        InputError: one ended before it listened.
    """
    with contextlib.ExitStack() as stack:
        started = []
        for config in configs:
            with config.with_suffix(".log").open("wb") as log:  # nobody would empty a pipe
                command = [*COMMAND, "gateway", "--config", str(config)]
                process = subprocess.Popen(command, stderr=log)
            stack.enter_context(stopping(process))
            started.append((config, process))
        yield [GatewayProcess(_address(*one), *one) for one in started]


def _address(config: Path, process: subprocess.Popen[bytes]) -> str:
    """Wait for the line in which a gateway says where it listens."""
    end, output = time.monotonic() + START_S, ""
    while time.monotonic() < end:
        ended = process.poll() is not None  # looked at first: what it wrote last is then read
        output = config.with_suffix(".log").read_text(errors="replace")
        if match := _ADDRESS.search(output):
            return match[1]
        if ended:
            break
        time.sleep(0.05)
    message = f"must start: {output.strip()[-500:] or 'it says nothing'}"
    raise InputError(message, where=str(config), hint=_CHECK)


class LinkProcess:
    """A link that runs; ``addresses`` are where it listens, in the order of its targets."""

    def __init__(self, process: subprocess.Popen[bytes], pipe: IO[bytes], facts: Any) -> None:
        self._process, self._pipe = process, pipe
        self.addresses: list[str] = facts["listening"]
        self.epoch_s: float = facts["epoch_s"]

    def restart(self) -> float:
        """Let the recordings begin again; return the time of the monotonic clock at which."""
        assert self._process.stdin is not None, "it was started with a pipe"
        self._process.stdin.write(b"restart\n")
        self._process.stdin.flush()
        self.epoch_s = json.loads(self._pipe.readline())["epoch_s"]
        return self.epoch_s


@contextlib.contextmanager
def link(targets: Sequence[str], options: Sequence[str]) -> Iterator[LinkProcess]:
    """Run ``edgewright link`` in front of addresses, which all share it.

    Args:
        options: bandwidth and delay, as on the command line.

    Raises:
        InputError: it ended before it listened.
    """
    leads = [text for target in targets for text in ("--lead", f"0={target}")]
    command = [*COMMAND, "link", *leads, *options, "--json"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None, "it is a pipe"
    assert process.stderr is not None, "it is a pipe"
    with stopping(process):
        line = process.stdout.readline()
        if not line:
            reason = process.stderr.read().decode(errors="replace").strip()
            hint = "see --help of edgewright link"
            raise InputError(f"must start: {reason[-500:]}", where="link", hint=hint)
        yield LinkProcess(process, process.stdout, json.loads(line))


@contextlib.contextmanager
def stopping(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Stop a process at the end, and kill it where it does not."""
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
