"""The exact program, the interior point method and all mechanisms, against the test vectors."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.cli.bounds_command import command
from edgewright.core.errors import InputError
from edgewright.physics.contract import Market
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load
from edgewright.systems.contract import optima, remake
from edgewright.systems.contract.baselines import (
    exact,
    float64,
    interior_point,
    mechanisms,
    static_menus,
)

REGIMES = ("lifetime", "exit", "per_period")
VECTORS = {
    "contract-d2": (9.4921, 8.3276, 7.9077, 7.7985, 7.6198, 7.439, 6.6430, 6.1275),
    "contract-d3": (11.8744, 9.8569, 9.3603, 9.2151, 9.1035, 8.615, 8.4718, 5.6276),
}
SWEEP = {0.0: (10.359, 9.279), 0.25: (9.913, 9.131), 0.5: (9.545, 9.025), 0.75: (9.204, 8.943),
         0.95: (8.941, 8.888)}  # fmt: skip
CHAIN = [
    ("complete-information", "exit"),
    ("exit", "per-period"),
    ("per-period", "static"),
    ("static", "frozen"),
    ("static", "uniform"),
    ("static", "linear"),
    ("per-period", "spot"),
]
"""Each is feasible for the one before it (B.7)."""


def market(theta, prior, transition, sigma=(8.0, 10.0), **numbers) -> Market:
    given = {
        "eta": 0.3,
        "linear": 1.0,
        "quadratic": 0.02,
        "discount": 0.9,
        "q_max": 40.0,
        **numbers,
    }
    arrays = {name: np.float64(one) for name, one in given.items()}
    lists = [np.asarray(one, np.float64) for one in (theta, prior, transition, sigma)]
    return Market(theta=lists[0], prior=lists[1], transition=lists[2], sigma=lists[3], **arrays)


def nominal(name: str) -> Market:
    numbers = load(name).params
    return market(
        numbers.theta, numbers.prior, numbers.transition, numbers.sigma, eta=numbers.eta,
        linear=numbers.linear_effort, quadratic=numbers.quadratic_effort,
        discount=numbers.discount, q_max=numbers.q_max,
    )  # fmt: skip


BAD = market(
    (1.7185, 1.8119, 3.7897), (0.3131, 0.1621, 0.5248),
    [(0.8197, 0.0841, 0.0962), (0.0139, 0.8900, 0.0961), (0.0139, 0.0841, 0.9020)],
    sigma=(4.0, 6.0),
)  # fmt: skip
"""A market in which the lies of others than the next type bind."""


def profits(one: Market, names=mechanisms.MECHANISMS) -> dict[str, float]:
    batch = float64.stacked([one])
    return {name: float(float64.profit(batch, mechanisms.menus(name, batch))[0]) for name in names}


@pytest.mark.parametrize("name", VECTORS)
def test_all_mechanisms_give_the_test_vectors(name) -> None:
    made = profits(nominal(name))
    for mechanism, number in zip(mechanisms.MECHANISMS, VECTORS[name], strict=True):
        digits = 6e-4 if mechanism == "spot" else 6e-5
        assert made[mechanism] == pytest.approx(number, abs=digits), mechanism


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("name", VECTORS)
def test_the_exact_program_and_the_interior_point_agree(name, regime) -> None:
    one = nominal(name)
    solution = exact.solve(one, regime)
    assert solution.status == "optimal"
    batch = float64.stacked([one, one])
    made = float64.profit(batch, interior_point.best_menus(batch, regime))
    np.testing.assert_allclose(made, solution.profit, rtol=1e-6)
    assert float64.profit(one, solution.menu) == pytest.approx(solution.profit, rel=1e-6)


def test_amounts_of_the_best_contract_per_period() -> None:
    menu = exact.solve(nominal("contract-d3"), "per_period").menu
    one = nominal("contract-d3")
    np.testing.assert_allclose(
        float64.contribution(one, menu.x1), [1.377, 7.856, 15.100], atol=2e-3
    )
    expected = [[1.106, 7.847, 18.549], [2.583, 10.599, 18.549], [5.320, 12.550, 18.549]]
    np.testing.assert_allclose(float64.contribution(one, menu.x2), expected, atol=3e-3)


@pytest.mark.parametrize("persistence", SWEEP)
def test_the_gain_of_dynamics_falls_as_types_persist(persistence) -> None:
    prior = np.array([0.40, 0.35, 0.25])
    transition = persistence * np.eye(3) + (1 - persistence) * np.tile(prior, (3, 1))
    made = profits(market((1, 2, 3), prior, transition))
    given = dict(zip(("exit", "per-period"), SWEEP[persistence], strict=True))
    given |= {"static": 8.876, "frozen": 8.699, "uniform": 7.972, "complete-information": 11.486}
    for name, number in given.items():
        assert made[name] == pytest.approx(number, abs=6e-4), name


def test_frozen_types_leave_nothing_to_dynamics() -> None:
    made = profits(market((1, 2, 3), (0.40, 0.35, 0.25), np.eye(3)))
    assert made["exit"] == pytest.approx(made["static"], abs=1e-5)
    assert made["per-period"] == pytest.approx(made["static"], abs=1e-5)


def test_the_relaxed_solution_is_only_a_bound_where_other_lies_bind() -> None:
    for regime in ("lifetime", "exit"):
        assert exact.solve(BAD, regime).profit == pytest.approx(4.641, abs=2e-3)
    batch = float64.stacked([BAD])
    made = float64.profit(batch, interior_point.best_menus(batch, "exit"))[0]
    assert made == pytest.approx(exact.solve(BAD, "exit").profit, rel=1e-6)
    assert made < 4.923 - 0.25


@st.composite
def markets(draw, types: int) -> Market:
    def number(low: float, high: float) -> float:
        return draw(st.floats(low, high))

    def shares() -> np.ndarray:
        parts = np.array([number(0.05, 1.0) for _ in range(types)])
        return parts / parts.sum()

    theta = np.cumsum([number(0.5, 1.5)] + [number(0.2, 1.5) for _ in range(types - 1)])
    stay = number(0.0, 1.0)
    transition = stay * np.eye(types) + (1 - stay) * shares()
    return market(
        theta, shares(), transition, (number(4, 12), number(4, 12)), eta=number(0.1, 0.5),
        linear=number(0.5, 1.5), quadratic=number(0.005, 0.05), discount=number(0.1, 1.0),
    )  # fmt: skip


@pytest.mark.parametrize("types", [2, 3, 4])
def test_each_mechanism_is_worth_no_more_than_the_one_that_allows_it(types) -> None:
    @given(markets(types))
    @settings(max_examples=20, deadline=None)
    def holds(one: Market) -> None:
        made = profits(one)
        for better, worse in CHAIN:
            assert made[better] >= made[worse] - 1e-5, (better, worse)
        assert made["exit"] == pytest.approx(profits(one, ["lifetime"])["lifetime"], abs=1e-5)

    holds()


@given(markets(3))
@settings(max_examples=8, deadline=None)
def test_the_program_agrees_in_random_markets(one) -> None:
    for regime in ("exit", "per_period"):
        batch = float64.stacked([one])
        made = float64.profit(batch, interior_point.best_menus(batch, regime))[0]
        assert made == pytest.approx(exact.solve(one, regime).profit, abs=2e-5)


def test_static_amounts_are_ironed_where_they_would_fall() -> None:
    # Virtual costs 1/1 + 1/2 (.9/.1), 1/2 + ...: the second type is so rare that it is pooled.
    one = market((1.0, 1.1, 4.0), (0.5, 0.02, 0.48), np.eye(3))
    x, r = static_menus.static_menu(one, one.prior, 0)
    assert x[0] == pytest.approx(x[1])
    assert x[2] > x[1]
    assert np.all(r - x / one.theta >= -1e-9)
    best = exact.solve(market(one.theta, one.prior, np.eye(3), discount=1e-6), "per_period")
    np.testing.assert_allclose(x, best.menu.x1, rtol=1e-3)


def test_a_program_without_a_solution_is_reported_with_its_market() -> None:
    one = nominal("contract-d2")
    with pytest.raises(InputError, match=r"infeasible, for theta = \[1\. 2\.\]; prior"):
        exact.solve(one, "per_period", lambda unknown: [unknown.r1 <= -1])
    eager = dataclasses.replace(one, theta=np.array([-2.0, -1.0]), q_max=np.float64(np.inf))
    with pytest.raises(InputError, match=r"(?s)unbounded, for theta = \[-2\. -1\.\].*give qmax"):
        exact.solve(eager, "per_period")
    hopeless = dataclasses.replace(one, sigma=np.array([np.nan, 1.0]))
    with pytest.raises(InputError, match=r"(?s)numerical failure.*nan"):
        interior_point.best_menus(float64.stacked([hopeless]), "per_period")


def test_the_extra_is_named_where_cvxpy_is_missing(monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cvxpy", None)
    with pytest.raises(InputError, match=r"edgewright\[exact\]"):
        exact.solve(nominal("contract-d2"), "exit")


@pytest.mark.parametrize("name", optima.FROZEN)
def test_stored_optima_are_those_of_the_program_that_is_here(name) -> None:
    rows, batch = optima.frozen_rows(build(load(name)))
    table = optima.stored(name)
    assert table is not None
    assert len(rows) == 700
    np.testing.assert_allclose(table["markets"], rows, rtol=1e-5)
    assert str(table["made_by"]) == optima.maker(rows), "edgewright bounds --remake"
    for regime in optima.REGIMES:
        for index in (0, 699):
            one = float64.one(batch, index)
            assert exact.solve(one, regime).profit == pytest.approx(table[regime][index], abs=1e-5)
        made = float64.profit(batch, interior_point.best_menus(batch, regime))
        np.testing.assert_allclose(made, table[regime], atol=1e-5)


def test_the_bound_of_an_evaluation_takes_what_is_stored(monkeypatch) -> None:
    problem = build(load("contract-k3"))
    monkeypatch.setattr(optima, "best_menus", None)  # nothing is solved
    inputs = optima.frozen_inputs(problem, "validation")
    best = np.asarray(optima.bound(problem, inputs, 0.0))
    table = optima.stored("contract-k3")
    assert table is not None
    np.testing.assert_allclose(best, table["per_period"][500:], rtol=1e-6)


def test_stored_optima_are_made_again_by_one_command(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(optima, "SPLITS", {"test": (20261, 3), "validation": (20262, 2)})
    arguments = ["contract-k2", "--remake", "--processes", "0", "--out", str(tmp_path), "--json"]
    done = CliRunner(catch_exceptions=False).invoke(command, arguments)
    (row,) = json.loads(done.stdout)["stored"]
    assert row["optima"] == 10
    with np.load(row["file"]) as data:
        kept = optima.stored("contract-k2")
        assert kept is not None
        for regime in optima.REGIMES:
            np.testing.assert_allclose(data[regime][:3], kept[regime][:3], atol=1e-5)
            np.testing.assert_allclose(data[regime][3:], kept[regime][500:502], atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "needs a scenario"),
        (["contract-d2"], "has no frozen markets"),
        (["aigc-toy"], "keeps no exact values"),
    ],
)
def test_what_has_no_stored_optima_is_refused(arguments, said) -> None:
    with pytest.raises(InputError, match=said):
        CliRunner(catch_exceptions=False).invoke(command, [*arguments, "--remake"])


def test_processes_solve_as_this_one_does() -> None:
    tasks = [(nominal("contract-d2"), "exit"), (nominal("contract-d2"), "per_period")]
    np.testing.assert_allclose(list(remake._solved(tasks, 1)), [8.32765, 7.90770], atol=1e-4)
