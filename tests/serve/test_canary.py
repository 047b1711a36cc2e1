"""A canary decides its share, and is promoted or withdrawn with the stated error."""

import asyncio
import dataclasses
import json
import math
import shutil
import threading
import types

import numpy as np
import pytest

from edgewright.bundle import load
from edgewright.core.errors import InputError
from edgewright.serve.app import Service
from edgewright.serve.canary import PROMOTED, Canary, CanaryTest
from edgewright.serve.sequential import MIN_OUTCOMES, STRENGTHS, Bets
from edgewright.serve.settings import Settings


def rewards_of(law, rng, shape):
    """Return rewards ``[trials, outcomes]`` of mean 0 and deviation 1."""
    if law == "normal":
        return rng.normal(size=shape)
    if law == "lognormal losses":
        return (np.exp(0.5) - np.exp(rng.normal(size=shape))) / np.sqrt((np.e - 1.0) * np.e)
    if law == "rare losses":
        return (0.02 - (rng.random(shape) < 0.02)) / np.sqrt(0.02 * 0.98)
    shared = np.repeat(rng.normal(size=(shape[0], shape[1] // 50)), 50, axis=1)  # blocks
    return np.sqrt(0.5) * (shared + rng.normal(size=shape))


def results(law, shift, trials, seed=0, share=0.2, most=1500, error=0.05, rewards=None):
    """Return 1 for each promoted canary, -1 for each withdrawn one, and after how many outcomes."""
    rng = np.random.default_rng(seed)
    arms = (rng.random((trials, most)) < share).astype(float)
    values = rewards_of(law, rng, (trials, most)) + shift * arms
    bets, result, ended = Bets(share, error, 0.0, rewards, wide=False), np.zeros(trials, int), []
    for number in range(most):
        bets.add(values[:, number], arms[:, number])
        now = np.where(result == 0, bets.clear, 0)
        ended += [number] * int(np.sum(now != 0))
        result = result + now
    return result, ended


@pytest.mark.parametrize("law", ["normal", "lognormal losses", "rare losses", "blocks"])
def test_equal_policies_are_rarely_told_apart_whatever_the_rewards(law):
    trials = 400
    wrong = np.mean(results(law, 0.0, trials)[0] != 0)
    assert wrong <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / trials)


@pytest.mark.parametrize("law", ["normal", "lognormal losses", "rare losses", "blocks"])
@pytest.mark.parametrize("shift", [0.5, -0.5])
def test_a_clear_difference_is_found_early(law, shift):
    result, ended = results(law, shift, 50, seed=1)
    assert np.mean(result == np.sign(shift)) > 0.9 and not np.any(result == -np.sign(shift))
    assert np.median(ended) < 1000


def test_rare_losses_of_the_canary_alone_count_where_the_range_holds_them():
    rng, shape = np.random.default_rng(2), (200, 1500)
    arms = (rng.random(shape) < 0.2).astype(float)
    values = np.where(arms, rewards_of("rare losses", rng, shape), rng.normal(size=shape))
    bets, wrong = Bets(0.2, 0.05, 0.0, (-8.0, 5.0), wide=False), np.zeros(200, bool)
    for reward, by_canary in zip(values.T, arms.T, strict=True):
        bets.add(reward, by_canary)
        wrong |= bets.clear != 0
    assert np.mean(wrong) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)


def test_a_service_compares_as_the_simulation_does():
    rng = np.random.default_rng(3)
    arms, values = (rng.random(600) < 0.3), rng.normal(size=600)
    serving = types.SimpleNamespace(facts={})
    canary = Canary(serving, CanaryTest("", share=0.3, rewards=(-3.0, 3.0)))
    bets = Bets(0.3, 0.05, 0.0, (-3.0, 3.0), wide=False)
    for number in range(600):
        reward = float(values[number] + 0.6 * arms[number])
        canary.decided(str(number), bool(arms[number]))
        result = canary.reported(str(number), reward)
        bets.add(np.array([reward]), np.array([float(arms[number])]))
        assert (result == PROMOTED) == bool(np.all(bets.clear == 1))
        if result:
            break
    assert result == PROMOTED and canary.difference.low >= 0.0
    facts = canary.facts()
    assert facts["low"] <= 0.6 and (facts["high"] is None or facts["high"] >= 0.6)
    assert facts["rewards"] == [-3.0, 3.0] and facts["outcomes"]["canary"] == canary.canary.count


def test_the_capital_is_that_of_its_equation():
    rng, share = np.random.default_rng(4), 0.2
    values, arms = rng.normal(size=120).clip(-2.0, 2.0), rng.random(120) < share
    bets = Bets(share, 0.05, 0.3, (-2.0, 2.0))
    for reward, by_canary in zip(values, arms, strict=True):
        bets.add(reward, float(by_canary))
    for side, sign in enumerate((1.0, -1.0)):
        for null in (-0.3, 0.0):
            capital = np.ones(len(STRENGTHS))
            for t in range(MIN_OUTCOMES, 120):
                centre = np.mean(values[:t])
                x = (arms[t] - share) / (share * (1 - share)) * (values[t] - centre)
                ends = [(z - share) / (share * (1 - share)) * (r - centre)
                        for z in (0, 1) for r in (-2.0, 2.0)]  # fmt: skip
                lowest = min(sign * end for end in ends)
                worst = -lowest + max(sign * null, 0.0)
                capital *= 1 + STRENGTHS * sign * (x - null) / worst
            index = int(np.searchsorted(bets.differences, null))
            assert bets.capital[side][index] == pytest.approx(capital)


def test_a_range_is_learned_from_the_rewards_before_and_cuts_what_is_beyond():
    bets = Bets(0.5, 0.05, wide=False)
    for number in range(MIN_OUTCOMES):
        bets.add(float(number % 2), 0.0)
    cut = bets.cut
    bets.add(-1e9, 1.0)
    assert bets.cut == cut + 1 and bets.low == -1e9
    assert bets.rewards.mean > -0.1  # the absurd reward counted as 0
    assert bets.clear == 0 and bets.bets == 1


def test_constant_rewards_decide_nothing():
    canary = Canary(None, CanaryTest("", share=0.5, margin=0.1))
    for number in range(300):
        canary.decided(str(number), number % 2 == 0)
        assert canary.reported(str(number), 1.0) == ""


@pytest.fixture
def settings(bundles, tmp_path):
    shutil.copy(bundles["se-ppo"], tmp_path / "p.edge")
    shutil.copy(bundles["a2c"], tmp_path / "new.edge")
    test = CanaryTest(tmp_path / "new.edge", share=0.5)
    return Settings(bundle=tmp_path / "p.edge", log=tmp_path / "log.db", canary=test)


def decided(service, observation, count):
    """Return policies and ids of decisions."""
    body = json.dumps({"observation": observation}).encode()
    answers = [json.loads(service.decider.answer(body)) for _ in range(count)]
    return [(answer["policy"], answer["decision"]["id"]) for answer in answers]


@pytest.mark.parametrize(("shift", "promoted"), [(1.0, True), (-1.0, False)])
def test_a_service_promotes_or_withdraws(shift, promoted, settings, observation):
    said = []
    service = Service(settings, said.append)
    old, new = load(settings.bundle).version, load(settings.canary.file).version
    rng = np.random.default_rng(0)

    async def report(pairs):
        for policy, decision in pairs:
            reward = rng.normal() + shift * (policy == new)
            await service._compare({"decision": decision, "reward": reward})

    canary, policies = service.decider.canary, []
    for _ in range(400):
        pairs = decided(service, observation, 1)
        policies.append(pairs[0][0])
        if len(policies) == MIN_OUTCOMES:
            facts = canary.facts()
            assert facts["version"] == new and facts["low"] is None
        asyncio.run(report(pairs))
        if service.decider.canary is None:
            break
    assert 0.3 < np.mean([policy == new for policy in policies]) < 0.7
    service.log.close()
    assert service.decider.canary is None
    (text,) = said
    assert f"canary {new} is {'promoted' if promoted else 'withdrawn'}" in text
    assert {policy for policy, _ in decided(service, observation, 20)} == {new if promoted else old}
    assert load(settings.bundle).version == (new if promoted else old)
    history = settings.bundle.with_name("p.edge.history") / f"{old}.edge"
    assert history.exists() == promoted


@pytest.mark.parametrize("in_file", [True, False])
def test_a_bundle_that_came_meanwhile_is_not_overwritten(settings, bundles, monkeypatch, in_file):
    """It was written and not read yet, or a reload reads it while the result is there."""
    said = []
    service = Service(settings, said.append)
    canary = service.decider.canary
    monkeypatch.setattr(canary, "reported", lambda *_: PROMOTED)
    shutil.copy(bundles["local-0"], settings.bundle)
    newer = load(settings.bundle).version

    async def run():
        reload = [] if in_file else [service.reloader.reload()]
        await asyncio.gather(*reload, service._compare({"decision": "a", "reward": 1.0}))

    asyncio.run(run())
    service.log.close()
    assert load(settings.bundle).version == newer
    if in_file:
        assert "the file holds another bundle" in said[-1]
    else:
        assert service.decider.serving.bundle.version == newer
        assert f"{newer} was loaded meanwhile" in said[-1]


def test_a_reload_that_read_the_file_before_does_not_undo_a_promotion(settings, monkeypatch):
    service = Service(settings)
    canary, load_file = service.decider.canary, service.reloader._load
    began, go = threading.Event(), threading.Event()
    monkeypatch.setattr(canary, "reported", lambda *_: PROMOTED)

    def slow():
        fresh = load_file()
        began.set()
        go.wait(10)
        return fresh

    monkeypatch.setattr(service.reloader, "_load", slow)

    async def run():
        reload = asyncio.create_task(service.reloader.reload())
        await asyncio.to_thread(began.wait, 10)
        result = asyncio.create_task(service._compare({"decision": "a", "reward": 1.0}))
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(reload, result)

    asyncio.run(run())
    service.log.close()
    version = canary.serving.bundle.version
    assert service.decider.serving.bundle.version == version == load(settings.bundle).version


def test_a_bet_knows_what_was_known_when_its_request_was_drawn():
    canary = Canary(None, CanaryTest("", share=0.5, rewards=(-1.0, 1.0)))
    rng, bets = np.random.default_rng(5), Bets(0.5, 0.05, 0.0, (-1.0, 1.0))
    early = [f"early {number}" for number in range(10)]
    for name in early:
        canary.decided(name, True)
    for number in range(2 * MIN_OUTCOMES):
        canary.decided(str(number), number % 2 == 0)
        reward = rng.uniform(-1.0, 1.0)
        canary.reported(str(number), reward)
        bets.add(reward, float(number % 2 == 0))
    canary.decided("late", True)
    known = bets.known()
    for name in early:  # drawn before anything was known: no bet, and the mean moves
        canary.reported(name, 1.0)
    assert canary.bets.bets == bets.bets == MIN_OUTCOMES
    assert canary.bets.known().centre > known.centre
    canary.reported("late", 0.5)
    bets.add(0.5, 1.0, known)
    np.testing.assert_allclose(canary.bets.capital, bets.capital)


def test_no_end_is_minus_nothing():
    bets = Bets(0.5, 0.05, 0.0, (0.0, 1.0))
    assert str(bets.differences[0]) == "0.0"


def test_rewards_of_the_canary_are_not_watched_as_those_of_the_bundle(settings, observation):
    async def run():
        service = Service(settings)
        pairs, old = decided(service, observation, 40), load(settings.bundle).version
        for _, decision in pairs:
            body = json.dumps({"decision": decision, "reward": 1.0}).encode()
            scope = {
                "type": "http", "method": "POST", "path": "/v1/outcome", "query_string": b"",
                "root_path": "", "headers": [(b"content-type", b"application/json")],
            }  # fmt: skip
            answers = []

            async def receive(body=body):
                return {"type": "http.request", "body": body, "more_body": False}

            async def send(message, answers=answers):
                answers.append(message)

            await service(scope, receive, send)
            assert answers[0]["status"] == 200
        service.log.close()
        return [policy == old for policy, _ in pairs], len(service.counters.watch._rewards)

    by_bundle, watched = asyncio.run(run())
    assert 0 < watched == sum(by_bundle) < len(by_bundle)


def test_one_decision_of_each_request_is_compared(settings, observation):
    service = Service(settings)
    canary = service.decider.canary
    answer = json.loads(service.decider.answer(json.dumps({"observations": [observation] * 5})))
    for one in answer["decisions"]:
        canary.reported(one["id"], 1.0)
    service.log.close()
    assert canary.canary.count + canary.running.count == 1


def test_another_running_bundle_restarts_the_comparison(settings, observation):
    service = Service(settings)
    canary = service.decider.canary
    for _, decision in decided(service, observation, 60):
        canary.reported(decision, 1.0)
    shutil.copy(settings.bundle.with_name("new.edge"), settings.bundle)
    asyncio.run(service.reloader.reload())
    service.log.close()
    assert canary.canary.count == canary.running.count == 0


def test_a_canary_that_cannot_be_compared_is_refused(settings, bundles, edgewright):
    same = dataclasses.replace(settings, canary=CanaryTest(settings.bundle))
    with pytest.raises(InputError, match="must be another bundle"):
        Service(same)
    asked = ("serve", settings.bundle, "--canary", settings.canary.file)
    assert "add --log FILE" in edgewright(*asked, code=2).stderr
    wrong = (*asked, "--log", settings.log, "--canary-share", "0.9")
    assert "above 0 and at most 0.5; got 0.9" in edgewright(*wrong, code=2).stderr
    wrong = (*asked, "--log", settings.log, "--canary-margin", "-1")
    assert "must be at least 0 and at most 1e+09; got -1" in edgewright(*wrong, code=2).stderr
    right = (*asked, "--log", settings.log, "--canary-margin", "0", "--check")
    edgewright(*right, code=0)
    for name, value in (("share", "0.05"), ("error", "0.1"), ("margin", "0"), ("rewards", "0:1")):
        wrong = ("serve", settings.bundle, "--log", settings.log, f"--canary-{name}", value)
        message = edgewright(*wrong, code=2).stderr
        assert f"--canary-{name}: needs a canary" in message and "--canary BUNDLE" in message
    for text in ("1:0", "1", "a:b", "0:inf", "0:1:2"):
        wrong = (*asked, "--log", settings.log, "--canary-rewards", text)
        message = edgewright(*wrong, code=2).stderr
        assert "--canary-rewards" in message and "e.g." in message
