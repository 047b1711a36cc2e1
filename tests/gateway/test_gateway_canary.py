"""A canary in the gateway: over real sockets, until it is promoted or withdrawn."""

import asyncio
import json
import shutil

import numpy as np
import pytest

from edgewright.bundle import load
from edgewright.core.errors import InputError
from edgewright.gateway.app import Gateway
from edgewright.gateway.canary import PROMOTED, RUNNING, SAME, WITHDRAWN, settle
from edgewright.gateway.plan import make_plan
from edgewright.serve.sequential import MIN_OUTCOMES

FILES = "p.edge", "new.edge"


@pytest.fixture
def place(bundles, tmp_path):
    """Return what puts two bundles beside the configuration; return their versions."""

    def put(running, canary):
        for name, file in zip((running, canary), FILES, strict=True):
            shutil.copy(bundles[name], tmp_path / file)
        return [load(tmp_path / file).version for file in FILES]

    return put


@pytest.fixture
def three(device):
    return [{**device, "name": f"b{n}", "location": n, "step_ms": 0.5} for n in range(3)]


TABLES = {"policy": {"bundle": FILES[0]}, "canary": {"bundle": FILES[1], "share": 0.5}}


def asked(service, count):
    """Return the answers of requests that come one after another."""
    answers = [service.image({"size": "8x8"}) for _ in range(count)]
    assert {status for status, _, _ in answers} == {200}
    return [body["edgewright"] for _, _, body in answers]


@pytest.mark.parametrize("better", [True, False])
def test_a_canary_is_promoted_or_withdrawn(gateway, three, place, soon, tmp_path, better):
    """Services are short, so what draws finely earns more than what draws roughly."""
    names = ("local-0", "shortest-2") if better else ("shortest-2", "local-0")
    old, new = place(*names)
    log = {"path": "log.db"}
    with gateway(backend=three, **TABLES, log=log) as service:
        assert service.state()["canary"]["state"] == RUNNING
        assert service.metric("edgewright_gateway_canary_share") == 0.5
        first = asked(service, MIN_OUTCOMES)
        by_canary = [one.get("canary", False) for one in first]
        versions = [f"policy@{new if is_canary else old}" for is_canary in by_canary]
        assert [one["decided_by"] for one in first] == versions
        assert 0.3 < np.mean(by_canary) < 0.7
        assert service.metric("edgewright_gateway_canary_outcomes", arm="canary") > 0
        end, wanted = 400, PROMOTED if better else WITHDRAWN

        def ended():
            asked(service, 10)
            return service.state()["canary"]["state"] == wanted

        soon(ended)
        assert service.metric("edgewright_gateway_canaries_total", result=wanted) == 1
        assert service.metric("edgewright_gateway_canary_share") == 0.0
        winner = new if better else old
        soon(lambda: service.state()["policy"] == f"policy@{winner}")
        assert {one["decided_by"] for one in asked(service, 5)} == {f"policy@{winner}"}
        facts = service.state()["canary"]
        assert facts["state"] == wanted and facts["problem"] == ""
        assert facts["low"] >= 0.0 if better else facts["high"] <= 0.0  # excluded ends
        assert sum(facts["outcomes"].values()) < end
        assert any(f"canary {new} is {wanted}" in line for line in service.said)
    assert load(tmp_path / FILES[0]).version == winner
    assert (tmp_path / "p.edge.history" / f"{old}.edge").exists() == better


def test_receipts_and_the_log_name_the_canary(gateway, three, place, tmp_path):
    import sqlite3

    _, new = place("se-ppo", "a2c")
    with gateway(backend=three, **TABLES, log={"path": "log.db"}) as service:
        asked(service, 20)
        receipts = {one["id"]: one for one in service.receipts()}
    with sqlite3.connect(tmp_path / "log.db") as database:
        rows = database.execute("SELECT id, policy, decision FROM decisions").fetchall()
    database.close()
    by_canary = {id: policy == new for id, policy, _ in rows}
    assert by_canary == {id: one.get("canary", False) for id, one in receipts.items()}
    assert 0 < sum(by_canary.values()) < len(by_canary)
    bundle = load(tmp_path / FILES[1])
    for id, policy, decision in rows:
        if policy == new:
            assert (
                json.loads(decision)["action"]
                == bundle.decide(receipts[id]["observation"])["action"]
            )


def test_a_comparison_goes_on_through_reloads_that_change_neither_bundle(
    place, three, write_config, tmp_path, bundles
):
    place("local-0", "shortest-2")
    file = write_config(tmp_path, backend=three, **TABLES)
    first = make_plan(file)
    first.canary.decided("a", True)
    first.canary.reported("a", 1.0)
    write_config(tmp_path, backend=three, **TABLES, signals={"charge_pct": 50})
    same = make_plan(file, first)
    assert same.canary is first.canary
    shutil.copy(bundles["se-ppo"], tmp_path / FILES[1])
    other = make_plan(file, same)
    assert other.canary is not first.canary
    assert other.canary.outcomes() == {"canary": 0, "running": 0}
    shutil.copy(tmp_path / FILES[1], tmp_path / FILES[0])  # as after a promotion and a restart
    ended = make_plan(file)
    assert (ended.canary.state, ended.canary.draws(), ended.canary.share) == (SAME, False, 0.0)


def test_a_bundle_that_came_meanwhile_is_not_overwritten(
    place, three, write_config, tmp_path, bundles
):
    place("local-0", "shortest-2")
    said, gateway = [], Gateway(write_config(tmp_path, backend=three, **TABLES))
    gateway._emit = said.append
    trial = gateway.plan.canary
    rng, results = np.random.default_rng(0), []
    for number in range(400):
        by_canary = bool(rng.random() < 0.5)
        trial.decided(str(number), by_canary)
        results.append(trial.reported(str(number), float(by_canary)))
    (result,) = filter(None, results)
    assert result == PROMOTED
    shutil.copy(bundles["se-ppo"], tmp_path / FILES[0])
    newer = load(tmp_path / FILES[0]).version
    asyncio.run(settle(gateway, trial, result))
    assert load(tmp_path / FILES[0]).version == newer
    assert "holds another bundle" in trial.problem
    assert "the file was not replaced" in said[-1]


def ended(trial, shift):
    """Feed a trial by hand until it has a result, and return that."""
    rng = np.random.default_rng(1)
    for number in range(20_000):
        by_canary = bool(rng.random() < trial.table.share)
        trial.decided(str(number), by_canary)
        reward = 0.5 + shift * by_canary
        if result := trial.reported(str(number), reward + rng.uniform(-0.1, 0.1)):
            return result
    raise AssertionError("it has no result")


@pytest.fixture
def by_hand(place, three, write_config, tmp_path):
    """Return a gateway with a canary of 5 %, and what it says."""
    place("local-0", "shortest-2")
    canary = {"bundle": FILES[1], "share": 0.05, "rewards": [-5.0, 5.0]}
    said = []
    config = write_config(tmp_path, backend=three, policy={"bundle": FILES[0]}, canary=canary)
    return Gateway(config, said.append), said


@pytest.mark.parametrize("better", [True, False])
def test_a_result_counts_where_an_end_is_open(by_hand, tmp_path, better):
    gateway, said = by_hand
    trial = gateway.plan.canary
    canary, running = trial.policy.bundle.version, trial.running
    result = ended(trial, 1.0 if better else -1.0)
    facts = trial.facts()
    assert facts["high" if better else "low"] is None  # nothing so far off is excluded yet
    assert facts["low" if better else "high"] is not None
    asyncio.run(settle(gateway, trial, result))
    assert result == (PROMOTED if better else WITHDRAWN) and trial.problem == ""
    assert said[0].startswith(f"canary {canary} is {result}: {'+' if better else '-'}")
    assert ("+inf]" if better else "[-inf,") in said[0]
    assert load(tmp_path / FILES[0]).version == (canary if better else running)
    assert gateway.plan.policy.bundle.version == (canary if better else running)


def test_a_promotion_that_fails_says_so_in_the_facts(by_hand, tmp_path):
    gateway, said = by_hand
    trial = gateway.plan.canary
    result = ended(trial, 0.4)
    text = gateway.file.read_text()
    gateway.file.write_text(text + "[")
    asyncio.run(settle(gateway, trial, result))
    assert load(tmp_path / FILES[0]).version == trial.policy.bundle.version
    assert gateway.plan.policy.bundle.version == trial.running
    assert "was not taken up" in trial.facts()["problem"]
    assert "must be TOML" in trial.problem and said[-1] == trial.problem
    gateway.file.write_text(text)
    asyncio.run(gateway.watcher.reload())
    assert gateway.plan.policy.bundle.version == trial.policy.bundle.version
    assert gateway.plan.canary is trial and trial.problem == ""


def test_an_error_that_nobody_foresaw_is_reported(by_hand, monkeypatch):
    gateway, said = by_hand
    trial = gateway.plan.canary

    def broken(*_):
        raise ValueError("broken")

    async def later():
        gateway.later(settle(gateway, trial, WITHDRAWN))
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    monkeypatch.setattr("edgewright.gateway.canary.result_text", broken)
    asyncio.run(later())
    assert trial.problem == "the result was not carried out: broken"
    assert "failed: ValueError at test_gateway_canary.py" in said[-1]
    monkeypatch.undo()
    monkeypatch.setattr(trial, "promote", broken)
    asyncio.run(settle(gateway, trial, PROMOTED))
    assert trial.problem.endswith("broken") and trial.running in trial.problem


def test_a_canary_without_rewards_is_refused(
    place, three, write_config, tmp_path, monkeypatch, edgewright
):
    _, new = place("local-0", "shortest-2")
    file = write_config(tmp_path, backend=three, **TABLES)
    assert f"canary policy@{new} is on trial" in edgewright(
        "gateway", "--config", file, "--check"
    ).stdout  # fmt: skip
    monkeypatch.setattr("edgewright.gateway.policy.task_reward", lambda *_: None)
    for quality in ({}, {"scores": [0.2, 0.5, 1.0]}):
        levels = {"levels": ["draft", "standard", "fine"], **quality}
        file = write_config(tmp_path, backend=three, quality=levels, **TABLES)
        with pytest.raises(InputError, match="defines no reward") as caught:
            make_plan(file)
        assert caught.value.where == f"{file}: canary" and "[blocks]" in caught.value.hint


@pytest.mark.parametrize(
    ("tables", "where", "message"),
    [
        ({"policy": {}}, "policy.bundle", "must be given where a canary is"),
        ({"canary": {"bundle": "gone.edge"}}, "canary.bundle", "No such file|cannot be read|not"),
        ({"canary": {"bundle": FILES[1], "share": 0.9}}, "canary.share", "must be at most 0.5"),
        ({"canary": {"bundle": FILES[1], "error": 0.0}}, "canary.error", "must be greater than 0"),
        ({"canary": {"share": 0.1}}, "canary.bundle", "must be given"),
        (
            {"blocks": {"arms": {"a": "policy", "b": "local"}}},
            "canary",
            r"must be left out beside \[blocks\]",
        ),
    ],
)
def test_a_canary_that_cannot_be_compared_is_refused(
    place, three, write_config, tmp_path, tables, where, message
):
    place("local-0", "shortest-2")
    file = write_config(tmp_path, backend=three, **{**TABLES, **tables})
    with pytest.raises(InputError, match=message) as caught:
        make_plan(file)
    assert caught.value.where.startswith(f"{file}: {where}")
    assert caught.value.hint
