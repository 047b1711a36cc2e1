"""A service that answers the record of a caching policy: caches, servers, shares."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgewright.client import Client
from edgewright.deploy.export_run import bundle_of, rows_in
from edgewright.deploy.subject import WHOLE, Subject
from edgewright.evaluation.actions import head_in

FACTS = {"name": "c", "kind": "learned", "scenario": {}, "provenance": {}, "scores": {}}


@pytest.fixture(scope="module")
def file(two_levels, tmp_path_factory):
    problem, policy = two_levels("ppo-ppo")
    path = tmp_path_factory.mktemp("caching") / "c.edge"
    subject = Subject(None, path, 0, WHOLE, problem, policy, None, None)
    rows = rows_in(problem, None, head_in(problem))
    content, bundle = bundle_of(path, subject, rows, FACTS | {"lineage": []})
    path.write_bytes(content)
    return path, bundle


def test_a_service_answers_caches_association_and_shares(file, serve):
    path, bundle = file
    low, high = bundle.interface.typical()
    observation = bundle.interface.observation(0.5 * (low + high))
    with serve(path) as service, Client(service.url) as client:
        answer = client.decide(observation)
        refused = json.loads(service.get("/v1/policy"))
    assert np.shape(answer["cache"]) == (3, 3) and np.abs(answer["cache"]).max() <= 1
    assert len(answer["server"]) == 3 and set(answer["server"]) <= {0, 1, 2}
    for weights in ("bandwidth", "speed"):
        assert len(answer[weights]) == 3 and all(0 <= one <= 1 for one in answer[weights])
    assert np.shape(answer["cached"]) == (3, 3) and set(np.ravel(answer["cached"])) <= {0, 1}
    for shares in ("bandwidth_share", "speed_share"):
        for server in set(answer["server"]):
            users = [u for u, chosen in enumerate(answer["server"]) if chosen == server]
            assert sum(answer[shares][u] for u in users) == pytest.approx(1.0, abs=1e-5)
    assert answer["decided_by"] == "policy" and answer["clamped"] == []
    direct = bundle.decide(observation)
    assert answer["server"] == direct["server"]
    meanings = {one["name"]: one["meaning"] for one in refused["interface"]["outputs"]}
    assert "highest first while they fit" in meanings["cache"]


def test_inspect_says_what_the_parts_mean(file, edgewright):
    shown = edgewright("inspect", file[0]).stdout
    assert "cached where positive, highest first while they fit" in shown
    assert "weight of each user's share of its server's bandwidth" in shown
