"""A canary decides its share, and is promoted or withdrawn with the stated error."""

import asyncio
import dataclasses
import json
import math
import shutil

import numpy as np
import pytest

from edgewright.bundle import load
from edgewright.core.errors import InputError
from edgewright.serve.app import Service
from edgewright.serve.canary import PROMOTED, WITHDRAWN, Canary, CanaryTest
from edgewright.serve.sequential import MIN_OUTCOMES, Arm, difference
from edgewright.serve.settings import Settings


def outcome_of(rng, shift, share=0.2, most=1500, error=0.05):
    """Return the result of a comparison, and after how many outcomes."""
    canary = Canary(None, CanaryTest("", share=share, error=error))
    rewards, arms = rng.normal(size=most), rng.random(most) < share
    for n in range(most):
        canary.decided(str(n), bool(arms[n]))
        if result := canary.reported(str(n), rewards[n] + shift * arms[n]):
            return result, n
    return "", most


def test_equal_policies_are_rarely_told_apart_however_long_one_looks():
    rng, trials = np.random.default_rng(0), 120
    results = [outcome_of(rng, 0.0)[0] for _ in range(trials)]
    wrong = sum(result != "" for result in results) / trials
    assert wrong <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / trials)


@pytest.mark.parametrize(("shift", "wanted"), [(0.5, PROMOTED), (-0.5, WITHDRAWN)])
def test_a_clear_difference_is_found_early(shift, wanted):
    rng = np.random.default_rng(1)
    results = [outcome_of(rng, shift) for _ in range(25)]
    assert np.mean([result == wanted for result, _ in results]) > 0.9
    assert np.median([count for _, count in results]) < 1000


def test_the_sequence_is_that_of_its_equation():
    rng = np.random.default_rng(2)
    ours, others = Arm(), Arm()
    values = rng.normal(size=300)
    for value in values[:100]:
        ours.add(value)
    assert difference(ours, others, 0.05).low == -math.inf
    for value in values[100:]:
        others.add(value)
    assert ours.variance == pytest.approx(np.var(values[:100], ddof=1))
    v = ours.variance / 100 + others.variance / 200
    t = 0.04 * (99 * ours.variance + 199 * others.variance) / 298
    now = difference(ours, others, 0.05)
    ratio = math.sqrt(v / (v + t)) * math.exp(t * (now.estimate - now.low) ** 2 / (2 * v * (v + t)))
    assert ratio == pytest.approx(1 / 0.05)  # the likelihood ratio at the end of the interval
    assert now.high - now.estimate == pytest.approx(now.estimate - now.low)
    assert MIN_OUTCOMES <= 100


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

    first = decided(service, observation, 400)
    assert 0.4 < np.mean([policy == new for policy, _ in first]) < 0.6
    facts = service.decider.canary.facts()
    assert facts["version"] == new and facts["low"] is None
    asyncio.run(report(first))
    service.log.close()
    assert service.decider.canary is None
    (text,) = said
    assert f"canary {new} is {'promoted' if promoted else 'withdrawn'}" in text
    assert {policy for policy, _ in decided(service, observation, 20)} == {new if promoted else old}
    assert load(settings.bundle).version == (new if promoted else old)
    history = settings.bundle.with_name("p.edge.history") / f"{old}.edge"
    assert history.exists() == promoted


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
    assert "at most 0.5; got 0.9" in edgewright(*wrong, code=2).stderr
