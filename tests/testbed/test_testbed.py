"""A small testbed with real processes, from its calibration to its page."""

import dataclasses
import json
import re

import pytest

from edgewright.cli.testbed_command import _lines
from edgewright.testbed.arrivals import upload
from edgewright.testbed.blocks import RUNGS, TESTBED, WORLD
from edgewright.testbed.drawn import MAX_POINTS
from edgewright.testbed.objective import DONE, FAILED
from edgewright.testbed.page import page
from edgewright.testbed.plan import QUICK, Worker
from edgewright.testbed.report import TRUSTED, report, validity
from edgewright.testbed.run import progress_steps, run

TINY = dataclasses.replace(
    QUICK,
    workers=(Worker("device", 0.1, 2.0, queue=4), Worker("edge", 0.3, 20.0)),
    steps=(1, 2, 4),
    step_ms=16.0,
    sizes=((64, 64), (128, 128)),
    mean_mbps=20.0,
    delay_ms=5.0,
    seconds=1.0,
    rounds=1,
    policies=("greedy",),
    repeats=2,
    curve_blocks=1,
    curve_seconds=2.0,
    load_policies=("greedy", "shares"),
    edit_files=(1, 3),
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
    prompts, load, edits = finished.played
    policies = {arm.name for arm in prompts.arms}
    assert {"greedy", "twin", "assumed", "least-delay", "local", "cascade", "shares"} <= policies
    assert {arm.name for arm in load.arms} == {"greedy", "shares"}
    assert {arm.name for arm in edits.arms} == {"least-delay", "cascade"}
    for played, rungs in ((prompts, RUNGS), (load, (WORLD, TESTBED)), (edits, RUNGS)):
        assert set(played.outcomes) == set(rungs)
        for outcomes in played.outcomes.values():
            assert set(outcomes) == {arm.name for arm in played.arms}
            for (block,) in outcomes.values():
                assert [one.index for one in block] == [one.index for one in played.rounds[0]]
    answered = []
    for played in finished.played:
        outcomes = [one for blocks in played.outcomes[TESTBED].values() for one in blocks[0]]
        answered += [one for one in outcomes if one.status == DONE]
        assert all(one.status != FAILED for one in outcomes)  # uploads were accepted as well
    assert answered
    for one in answered:
        parts = one.queue_s + one.service_s + one.transfer_s
        assert parts <= one.delay_s + 2e-3  # the rest is overhead
        assert one.lateness is not None  # the worker's pace came through the gateway
    local = [one for one in prompts.outcomes[TESTBED]["local"][0] if one.status == DONE]
    assert any(one.location == 0 for one in local)
    assert all(one.level == 1 for one in local)


def test_the_report_has_five_figures_with_intervals(finished):
    facts = report(finished, {"cores": 2})
    gap = facts["gap"]
    assert [name[0] for name in gap] == ["1", "2", "3", "4", "5"]
    assert {"service", "quality", "bandwidth", "service_in_blocks"} <= set(gap["1_calibration"])
    for one in (gap["3_ranks"]["tau"], gap["4_regret"], *gap["5_causes"]):
        assert one["low"] <= one["high"]
    for rung in gap["5_causes"][1:]:
        assert rung["change"]["low"] <= rung["change"]["value"] <= rung["change"]["high"]
    assert gap["4_regret"]["value"] >= 0.0
    assert gap["4_regret"]["best"] in gap["4_regret"]["not_worse"]
    assert gap["5_causes"][-1]["value"] == 0.0
    assert facts["conditions"]["paced"] is True
    assert facts["conditions"]["bandwidth"] == "synthetic walk"
    assert facts["twins"]["of"] == "greedy"
    assert facts["validity"]["paced_services"] > 0
    json.dumps(facts)
    text = page(facts, "edgewright testbed --quick")
    assert "<script" not in text
    assert not re.search(r"(src|href)=.https?:", text)
    for heading in ("1. Calibration error", "5. Causes", "Policies", "Load", "Uploads", "Validity"):
        assert heading in text
    assert len(re.findall(r"Figure \d+\.", text)) == 7  # the five, loads, causes of uploads
    lines = "\n".join(_lines(facts, "out"))
    assert re.search(r"^3\. Kendall's tau of 6 policies", lines, re.M)
    assert "assumed curve of quality, greedy in the world: costs" in lines


def test_points_of_the_figures_are_those_of_the_run(finished):
    drawn = report(finished, {})["drawn"]
    answered = [
        one for blocks in finished.main.outcomes[TESTBED].values() for one in blocks[0]
        if one.status == DONE
    ]  # fmt: skip
    times = sorted(one.service_s for one in answered)
    shown = sorted(one["actual_s"] for one in drawn["services"])
    assert shown == pytest.approx(times) if len(times) <= MAX_POINTS else set(shown) < set(times)
    assert set(drawn["delays"]) == {arm.name for arm in finished.main.arms if arm.ranked}
    delays = [one.delay_s for one in finished.main.outcomes[TESTBED]["local"][0]
              if one.status == DONE]  # fmt: skip
    quantiles = drawn["delays"]["local"][TESTBED]
    assert (quantiles[0], quantiles[-1]) == pytest.approx((min(delays), max(delays)))
    link, rates = drawn["bandwidth"]["link"], finished.bandwidth.rate.mbps
    assert min(rates) <= link[0] <= link[-1] <= max(rates)
    assert drawn["bandwidth"]["measured"][-1] == max(finished.calibrated.fitted.mbps)


def test_loads_uploads_and_the_curve_are_reported(finished):
    facts = report(finished, {})
    assert [one["load"] for one in facts["loads"]] == [0.6, 0.9]
    for one in facts["loads"]:
        assert [policy["name"] for policy in one["policies"]] == ["greedy", "shares"]
        assert all(0.0 <= p["testbed"]["violations"]["value"] <= 1.0 for p in one["policies"])
    edits = facts["edits"]
    file_mb = 1e-6 * len(upload((64, 64)))
    assert edits["upload_mb"] > file_mb
    assert {one["rung"] for one in edits["5_causes"]} == set(RUNGS)
    (world,) = facts["curve"]["world"]
    assert world["policy"] == "greedy"
    assert world["seeds"] == world["blocks"] == 1
    cost = world["measured"] - world["assumed"]
    assert world["cost"]["value"] == pytest.approx(cost)


def test_a_calibration_that_nothing_was_compared_with_does_not_hold(finished):
    valid = validity(finished, {})
    assert not valid["calibrated"]
    right = {"service_in_blocks": {"absolute": TRUSTED}}
    assert validity(finished, right)["calibrated"]


def test_a_wrong_calibration_is_detected(finished):
    facts = report(finished, {})
    right = facts["gap"]["1_calibration"]["service_in_blocks"]
    assert facts["control"]["service"]["signed"] == pytest.approx(2.0 * right["signed"] + 1.0)
    main, *others = finished.played
    as_simulated = {**main.outcomes, TESTBED: main.outcomes[WORLD]}  # nothing else is wrong
    ideal = dataclasses.replace(main, outcomes=as_simulated)
    control = report(dataclasses.replace(finished, played=[ideal, *others]), {})["control"]
    assert control["detected"]
    assert control["distance_of_the_right_one"]["value"] == 0.0
    assert control["raises_distance"]
    wrong = dataclasses.replace(
        finished.calibrated.fitted, ghz=[0.5 * one for one in finished.calibrated.fitted.ghz]
    )
    calibrated = dataclasses.replace(finished.calibrated, fitted=wrong)
    facts = report(dataclasses.replace(finished, calibrated=calibrated), {})
    assert facts["gap"]["1_calibration"]["service_in_blocks"]["absolute"] > TRUSTED
    assert not facts["validity"]["calibrated"]
