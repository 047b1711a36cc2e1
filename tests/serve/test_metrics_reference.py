"""Every metric family is documented, and every series is there before it is counted."""

import re
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from edgewright.gateway.counters import Counters as GatewayCounters
from edgewright.gateway.plan import make_plan
from edgewright.serve.app import Service
from edgewright.serve.settings import Settings

ROOT = Path(__file__).parents[2]
CONFIG = """
[policy]
shadow = ["local"]
[[backend]]
name = "device"
kind = "digits"
location = 0
steps = [1, 2, 4]
[[backend]]
name = "edge"
kind = "upstream"
location = 1
url = "http://127.0.0.1:1/v1"
levels = [{ a = 1 }, { a = 2 }, { a = 3 }]
seconds = [1.0, 2.0, 3.0]
link = "access"
[[link]]
name = "access"
"""


def documented(file):
    """Return the labels of each metric in a table of a page; counters end in ``_total``."""
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \|", (ROOT / file).read_text(), re.MULTILINE)
    return {
        name.removesuffix("_total"): set(re.findall(r"`(\w+)`", labels))
        for name, labels in rows
        if name.startswith(("edgewright_", "gen_ai_"))
    }


def scraped(text):
    """Return the families of a scrape by name, without the times that counters began."""
    families = text_string_to_metric_families(text)
    return {one.name: one for one in families if not one.name.endswith("_created")}


def labels_of(family):
    return {name for one in family.samples for name in one.labels} - {"le"}


@pytest.fixture
def service(bundles, tmp_path):
    settings = Settings(
        bundle=bundles["se-ppo"], fallback="shortest-1", log=tmp_path / "log.db", port=0
    )
    one = Service(settings, lambda text: None)
    yield one
    one.log.close()


def test_families_of_the_service_are_documented_and_there_from_the_start(service):
    table = documented("docs/reference/service-metrics.md")
    families = scraped(service.counters.text(service.decider.serving.facts, service.log).decode())
    assert {*families} == {*table}
    for name, family in families.items():
        if name in ("edgewright_drift_statistic", "edgewright_drift_p_value"):
            continue  # they have a series for each input from the first comparison on
        assert family.samples, name
        assert labels_of(family) == table[name], name
    assert families["edgewright_fallbacks"].samples[0].labels == {"rule": "shortest-1"}
    assert all(one.value == 0.0 for one in families["edgewright_refused"].samples)


def test_families_of_the_gateway_are_documented_and_there_from_the_start(tmp_path):
    file = tmp_path / "gateway.toml"
    file.write_text(CONFIG)
    plan, counters = make_plan(file), GatewayCounters()
    counters.expect(plan)
    table = documented("docs/reference/gateway.md")
    families = scraped(counters.text(plan.backends.values()).decode())
    assert {*families} == {*table}
    later = {"gen_ai_server_request_duration_seconds", "edgewright_gateway_lateness_ratio"}
    later |= {"edgewright_gateway_drift_statistic", "edgewright_gateway_drift_p_value"}
    of_bundles = {"edgewright_gateway_out_of_range", "edgewright_gateway_stale"}
    for name, family in families.items():
        if name in later | of_bundles:
            continue
        assert family.samples, name
        assert labels_of(family) == table[name], name


def test_alerts_of_the_service_name_metrics_of_the_reference():
    table = documented("docs/reference/service-metrics.md")
    alerts = yaml.safe_load((ROOT / "packaging/alerts-serve.yml").read_text())
    rules = [rule for group in alerts["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 5
    for rule in rules:
        names = re.findall(r"\bedgewright_\w+", rule["expr"])
        assert names, rule["alert"]
        assert {re.sub(r"_(bucket|sum|count|total)$", "", name) for name in names} <= {*table}
        assert rule["annotations"]["summary"]
