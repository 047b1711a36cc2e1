"""Bundles of contracts answer menus: in the graph as in JAX, and constraints are met."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import edgewright as ew
from edgewright.bundle import load as load_bundle
from edgewright.compress import pipeline
from edgewright.deploy.compression import setting_of
from edgewright.deploy.export_run import export_rule
from edgewright.physics import payments
from edgewright.physics.contract import contribution, effort
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load
from edgewright.systems.contract import export
from edgewright.systems.contract.decoding import decode, rising, rising_in_both
from edgewright.training.runs import evaluation_inputs


def markets(name: str) -> tuple[Any, Any]:
    scenario = load(name)
    problem = build(scenario)
    inputs = jax.tree.map(lambda leaf: leaf[0, :64], evaluation_inputs(scenario, problem))
    return problem, inputs


@pytest.mark.parametrize("name", ["contract-k2", "contract-k3"])
def test_a_fixed_number_of_exchanges_pays_as_little_as_any(name: str) -> None:
    problem, inputs = markets(name)
    types = problem.world.types
    turns = export.TURNS[types]

    def both(x: Any, action: Any) -> tuple[Any, ...]:
        market = problem.world.market(problem.params, x)
        share = (action + 1) / 2
        x1 = effort(market, market.q_max * rising(share[:types]))
        table = rising_in_both(share[types:].reshape(types, types))
        program = payments.payment_program(market, x1, effort(market, market.q_max * table))
        return *payments.solve(program), *payments.solve(program, turns)

    size = types + types * types
    actions = jax.random.uniform(jax.random.key(0), (64, size), minval=-1.0, maxval=1.0)
    best, reached, fixed, settled = jax.jit(jax.vmap(both))(inputs, actions)
    assert bool(jnp.all(reached)) and bool(jnp.all(settled))
    np.testing.assert_array_equal(best, fixed)


def test_a_bundle_answers_the_menu_of_its_action_and_says_that_it_is_feasible(
    tmp_path: Path,
) -> None:
    file = tmp_path / "rule.edge"
    export_rule("virtual-cost", load("contract-k3"), file)
    bundle = load_bundle(file)
    problem, inputs = markets("contract-k3")
    world, params = problem.world, problem.params
    rows = np.asarray(jax.vmap(lambda x: world.observe(params, None, x))(inputs))
    answer = bundle.engine.many(rows)

    def menu(x: Any, action: Any) -> tuple[Any, ...]:
        market = world.market(params, x)
        made = decode(params, market, action, "structured", world.participation)
        paid = made.r1 + market.discount * jnp.sum(market.transition * made.r2, axis=1)
        q1, q2 = contribution(market, made.x1), contribution(market, made.x2)
        return q1, q2, jnp.sum(market.prior * paid)

    q1, q2, paid = jax.vmap(menu)(inputs, jnp.asarray(answer["action"]))
    np.testing.assert_allclose(answer["contribution_1"], q1, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(answer["contribution_2"], q2, rtol=1e-4, atol=1e-4)
    # Several payments may be the least ones: what they cost together is one number.
    later = np.sum(np.asarray(inputs.transition) * answer["payment_2"], axis=2)
    both = answer["payment_1"] + np.asarray(inputs.discount)[:, None] * later
    cost = np.sum(np.asarray(inputs.prior) * both, axis=1)
    np.testing.assert_allclose(cost, paid, rtol=1e-4, atol=1e-4)
    assert answer["feasible"].tolist() == [1] * len(rows)
    units = {output.name: output.unit for output in bundle.interface.outputs}
    assert units["contribution_1"] == "work unit" and units["payment_2"] == "profit unit"
    one = bundle.engine.many(rows[:1])  # one market is answered as it is among others
    np.testing.assert_allclose(one["payment_2"][0], answer["payment_2"][0], rtol=1e-5, atol=1e-5)


def test_a_trained_network_whose_payments_tie_is_exported_with_parity(tmp_path) -> None:
    """Payments of equal cost were chosen by rounding, so that parity refused every network."""
    problem = ew.make("contract-d2", {"evaluation.episodes": 2})
    run = ew.train(problem, "td3", steps=400, settings={"hidden_sizes": [8]})
    bundle = run.export(tmp_path / "p.edge")
    answer = bundle.decide(bundle.interface.observation(np.mean(bundle.interface.typical(), 0)))
    assert answer["feasible"] in (0, 1)
    assert np.shape(answer["payment_2"]) == (2, 2)
    setting = setting_of(bundle)  # as a compression begins
    assert setting.baseline().shape == setting.rule("random").shape == (2,)
    assert setting.baseline().mean() > setting.rule("random").mean()
    assert pipeline.begin(bundle).head.kind == "menu"
