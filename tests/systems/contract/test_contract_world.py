"""The contract world: its laws, decodings, rewards, policies, and what wrong input is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from click.testing import CliRunner

from edgewright.cli.bounds_command import command as bounds_command
from edgewright.core.errors import InputError
from edgewright.evaluation.compare import compare
from edgewright.physics import contract
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load
from edgewright.scenarios.policies import baseline
from edgewright.systems.contract import optima
from edgewright.systems.contract.baselines import exact, float64, mechanisms
from edgewright.systems.contract.decoding import action_size, as_menu, as_numbers, rising_in_both
from edgewright.systems.contract.markets import market_rows
from edgewright.systems.contract.policies import USUAL
from edgewright.testing import check_world
from edgewright.training.runs import evaluation_inputs

RAW = {"world.actions": "raw"}
PRESETS = ("contract-d2", "contract-d3", "contract-k2", "contract-k3", "contract-drift")
DECODINGS = ("raw", "rent", "structured")


def problem_of(name: str, changes: dict[str, Any] | None = None) -> Any:
    return build(load(name, changes or {}))


def first_row(problem: Any, seed: int = 0) -> Any:
    stream = problem.test_stream
    _, rows = stream.next_rows(stream.init_carry(jax.random.key(seed)), 1)
    return jax.tree.map(lambda leaf: leaf[0], rows)


def stepped(problem: Any, action: Any, **changes: Any) -> Any:
    world = dataclasses.replace(problem.world, **changes)
    x = first_row(problem)
    return world.step(problem.params, world.reset(problem.params, x), jnp.asarray(action), x)


@pytest.mark.parametrize(
    ("name", "actions"),
    [("contract-d2", "raw"), ("contract-d3", "structured"), ("contract-drift", "rent")],
)
def test_the_world_keeps_its_laws(name, actions) -> None:
    problem = problem_of(name, {"world.actions": actions})
    check_world(problem.world, problem.params, steps=24)


@pytest.mark.parametrize("name", PRESETS)
def test_the_observation_is_the_market_scaled_to_its_usual_range(name) -> None:
    problem = problem_of(name)
    types = problem.world.types
    space = problem.world.observation_space(problem.params)
    assert space.shape == (7 + 2 * types + types**2,)
    inputs = evaluation_inputs(load(name), problem)
    rows = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), inputs)
    seen = np.asarray(jax.vmap(lambda x: problem.world.observe(problem.params, None, x))(rows))
    scaled = (seen - [f.offset for f in space.features]) / [f.scale for f in space.features]
    assert np.abs(scaled).max() <= 1.11  # servers are uniform from 4.5 and then rounded
    if name in optima.FROZEN:
        assert scaled.std(axis=0).min() > 0.1


def test_raw_actions_are_shares_of_the_largest_amounts_and_payments() -> None:
    problem = problem_of("contract-d2", RAW)
    x = first_row(problem)
    action = jnp.linspace(-1.0, 1.0, 12)
    menu = problem.world.menu(problem.params, x, action)
    market = problem.world.market(problem.params, x)
    share = (np.linspace(-1, 1, 12) + 1) / 2
    np.testing.assert_allclose(contract.contribution(market, menu.x1), 40 * share[:2], atol=1e-4)
    q2 = contract.contribution(market, menu.x2)
    np.testing.assert_allclose(q2.ravel(), 40 * share[2:6], rtol=1e-5)
    np.testing.assert_allclose(menu.r1, 16 * share[6:8], rtol=1e-5)
    np.testing.assert_allclose(menu.r2.ravel(), 16 * share[8:], rtol=1e-5)


def test_rents_let_nobody_work_at_a_loss() -> None:
    problem = problem_of("contract-d3", {"world.actions": "rent"})
    for seed in range(5):
        action = jax.random.uniform(jax.random.key(seed), (24,), minval=-1.0, maxval=1.0)
        assert float(stepped(problem, action).metrics.ir_violation) < 1e-4


@pytest.mark.parametrize("participation", ["per_period", "exit"])
@pytest.mark.parametrize("name", ["contract-k2", "contract-k3"])
def test_structured_menus_meet_all_constraints_and_stay_below_the_optimum(
    name, participation
) -> None:
    changes = {"world.actions": "structured", "world.participation": participation}
    problem = problem_of(name, changes)
    world, params = problem.world, problem.params
    inputs = optima.frozen_inputs(problem, "validation")
    rows = jax.tree.map(lambda leaf: leaf[0], inputs)
    size = action_size(world.types, "structured")
    actions = jax.random.uniform(jax.random.key(5), (200, size), minval=-1.0, maxval=1.0)
    play = jax.vmap(lambda x, a: world.step(params, world.reset(params, x), a, x).metrics)
    metrics = jax.jit(play)(rows, actions)
    missed = metrics.ic_violation + metrics.ir_violation
    assert float(jnp.max(missed)) < 1e-3
    best = optima.optimum(problem, inputs)[0]
    assert np.all(np.asarray(metrics.best_response_profit) <= best + 1e-3)
    # Among equal items servers do as the cloud likes, so these can only earn more.
    assert np.all(np.asarray(metrics.best_response_profit - metrics.paper_profit) > -1e-2)


def test_rising_tables_reach_every_table_that_rises_in_both_directions() -> None:
    rng = np.random.default_rng(0)
    table = np.sort(np.sort(rng.uniform(0.05, 1, (3, 3)), axis=0), axis=1)
    share = np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            above = [table[i + 1, j]] if i < 2 else []
            above += [table[i, j + 1]] if j < 2 else []
            share[i, j] = table[i, j] / min([1.0, *above])
    np.testing.assert_allclose(rising_in_both(jnp.asarray(share, jnp.float32)), table, rtol=1e-5)


def test_a_menu_is_the_action_of_its_numbers() -> None:
    numbers = jnp.arange(24.0)
    np.testing.assert_array_equal(as_numbers(as_menu(numbers, 3)), numbers)


@pytest.mark.parametrize("name", ["contract-d2", "contract-d3"])
def test_the_penalty_is_exact_at_the_optimum_and_random_menus_cost_what_was_measured(name) -> None:
    problem = problem_of(name, RAW | {"params.reward_floor": 1e6})
    numbers = load(name).params
    market = float64.one(market_rows(problem, evaluation_inputs(load(name), problem))[1], 0)
    best = as_numbers(exact.solve(market, "per_period").menu)
    outcome = stepped(problem, best.astype(jnp.float32), actions="menu")
    value = {"contract-d2": 7.9077, "contract-d3": 9.3603}[name]
    assert float(outcome.reward) / numbers.reward_scale == pytest.approx(value, abs=1e-3)
    assert float(outcome.metrics.best_response_profit) == pytest.approx(value, abs=1e-3)
    # No menu near it earns more: lambda = 2 is above every dual price.
    noise = 0.05 * jax.random.normal(jax.random.key(0), (2000, *best.shape))
    near = jax.jit(jax.vmap(lambda a: stepped(problem, a, actions="menu").metrics.objective))
    assert float(jnp.max(near(best + noise))) < value + 1e-3
    # Uniform raw menus: about -234 (D2) and -448 (D3).
    size = best.shape
    raw = jax.random.uniform(jax.random.key(1), (4000, *size), minval=-1.0, maxval=1.0)
    drawn = jax.jit(jax.vmap(lambda a: stepped(problem, a).metrics.objective))(raw)
    given = {"contract-d2": -234, "contract-d3": -448}[name]
    assert float(jnp.mean(drawn)) == pytest.approx(given, rel=0.03)


def test_the_three_objectives_and_the_floor() -> None:
    problem = problem_of("contract-d2", RAW | {"params.reward_floor": 50.0})
    rough = jnp.ones(12) * 0.5
    made = {name: stepped(problem, rough, objective=name) for name in ("penalised", "br", "hard")}
    metrics = made["penalised"].metrics
    missed = float(metrics.ic_violation + metrics.ir_violation)
    penalised = max(float(metrics.paper_profit) - 2 * missed, -50.0)
    assert float(made["penalised"].reward) == pytest.approx(0.1 * penalised, rel=1e-5)
    assert float(made["br"].reward) == pytest.approx(
        0.1 * float(metrics.best_response_profit), rel=1e-5
    )
    assert float(made["hard"].reward) == pytest.approx(-5.0)
    assert float(metrics.feasible) == 0
    nothing = stepped(problem, -jnp.ones(12), objective="hard")
    assert float(nothing.reward) == pytest.approx(0.0)
    assert float(nothing.metrics.feasible) == 1


@pytest.mark.parametrize("name", ["contract-d2", "contract-d3"])
def test_the_floor_hides_no_random_menu(name: str) -> None:
    """With a floor of 50 nearly all random menus earned the same, and learners saw no slope."""
    problem = problem_of(name, RAW)
    size = problem.world.action_space(problem.params).shape
    raw = jax.random.uniform(jax.random.key(1), (2000, *size), minval=-1.0, maxval=1.0)
    earned = jax.jit(jax.vmap(lambda a: stepped(problem, a).metrics.objective))(raw)
    at_floor = earned <= -float(problem.params.reward_floor)
    assert float(jnp.mean(at_floor)) < 0.01
    assert float(jnp.mean(earned <= -50.0)) > 0.9


def test_the_last_round_ends_an_episode() -> None:
    problem = problem_of("contract-drift", RAW)
    x = first_row(problem)
    state = problem.world.reset(problem.params, x)
    ends = []
    for _ in range(10):
        outcome = problem.world.step(problem.params, state, jnp.zeros(24), x)
        state = outcome.state
        ends.append(bool(outcome.terminated))
    assert ends == [False] * 9 + [True]
    assert bool(stepped(problem_of("contract-d2", RAW), jnp.zeros(12)).terminated)


def test_policies_of_all_names_are_compared_and_the_bound_is_the_optimum() -> None:
    names = [name for name in USUAL if not name.startswith("best-of")] + ["best-of-20-structured"]
    result = compare(load("contract-d3"), names, episodes=4)
    assert result.bound is not None
    np.testing.assert_allclose(result.bound, 9.3603, atol=1e-4)
    paper = {
        "complete-information": 11.8744, "exit": 9.8569, "per-period": 9.3603, "static": 9.2151,
        "frozen": 9.1035, "spot": 8.615, "uniform": 8.4718, "linear": 5.6276,
    }  # fmt: skip
    for one in result.results:
        ratio = one.metrics["optimum_ratio"]
        assert np.all(ratio <= 1 + 1e-4)
        if one.name in paper:
            found_profit = float(np.mean(one.metrics["paper_profit"]))
            assert found_profit == pytest.approx(paper[one.name], abs=6e-4)
        if one.name in ("static", "frozen", "spot", "uniform", "linear", "per-period"):
            np.testing.assert_allclose(
                one.metrics["best_response_profit"], paper[one.name], atol=2e-3
            )
    lied_to = result.result("complete-information").metrics
    assert np.all(lied_to["optimum_ratio"] < 0.7)
    assert np.all(lied_to["ic_violation"] > 1)


def test_the_exit_contract_is_optimal_where_servers_may_only_leave() -> None:
    changes = {"world.participation": "exit"}
    result = compare(load("contract-d3", changes), ["exit", "per-period"], episodes=2)
    ratio = {one.name: float(np.mean(one.metrics["optimum_ratio"])) for one in result.results}
    assert ratio["exit"] == pytest.approx(1.0, abs=2e-4)
    assert ratio["per-period"] == pytest.approx(9.3603 / 9.8569, abs=2e-4)


def test_mechanisms_follow_a_market_that_drifts() -> None:
    changes = {"evaluation.episodes": 3}
    result = compare(load("contract-drift", changes), ["per-period", "static"])
    best = result.result("per-period").metrics["optimum_ratio"]
    np.testing.assert_allclose(best, 1.0, atol=5e-4)
    assert np.all(result.result("static").metrics["optimum_ratio"] < 1.0)


def test_bounds_of_contracts_lie_above_all_policies(tmp_path) -> None:
    file = tmp_path / "short.toml"
    file.write_text('schema = 1\nextends = "contract-d2"\nname = "short"\ntitle = "Short"\n')
    arguments = [str(file), "--episodes", "2", "--json"]
    done = CliRunner(catch_exceptions=False).invoke(bounds_command, arguments)
    (row,) = json.loads(done.stdout)["scenarios"]
    assert row["limit"] == pytest.approx(7.9077, abs=1e-4)
    assert row["reached"] == pytest.approx(row["limit"], abs=1e-3)
    assert {entry["name"] for entry in row["entries"]} == {*USUAL, "optimum"}


WRONG = [
    ("[params]\ntransition = [[0.7, 0.2], [0.3, 0.7]]\n",
     r"params\.transition\[0\]: the probabilities sum to 0\.9, not 1\nhint: divide"),
    ("[params]\ntheta = [2.0, 1.0]\n", r"params\.theta: types must increase; got \[2\.0, 1\.0\]"),
    ("[params]\ntheta = [1.0, 1.0]\n", r"params\.theta: types must increase"),
    ("[params]\nprior = [0.5, 0.6]\n", r"params\.prior: the probabilities sum to 1\.1, not 1"),
    ("[world]\ntypes = 1\n[params]\ntheta = [1.0]\nprior = [1.0]\ntransition = [[1.0]]\n",
     r"world\.types = 1: .*greater than or equal to 2"),
    ("[world]\ntypes = 3\n", r"params\.theta: has 2 entries, but world\.types is 3"),
    ("[params]\ndiscount = -0.5\n", r"params\.discount = -0\.5: .*greater than 0"),
    ("[params]\ndiscount = 1.5\n", r"params\.discount = 1\.5: .*less than or equal to 1"),
    ("[params]\nq_max = 0.0\n", r"params\.q_max = 0\.0: .*greater than 0"),
    ('[streams]\nprior = { kind = "uniform", low = 0.1, high = 0.5 }\n',
     r"streams\.prior: kind = 'uniform' cannot draw this input\nhint: use one of: dirichlet"),
    ('[streams]\nsigma_1 = { kind = "dirichlet" }\n',
     r"streams\.sigma_1: kind = 'dirichlet' cannot draw this input"),
    ('[streams]\neta = { kind = "uniform", low = 0.0, high = 0.5 }\n',
     r"streams\.eta: may fall to 0"),
    ('[streams]\ntheta = { kind = "increasing", low = 1.0, high = 2.0, gap_low = 0.0, '
     "gap_high = 1.0 }\n", r"streams\.theta: types must increase from above 0"),
    ('[streams]\ndiscount = { kind = "uniform", low = 0.5, high = 1.5 }\n',
     r"streams\.discount: a discount is at most 1"),
    ('[streams]\ntransition = { kind = "persistence_walk", low = 0.0, high = 0.9, '
     "step_std = 0.1, law = [0.4, 0.4] }\n", r"law: the probabilities sum to 0\.8, not 1"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "said"), WRONG)
def test_wrong_markets_get_one_message(body, said, tmp_path) -> None:
    file: Path = tmp_path / "mine.toml"
    file.write_text(f'schema = 1\nextends = "contract-d2"\nname = "mine"\n{body}')
    with pytest.raises(InputError, match=said):
        load(str(file))


@pytest.mark.parametrize(
    ("body", "key", "value", "remedy"),
    [
        (WRONG[0][0], "params.transition[0]", "0.9, not 1", "divide each by the sum"),
        (WRONG[1][0], "params.theta", "[2.0, 1.0]", "list the least willing type first"),
        (WRONG[4][0], "world.types", "1", ""),
        (WRONG[6][0], "params.discount", "-0.5", ""),
    ],
)
def test_the_command_line_names_file_key_value_and_remedy(
    body, key, value, remedy, tmp_path, edgewright
) -> None:
    file: Path = tmp_path / "mine.toml"
    text = f'schema = 1\nextends = "contract-d2"\nname = "mine"\n{body}'
    file.write_text(text)
    out = tmp_path / "run"
    said = edgewright("train", file, "--learner", "edmsac", "--out", out, code=2)
    (line,) = [one for one in said.stderr.splitlines() if one.startswith("error: ")]
    assert str(file) in line and key in line and value in line
    hints = [one for one in said.stderr.splitlines() if one.startswith("hint: ")]
    assert len(hints) == 1 and remedy in hints[0]
    assert file.read_text() == text and not out.exists() and said.stdout == ""


def test_a_program_that_has_no_solution_is_one_line_of_the_command_line(
    monkeypatch, edgewright
) -> None:
    """No market that passes the schema is infeasible, so the program gets one more constraint."""

    def program(market, regime):
        one = float64.one(market, 0)
        return exact.solve(one, regime, lambda unknown: [unknown.r1 <= -1])

    monkeypatch.setattr(mechanisms, "best_menus", program)
    options = ("--policies", "per-period", "--set", "evaluation.episodes=2")
    said = edgewright("compare", "contract-d2", *options, code=2)
    (line,) = [one for one in said.stderr.splitlines() if "error: " in one]
    assert "per_period: the best contract is not known: infeasible, for theta = [1. 2.]" in line
    assert "hint: no menu meets all constraints" in said.stderr


def test_a_wrong_number_of_tries_is_refused() -> None:
    problem = problem_of("contract-d2")
    with pytest.raises(InputError, match="must be from 1 to 100000; got '0'"):
        baseline("best-of-0", problem)
    with pytest.raises(InputError, match="unknown"):
        baseline("no-such-mechanism", problem)


def test_a_run_plays_with_the_decoding_it_was_trained_with() -> None:
    problem = problem_of("contract-d2")
    from edgewright.systems.registry import system_of

    trained = dataclasses.replace(problem.world, actions="structured")
    assert system_of("contract").transfer_world(trained, problem).actions == "structured"
    other = dataclasses.replace(trained, types=3)
    with pytest.raises(InputError, match="same sizes"):
        system_of("contract").transfer_world(other, problem)
