"""What does the gateway add, beside a bare proxy, nginx and LiteLLM's proxy, in one run?

    python -m venv litellm && litellm/bin/pip install 'litellm[proxy]'
    python benchmarks/proxies.py --bundle p.edge --litellm litellm/bin/litellm

All of them stand in front of the same stub, which answers at once, and take turns in blocks.
LiteLLM has an environment of its own, as its packages pin other versions. nginx is measured where
it is installed. The extra `gateway` is needed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from edgewright.bench.gateway import bench

START_S = 180.0
NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
worker_processes 1;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream stub {{ server {stub}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{port};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_buffers 16 16k;  # an answer of 40 kB is above the usual ones, and goes to a file
        proxy_buffer_size 16k;
        location / {{ proxy_pass http://stub; }}
    }}
}}
"""
LITELLM = """
model_list:
  - model_name: auto
    litellm_params:
      model: openai/gpt-image-1
      api_base: {stub}/v1
      api_key: none
litellm_settings:
  telemetry: false
general_settings:  # no other proxy in this comparison asks for keys
  dangerously_permit_weak_or_unset_master_key: true
"""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until an address answers."""
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if process.poll() is not None:
            raise SystemExit(f"{process.args} ended with {process.returncode}: {log.read_text()}")
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url, timeout=2).close()
            return
        time.sleep(0.2)
    raise SystemExit(f"{url} does not answer")


@contextlib.contextmanager
def running(command: list[str], url: str, log: Path) -> Iterator[str]:
    """Run a proxy; yield the part of its address before the path."""
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
    try:
        wait_for(url, process, log)
        yield url[: url.index("/", len("http://"))]
    finally:
        process.terminate()
        process.wait()


def nginx(folder: Path, stub: str) -> contextlib.AbstractContextManager[str]:
    """Return what runs nginx in front of the stub."""
    port, file = free_port(), folder / "nginx.conf"
    address = stub.removeprefix("http://")
    text = NGINX.format(folder=folder, stub=address, port=port)
    file.write_text(text)
    with contextlib.suppress(OSError):
        folder.chmod(0o755)
    command = ["nginx", "-p", str(folder), "-c", str(file)]
    return running(command, f"http://127.0.0.1:{port}/", folder / "nginx.out")


def main() -> None:
    """Measure, and print all rows as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, help="the policy that decides")
    parser.add_argument("--litellm", help="LiteLLM's command")
    parser.add_argument("--rate", type=float, default=50.0, help="requests a second")
    parser.add_argument("--requests", type=int, default=500, help="through each proxy")
    given = parser.parse_args()

    def litellm(folder: Path, stub: str) -> contextlib.AbstractContextManager[str]:
        port, file = free_port(), folder / "litellm.yaml"
        file.write_text(LITELLM.format(stub=stub))
        command = [given.litellm, "--config", str(file), "--host", "127.0.0.1"]
        command += ["--port", str(port), "--num_workers", "1"]
        url = f"http://127.0.0.1:{port}/health/liveliness"
        return running(command, url, folder / "litellm.log")

    others = {"nginx": nginx} if shutil.which("nginx") else {}
    if given.litellm:
        others["litellm"] = litellm
    result = bench(print_progress, given.bundle, given.rate, given.requests, others)
    print(json.dumps(result, indent=2))


def print_progress(name: str) -> None:
    """Say on stderr what is measured now."""
    print(name, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
