"""The files to start a service from, and the pinned versions, say what the command understands."""

import ast
import contextlib
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from edgewright.cli.serve_command import command

ROOT = Path(__file__).parents[2]
UNIT = (ROOT / "packaging/edgewright.service").read_text()
IMAGE = (ROOT / "packaging/Dockerfile").read_text()

NOT_PINNED = {"peers"}
"""Extras that only comparisons with other libraries need; torch has other packages everywhere."""

OWN_PINS = {"federated": "constraints-federated.txt"}
"""Extras whose packages need other versions of some packages, so an environment of their own."""


def started(text):
    """Return the words after ``edgewright serve``."""
    if line := re.search(r"^ExecStart=\S+/edgewright serve (.+)$", text, re.MULTILINE):
        return shlex.split(line[1])
    lines = re.search(r"^CMD (\[.+\])$", text, re.MULTILINE)
    assert lines
    return json.loads(lines[1])


@pytest.mark.parametrize("text", [UNIT, IMAGE], ids=["systemd", "docker"])
def test_every_option_exists_and_probes_have_a_port_of_their_own(text):
    known = {name for parameter in command.params for name in parameter.opts}
    words = started(text)
    assert {word for word in words if word.startswith("--")} <= known
    port = words[words.index("--probe-port") + 1]
    assert port != "8080"
    assert f"127.0.0.1:{port}" in text


def test_the_image_asks_the_port_of_the_probes_and_exposes_it():
    port = started(IMAGE)[started(IMAGE).index("--probe-port") + 1]
    assert f"http://127.0.0.1:{port}/healthz" in IMAGE  # /readyz is 503 while it drains
    assert f"EXPOSE 8080 {port}\n" in IMAGE


def test_every_extra_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    name = re.compile(r"[A-Za-z0-9._-]+")

    def pins(file):
        lines = (ROOT / file).read_text().splitlines()
        return {name.match(one)[0].lower().replace("_", "-") for one in lines if "==" in one}

    for extra, needed in project["optional-dependencies"].items():
        pinned = pins(OWN_PINS.get(extra, "constraints.txt"))
        wanted = {name.match(one)[0].lower().replace("_", "-") for one in needed}
        missing = wanted - pinned - {"edgewright"}
        assert extra in NOT_PINNED or not missing, (extra, missing)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
@pytest.mark.parametrize("name", ["edgewright", "edgewright-gateway"])
def test_systemd_accepts_the_socket_with_its_service(tmp_path, name):
    for kind in ("service", "socket"):
        text = (ROOT / f"packaging/{name}.{kind}").read_text()
        text = text.replace("/opt/edgewright/bin/edgewright", "/bin/true")
        (tmp_path / f"{name}.{kind}").write_text(text)
    verify = ["systemd-analyze", "verify", str(tmp_path / f"{name}.socket")]
    done = subprocess.run(verify, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Type=notify" in (ROOT / f"packaging/{name}.service").read_text()


def test_the_bundle_is_inspected_before_the_start():
    before = re.search(r"^ExecStartPre=\S+ inspect (\S+)$", UNIT, re.MULTILINE)
    assert before
    assert before[1] == started(UNIT)[0]


def closure(extra):
    """Return the distributions that an extra of ours installs, with those that they need."""
    done, left = set(), [Requirement(f"edgewright[{extra}]")]
    while left:
        one = left.pop()
        key = canonicalize_name(one.name), tuple(sorted(one.extras))
        if key in done:
            continue
        done.add(key)
        with contextlib.suppress(metadata.PackageNotFoundError):
            for text in metadata.requires(one.name) or ():
                need = Requirement(text)
                extras = one.extras or {""}
                if need.marker is None or any(need.marker.evaluate({"extra": e}) for e in extras):
                    left.append(need)
    return {name for name, _ in done}


def imported(file):
    """Return the top-level modules that a file of ours imports when it is imported."""
    for node in ast.parse(Path(file).read_text()).body:
        if isinstance(node, ast.Import):
            yield from (one.name.split(".")[0] for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]


def test_the_extra_train_holds_what_a_training_imports():
    code = (
        "import sys, edgewright as ew, edgewright.cli.main\n"
        "[ew.make(name) for name in ('aigc-toy', 'binary-easy', 'caching-toy', 'contract-d2')]\n"
        "ours = (sys.modules[name] for name in list(sys.modules) if name[:10] == 'edgewright')\n"
        "print(*(one.__file__ for one in ours if getattr(one, '__file__', None)), sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    of_module = metadata.packages_distributions()
    names = {name for file in done.stdout.splitlines() for name in imported(file)}
    needed = {canonicalize_name(of_module[name][0]) for name in names if name in of_module}
    assert {"jax", "onnx", "onnxruntime"} <= needed
    assert needed <= closure("train") | {"edgewright"}
