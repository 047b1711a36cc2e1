"""A service in a process of its own, and raw connections to it."""

import contextlib
import dataclasses
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest


@dataclasses.dataclass
class Running:
    """A service that runs; ``said`` grows by what it says on stderr."""

    process: subprocess.Popen
    address: tuple
    said: list

    def get(self, path):
        with urllib.request.urlopen(f"{self.url}{path}", timeout=10) as answer:
            return answer.read().decode()

    @property
    def url(self):
        return "http://{}:{}".format(*self.address)

    def connect(self, timeout=10.0):
        return socket.create_connection(self.address, timeout=timeout)

    def connections(self):
        """Return how many sockets the process holds (Linux)."""
        found = 0
        for link in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found += os.readlink(link).startswith("socket:")
        return found

    def memory_mb(self):
        lines = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", lines)[1]) / 1024


@contextlib.contextmanager
def running(bundle, *options):
    """Run ``edgewright serve`` with options; stop it in good order at the end."""
    command = [sys.executable, "-m", "edgewright.cli.main", "serve", str(bundle), "--port", "0"]
    with subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True) as process:
        said, found = [], None
        for line in process.stderr:
            said.append(line)
            if found := re.search(r"http://([\d.]+):(\d+)", line):
                break
        assert found, said
        listener = threading.Thread(target=lambda: said.extend(process.stderr))
        listener.start()
        service = Running(process, (found[1], int(found[2])), said)
        try:
            yield service
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                assert process.wait(30) == 0, said
            finally:
                process.kill()
                listener.join(10)
        assert not any("Traceback" in line for line in said), "".join(said)


@pytest.fixture(scope="session")
def serve():
    """Return what runs a service: a context manager."""
    return running


@pytest.fixture(scope="session")
def soon():
    """Return what waits until something is true, and gives up after a while."""

    def wait(true, client_timeout_s=20.0):
        end = time.monotonic() + client_timeout_s
        while time.monotonic() < end:
            if found := true():
                return found
            time.sleep(0.02)
        raise AssertionError("it did not come to that")

    return wait


@pytest.fixture(scope="session")
def post():
    """Return what writes a whole request that posts JSON."""

    def write(path, content, *lines):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        head = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/json", *lines]
        return "\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body

    return write


def answers(connection, count=1):
    """Read so many answers from a socket; return their statuses and bodies, and what is left."""
    data, found = b"", []
    while len(found) < count:
        head, there, rest = data.partition(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", head)[1]) if there else 0
        if there and len(rest) >= length:
            found.append((int(head[9:12]), json.loads(rest[:length])))
            data = rest[length:]
            continue
        more = connection.recv(65536)
        if not more:
            break
        data += more
    return found, data


@pytest.fixture(scope="session")
def read():
    """Return what reads answers from a socket."""
    return answers
