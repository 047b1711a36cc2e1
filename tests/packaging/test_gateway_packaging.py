"""The files to start and watch a gateway with name what there is."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from edgewright.cli.gateway_command import command
from edgewright.gateway.config import load

ROOT = Path(__file__).parents[2]
PACKAGING = ROOT / "packaging"
METRICS = set(
    re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/reference/gateway.md").read_text(), re.MULTILINE)
)
SUFFIX = re.compile(r"_(?:bucket|sum|count)$")


def named(text):
    """Return the metrics that expressions name."""
    names = re.findall(r"\b(?:edgewright_gateway|gen_ai_server)_\w+", text)
    return {SUFFIX.sub("", name) for name in names}


def test_alerts_and_panels_name_metrics_of_the_reference():
    alerts = yaml.safe_load((PACKAGING / "alerts-gateway.yml").read_text())
    rules = [rule for group in alerts["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 5
    for rule in rules:
        assert named(rule["expr"]), rule["alert"]
        assert named(rule["expr"]) <= METRICS
        assert rule["annotations"]["summary"]
    board = json.loads((PACKAGING / "grafana-gateway.json").read_text())
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in board["panels"]:
        for target in panel["targets"]:
            assert named(target["expr"]), panel["title"]
            assert named(target["expr"]) <= METRICS


@pytest.mark.parametrize(
    "file", sorted((PACKAGING / "compose").glob("*.toml")), ids=lambda f: f.name
)
def test_every_configuration_is_one(file):
    config, _ = load(file)
    assert config.gateway.probe_port == 9090
    assert config.gateway.host == "0.0.0.0"


def test_compose_mounts_what_is_there():
    compose = yaml.safe_load((PACKAGING / "compose.yml").read_text())
    for name, service in compose["services"].items():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in compose["volumes"] or (PACKAGING / source).exists(), name
        if "command" in service and service["command"][0] == "--config":
            mounted = service["command"][1].replace("/config/", "compose/")
            assert (PACKAGING / mounted).is_file()
    scrape = yaml.safe_load((PACKAGING / "compose/prometheus.yml").read_text())
    (job,) = scrape["scrape_configs"]
    assert job["static_configs"][0]["targets"] == ["gateway:9090"]


@pytest.mark.parametrize("name", ["Dockerfile.gateway", "edgewright-gateway.service"])
def test_every_option_exists(name):
    text = (PACKAGING / name).read_text()
    known = {option for parameter in command.params for option in parameter.opts}
    lines = re.findall(r"^(?:ExecStart(?:Pre)?=\S+ gateway|CMD) .*$", text, re.MULTILINE)
    assert lines
    assert {word for line in lines for word in re.findall(r"--\w[\w-]*", line)} <= known


def test_the_image_is_pinned_and_lives_while_it_drains():
    text = (PACKAGING / "Dockerfile.gateway").read_text()
    assert re.search(r"^FROM python:3\.\d+\.\d+-slim-\w+$", text, re.MULTILINE)
    assert "/healthz" in text  # /readyz is 503 while it drains
    assert "USER edgewright" in text


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_accepts_the_unit(tmp_path):
    text = (PACKAGING / "edgewright-gateway.service").read_text()
    unit = tmp_path / "edgewright-gateway.service"
    unit.write_text(text.replace("/opt/edgewright/bin/edgewright", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
