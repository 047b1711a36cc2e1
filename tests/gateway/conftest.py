"""A gateway in a process of its own, and clients of it."""

import asyncio
import contextlib
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import openai
import pytest


@dataclasses.dataclass
class Running:
    """A gateway that runs; ``said`` grows by what it says on stderr."""

    process: subprocess.Popen
    url: str
    said: list
    config: object
    clients: list = dataclasses.field(default_factory=list)

    @property
    def port(self):
        return int(self.url.rpartition(":")[2])

    def get(self, path, key=None):
        request = urllib.request.Request(f"{self.url}{path}")
        if key:
            request.add_header("Authorization", f"Bearer {key}")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read().decode()

    def state(self):
        return json.loads(self.get("/v1/state"))

    def backend(self, name):
        return self.state()["backends"][name]

    def receipts(self):
        return json.loads(self.get("/v1/receipts?limit=1000"))["data"]

    def metric(self, name, **labels):
        """Return the sum of all samples of a metric with these labels."""
        total = 0.0
        for line in self.get("/metrics").splitlines():
            sample = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if sample and sample[1] == name:
                given = dict(re.findall(r'(\w+)="([^"]*)"', sample[2] or ""))
                if labels.items() <= given.items():
                    total += float(sample[3])
        return total

    def client(self, **options):
        settings = {"api_key": "none", "max_retries": 0, "timeout": 30, **options}
        self.clients.append(openai.OpenAI(base_url=f"{self.url}/v1", **settings))
        return self.clients[-1]

    def send(self, path, content, headers=()):
        """Post a body; return status, headers and parsed answer, whatever the status is."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        head = {"Content-Type": "application/json", **dict(headers)}
        request = urllib.request.Request(f"{self.url}{path}", body, head)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, dict(answer.headers), json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers), json.loads(error.read())

    def image(self, content=None, headers=()):
        return self.send("/v1/images/generations", {"prompt": "4", **(content or {})}, headers)


@contextlib.contextmanager
def running(config):
    """Run ``edgewright gateway``; stop it in good order at the end."""
    command = [sys.executable, "-m", "edgewright.cli.main", "gateway", "--config", str(config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        said, match = [], None
        for line in process.stderr:
            said.append(line)
            if match := re.search(r"http://[\d.]+:\d+", line):
                break
        assert match, said
        listener = threading.Thread(target=lambda: said.extend(process.stderr))
        listener.start()
        service = Running(process, match[0], said, config)
        try:
            yield service
        finally:
            for client in service.clients:
                client.close()
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                assert process.wait(30) in (0, -signal.SIGKILL), said
            finally:
                process.kill()
                listener.join(10)
        assert not any("Traceback" in line for line in said), "".join(said)


def written(value):
    """Return a value as TOML."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f'"{k}" = {written(v)}' for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return json.dumps(value)


def text_of(tables):
    """Return tables, and lists of tables, as TOML."""
    lines = []
    for name, content in tables.items():
        for table in content if isinstance(content, list) else [content]:
            lines.append(f"[[{name}]]" if isinstance(content, list) else f"[{name}]")
            lines += [f"{key} = {written(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


DEVICE = {
    "name": "device", "kind": "digits", "location": 0, "steps": [2, 4, 8], "step_ms": 2.0,
    "speed": 0.1, "power_w": 2.0,
}  # fmt: skip
EDGE = {**DEVICE, "name": "edge", "location": 1, "speed": 0.2}


@pytest.fixture(scope="session")
def device():
    return dict(DEVICE)


@pytest.fixture(scope="session")
def edge():
    return dict(EDGE)


@pytest.fixture(scope="session")
def write_config():
    """Return what writes a configuration with these tables into a folder."""

    def write(folder, name="gateway.toml", **tables):
        full = {"gateway": {}, "backend": [DEVICE, EDGE], **tables}
        full["gateway"] = {"port": 0, "watch_s": 0.0, **full["gateway"]}
        file = folder / name
        beside = folder / f".{name}"
        beside.write_text(text_of(full))
        os.replace(beside, file)
        return file

    return write


@pytest.fixture(scope="session")
def run_gateway():
    """Return what runs a gateway of a configuration: a context manager."""
    return running


@pytest.fixture
def gateway(tmp_path, write_config):
    """Return what runs a gateway with these tables: a context manager."""

    def start(name="gateway.toml", **tables):
        return running(write_config(tmp_path, name, **tables))

    return start


@pytest.fixture(scope="module")
def shared(tmp_path_factory, write_config):
    """Yield a gateway with two paced back ends that the tests of a module share."""
    aliases = {"gpt-image-2": "auto", "dall-e-3": "auto", "small": "device"}
    folder = tmp_path_factory.mktemp("gateway")
    with running(write_config(folder, aliases=aliases)) as service:
        yield service


@pytest.fixture(scope="session")
def soon():
    """Return what waits until something is true, and gives up after a while."""

    def wait(true, limit_s=20.0):
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            if result := true():
                return result
            time.sleep(0.01)
        raise AssertionError("it did not come to that")

    return wait


@pytest.fixture(scope="session")
def together():
    """Return what runs blocking calls at the same time, each in a thread, in their order."""

    def run(*calls):
        async def all_of_them():
            loop = asyncio.get_running_loop()
            return await asyncio.gather(*(loop.run_in_executor(None, one) for one in calls))

        return asyncio.run(all_of_them())

    return run
