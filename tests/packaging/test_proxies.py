"""nginx and Caddy in front of a real gateway, where they are installed."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GATEWAY = (ROOT / "packaging/nginx.conf").read_text()
CADDY = (ROOT / "packaging/Caddyfile").read_text()
CONFIG = """
[gateway]
port = 0
watch_s = 0.0
[[backend]]
name = "device"
kind = "digits"
location = 0
steps = [2, 4, 8]
step_ms = 2.0
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def ended(process):
    """Stop a process at the end."""
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    """Yield the port of a gateway."""
    file = tmp_path_factory.mktemp("gateway") / "gateway.toml"
    file.write_text(CONFIG)
    command = [sys.executable, "-m", "edgewright.cli.main", "gateway", "--config", str(file)]
    with (
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process,
        ended(process),
    ):
        match = None
        for line in process.stderr:
            if match := re.search(r"http://127.0.0.1:(\d+)", line):
                break
        assert match
        rest = threading.Thread(target=process.stderr.read, daemon=True)
        rest.start()
        yield int(match[1])


@pytest.fixture
def certificate(tmp_path):
    """Return the files of a certificate that signs itself."""
    files = tmp_path / "one.crt", tmp_path / "one.key"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    command += ["-subj", "/CN=edgewright.example", "-out", files[0], "-keyout", files[1]]
    subprocess.run(command, check=True, capture_output=True)
    return files


def ask(port, path, content=None):
    """Return status and body of a request over TLS."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    body = None if content is None else json.dumps(content).encode()
    head = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"https://127.0.0.1:{port}{path}", body, head)
    try:
        with urllib.request.urlopen(request, timeout=20, context=context) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def until_there(port, process):
    end = time.monotonic() + 20
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.05)
    raise AssertionError("it does not listen")


def check(port):
    status, body = ask(port, "/v1/images/generations", {"prompt": "7", "quality": "low"})
    assert (status, json.loads(body)["quality"]) == (200, "low")
    content = {"prompt": "7", "stream": True, "partial_images": 1}
    status, body = ask(port, "/v1/images/generations", content)
    assert status == 200
    assert b"event: image_generation.completed" in body
    for path in ("/metrics", "/healthz", "/readyz"):
        assert ask(port, path)[0] == 404
    assert ask(port, "/v1/models")[0] == 200
    assert ask(port, "/v1/policy")[0] == 502  # goes to decision services, which are not there


@pytest.mark.skipif(not shutil.which("nginx"), reason="needs nginx")
@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
def test_nginx_passes_on_what_clients_ask_for(tmp_path, gateway, certificate):
    port, dead = free_port(), free_port()
    text = GATEWAY.replace("127.0.0.1:8080", f"127.0.0.1:{gateway}")
    text = re.sub(r"127\.0\.0\.1:808[12]", f"127.0.0.1:{dead}", text)
    text = text.replace("listen 443", f"listen 127.0.0.1:{port}")
    for name, file in zip(("crt", "key"), certificate, strict=True):
        text = text.replace(f"/etc/ssl/edgewright.{name}", str(file))
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in kinds)
    lines = ["error_log stderr;", f"pid {tmp_path}/pid;", "daemon off;"]
    if os.getuid() == 0:
        lines.insert(0, "user root;")
    file = tmp_path / "nginx.conf"
    file.write_text(
        "\n".join([*lines, f"events {{}}\nhttp {{\naccess_log off;\n{paths}{text}}}\n"])
    )
    command = ["nginx", "-p", str(tmp_path), "-c", str(file)]
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True)
    assert tested.returncode == 0, tested.stderr
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process, ended(process):
        until_there(port, process)
        check(port)


@pytest.mark.skipif(not shutil.which("caddy"), reason="needs caddy")
@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
def test_caddy_passes_on_what_clients_ask_for(tmp_path, gateway, certificate):
    port, dead = free_port(), free_port()
    text = CADDY.replace("127.0.0.1:8080", f"127.0.0.1:{gateway}")
    text = re.sub(r"127\.0\.0\.1:808[12]", f"127.0.0.1:{dead}", text)
    tls = "\ttls {} {}\n".format(*certificate)
    text = text.replace("edgewright.example {", f"https://127.0.0.1:{port} {{\n{tls}", 1)
    file = tmp_path / "Caddyfile"
    file.write_text(f"{{\n\tadmin off\n\tauto_https disable_redirects\n}}\n{text}")
    environ = {**os.environ, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    given = ["--config", str(file), "--adapter", "caddyfile"]
    tested = subprocess.run(
        ["caddy", "validate", *given], capture_output=True, text=True, env=environ
    )
    assert tested.returncode == 0, tested.stderr
    command = ["caddy", "run", *given]
    with (
        subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environ) as process,
        ended(process),
    ):
        until_there(port, process)
        check(port)


def test_both_name_the_same_ports_and_hide_the_same_paths():
    for text in (GATEWAY, CADDY):
        assert {*re.findall(r"127\.0\.0\.1:(\d+)", text)} == {"8080", "8081", "8082"}
        for path in ("/healthz", "/readyz", "/metrics"):
            assert path in text
        for path in ("decide", "outcome", "policy"):
            assert path in text
    assert "proxy_next_upstream off" in GATEWAY  # a request is sent once


KEYS = ("one", "two", "three", "four", "five", "six")
KEYED = """
[gateway]
port = 0
watch_s = 0.0
[[backend]]
name = "{name}"
kind = "digits"
location = 0
steps = [2, 4, 8]
step_ms = 2.0
"""


@contextlib.contextmanager
def two_gateways(folder):
    """Run two gateways with back ends of their own; yield their ports."""
    ports = []
    with contextlib.ExitStack() as stack:
        for name in ("left", "right"):
            file, said = folder / f"{name}.toml", folder / f"{name}.log"
            keys = [f'[[key]]\nsha256 = "{hashlib.sha256(k.encode()).hexdigest()}"' for k in KEYS]
            file.write_text(KEYED.format(name=name) + "\n".join(keys))
            command = [
                sys.executable,
                "-m",
                "edgewright.cli.main",
                "gateway",
                "--config",
                str(file),
            ]
            stderr = stack.enter_context(said.open("wb"))
            process = stack.enter_context(subprocess.Popen(command, stderr=stderr))
            stack.enter_context(ended(process))
            end = time.monotonic() + 60
            while not (match := re.search(r"http://127.0.0.1:(\d+)", said.read_text())):
                assert time.monotonic() < end and process.poll() is None, said.read_text()
                time.sleep(0.05)
            ports.append(int(match[1]))
        yield ports


def asked_with(port, key, path, content=None):
    """Return headers and parsed body of an answer to a request with a key."""
    body = None if content is None else json.dumps(content).encode()
    head = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, head)
    with urllib.request.urlopen(request, timeout=20) as answer:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return headers, json.loads(answer.read())


def check_keys_stay(port):
    """Each key stays with one gateway, where its receipts are, and both are used."""
    used = {}
    for key in KEYS:
        for _ in range(3):
            headers, _ = asked_with(
                port, key, "/v1/images/generations", {"prompt": "7", "size": "8x8"}
            )
            used.setdefault(key, set()).add(headers["x-edgewright-backend"])
            id = headers["x-edgewright-receipt"]
            assert asked_with(port, key, f"/v1/receipts/{id}")[1]["id"] == id
    assert {len(names) for names in used.values()} == {1}
    assert set.union(*used.values()) == {"left", "right"}


def recipe(mark):
    """Return the lines of the guide in a block that begins with a text."""
    guide = (ROOT / "docs/guides/gateway.md").read_text()
    return re.search(rf"```text\n({re.escape(mark)}.*?)```", guide, re.DOTALL)[1]


def with_ports(text, ports):
    for before, port in zip(("8080", "8083"), ports, strict=True):
        text = text.replace(f"127.0.0.1:{before}", f"127.0.0.1:{port}")
    return text


@pytest.mark.skipif(not shutil.which("nginx"), reason="needs nginx")
def test_two_gateways_behind_nginx(tmp_path):
    port, text = free_port(), recipe("upstream edgewright_gateway {")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in kinds)
    with two_gateways(tmp_path) as ports:
        server = f"server {{ listen 127.0.0.1:{port}; proxy_next_upstream off;\n"
        server += 'proxy_http_version 1.1; proxy_set_header Connection "";\n'
        server += "location / { proxy_pass http://edgewright_gateway; } }"
        lines = ["user root;"] if os.getuid() == 0 else []
        lines += ["error_log stderr;", f"pid {tmp_path}/pid;", "daemon off;", "events {}"]
        lines += [f"http {{ access_log off;\n{paths}{with_ports(text, ports)}\n{server} }}"]
        file = tmp_path / "nginx.conf"
        file.write_text("\n".join(lines))
        command = ["nginx", "-p", str(tmp_path), "-c", str(file)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process, ended(process):
            until_there(port, process)
            check_keys_stay(port)


@pytest.mark.skipif(not shutil.which("caddy"), reason="needs caddy")
def test_two_gateways_behind_caddy(tmp_path):
    port, text = free_port(), recipe("reverse_proxy 127.0.0.1:8080 127.0.0.1:8083 {")
    environ = {**os.environ, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    with two_gateways(tmp_path) as ports:
        file = tmp_path / "Caddyfile"
        body = with_ports(text, ports)
        file.write_text(f"{{\n\tadmin off\n}}\nhttp://127.0.0.1:{port} {{\n{body}}}\n")
        command = ["caddy", "run", "--config", str(file), "--adapter", "caddyfile"]
        with (
            subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environ) as process,
            ended(process),
        ):
            until_there(port, process)
            check_keys_stay(port)
