"""The equations of contracts: numbers worked by hand, and loops over types in float64."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linprog

from edgewright.physics import contract, contract_response, payments, screening
from edgewright.physics.contract import Market, Menu

Loop = dict[str, Any]


def market(theta, prior, transition, sigma=(8.0, 10.0), **numbers) -> Market:
    given = {
        "eta": 0.3,
        "linear": 1.0,
        "quadratic": 0.02,
        "discount": 0.9,
        "q_max": 40.0,
        **numbers,
    }
    arrays = {name: jnp.float32(value) for name, value in given.items()}
    lists = [jnp.asarray(one, jnp.float32) for one in (theta, prior, transition, sigma)]
    return Market(theta=lists[0], prior=lists[1], transition=lists[2], sigma=lists[3], **arrays)


D2 = market((1, 2), (0.5, 0.5), [[0.7, 0.3], [0.3, 0.7]])
D3 = market((1, 2, 3), (0.40, 0.35, 0.25), [[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.3, 0.6]])


def random_market(rng: np.random.Generator, types: int, kind: str = "persistent") -> Market:
    theta = np.cumsum(rng.uniform(0.3, 1.5, types))
    if kind == "any":
        transition = rng.dirichlet(np.ones(types), types)
    else:
        stay = rng.uniform()
        transition = stay * np.eye(types) + (1 - stay) * rng.dirichlet(np.full(types, 4.0))
    numbers = {"discount": rng.uniform(0.5, 1.0), "quadratic": rng.uniform(0.0, 0.04)}
    return market(theta, rng.dirichlet(np.full(types, 2.0)), transition, **numbers)


def random_menu(rng: np.random.Generator, types: int) -> Menu:
    shapes = {"x1": (types,), "r1": (types,), "x2": (types, types), "r2": (types, types)}
    return Menu(
        **{
            name: jnp.asarray(rng.uniform(0, 30 if name[0] == "x" else 16, shape), jnp.float32)
            for name, shape in shapes.items()
        }
    )


def plain(record: Any) -> dict[str, np.ndarray]:
    return {name: np.asarray(one, np.float64) for name, one in vars(record).items()}


def value_of(m: dict[str, np.ndarray], x: float, period: int) -> float:
    a, b = m["linear"], m["quadratic"]
    q = x / a if b == 0 else (np.sqrt(a * a + 2 * b * x) - a) / b
    return float(m["sigma"][period] * np.log(1 + m["eta"] * q))


def looped(m: dict[str, np.ndarray], u: dict[str, np.ndarray], regime: str) -> dict[str, float]:
    """Return profit, violations and the profit from rational servers, type by type."""
    types = range(len(m["theta"]))
    cost, p, P, d = 1 / m["theta"], m["prior"], m["transition"], m["discount"]

    def w(h: int, j: int, k: int) -> float:
        return u["r2"][h, k] - cost[j] * u["x2"][h, k]

    def first(h: int, i: int) -> float:
        return u["r1"][h] - cost[i] * u["x1"][h]

    def utility(h: int, i: int) -> float:
        return first(h, i) + d * sum(P[i, j] * w(h, j, j) for j in types)

    profit = sum(p[i] * (value_of(m, u["x1"][i], 0) - u["r1"][i]) for i in types)
    for i, j in itertools.product(types, types):
        profit += d * p[i] * P[i, j] * (value_of(m, u["x2"][i, j], 1) - u["r2"][i, j])
    lying = sum(max(0, *(utility(h, i) - utility(i, i) for h in types)) for i in types)
    for h, j in itertools.product(types, types):
        lying += max(0, *(w(h, j, k) - w(h, j, j) for k in types))
    own = first if regime == "per_period" else utility
    short = sum(max(0, -own(i, i)) for i in types)
    if regime != "lifetime":
        short += sum(max(0, -w(i, j, j)) for i in types for j in types)

    earned = 0.0
    for i in types:
        best, brings = 0.0, 0.0
        for h in types:
            if regime == "per_period" and first(h, i) < 0:
                continue
            total, cloud = first(h, i), value_of(m, u["x1"][h], 0) - u["r1"][h]
            for j in types:
                options = [
                    (w(h, j, k), value_of(m, u["x2"][h, k], 1) - u["r2"][h, k]) for k in types
                ]
                if regime != "lifetime":
                    options.append((0.0, 0.0))
                gain, back = max(options)
                total += d * P[i, j] * gain
                cloud += d * P[i, j] * back
            if total > best:
                best, brings = total, cloud
        earned += p[i] * brings
    return {"profit": profit, "lying": lying, "short": short, "earned": earned}


@pytest.mark.parametrize("regime", ["lifetime", "exit", "per_period"])
@pytest.mark.parametrize("types", [2, 3, 4])
def test_profit_violations_and_best_response_are_those_of_a_loop(types, regime) -> None:
    rng = np.random.default_rng(types)
    for _ in range(20):
        m, u = random_market(rng, types, "any"), random_menu(rng, types)
        exact = looped(plain(m), plain(u), regime)
        made = {
            "profit": contract.profit(m, u),
            "lying": contract.incentive_violation(m, u),
            "short": contract.participation_violation(m, u, regime),
            "earned": contract_response.best_response_profit(m, u, regime),
        }
        for name, number in exact.items():
            assert float(made[name]) == pytest.approx(number, rel=2e-5, abs=1e-4), name


def test_payoffs_by_hand() -> None:
    # theta = (1, 2), so c = (1, 1/2). Type 2 takes item 1: 3 - 2/2 = 2 now; then 0.3 (4 - 2) +
    # 0.7 (5 - 4/2) = 2.7, times 0.9.
    menu = Menu(
        x1=jnp.array([2.0, 4.0]),
        r1=jnp.array([3.0, 4.0]),
        x2=jnp.array([[2.0, 4.0], [2.0, 4.0]]),
        r2=jnp.array([[4.0, 5.0], [4.0, 5.0]]),
    )
    assert float(contract.reported_utility(D2, menu)[0, 1]) == pytest.approx(2 + 0.9 * 2.7)
    # q(x) with a = 1, b = 0.02: psi(10) = 10 + 1 = 11, and V_2 = 10 ln(1 + 3).
    assert float(contract.effort(D2, jnp.float32(10))) == pytest.approx(11)
    assert float(contract.contribution(D2, jnp.float32(11))) == pytest.approx(10)
    assert float(contract.value(D2, jnp.float32(11), 1)) == pytest.approx(10 * np.log(4))
    np.testing.assert_allclose(contract.survivor(D3.transition)[0], [1, 0.4, 0.1], rtol=1e-6)


def test_a_server_refuses_a_loss_leaves_and_does_as_the_cloud_likes_when_equal() -> None:
    one = market((1, 2), (0.5, 0.5), [[1, 0], [0, 1]])
    # Item 1: a loss of 1 now, a gain of 4 later. Item 2: nothing, and later two equal items.
    menu = Menu(
        x1=jnp.array([2.0, 0.0]),
        r1=jnp.array([1.0, 0.0]),
        x2=jnp.array([[1.0, 1.0], [0.0, 4.0]]),
        r2=jnp.array([[5.0, 5.0], [0.0, 4.0]]),
    )
    at_exit = contract_response.best_response(one, menu, "exit")
    assert at_exit.first.tolist() == [0, 0]
    assert float(at_exit.utility[0]) == pytest.approx(-1 + 0.9 * 4)
    bound = contract_response.best_response(one, menu, "per_period")
    # Type 1 works for c_1 = 1: item 2 of row 2 gives 4 - 4 = 0, as much as nothing does, and the
    # cloud earns by it. Type 2 has no loss in item 1: 1 - 2/2 = 0.
    assert bound.first.tolist() == [1, 0]
    assert bound.second[1].tolist() == [1, 1]
    worth = float(contract.value(one, jnp.float32(4), 1)) - 4
    assert float(bound.profit[0]) == pytest.approx(0.9 * worth, rel=1e-5)
    # Nobody would take a single item that pays less than it costs.
    poor = Menu(x1=menu.x1, r1=menu.r1 - 9, x2=menu.x2, r2=menu.r2 - 9)
    away = contract_response.best_response(one, poor, "exit")
    assert away.first.tolist() == [2, 2]
    assert float(contract_response.best_response_profit(one, poor, "exit")) == 0
    assert float(contract_response.participation(one, poor, "exit")) == 0


def test_what_servers_play_has_the_mean_of_the_expectation() -> None:
    rng, types = np.random.default_rng(3), 3
    best = screening.relaxed_menu(D3)
    shift = [
        jnp.asarray(rng.uniform(-0.3, 0.3, one.shape), jnp.float32) for one in (best.r1, best.r2)
    ]
    menu = Menu(x1=best.x1, r1=best.r1 + shift[0], x2=best.x2, r2=best.r2 + shift[1])
    count = 200_000
    first = rng.choice(types, count, p=np.asarray(D3.prior, np.float64) / 1.0)
    sums = np.cumsum(np.asarray(D3.transition), axis=1)[first]
    second = (rng.uniform(size=(count, 1)) > sums).sum(axis=1).clip(0, types - 1)
    for regime in ("exit", "per_period"):
        drawn = jnp.asarray(np.stack([first, second], axis=1), jnp.int32)
        done, earned = contract_response.played(D3, menu, regime, drawn)
        mean, error = np.mean(earned), np.std(earned) / np.sqrt(count)
        exact = contract_response.best_response_profit(D3, menu, regime)
        assert abs(mean - float(exact)) < 4 * error
        working = np.asarray((done.r1 != 0) * 0.5 + (done.r2 != 0) * 0.5).mean()
        share = float(contract_response.participation(D3, menu, regime))
        assert working == pytest.approx(share, abs=0.01)


EXIT = {
    "D2": (D2, 8.3276, [1.8133, 10.000], [1.3015, 5.2686],
           [[3.8838, 12.6328], [5.6512, 12.6328]], [[4.0347, 9.1316], [5.9706, 10.0996]],
           [0, 1.6494]),
    "D3": (D3, 9.8569, [1.1365, 7.8384, 15.0999], [0.4480, 3.4292, 5.6917],
           [[2.9606, 9.3117, 18.5489], [4.4571, 11.0088, 18.5489], [5.6512, 12.6328, 18.5489]],
           [[3.0483, 6.6136, 10.5504], [4.6557, 8.4383, 11.6945], [5.9706, 10.0996, 12.6865]],
           [0, 1.4288, 3.5970]),
}  # fmt: skip


@pytest.mark.parametrize("name", EXIT)
def test_the_closed_form_gives_the_test_vectors(name) -> None:
    m, profit, q1, r1, q2, r2, utility = EXIT[name]
    menu = screening.relaxed_menu(m)
    assert float(contract.profit(m, menu)) == pytest.approx(profit, abs=6e-5)
    np.testing.assert_allclose(contract.contribution(m, menu.x1), q1, atol=6e-5)
    np.testing.assert_allclose(contract.contribution(m, menu.x2), q2, atol=6e-5)
    np.testing.assert_allclose(menu.r1, r1, atol=6e-5)
    np.testing.assert_allclose(menu.r2, r2, atol=6e-5)
    own = jnp.diagonal(contract.reported_utility(m, menu))
    np.testing.assert_allclose(own, utility, atol=6e-5)
    assert float(contract.incentive_violation(m, menu)) < 1e-5
    assert float(contract.participation_violation(m, menu, "exit")) < 1e-5
    assert bool(screening.implementable(m, menu.x1, menu.x2))
    earned = contract_response.best_response_profit(m, menu, "exit")
    assert float(earned) == pytest.approx(profit, abs=1e-4)


def test_the_top_is_not_distorted_and_a_report_counts_by_the_impulse_response() -> None:
    first, second = screening.virtual_costs(D3)
    cost = contract.unit_cost(D3)
    assert float(first[-1]) == pytest.approx(float(cost[-1]))
    np.testing.assert_allclose(second[:, -1], np.full(3, cost[-1]), rtol=1e-6)
    np.testing.assert_allclose(second[-1], cost, rtol=1e-6)
    # nu2_11 = 1 + (1/2) (0.6 / 0.4) (0.8 - 0.4) / 0.6
    assert float(second[0, 0]) == pytest.approx(1 + 0.5 * 1.5 * 0.4 / 0.6, rel=1e-5)


def test_types_that_are_drawn_anew_are_not_distorted_in_period_two() -> None:
    prior = (0.4, 0.35, 0.25)
    m = market((1, 2, 3), prior, np.tile(prior, (3, 1)))
    _, x2 = screening.relaxed_allocation(m)
    best = screening.efficient_contribution(m, contract.unit_cost(m), 1)
    np.testing.assert_allclose(contract.contribution(m, x2), np.tile(best, (3, 1)), rtol=1e-5)


def test_frozen_types_get_the_static_contract_twice() -> None:
    m = market((1, 2, 3), (0.4, 0.35, 0.25), np.eye(3), sigma=(8.0, 8.0))
    menu = screening.relaxed_menu(m)
    np.testing.assert_allclose(jnp.diagonal(menu.x2), menu.x1, rtol=1e-5)
    # What nobody reaches is filled so that rows rise.
    assert np.all(np.diff(np.asarray(menu.x2), axis=1) >= -1e-6)
    assert float(contract.incentive_violation(m, menu)) < 1e-4


@pytest.mark.parametrize("types", [2, 3, 4])
def test_the_allocation_of_a_virtual_cost_is_the_best_of_a_grid(types) -> None:
    rng = np.random.default_rng(types)
    for _ in range(10):
        m = random_market(rng, types)
        cost = jnp.asarray(rng.uniform(0.1, 3.0, 5), jnp.float32)
        made = np.asarray(screening.efficient_contribution(m, cost, 0), np.float64)
        u, q = plain(m), np.linspace(0, 40, 400_001)
        for c, one in zip(np.asarray(cost, np.float64), made, strict=True):
            earned = u["sigma"][0] * np.log1p(u["eta"] * q) - c * (
                u["linear"] * q + u["quadratic"] * q * q / 2
            )
            assert one == pytest.approx(q[np.argmax(earned)], abs=2e-2)


def test_the_closed_form_says_where_it_is_only_a_bound() -> None:
    bad = market(
        (1.7185, 1.8119, 3.7897), (0.3131, 0.1621, 0.5248),
        [(0.8197, 0.0841, 0.0962), (0.0139, 0.8900, 0.0961), (0.0139, 0.0841, 0.9020)],
        sigma=(4.0, 6.0),
    )  # fmt: skip
    menu = screening.relaxed_menu(bad)
    assert float(contract.profit(bad, menu)) == pytest.approx(4.923, abs=1e-3)
    assert not bool(screening.implementable(bad, menu.x1, menu.x2))
    _, met = payments.least_payments(bad, menu.x1, menu.x2, "exit")
    assert not bool(met)


def amounts(rng: np.random.Generator, types: int, both: bool) -> tuple[jax.Array, jax.Array]:
    x1 = np.sort(rng.uniform(0, 40, types)) if both else rng.uniform(0, 40, types)
    x2 = np.sort(rng.uniform(0, 40, (types, types)), axis=1)
    if both:
        x2 = np.sort(x2, axis=0)
    return jnp.asarray(x1, jnp.float32), jnp.asarray(x2, jnp.float32)


solve = jax.jit(payments.solve)
DIGITS = {2: 1e-5, 3: 1e-5, 4: 1e-4, 5: 1e-3}
"""Relative error of the expected payments in float32, by types."""


@pytest.mark.parametrize("types", [2, 3, 4, 5])
@pytest.mark.parametrize("kind", ["persistent", "any"])
def test_least_payments_are_those_of_a_linear_program(types, kind) -> None:
    rng, refused = np.random.default_rng(10 * types), 0
    for number in range(60):
        m = random_market(rng, types, kind)
        program = payments.payment_program(m, *amounts(rng, types, both=number % 2 == 0))
        made, met = solve(program)
        cost, rows, least = (np.asarray(one, np.float64) for one in vars(program).values())
        exact = linprog(cost, A_ub=-rows, b_ub=-least, bounds=(0, None), method="highs")
        assert bool(met) == (exact.status == 0)
        refused += not bool(met)
        if met:
            # What rounding lost is made good by the gains afterwards.
            assert cost @ np.asarray(made) == pytest.approx(exact.fun, rel=DIGITS[types], abs=1e-4)
    assert kind == "persistent" or types == 2 or refused > 0


@pytest.mark.parametrize("regime", ["exit", "per_period"])
def test_rising_amounts_always_have_payments_and_they_meet_all_constraints(regime) -> None:
    rng, pay = np.random.default_rng(1), jax.jit(payments.least_payments, static_argnums=3)
    for number in range(90):
        types = 3 + number % 3
        m = random_market(rng, types)
        menu, met = pay(m, *amounts(rng, types, both=True), regime)
        assert bool(met)
        missed = contract.incentive_violation(m, menu)
        missed += contract.participation_violation(m, menu, regime)
        assert float(missed) < 5e-4
        earned = contract_response.best_response_profit(m, menu, regime)
        assert float(earned) >= float(contract.profit(m, menu)) - 1e-2


def test_no_payments_exist_for_work_that_falls_with_the_type() -> None:
    x1 = jnp.array([30.0, 1.0])
    x2 = jnp.array([[2.0, 3.0], [2.0, 3.0]])
    assert not bool(payments.least_payments(D2, x1, x2, "per_period")[1])
    assert not bool(payments.least_payments(D2, x1, x2, "exit")[1])
    menu = Menu(x1=x1, r1=x1, x2=x2[:, ::-1], r2=x2)
    sorted_menu, met = payments.repaired(D2, menu, "per_period")
    assert bool(met)
    np.testing.assert_allclose(sorted_menu.x1, [1.0, 30.0])
    np.testing.assert_allclose(sorted_menu.x2, [[2, 3], [2, 3]])


def test_payments_that_a_low_type_is_paid_for_a_row_it_envies_by_hand() -> None:
    # Frozen types, delta = 1, c = (1, 1/2). Row 2 promises type 1 nothing and type 2 D x2_21 = 1,
    # row 1 the same; x1 = (1, 2): type 2 gets D x1_1 = 1/2 for not taking item 1.
    m = market((1, 2), (0.5, 0.5), np.eye(2), discount=1.0)
    x2 = jnp.array([[2.0, 4.0], [2.0, 4.0]])
    menu, met = payments.least_payments(m, jnp.array([1.0, 2.0]), x2, "per_period")
    assert bool(met)
    np.testing.assert_allclose(menu.r1, [1.0, 0.5 + 1.0], atol=1e-5)
    np.testing.assert_allclose(menu.r2, [[2.0, 3.0], [2.0, 3.0]], atol=1e-5)
