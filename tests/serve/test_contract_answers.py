"""A service that answers menus by a diffusion actor: units, constraints, seeds, odd markets."""

from __future__ import annotations

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.agents.sac import SAC
from edgewright.client import Client, ServiceError
from edgewright.deploy.export_run import bundle_of, rows_in
from edgewright.deploy.subject import WHOLE, Subject
from edgewright.evaluation.actions import head_in
from edgewright.physics.contract import (
    Menu,
    effort,
    incentive_violation,
    participation_violation,
)
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load
from edgewright.systems.contract.export import market_of
from edgewright.systems.contract.world import FEASIBLE

FACTS = {"name": "c", "kind": "learned", "scenario": {}, "provenance": {}, "scores": {}}
LEARNER = SAC(actor="diffusion", hidden_sizes=(8,), critic_hidden_sizes=(4,), denoising_steps=2)
NEXT = {"transition_1_1": 0.7, "transition_1_2": 0.3, "transition_2_1": 0.3, "transition_2_2": 0.7}
MARKET = {
    "servers": 10.0, "discount": 0.9, "sigma_1": 8.0, "sigma_2": 9.0, "eta": 0.3,
    "linear_effort": 1.0, "quadratic_effort": 0.02, "theta_1": 1.0, "theta_2": 1.8,
    "prior_1": 0.5, "prior_2": 0.5,
} | NEXT  # fmt: skip


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Return an untrained actor whose last layer is drawn anew, so that its noise matters."""
    problem = build(load("contract-d2"))
    world, params = problem.world, problem.params
    spaces = world.observation_space(params), world.action_space(params)
    state = LEARNER.init(jax.random.key(0), *spaces)
    network = state.learned.actor.network
    last = jax.random.normal(jax.random.key(1), network.weights[-1].shape)
    network = dataclasses.replace(network, weights=(*network.weights[:-1], last))
    actor = dataclasses.replace(state.learned.actor, network=network)
    policy = LEARNER.policy_of(state, actor, explore=False)
    path = tmp_path_factory.mktemp("contract") / "c.edge"
    subject = Subject(None, path, 0, WHOLE, problem, policy, None, None)
    rows = rows_in(problem, None, head_in(problem))
    content, bundle = bundle_of(path, subject, rows, FACTS | {"lineage": []})
    path.write_bytes(content)
    return path, bundle


@pytest.fixture(scope="module")
def service(file, serve):
    with serve(file[0]) as running:
        yield running


@pytest.fixture
def client(service):
    with Client(service.url) as client:
        yield client


def missed(bundle, asked, answer):
    """Return by how much the menu of an answer misses the constraints of its market."""
    row = jnp.asarray(bundle.interface.encode(asked)[0], jnp.float32)
    market = market_of(row, 2, 40.0)
    menu = Menu(
        x1=effort(market, jnp.asarray(answer["contribution_1"])),
        x2=effort(market, jnp.asarray(answer["contribution_2"])),
        r1=jnp.asarray(answer["payment_1"]),
        r2=jnp.asarray(answer["payment_2"]),
    )
    regime = bundle.facts["graphs"]["policy"]["head"]["regime"]
    short = participation_violation(market, menu, regime)
    return float(incentive_violation(market, menu) + short)


def amounts(answer):
    parts = ("contribution_1", "contribution_2", "payment_1", "payment_2")
    return np.concatenate([np.ravel(answer[name]) for name in parts])


def test_a_menu_has_units_and_meets_its_constraints(file, service, client):
    bundle = file[1]
    answer = client.decide({**MARKET, "seed": 5})
    assert np.shape(answer["contribution_1"]) == np.shape(answer["payment_1"]) == (2,)
    assert np.shape(answer["contribution_2"]) == np.shape(answer["payment_2"]) == (2, 2)
    assert answer["feasible"] == 1 and answer["clamped"] == []
    assert answer["contribution_1"][1] > answer["contribution_1"][0] > 0
    assert missed(bundle, {**MARKET, "seed": 5}, answer) <= 2 * FEASIBLE
    cheaper = {**answer, "payment_1": [0.0, 0.0]}
    assert missed(bundle, {**MARKET, "seed": 5}, cheaper) > 0.1
    said = json.loads(service.get("/v1/policy"))["interface"]
    units = {one["name"]: one["unit"] for one in said["outputs"]}
    assert {units[f"contribution_{n}"] for n in (1, 2)} == {"work unit"}
    assert {units[f"payment_{n}"] for n in (1, 2)} == {"profit unit"}
    about = {one["name"]: one["meaning"] for one in said["fields"]}
    assert "divided by the sum of its row" in about["transition_1_2"]
    assert "raised above the type before" in about["theta_2"]


def test_the_seed_of_a_request_decides_what_is_drawn(file, client):
    first, again, other = (client.decide({**MARKET, "seed": seed}) for seed in (5, 5, 6))
    np.testing.assert_array_equal(amounts(first), amounts(again))
    assert np.abs(amounts(first) - amounts(other)).max() > 1e-2
    direct = file[1].decide({**MARKET, "seed": 5})
    np.testing.assert_allclose(amounts(direct), amounts(first), rtol=1e-6)


def test_several_markets_in_one_request_are_answered_as_alone(client):
    markets = [{**MARKET, "seed": seed, "servers": 5.0 + seed} for seed in range(4)]
    together = client.decide_many(markets)
    assert len(together) == 4 and all(answer["feasible"] == 1 for answer in together)
    alone = client.decide(markets[2])
    np.testing.assert_allclose(amounts(together[2]), amounts(alone), rtol=1e-4, atol=1e-4)


ODD = [
    ({"transition_1_1": 0.9, "transition_1_2": 0.9}, []),
    ({"transition_2_1": 0.0, "transition_2_2": 0.0}, []),
    ({"transition_1_1": 1.4, "transition_1_2": -0.4}, ["transition_1_1", "transition_1_2"]),
    ({"theta_1": 2.0, "theta_2": 1.0}, []),
    ({"discount": -0.5}, ["discount"]),
]


@pytest.mark.parametrize(("changed", "clamped"), ODD)
def test_a_market_that_is_none_is_made_one_and_its_menu_fits_it(file, client, changed, clamped):
    asked = {**MARKET, **changed, "seed": 1}
    answer = client.decide(asked)
    assert sorted(answer["clamped"]) == clamped
    assert np.isfinite(amounts(answer)).all()
    if answer["feasible"]:
        assert missed(file[1], asked, answer) <= 2 * FEASIBLE
    else:  # nothing is bought where no payments fit
        np.testing.assert_array_equal(amounts(answer), 0.0)


def test_a_request_that_is_none_names_every_field(client):
    wrong = {name: value for name, value in MARKET.items() if name != "theta_2"}
    with pytest.raises(ServiceError, match="422") as caught:
        client.decide({**wrong, "seed": "one", "eta": "high"})
    text = str(caught.value)
    assert "theta_2" in text and "seed" in text and "eta" in text
