"""The closed loop on real processes, with a stub in the place of the retraining."""

import dataclasses
import json
import os
import re
import time
from types import SimpleNamespace

import pytest

from edgewright.bundle import load as load_bundle
from edgewright.bundle.bundle import pack_again
from edgewright.bundle.history import replace_bundle
from edgewright.cli.testbed_loop import check_loop, loop_lines
from edgewright.core.errors import CheckFailed, InputError
from edgewright.serve.log_reader import LoggedDecision
from edgewright.testbed import loop
from edgewright.testbed.loop import AFTER, BEFORE, KNOWN, NEW, OLD, Alarm, first_alarm, loop_steps
from edgewright.testbed.loop_page import loop_figure, loop_page
from edgewright.testbed.loop_plan import LOOP
from edgewright.testbed.loop_report import loop_report
from edgewright.testbed.plan import Worker
from edgewright.testbed.policies import LEARNER, Bundles, bundles_of
from edgewright.update.plan import UPDATE

SITE = dataclasses.replace(
    LOOP.site,
    workers=(Worker("device", 0.1, 2.0, queue=4), Worker("edge", 0.3, 20.0)),
    steps=(1, 2, 4),
    sizes=((64, 64), (128, 128)),
    seconds=1.0,
    rounds=1,
    train_steps=4096,
    repeats=2,
)
TINY = dataclasses.replace(
    LOOP, site=SITE, watch_s=2.0, collect_s=2.0, check_every=50, retrain_steps=4096
)
PAUSE_S = 1.0
"""What the stub of an update takes, while requests go on."""

GHZ = {"key": "params.server_ghz", "after": [1.0]}
EVIDENCE = {
    "calibration": {"fits": [GHZ]},
    "gate": {"conditions": [{"name": "x", "value": 0.0, "rule": "y", "passed": True}]},
}


def stub(plan, on_share):
    """Write another version of a bundle in its place, as an update does."""
    on_share(0.05, "calibrate the scenario")
    time.sleep(PAUSE_S)
    old = load_bundle(plan.bundle)
    lineage = [*old.facts["lineage"], {"stage": UPDATE, "from": old.version}]
    content, made = pack_again({**old.facts, "lineage": lineage}, old.members, str(plan.out))
    replace_bundle(plan.out, content, old, UPDATE)
    return {"version": made.version, "from": old.version, **EVIDENCE}


def rule(names, scenario, folder, training, on_progress):
    """Export a rule in the place of the learned policy: only one training is worth its time."""
    made = bundles_of(["greedy"], scenario, folder, training, on_progress)
    return Bundles({LEARNER: made.files["greedy"]}, {})


def noticed(before, after, setup):
    """Return the test of drift as if it had noticed the change in so few decisions."""
    return dataclasses.replace(first_alarm(before, after, setup), decisions=len(after))


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    """Return a run; it reports its progress as often as it says."""
    names = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "update", stub)
        patch.setattr(loop, "first_alarm", noticed)
        patch.setattr(loop, "bundles_of", rule)
        run = loop.run_loop(TINY, tmp_path_factory.mktemp("loop"), None, names.append)
    assert len(names) == loop_steps(TINY)
    return run


@pytest.fixture
def facts(closed, monkeypatch):
    """Return the report of the run."""
    monkeypatch.setattr("edgewright.testbed.gap.DRAWS", 40)
    return loop_report(closed, {"cores": 2})


def test_the_swap_loses_no_request(closed, facts):
    swap = facts["swap"]
    assert swap["requests"] > 5 and swap["failed"] == swap["failed_in_all"] == 0
    old, new = (closed.update[key] for key in ("from", "version"))
    assert swap["decisions_by_version"][old] > swap["decisions_by_version"][new] > 0
    assert [text for _, text in closed.marks] == ["edge 3 times slower", "update", "swap"]


def test_the_slow_worker_is_slow_in_the_log_and_all_policies_meet_it(closed, facts):
    worker, (width, height) = SITE.workers[1], SITE.sizes[0]
    step_s = 1e-3 * SITE.step_ms * width * height / 256**2 / worker.speed
    before, after = (
        [
            row.metrics["service_s"] / (step_s * SITE.steps[row.decision["level"]])
            for row in rows
            if row.decision["location"] == 1 and "service_s" in row.metrics
        ]
        for rows in closed.logged
    )  # services over the pace of the smallest image, before the change
    assert min(before) < 0.9 * TINY.slower < 0.95 * TINY.slower < min(after)
    arms = [(one["workers"], one["policy"]) for one in facts["scores"]]
    assert arms == [(BEFORE, OLD), (AFTER, OLD), (AFTER, NEW), (AFTER, KNOWN)]
    assert len({tuple(one.requests) for one in closed.blocks}) == 1  # the same for all of them
    assert len(facts["differences"]) == 4
    for one in facts["differences"].values():
        assert one["reward"]["low"] <= one["reward"]["value"] <= one["reward"]["high"]


def test_the_page_and_the_lines_hold_what_was_measured(facts):
    facts = json.loads(json.dumps(facts))
    svg = loop_figure(facts)
    text = loop_page(facts, "edgewright testbed --closed-loop", svg)
    assert "<script" not in text and not re.search(r"(src|href)=.https?:", text)
    for words in ("edge becomes 3 times slower", NEW, "failed", "Gate"):
        assert words in text
    lines = "\n".join(loop_lines(facts, "out"))
    assert f"{NEW} minus {OLD}: " in lines and "out/closed-loop.svg" in lines


def test_what_went_wrong_is_refused(facts):
    sound = facts | {"validity": {"valid": True, "late_share": 0.0}}
    check_loop(sound)
    lost = sound | {"swap": facts["swap"] | {"failed": 2}}
    busy = sound | {"validity": {"valid": False, "late_share": 0.2}}
    closed = sound | {"update": facts["update"] | {"passed": False, "refused": "too little"}}
    silent = sound | {"drift": facts["drift"] | {"decisions": None}}
    cases = ((lost, "2 of"), (busy, "20 %"), (closed, "too little"), (silent, "no alarm"))
    for wrong, message in cases:
        with pytest.raises(CheckFailed, match=message):
            check_loop(wrong)


def test_the_command_writes_page_figure_and_json(closed, edgewright, tmp_path, monkeypatch):
    asked = []

    def run(setup, folder, data, on_progress):
        folder.mkdir()
        asked.append(setup)
        return dataclasses.replace(closed, blocks=closed.blocks)

    monkeypatch.setattr("edgewright.testbed.gap.DRAWS", 40)
    monkeypatch.setattr(loop, "run_loop", run)
    monkeypatch.setattr("edgewright.testbed.loop_report.LATE_SHARE", 1.0)  # a busy machine
    out = tmp_path / "out"
    given = ("testbed", "--closed-loop", "--rounds", 1, "--seed", 3, "--out", out, "--json")
    printed = json.loads(edgewright(*given).stdout)
    assert (asked[0].site.rounds, asked[0].site.seed) == (1, 3)
    assert printed == json.loads((out / "report.json").read_text())
    page = (out / "report.html").read_text()
    assert f"edgewright testbed --closed-loop --rounds 1 --seed 3 --out {out}" in page
    assert (out / "closed-loop.svg").read_text().startswith("<?xml")
    error = edgewright("testbed", "--closed-loop", "--rounds", 0, code=2).stderr
    assert "--rounds" in error and len(asked) == 1


def test_a_folder_with_an_earlier_log_is_refused(tmp_path, edgewright):
    (tmp_path / "decisions.db").write_bytes(b"an earlier log")
    error = edgewright("testbed", "--closed-loop", "--out", tmp_path, code=2).stderr
    assert str(tmp_path) in error and "earlier" in error and "--out" in error
    assert [one.name for one in tmp_path.iterdir()] == ["decisions.db"]
    assert (tmp_path / "decisions.db").read_bytes() == b"an earlier log"


def test_a_refused_update_leaves_the_old_policy_and_is_reported(closed, facts):
    blocks = [one for one in closed.blocks if one.policy != NEW]
    run = dataclasses.replace(closed, blocks=blocks, refused="simulation is -1")
    without = loop_report(run, {})
    assert not without["update"]["passed"] and without["recovered"] is None
    assert [one["policy"] for one in without["scores"]] == [OLD, OLD, KNOWN]
    assert "simulation is -1" in loop_page(without, "command", loop_figure(without))


@pytest.fixture
def replayed(closed, monkeypatch, tmp_path):
    """Return a loop whose processes answer as they did in the run, and the bundles it compares."""
    site, compared = loop._Loop.__new__(loop._Loop), []
    (tmp_path / "p.edge").write_bytes(b"a bundle")
    site.__dict__ |= {
        "_setup": TINY, "_folder": tmp_path, "_log": tmp_path / "log.db", "_scenario": None,
        "_calibrated": SimpleNamespace(fitted=closed.fitted), "_objective": closed.objective,
        "_blocks": [one for one in closed.blocks if one.policy != NEW], "_marks": [],
        "_seconds": {}, "_began": time.monotonic(), "_on_progress": lambda name: None,
        "_trained": lambda: tmp_path / "p.edge", "_known": lambda: tmp_path / "known.edge",
        "_explore": lambda phase, *_: (closed.exploring[0], closed.logged[phase == AFTER]),
        "_slow_down": lambda: None, "_rows": lambda: closed.logged[1],
        "_use": lambda *_: None, "_play": lambda *_: closed.during,
        "_compare": lambda phase, bundles: compared.append([*bundles]),
    }  # fmt: skip
    monkeypatch.setattr(loop, "training_identity", lambda scenario: "identity")
    monkeypatch.setattr("edgewright.testbed.gap.DRAWS", 40)
    return site, compared


def test_nothing_is_updated_without_an_alarm(replayed, monkeypatch):
    site, compared = replayed
    monkeypatch.setattr(loop, "update", lambda *_: pytest.fail("no update was due"))
    monkeypatch.setattr(loop, "first_alarm", lambda *given: Alarm(None, noticed(*given).report))
    facts = loop_report(site.run(), {})
    assert compared == [[OLD], [OLD, KNOWN]] and len(site.run().exploring) == 2
    assert facts["swap"]["requests"] == 0 and not facts["update"]["passed"]
    with pytest.raises(CheckFailed, match="no alarm"):
        check_loop(facts)
    assert "Drift is not noticed" in loop_page(facts, "command", loop_figure(facts))


def test_too_little_evidence_leaves_the_old_policy_and_is_reported(replayed, monkeypatch):
    site, compared = replayed

    def refuse(plan, on_share):
        raise InputError("the effective sample size must be at least 100; got 68")

    monkeypatch.setattr(loop, "update", refuse)
    monkeypatch.setattr(loop, "first_alarm", noticed)
    facts = loop_report(site.run(), {})
    assert compared == [[OLD], [OLD, KNOWN]]
    assert facts["calibration"]["server_ghz_by_the_log"] is None
    page = loop_page(json.loads(json.dumps(facts)), "command", loop_figure(facts))
    assert "must be at least 100; got 68" in page and "not fitted to the log" in page
    with pytest.raises(CheckFailed, match="got 68"):
        check_loop(facts)


def decisions(backlog, count=300):
    """Return decisions of one client with a backlog."""
    return [
        LoggedDecision(
            f"{'0' * 12}-{n:x}", float(n), "v", "policy", {"server_1_backlog_gcycles": backlog(n)},
            {}, (), 0.5, "", 0.1 * (n % 7), float(n), {},
        )
        for n in range(count)
    ]  # fmt: skip


def test_an_alarm_says_after_how_many_decisions_it_came():
    setup = dataclasses.replace(LOOP, check_every=50)
    before = decisions(lambda n: float(n * 7919 % 100))
    same = first_alarm(before, decisions(lambda n: float(n * 104729 % 100)), setup)
    assert same.decisions is None and not same.report.alarm
    assert same.report.rate == pytest.approx(setup.rate / 6)  # of six tests together
    few = first_alarm(before, decisions(float, count=40), setup)
    assert few.decisions is None and few.report.current == 40
    higher = decisions(lambda n: float(n * 104729 % 100) + 20.0)
    noticed = first_alarm(before, higher, setup)
    assert 50 < noticed.decisions < 300 and noticed.report.alarm
    assert [one.name for one in noticed.report.fields if one.alarm] == ["server_1_backlog_gcycles"]


@pytest.mark.learn
@pytest.mark.skipif("EDGEWRIGHT_LONG_TESTS" not in os.environ, reason="takes minutes")
def test_an_update_passes_its_gate_and_gains(tmp_path):
    run = loop.run_loop(LOOP, tmp_path / "loop", None)
    facts = loop_report(run, {})
    assert not run.refused and facts["swap"]["failed_in_all"] == 0
    assert facts["drift"]["alarm"] and facts["drift"]["decisions"] <= 300
    by_log, true = (facts["calibration"][f"server_ghz_{name}"] for name in ("by_the_log", "true"))
    assert by_log[0] == pytest.approx(true[0], rel=0.25)
