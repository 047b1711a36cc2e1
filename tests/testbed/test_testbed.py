"""A small testbed with real processes, from its calibration to its page."""

import dataclasses
import json
import re

import pytest

from edgewright.cli.testbed_command import _lines
from edgewright.testbed.blocks import RUNGS, TESTBED
from edgewright.testbed.objective import DONE
from edgewright.testbed.page import page
from edgewright.testbed.plan import QUICK, Worker
from edgewright.testbed.report import report
from edgewright.testbed.run import progress_steps, run

TINY = dataclasses.replace(
    QUICK,
    workers=(Worker("device", 0.1, 2.0, queue=4), Worker("edge", 0.3, 20.0)),
    steps=(1, 2, 4),
    step_ms=4.0,
    sizes=((64, 64), (128, 128)),
    mean_mbps=20.0,
    delay_ms=5.0,
    seconds=1.0,
    rounds=1,
    policies=("greedy",),
    repeats=2,
)


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    """Draw less often than for intervals that anyone reads."""
    monkeypatch.setattr("edgewright.testbed.gap.DRAWS", 40)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    names = []
    result = run(TINY, tmp_path_factory.mktemp("testbed"), None, names.append)
    assert len(names) == progress_steps(TINY)
    return result


def test_every_request_has_an_outcome_on_every_rung(finished):
    policies = {arm.name for arm in finished.arms}
    assert {"greedy", "twin", "least-delay", "local", "cascade", "shares"} <= policies
    for rung in RUNGS:
        assert set(finished.outcomes[rung]) == policies
        for blocks in finished.outcomes[rung].values():
            (block,) = blocks
            assert [one.index for one in block] == [one.index for one in finished.rounds[0]]
    played = [one for blocks in finished.outcomes[TESTBED].values() for one in blocks[0]]
    answered = [one for one in played if one.status == DONE]
    assert answered
    for one in answered:
        parts = one.queue_s + one.service_s + one.transfer_s
        assert parts <= one.delay_s + 1e-3  # the rest is overhead
        assert one.lateness is not None  # the worker's pace came through the gateway
    local = [one for one in finished.outcomes[TESTBED]["local"][0] if one.status == DONE]
    assert any(one.location == 0 for one in local)
    assert all(one.level == 1 for one in local)


def test_the_report_has_five_figures_with_intervals(finished):
    facts = report(finished, {"cores": 2})
    gap = facts["gap"]
    assert [name[0] for name in gap] == ["1", "2", "3", "4", "5"]
    assert {"service", "quality", "bandwidth", "service_in_blocks"} <= set(gap["1_calibration"])
    for one in (gap["3_ranks"]["tau"], gap["4_regret"], *gap["5_causes"]):
        assert one["low"] <= one["high"]
    assert gap["4_regret"]["value"] >= 0.0
    assert gap["5_causes"][-1]["value"] == 0.0
    assert facts["conditions"]["paced"] is True
    assert facts["conditions"]["bandwidth"] == "synthetic walk"
    assert facts["twins"]["of"] == "greedy"
    assert facts["validity"]["paced_services"] > 0
    json.dumps(facts)
    text = page(facts, "edgewright testbed --quick")
    assert "<script" not in text
    assert not re.search(r"(src|href)=.https?:", text)
    for heading in ("1. Calibration error", "5. Causes", "Policies", "Validity"):
        assert heading in text
    lines = "\n".join(_lines(facts, "out"))
    assert re.search(r"^3\. Kendall's tau of 6 policies", lines, re.M)


def test_a_wrong_calibration_is_detected(finished):
    wrong = dataclasses.replace(
        finished.calibrated.fitted, ghz=[0.5 * one for one in finished.calibrated.fitted.ghz]
    )
    calibrated = dataclasses.replace(finished.calibrated, fitted=wrong)
    right = report(finished, {})["gap"]["1_calibration"]["service_in_blocks"]
    facts = report(dataclasses.replace(finished, calibrated=calibrated), {})
    doubled = facts["gap"]["1_calibration"]["service_in_blocks"]
    assert doubled["signed"] == pytest.approx(2.0 * right["signed"] + 1.0)
    assert doubled["absolute"] > right["absolute"]
