"""Constructions by contract, and the command that runs them."""

from __future__ import annotations

import json
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.core.sealed import read_json
from edgewright.federated.contracts import plan
from edgewright.federated.settings import Settings
from edgewright.scenarios.load import load

SMALL = ("--setting", "rounds=1", "--setting", "episodes=40")


@pytest.fixture(scope="module")
def scenario() -> Any:
    return load("contract-d3", {})


@pytest.fixture(scope="module")
def federated(edgewright: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the result of two mechanisms and two seeds, and its folder."""
    out = tmp_path_factory.mktemp("federated") / "out"
    names = "per_period,none"
    command = ("federate", "contract-d3", "--mechanism", names, "--seeds", "2", "--out", out)
    return json.loads(edgewright(*command, *SMALL, "--json").stdout), out


@pytest.mark.parametrize(
    ("name", "profit"), [("per_period", 9.3603), ("static", 9.2151), ("frozen", 9.1035)]
)
def test_the_expected_profit_is_that_of_the_test_vector(
    scenario: Any, name: str, profit: float
) -> None:
    agreed = plan(scenario, name, Settings(), 0, None)
    assert agreed.expected_profit == pytest.approx(10 * profit, abs=2e-3)


def test_realised_profits_average_to_the_expected_one(scenario: Any) -> None:
    many = Settings(servers=50)
    plans = [plan(scenario, "per_period", many, seed, None) for seed in range(4)]
    each = np.concatenate([(p.value - p.payment) @ [1.0, p.discount] for p in plans])
    error = each.std() / np.sqrt(len(each))
    assert each.mean() == pytest.approx(9.3603, abs=4 * error)


def test_servers_of_one_history_do_the_same_and_others_other_things(scenario: Any) -> None:
    agreed = plan(scenario, "per_period", Settings(servers=50), 1, None)
    by_history: dict[tuple[int, ...], set[tuple[float, ...]]] = {}
    for types, amounts in zip(agreed.types, agreed.contribution, strict=True):
        rounded = tuple(np.round(amounts, 3))
        by_history.setdefault(tuple(types), set()).add(rounded)
    assert all(len(amounts) == 1 for amounts in by_history.values())
    risers = {h: next(iter(a))[1] for h, a in by_history.items() if h[1] == 1}
    assert risers[0, 1] < risers[1, 1]  # the row of a higher first report asks for more


def test_types_are_the_same_for_every_mechanism(scenario: Any) -> None:
    plans = [plan(scenario, name, Settings(), 3, None) for name in ("static", "linear")]
    np.testing.assert_array_equal(plans[0].types, plans[1].types)


def test_nobody_works_without_a_contract(scenario: Any) -> None:
    agreed = plan(scenario, "none", Settings(), 0, None)
    assert not agreed.contribution.any()
    assert not agreed.payment.any()


def test_a_contract_buys_an_agent_that_finds_its_way(federated: Any) -> None:
    result, _ = federated
    paid, unpaid = (one["summary"] for one in result["mechanisms"])
    assert paid["success"]["mean"] > unpaid["success"]["mean"] + 0.2
    assert paid["payments"]["mean"] > 0 == unpaid["payments"]["mean"]
    assert unpaid["measured_profit"]["mean"] == 0.0
    assert unpaid["predicted_accuracy"]["mean"] is None


def test_accounts_add_up(federated: Any) -> None:
    seed = federated[0]["mechanisms"][0]["seeds"][0]
    first, second = seed["periods"]
    payments = [sum(one["payment"][n] for one in seed["servers"]) for n in (0, 1)]
    assert [first["payments"], second["payments"]] == pytest.approx(payments)
    gained = [one["measured_value"] - one["payments"] for one in (first, second)]
    assert seed["accounts"]["measured_profit"] == pytest.approx(gained[0] + 0.9 * gained[1])
    lead = first["success"] - seed["untrained_success"]
    scale = 150.0 / (1 - seed["untrained_success"])
    assert first["measured_value"] == pytest.approx(scale * lead)


def test_bytes_are_those_of_the_arrays(federated: Any) -> None:
    seed = federated[0]["mechanisms"][0]["seeds"][0]
    statistics = 640 + 10 + 10 + 30 + 30
    parameters = 640 + 10 + 69 + 3
    each = 4 * (statistics + parameters)
    messages = seed["exchange"]["messages"]
    assert seed["exchange"]["uplink_bytes"] == messages * each  # one round in a period
    assert seed["exchange"]["raw_images_sent"] == 0


def test_the_folder_holds_the_result_and_the_figures(federated: Any) -> None:
    result, out = federated
    assert read_json(out / "result.json", "result")["mechanisms"] == result["mechanisms"]
    assert {path.stem for path in out.glob("*.svg")} == {
        "F1-quality", "F2-contribution", "F3-prediction",
    }  # fmt: skip


def test_faults_are_counted_and_named(edgewright: Any) -> None:
    command = ("federate", "contract-d3", "--fault", "3:nan", "--fault", "1:scale", *SMALL)
    written = edgewright(*command).stdout
    assert "server 3 was set aside" in written
    assert "server 1 was set aside" in written


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--mechanism", "stattic"), "did you mean 'static'?"),
        (("--mechanism", "edmsac"), "--policy RUN"),
        (("--setting", "rounds=0"), "`rounds` must be from 1 to 1000; got 0"),
        (("--setting", "rounds=1.5"), "`rounds` must be of type int"),
        (("--setting", "ronds=1"), "did you mean 'rounds'?"),
        (("--fault", "33:nan"), "from 0 to 9; got 33"),
        (("--fault", "nan"), "must be SERVER:KIND"),
        (("--engine", "floer"), "did you mean 'flower'?"),
        (("--mechanism", "x", "--policy", "missing"), "the run is missing"),
    ],
)
def test_wrong_input_is_refused_with_a_remedy(
    edgewright: Any, options: tuple[str, ...], message: str
) -> None:
    assert message in edgewright("federate", "contract-d3", *options, code=2).stderr


def test_another_system_is_refused(edgewright: Any) -> None:
    assert "must be contract; got aigc" in edgewright("federate", "aigc-toy", code=2).stderr


class FixedRun:
    """A run whose policy posts one menu, with what a construction asks of a run."""

    def __init__(self, problem: Any) -> None:
        import dataclasses

        self.problem = problem
        self.request = type("Request", (), {"learner": "edmsac"})
        self.trainings = [None]
        self.world = dataclasses.replace(problem.world, actions="structured")

    @property
    def trainer(self) -> Any:
        return self

    def policy_entry(self, training: Any) -> tuple[Any, Any]:
        from edgewright.systems.contract.formula import FormulaPolicy

        return FormulaPolicy(types=3, q_max=float(self.problem.params.q_max)), self.world


def test_a_run_posts_the_menu_of_its_policy(scenario: Any, monkeypatch: Any) -> None:
    """The formula as the policy of a run earns what it earns in a comparison."""
    from edgewright.federated import contracts
    from edgewright.loops.evaluate import evaluate
    from edgewright.scenarios.build import build
    from edgewright.training.runs import evaluation_inputs

    problem = build(scenario)
    run = FixedRun(problem)
    monkeypatch.setattr(contracts, "load_run", lambda folder: run)
    agreed = plan(scenario, "edmsac", Settings(), 0, "somewhere")
    policy, world = run.policy_entry(None)
    inputs = evaluation_inputs(scenario, problem)
    import jax

    played = evaluate(jax.random.key(0), world, problem.params, policy, inputs)
    expected = float(jnp.mean(played["best_response_profit"]))
    assert agreed.expected_profit == pytest.approx(10 * expected, rel=1e-4)
