"""Variables of the environment, ids and access lines, and a socket in the file system."""

import dataclasses
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys

import pytest

from edgewright.core.errors import InputError
from edgewright.gateway.access import ids_of
from edgewright.gateway.config import load
from edgewright.gateway.environment import overlaid, variables
from edgewright.gateway.settings import GatewayTable, LogTable

TRACE = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"


def test_every_key_of_a_table_has_a_variable():
    names = variables()
    for table, record in (("GATEWAY", GatewayTable), ("LOG", LogTable)):
        for field in dataclasses.fields(record):
            assert names[f"EDGEWRIGHT_GATEWAY_{table}_{field.name.upper()}"][1] == field.name
    assert not any("BACKEND_NAME" in name or "KEY_SHA256" in name for name in names)


def test_values_are_those_of_toml_and_texts_need_no_quotes(write_config, tmp_path, monkeypatch):
    file = write_config(tmp_path)
    plain = load(file)
    monkeypatch.setenv("EDGEWRIGHT_GATEWAY_GATEWAY_HOST", "0.0.0.0")
    monkeypatch.setenv("EDGEWRIGHT_GATEWAY_GATEWAY_PORT", "9000")
    monkeypatch.setenv("EDGEWRIGHT_GATEWAY_POLICY_SHADOW", '["fastest", "local"]')
    monkeypatch.setenv("EDGEWRIGHT_GATEWAY_LOG_PATH", "5")
    config, digest = load(file)
    assert (config.gateway.host, config.gateway.port) == ("0.0.0.0", 9000)
    assert config.policy.shadow == ("fastest", "local")
    assert config.log.path == "5"
    assert digest != plain[1]
    assert plain[0].gateway.port == 0


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "GATEWAY_PORT",
            "many",
            "EDGEWRIGHT_GATEWAY_GATEWAY_PORT: must be a whole number; got 'many'",
        ),
        ("POLICY_FALLBACK", "best", "EDGEWRIGHT_GATEWAY_POLICY_FALLBACK: 'best' is unknown"),
        ("GATEWAY_PROT", "1", "EDGEWRIGHT_GATEWAY_GATEWAY_PROT: must be the variable of a key"),
    ],
)
def test_a_wrong_variable_is_named(write_config, tmp_path, monkeypatch, name, value, message):
    monkeypatch.setenv(f"EDGEWRIGHT_GATEWAY_{name}", value)
    with pytest.raises(InputError) as caught:
        load(write_config(tmp_path))
    assert str(caught.value).startswith(message)


def test_options_of_the_command_line_have_the_same_prefix():
    assert overlaid({}, {"EDGEWRIGHT_GATEWAY_CONFIG": "x", "EDGEWRIGHT_GATEWAY_CHECK": "1"}) == {}


def test_every_option_of_a_command_has_a_variable(edgewright, monkeypatch):
    monkeypatch.setenv("EDGEWRIGHT_LINK_DELAY_MS", "-1")
    error = edgewright("link", "--lead", "0=a:1", code=2).stderr
    assert "`--delay-ms` must be a number from 0" in error


def test_only_well_formed_ids_are_repeated():
    assert ids_of({"x-client-request-id": "a-1", "traceparent": TRACE}) == {
        "x-client-request-id": "a-1", "traceparent": TRACE,
    }  # fmt: skip
    assert ids_of({"x-client-request-id": "a\r\nb", "traceparent": "00-1-2-3"}) == {}


def test_ids_are_repeated_logged_and_passed_on(gateway, device, soon):
    with gateway("worker.toml", backend=[device], log={"access": "json"}) as worker:
        upstream = {
            "name": "far", "kind": "upstream", "location": 0, "url": f"{worker.url}/v1",
            "levels": [{"quality": one} for one in ("low", "medium", "high")],
            "seconds": [0.1, 0.2, 0.4],
        }  # fmt: skip
        with gateway(backend=[upstream], log={"access": "text"}) as service:
            sent = {"x-client-request-id": "mine-7", "traceparent": TRACE}
            content = {"prompt": "a secret", "quality": "low", "size": "8x8"}
            status, headers, _ = service.image(content, sent)
            assert status == 200
            assert headers["x-client-request-id"] == "mine-7"
            assert headers["traceparent"] == TRACE
            line = soon(lambda: next((one for one in service.said if "mine-7" in one), None))
            assert re.search(r"POST /v1/images/generations status=200 ms=[\d.]+ request_id=", line)
            assert f"traceparent={TRACE}" in line and "backend=far" in line
            there = soon(lambda: next((one for one in worker.said if TRACE in one), None))
            facts = json.loads(there)
            assert (facts["status"], facts["level"], facts["backend"]) == (200, "info", "device")
            assert not any("secret" in one for one in [*service.said, *worker.said])


class _Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


def test_a_socket_in_the_file_system(write_config, tmp_path, edgewright):
    path = tmp_path / "gateway.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))  # left by a process that ended
    file = write_config(tmp_path, gateway={"host": f"unix:{path}"})
    command = [sys.executable, "-m", "edgewright.cli.main", "gateway", "--config", str(file)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = process.stderr.readline()
            assert f"unix:{path}" in line
            connection = _Connection(path)
            body = json.dumps({"prompt": "4", "quality": "low", "size": "8x8"})
            head = {"content-type": "application/json"}
            connection.request("POST", "/v1/images/generations", body, head)
            assert connection.getresponse().status == 200
            connection.close()
            error = edgewright("gateway", "--config", file, code=2).stderr
            assert "somebody listens there" in error
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) in (0, -signal.SIGTERM)
    assert os.path.exists(path)  # the next start makes it anew
