"""The service as its users meet it: the command, a real socket, and clients that were not ours."""

import contextlib
import http.client
import json
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import schemathesis
from hypothesis import given, settings
from schemathesis import GenerationMode

from edgewright.client import Client, ServiceError

GUIDE = Path(__file__).parents[2] / "docs/guides/deploy.md"
README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(scope="module")
def service(bundles, tmp_path_factory, listening):
    """Run ``edgewright serve`` with a log and a fallback; return its address, and stop it."""
    folder = tmp_path_factory.mktemp("service")
    command = [
        sys.executable, "-m", "edgewright.cli.main", "serve", str(bundles["se-ppo"]), "--port", "0",
        "--log", str(folder / "log.db"), "--client-timeout", "2", "--max-body", "1e5",
    ]  # fmt: skip
    said = folder / "stderr"  # a pipe that nobody empties would stop the service
    with said.open("wb") as stderr, subprocess.Popen(command, stderr=stderr) as process:
        url = listening(process, said)
        _wait(url)
        yield url
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert "Traceback" not in said.read_text()


def _wait(url):
    for _ in range(200):
        try:
            with Client(url) as client:
                client.policy()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"{url} does not answer")


@pytest.fixture
def address(service):
    host, port = service.removeprefix("http://").split(":")
    return host, int(port)


# --- a client that invents requests ------------------------------------------------------------


def test_no_invented_request_breaks_what_the_service_says_of_itself(service):
    described = schemathesis.openapi.from_url(f"{service}/openapi.json")
    operations = [found.ok() for found in described.get_all_operations()]
    assert {o.path for o in operations} >= {"/v1/decide", "/v1/outcome", "/v1/policy", "/readyz"}
    tried = 0
    for operation in operations:
        modes = [GenerationMode.POSITIVE]
        modes += [GenerationMode.NEGATIVE] if operation.method == "post" else []
        for mode in modes:

            @settings(max_examples=30, derandomize=True, deadline=None, database=None)
            @given(case=operation.as_strategy(generation_mode=mode))
            def hold(case):
                nonlocal tried
                tried += 1
                case.call_and_validate()

            hold()
    assert tried > 100


# --- our client, curl, and clients that are slow or rude ---------------------------------------


def test_our_client_decides_reports_and_is_told_what_is_wrong(service, observation):
    with Client(service) as client:
        decision = client.decide(observation)
        client.outcome(decision["id"], reward=0.4, delay_s=1.5)
        with pytest.raises(ServiceError, match="409"):
            client.outcome(decision["id"], reward=0.4)
        assert len(client.decide_many([observation] * 3)) == 3
        assert client.decide({**observation, "charge_pct": 100})["clamped"] == []
        with pytest.raises(ServiceError, match="422.*mode"):
            client.decide({**observation, "mode": "bset"})
        with pytest.raises(ServiceError, match=r"422.*work_gcycles.*; .*mode"):
            bad = {**observation, "mode": "bset", "work_gcycles": "x"}
            client.decide({key: bad[key] for key in sorted(bad)})


def curl_lines(page):
    """Return the commands of a page that call curl, with what continues on the next lines."""
    blocks = re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL)
    commands = [c for block in blocks for c in re.split(r"^\$ ", block, flags=re.MULTILINE)]
    return [shlex.split(command) for command in commands if command.startswith("curl ")]


def request(command, url):
    """Send what a line of curl asks for: by curl where there is one; return status and body."""
    at = next(word for word in command if word.startswith("localhost:8080"))
    path = at.removeprefix("localhost:8080")
    body = command[command.index("-d") + 1] if "-d" in command else None
    if curl := shutil.which("curl"):
        asked = [url + path if word == at else word for word in command[1:]]
        asked = [curl, "-w", "\n%{http_code}", *asked]
        done = subprocess.run(asked, capture_output=True, text=True, check=True)
        text, _, status = done.stdout.rpartition("\n")
        return int(status), text
    kind = {"Content-Type": "application/json"}
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
    connection.request("POST" if body else "GET", path, body, kind)
    response = connection.getresponse()
    return response.status, response.read().decode()


@pytest.mark.parametrize(("page", "lines"), [(GUIDE, 5), (README, 2)], ids=["guide", "README"])
def test_the_lines_of_curl_do_what_a_page_says(page, lines, service):
    commands = curl_lines(page)
    assert len(commands) == lines
    known = ""
    for command in commands:
        filled = [word.replace("THE ID OF THE ANSWER", known) for word in command]
        status, text = request(filled, service)
        assert status == 200, (filled, text)
        if "/v1/decide" in filled[2]:
            known = json.loads(text)["decision"]["id"]
    assert known


def test_slow_and_half_open_clients_are_dropped_and_others_served(address, service, observation):
    half = socket.create_connection(address, timeout=10)  # says nothing
    slow = socket.create_connection(address, timeout=10)
    head = b"POST /v1/decide HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    slow.sendall(head + b"Content-Length: 500\r\n\r\n{")
    with Client(service) as client:
        assert client.decide(observation)["decided_by"] == "policy"
    for waiting in (half, slow):
        with waiting:
            assert b'"decision"' not in waiting.recv(1000)  # closed, with a word or without


def test_a_body_of_ten_megabytes_is_refused_and_the_service_lives(address, service, observation):
    with socket.create_connection(address, timeout=10) as large:
        head = b"POST /v1/decide HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        head += b"Content-Length: 10000000\r\n\r\n"
        told = []
        listener = threading.Thread(target=lambda: told.append(large.recv(1000)))
        listener.start()
        with contextlib.suppress(OSError):  # the service does not wait for the rest
            large.sendall(head + b" " * 10_000_000)
        listener.join(10)
        assert told[0].startswith(b"HTTP/1.1 413")
    with Client(service) as client:
        assert client.decide(observation)["decided_by"] == "policy"
