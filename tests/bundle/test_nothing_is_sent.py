"""Deciding writes nothing below the home folder and opens no connection."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
DECIDE = """
import sys, time
from edgewright.bundle import load
bundle = load(sys.argv[1])
print("loaded", flush=True)
for _ in range(40):
    bundle.engine.many(__import__("numpy").zeros((1, bundle.interface.columns), "float32"))
    time.sleep(0.05)
"""
IMPORTS = re.compile(r"^\s*(?:import|from) onnxruntime\b", re.M)


def remote_addresses(process: int) -> set[str]:
    """Return the remote ends of the sockets that a process holds; none where /proc is not there."""
    if not Path("/proc/self/net/tcp").exists():  # the home folder is looked at everywhere
        return set()
    sockets = set()
    for link in Path(f"/proc/{process}/fd").iterdir():
        try:
            sockets.add(os.readlink(link))
        except OSError:
            continue
    inodes = {match[1] for name in sockets if (match := re.fullmatch(r"socket:\[(\d+)\]", name))}
    ends = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{process}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in inodes and int(fields[2].rsplit(":", 1)[1], 16):
                ends.add(f"{table} {fields[2]}")
    return ends


def test_a_process_that_decides_writes_and_sends_nothing(bundles, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "ORT_")) and k != "CI"
    }
    command = [sys.executable, "-c", DECIDE, str(bundles["se-ppo"])]
    with subprocess.Popen(
        command, env={**environment, "HOME": str(home)}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loaded\n"
        ends = set()
        while process.poll() is None:
            try:
                ends |= remote_addresses(process.pid)
            except OSError:  # it has just ended
                break
            time.sleep(0.02)
        assert process.wait() == 0
    assert ends == set()
    assert [str(file.relative_to(home)) for file in home.rglob("*")] == []


def test_one_module_alone_imports_the_runtime() -> None:
    named = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "src").rglob("*.py")
        if IMPORTS.search(file.read_text())
    }
    assert named == {"src/edgewright/bundle/onnx_runtime.py"}
