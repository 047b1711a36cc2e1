"""The decision for each request (G6: 13, 14, 16, 17, 18), deadlines and blocks."""

import itertools
import json
import random
import sqlite3

import numpy as np
import pytest

from edgewright.bundle import load
from edgewright.bundle.engine import SCORES
from edgewright.gateway.decide import explored
from edgewright.serve.log_reader import DecisionLogReader

LEVELS = 3


@pytest.fixture
def three(device):
    """Return a device and two servers, as the bundles have them."""
    speeds = {"device": 0.2, "edge-1": 0.5, "edge-2": 0.9}
    return [
        {**device, "name": name, "location": n, "speed": speed}
        for n, (name, speed) in enumerate(speeds.items())
    ]


def actions(bundle, observation):
    """Return the bundle's actions, the best first."""
    row, _ = bundle.interface.encode(observation)
    scores = bundle.engine.many(np.array([row], np.float32))[SCORES][0]
    return [*np.argsort(-scores, kind="stable")]


def test_13_the_choice_is_the_bundles_on_the_logged_observation(
    gateway, three, bundles, together, tmp_path
):
    policy = {"bundle": str(bundles["se-ppo"])}
    log = {"path": "log.db", "prompts": "hash"}
    with gateway(backend=three, policy=policy, log=log) as service:
        claims = itertools.product(("preview", "balanced", "best"), (15, 60, 100), (None, "high"))
        calls = [
            lambda mode=mode, charge=charge, quality=quality: service.image(
                {
                    "size": "64x64",
                    "quality": quality,
                    "edgewright": {"mode": mode, "charge_pct": charge},
                }
            )
            for mode, charge, quality in claims
        ]
        assert {answer[0] for answer in together(*calls)} == {200}
        receipts = {one["id"]: one for one in service.receipts()}
    bundle = load(bundles["se-ppo"])
    with sqlite3.connect(tmp_path / "log.db") as database:
        rows = database.execute("SELECT id, decided_by, observation, decision FROM decisions")
        rows = rows.fetchall()
        outcomes = database.execute("SELECT decision, metrics FROM outcomes").fetchall()
    database.close()
    assert {row[0] for row in rows} == {*receipts} == {row[0] for row in outcomes}
    seen = set()
    for id, by, observation, decision in rows:
        observed, decided = json.loads(observation), json.loads(decision)
        assert observed == receipts[id]["observation"]
        assert by == f"policy@{bundle.version}"
        best = actions(bundle, observed)
        if receipts[id]["asked"]["quality"] == "high":
            best = [one for one in best if one % LEVELS == LEVELS - 1]
        else:
            assert best[0] == bundle.decide(observed)["action"]
        assert (decided["location"], decided["level"]) == divmod(best[0], LEVELS)
        second = receipts[id]["runner_up"]
        assert (second["location"], second["level"]) == divmod(best[1], LEVELS)
        seen.add(observed["mode"])
    assert seen == {"preview", "balanced", "best"}
    assert all(json.loads(metrics)["done"] == 1.0 for _, metrics in outcomes)


def test_13_a_rule_in_a_bundle_decides_too(gateway, three, bundles):
    with gateway(backend=three, policy={"bundle": str(bundles["local-0"])}) as service:
        _, headers, _ = service.image()
        assert headers["x-edgewright-location"] == "0"
        assert headers["x-edgewright-quality"] == "0/draft"
        _, headers, body = service.image({"quality": "high"})  # not what the rule chooses
        assert headers["x-edgewright-quality"] == "2/fine"
        assert body["edgewright"]["decided_by"] == "rule:least-delay"


@pytest.mark.parametrize("policy", [None, "se-ppo"])
def test_14_a_literal_never_gets_another_level(gateway, three, bundles, policy, together):
    named = {"bundle": str(bundles[policy])} if policy else {}
    with gateway(backend=three, policy=named) as service:
        literals = ["low", "medium", "high"] * 8
        calls = [
            lambda one=one, n=n: service.image(
                {
                    "quality": one,
                    "size": "64x64",
                    "edgewright": {"charge_pct": 20 + n, "deadline_ms": 30 + 100 * n},
                }
            )
            for n, one in enumerate(literals)
        ]
        answers = together(*calls)
    for literal, (status, headers, body) in zip(literals, answers, strict=True):
        assert status == 200
        assert body["quality"] == literal
        level = {"low": "0", "medium": "1", "high": "2"}[literal]
        assert headers["x-edgewright-quality"].partition("/")[0] == level


def test_16_shadows_decide_on_the_same_observation_and_generate_nothing(
    gateway, three, bundles, soon
):
    names = ["min-backlog", "finest", str(bundles["local-0"])]
    policy = {"bundle": str(bundles["se-ppo"]), "shadow": names}
    with gateway(backend=three, policy=policy) as service:
        for _ in range(5):
            service.image({"size": "64x64"})
        assert service.metric("edgewright_gateway_images_total") == 5
        for receipt in service.receipts():
            shadows = receipt["shadows"]
            assert [*shadows] == names
            assert shadows["finest"]["level"] == 2
            local = shadows[str(bundles["local-0"])]
            assert (local["location"], local["level"]) == (0, 0)
            chosen = receipt["location"], receipt["level"]
            for one in shadows.values():
                assert one["agrees"] == ((one["location"], one["level"]) == chosen)
        counted = service.metric("edgewright_gateway_shadow_decisions_total")
        assert counted == 15


def behind_a_link(service, **settings):
    return {
        "name": "w1", "kind": "upstream", "location": 1, "url": f"{service.url}/v1",
        "levels": [{"quality": one} for one in ("low", "medium", "high")],
        "seconds": [0.1, 0.2, 0.4], "link": "access", **settings,
    }  # fmt: skip


@pytest.mark.parametrize("stale", ["pessimistic", "last", "mask"])
def test_17_a_stale_or_missing_bandwidth_follows_the_policy_and_is_counted(
    gateway, device, bundles, stale, soon
):
    signals = {"bandwidth_max_age_s": 0.5, "stale": stale}
    link = [{"name": "access", "initial_mbps": 77.0}]
    policy = {"bundle": str(bundles["se-ppo"])}
    with (
        gateway("worker.toml", backend=[{**device, "speed": 1.0}]) as worker,
        gateway(
            backend=[device, behind_a_link(worker)], link=link, signals=signals, policy=policy
        ) as service,
    ):
        service.image({"model": "w1", "size": "1024x1024", "quality": "low"})
        first = service.receipts()[-1]
        assert first["stale"] == {"bandwidth_mbps": "missing"}
        assert first["observation"]["bandwidth_mbps"] == 77.0
        assert service.state()["links"]["access"]["transfers"] == 1
        soon(lambda: service.state()["links"]["access"]["state"] == "stale")
        measured = service.state()["links"]["access"]["mbps"]
        status, _, body = service.image({"model": "w1", "size": "64x64"})
        if stale == "mask":
            assert (status, body["error"]["code"]) == (503, "no_backend")
            assert service.image({"size": "64x64"})[1]["x-edgewright-backend"] == "device"
            return
        assert status == 200
        second = service.receipts()[-1]
        assert second["stale"] == {"bandwidth_mbps": "stale"}
        assert second["observation"]["bandwidth_mbps"] == pytest.approx(measured)
        count = service.metric("edgewright_gateway_stale_total", signal="bandwidth_mbps")
        assert count == 2


def test_18_a_value_that_training_never_met_is_flagged(gateway, three, bundles):
    policy = {"bundle": str(bundles["se-ppo"])}
    with gateway(backend=three, policy=policy) as service:
        _, headers, body = service.image({"edgewright": {"charge_pct": 80}})
        outside = headers["x-edgewright-out-of-range"].split(",")
        assert "input_mb" in outside  # bytes, where training met 10 to 25 MB
        assert "charge_pct" not in outside
        assert body["edgewright"]["out_of_range"] == outside
        assert service.metric("edgewright_gateway_out_of_range_total", field="input_mb") == 1
        _, headers, _ = service.image({"edgewright": {"charge_pct": 1}})
        assert "charge_pct" in headers["x-edgewright-out-of-range"].split(",")
    fixed = {"input_mb": 17.5}
    policies = {"policy": policy, "signals.fixed": fixed}
    with gateway("fixed.toml", backend=three, **policies) as service:
        service.image()
        (receipt,) = service.receipts()
        assert receipt["observation"]["input_mb"] == 17.5
        assert "input_mb" not in receipt["out_of_range"]


def test_a_deadline_changes_the_choice(gateway, device):
    slow = {**device, "step_ms": 60.0, "speed": 0.2}  # 0.6, 1.2 and 2.4 s
    with gateway(backend=[slow], policy={"fallback": "finest"}) as service:
        assert service.image()[2]["edgewright"]["level"] == 2
        headers = {"x-edgewright-deadline-ms": "1900"}
        assert service.image({}, headers)[2]["edgewright"]["level"] == 1
        body = {"edgewright": {"deadline_ms": 1000}}
        assert service.image(body, headers)[2]["edgewright"]["level"] == 0
        client = service.client(timeout=2.0)  # 1.8 s after its margin
        assert client.images.generate(prompt="4").edgewright["level"] == 1
        late = service.image({"edgewright": {"deadline_ms": 50}})[2]["edgewright"]
        assert (late["level"], late["late"]) == (0, True)
        assert service.metric("edgewright_gateway_late_total") == 1
    with gateway("shed.toml", backend=[slow], policy={"on_late": "shed"}) as service:
        status, headers, body = service.image({"edgewright": {"deadline_ms": 50}})
        assert (status, body["error"]["code"]) == (503, "deadline")
        assert "retry-after-ms" not in headers  # it would be late without a queue too
        assert headers["x-should-retry"] == "false"
        assert "the fastest would take 600 ms" in body["error"]["message"]


def test_blocks_use_one_arm_at_a_time_and_name_it_afterwards(gateway, device, edge, soon):
    arms = {"a1": "local", "a2": "local", "b": "fastest"}
    blocks = {"seconds": 0.5, "arms": arms, "seed": 3}
    with gateway(backend=[device, edge], blocks=blocks) as service:
        ids: dict[int, str] = {}  # a receipt of every block

        def rounds() -> list[int]:
            """Return the rounds of three blocks of which all were met, on a slow machine too."""
            ends = range(max(ids) // 3)
            return [n for n in ends if {3 * n, 3 * n + 1, 3 * n + 2} <= set(ids)]

        while not ids or len(rounds()) < 2:
            _, headers, body = service.image({"size": "8x8"})
            ids.setdefault(int(headers["x-edgewright-block"]), body["edgewright"]["receipt"])
            assert "arm" not in body["edgewright"]
        order = {}
        for number in (3 * n + k for n in rounds()[:2] for k in range(3)):
            full = json.loads(service.get(f"/v1/receipts/{ids[number]}"))
            assert int(full["block"]) == number
            order[number] = full["arm"]
            assert full["decided_by"] == f"rule:{arms[full['arm']]}"
        for n in rounds()[:2]:
            assert {order[3 * n], order[3 * n + 1], order[3 * n + 2]} == {*arms}


def test_exploring_logs_how_likely_each_choice_was(gateway, device, tmp_path):
    log, share, count = tmp_path / "explored.db", 0.5, 60
    tables = {"policy": {"fallback": "finest", "explore": share}, "log": {"path": str(log)}}
    with gateway(backend=[device], **tables) as service:
        for _ in range(count):
            service.image({"size": "8x8"})
        fixed = service.image({"size": "8x8", "quality": "low"})[2]["edgewright"]
    with DecisionLogReader(log) as reader:
        rows = list(reader.rows())
    chances = {row.decision["level"]: row.propensity for row in rows[:count]}
    assert chances == {0: share / 3, 1: share / 3, 2: 1 - share + share / 3}
    assert fixed["level"] == 0 and rows[count].propensity == 1.0
    assert all(row.reward is not None for row in rows)


def test_exploring_keeps_a_deadline(gateway, device):
    slow = {**device, "step_ms": 60.0, "speed": 0.2}  # 0.6, 1.2 and 2.4 s
    with gateway(backend=[slow], policy={"fallback": "fastest", "explore": 0.5}) as service:
        body = {"edgewright": {"deadline_ms": 1000}}
        levels = {service.image(body)[2]["edgewright"]["level"] for _ in range(5)}
    assert levels == {0}


def test_exploring_draws_as_often_as_it_says():
    pool, rng, share = ["a", "b", "c", "d"], random.Random(0), 0.4
    drawn = [explored("b", pool, share, rng) for _ in range(4000)]
    assert {option: chance for option, chance in drawn} == {
        "a": 0.1, "b": pytest.approx(0.7), "c": 0.1, "d": 0.1,
    }  # fmt: skip
    assert sum(option == "b" for option, _ in drawn) / 4000 == pytest.approx(0.7, abs=0.03)
