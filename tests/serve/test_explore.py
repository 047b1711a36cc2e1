"""A service explores with the share and the probabilities that it states."""

import dataclasses
import json

import numpy as np
import pytest

from edgewright.bundle import load
from edgewright.bundle.bundle import pack_again, save
from edgewright.bundle.choices import FORBIDDEN, Choices, choices_of, probabilities
from edgewright.bundle.engine import SCORES
from edgewright.core.errors import InputError
from edgewright.serve.app import Service
from edgewright.serve.decider import HTTPError
from edgewright.serve.explore import OWN, Explorer, explorer_of, read_explore
from edgewright.serve.log_reader import DecisionLogReader
from edgewright.serve.settings import Settings

ACTIONS = 9


@pytest.fixture(scope="module")
def sampled(bundles, tmp_path_factory):
    """Return the file of a bundle that says that training drew its actions."""
    bundle = load(bundles["se-ppo"])
    facts = {**bundle.facts, "provenance": {**bundle.facts["provenance"], "samples": "softmax"}}
    facts = {key: value for key, value in facts.items() if key not in ("schema", "members")}
    facts.pop("sha256")
    path = tmp_path_factory.mktemp("sampled") / "p.edge"
    save(path, pack_again(facts, bundle.members, "p.edge")[0])
    return path


@pytest.fixture(scope="module")
def rows(bundles):
    """Return one row, many times."""
    low, high = load(bundles["se-ppo"]).interface.typical()
    return np.repeat(((low + high) / 2)[None], 4000, axis=0)


@pytest.mark.parametrize("explore", [0.3, OWN])
def test_actions_come_as_often_as_their_propensity_says(explore, sampled, rows):
    bundle = load(sampled)
    explorer = explorer_of(bundle, explore)
    drawn = explorer.decide(rows, np.random.default_rng(0))
    taken = np.array([outputs["action"] for outputs, _ in drawn])
    stated = {outputs["action"]: chance for outputs, chance in drawn}
    scores = bundle.engine.many(rows[:1])[SCORES][0]
    if explore == OWN:
        law = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
    else:
        law = np.full(ACTIONS, explore / ACTIONS)
        law[np.argmax(scores)] += 1 - explore
    for action, chance in stated.items():
        assert chance == pytest.approx(law[action], rel=1e-6)
    shares = np.bincount(taken, minlength=ACTIONS) / len(rows)
    error = 4.5 * np.sqrt(law * (1 - law) / len(rows))
    assert np.all(np.abs(shares - law) <= error + 1e-9)


def test_other_outputs_go_with_the_action_that_was_drawn(sampled, rows):
    explorer = explorer_of(load(sampled), 0.5)
    drawn = explorer.decide(rows[:200], np.random.default_rng(1))
    assert len({outputs["action"] for outputs, _ in drawn}) > 4
    for outputs, _ in drawn:
        assert outputs["action"] == 3 * outputs["location"] + outputs["level"]
        assert [*outputs] == ["action", "location", "level"]


def test_a_forbidden_action_is_never_drawn():
    scores = np.array([0.0, FORBIDDEN, 2.0, 2 * FORBIDDEN], np.float32)
    choices = Choices(4, {}, False, True)
    for epsilon in (0.5, None):
        law = probabilities(choices, epsilon, 2, scores)
        assert law[1] == law[3] == 0 and law.sum() == pytest.approx(1) and law[0] > 0
    assert probabilities(choices, 0.5, 1, np.full(4, FORBIDDEN)).tolist() == [0, 1, 0, 0]


class Proposing:
    """An engine that proposes the same two actions, one of them twice."""

    outputs = ("action", "proposals")

    def many(self, rows):
        proposals = np.array([[1, 0], [0, 1], [1, 0], [0, 0]])
        return {
            "action": np.repeat(proposals[None, 0], len(rows), axis=0),
            "proposals": np.repeat(proposals[None], len(rows), axis=0),
        }


def test_a_policy_that_proposes_explores_among_its_proposals():
    bundle = dataclasses.make_dataclass("Bundle", ["engine"])(Proposing())
    explorer = Explorer(bundle, Choices(4, {}, True, False), 0.4)
    drawn = explorer.decide(np.zeros((4000, 1)), np.random.default_rng(0))
    stated = {tuple(outputs["action"]): chance for outputs, chance in drawn}
    assert stated == {(1, 0): pytest.approx(0.8), (0, 1): pytest.approx(0.1), (0, 0): 0.1}
    first = np.mean([outputs["action"] == [1, 0] for outputs, _ in drawn])
    assert first == pytest.approx(0.8, abs=0.03)


def test_what_cannot_explore_is_refused(bundles, sampled):
    plain = load(bundles["se-ppo"])
    with pytest.raises(InputError, match="trained to draw its actions"):
        explorer_of(plain, OWN)
    entry = {**plain.facts["graphs"]["policy"], "head": {"kind": "choice"}}
    old = dataclasses.replace(plain, facts={**plain.facts, "graphs": {"policy": entry}})
    with pytest.raises(InputError, match="does not say 'location'"):
        choices_of(old)
    for text in ("0", "0.6", "many", "nan", "-0.1"):
        with pytest.raises(InputError, match="at most 0.5"):
            read_explore(text)
    assert read_explore("0.05") == 0.05 and read_explore(OWN) == OWN and read_explore(None) is None


def test_the_propensity_is_answered_logged_and_counted(sampled, observation, tmp_path):
    settings = Settings(bundle=sampled, log=tmp_path / "log.db", explore=0.5)
    service = Service(settings)
    body = json.dumps({"observation": observation}).encode()
    many = json.dumps({"observations": [observation] * 20}).encode()
    answers = [json.loads(service.decider.answer(body))["decision"] for _ in range(20)]
    answers += json.loads(service.decider.answer(many))["decisions"]
    service.log.close()
    with DecisionLogReader(tmp_path / "log.db") as reader:
        logged = {row.id: row for row in reader.rows()}
        explored = reader.facts.explored
    for answer in answers:
        row = logged[answer["id"]]
        assert row.propensity == answer["propensity"] and row.decision["action"] == answer["action"]
    assert {round(a["propensity"], 6) for a in answers} == {0.555556, 0.055556}
    assert service.counters.drawn == explored == 40


def test_nothing_is_explored_by_default(bundles, observation, tmp_path):
    service = Service(Settings(bundle=bundles["se-ppo"], log=tmp_path / "log.db"))
    body = json.dumps({"observation": observation}).encode()
    answers = [json.loads(service.decider.answer(body))["decision"] for _ in range(20)]
    service.log.close()
    assert {a["propensity"] for a in answers} == {1.0} and len({a["action"] for a in answers}) == 1


def test_a_client_states_its_name(bundles, observation, tmp_path):
    service = Service(Settings(bundle=bundles["se-ppo"], log=tmp_path / "log.db"))
    for content in ({"client": "cell-7"}, {}):
        service.decider.answer(json.dumps({"observation": observation, **content}).encode())
    for name in (7, "x" * 65, "line\n", "café"):
        body = json.dumps({"observation": observation, "client": name}).encode()
        with pytest.raises(HTTPError, match="cannot be used"):
            service.decider.answer(body)
    service.log.close()
    with DecisionLogReader(tmp_path / "log.db") as reader:
        assert [row.client for row in reader.rows()] == ["cell-7", ""]
