"""The page of a gateway and its stream, and the page at two widths in a browser."""

import hashlib
import json
import os
import re
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from edgewright.gateway.live import PAGE

CHROMIUM = os.environ.get("EDGEWRIGHT_CHROMIUM")
WIDTHS = (1280, 390)


def events(service, count, key=None):
    request = urllib.request.Request(f"{service.url}/v1/live")
    if key:
        request.add_header("Authorization", f"Bearer {key}")
    result = []
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        while len(result) < count:
            line = answer.readline().decode()
            if line.startswith("data: "):
                result.append(json.loads(line[6:]))
    return result


def test_the_page_needs_nothing_from_elsewhere():
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", PAGE)
    assert not re.search(r"<(?:link|img|script)[^>]+(?:src|href)=", PAGE)
    assert "innerHTML" not in PAGE  # what clients send is shown as text


def test_the_page_and_its_stream_show_what_happens(shared):
    with urllib.request.urlopen(f"{shared.url}/", timeout=10) as answer:
        policy, text = answer.headers["content-security-policy"], answer.read().decode()
    assert text == PAGE
    assert "default-src 'none'" in policy
    assert "script-src 'sha256-" in policy
    shared.image({"quality": "low", "size": "8x8"})
    first, second = events(shared, 2)
    assert {one["name"] for one in first["backends"]} == {"device", "edge"}
    assert first["levels"] == ["draft", "standard", "fine"]
    assert sum(map(sum, first["decisions"])) >= 1
    last = second["requests"][-1]
    assert (last["status"], last["quality"]) == ("done", "draft")
    assert last["actual_ms"] > 0.0
    assert last["predicted_ms"] > 0.0


def test_the_stream_asks_for_a_key_and_shows_its_requests_only(gateway):
    keys = [
        {"sha256": hashlib.sha256(name.encode()).hexdigest(), "name": name} for name in ("a", "b")
    ]
    with gateway(key=keys) as service:
        with pytest.raises(urllib.error.HTTPError, match="401"):
            events(service, 1)
        status, _, _ = service.image(
            {"quality": "low", "size": "8x8"}, {"Authorization": "Bearer a"}
        )
        assert status == 200
        assert len(events(service, 1, "a")[0]["requests"]) == 1
        assert events(service, 1, "b")[0]["requests"] == []


@pytest.mark.skipif(CHROMIUM is None, reason="no browser is named; see make test-pages")
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_in_a_browser(shared, width):
    shared.image({"quality": "low", "size": "8x8"})
    script = Path(__file__).with_name("watch.cjs")
    command = ["node", script, f"{shared.url}/", str(width)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr[-500:]
    measured = json.loads(done.stdout)
    assert measured["over"] <= 0, "the page moves sideways"
    assert measured["letters"] >= 10.0
    assert "decides, configuration" in measured["about"]
    assert measured["backends"] == 2
    assert measured["requests"] >= 1
    assert measured["points"] >= 1
    assert measured["image"] > 0, "the form shows the image that it asked for"
    assert measured["errors"] == []
