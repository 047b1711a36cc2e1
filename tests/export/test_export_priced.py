"""A rule with prices decides in a bundle as it does in the world."""

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.bundle import load
from edgewright.deploy.export_run import export_policy, interface_in
from edgewright.evaluation.actions import head_in
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load as load_scenario
from edgewright.systems.aigc.baselines import BatteryPrice
from edgewright.systems.aigc.baselines.shadow_prices import joule_unit
from edgewright.systems.aigc.export import row_insight


def test_a_priced_rule_decides_by_the_price_of_the_present_charge(tmp_path):
    problem = build(load_scenario("aigc-heavy", {"params.horizon_slots": 20}))
    world, params = problem.world, problem.params
    # a joule costs much where little is left, so the choice depends on the charge
    joules = np.array([6.0, 1.0, 0.0]) * float(joule_unit(params))
    policy = BatteryPrice(
        charge_pct=jnp.array([15.0, 50.0, 90.0]), joule=jnp.asarray(joules), toll=jnp.array(1.0),
        world=world,
    )  # fmt: skip
    interface = interface_in(problem, None, head_in(problem))
    facts = {"name": "priced", "kind": "rule", "scenario": {}, "scores": {}, "lineage": []}
    facts["provenance"] = {}
    export_policy(tmp_path / "p.edge", policy, problem, interface, facts, ())
    bundle = load(tmp_path / "p.edge")
    rng = np.random.default_rng(4)
    rows, wanted = [], []
    for number in range(60):
        row = {
            "input_mb": rng.uniform(10, 25), "work_gcycles": rng.uniform(3, 8), "mode": "balanced",
            "charge_pct": rng.uniform(11, 100), "bandwidth_mbps": rng.uniform(50, 150),
            "local_backlog_gcycles": rng.uniform(0, 10), "phase": 0.0,
            "server_1_backlog_gcycles": rng.uniform(0, 150),
            "server_2_backlog_gcycles": rng.uniform(0, 150),
        }  # fmt: skip
        encoded, _ = interface.encode(row)
        insight = row_insight(world, params, jnp.asarray(encoded, jnp.float32))
        key = jax.random.key(number)
        _, decision = policy.act(key, policy.init_carry(key), insight)
        rows.append(encoded)
        wanted.append(int(decision.action[0]))
    decided = [bundle.engine.one(row)[0] for row in rows]
    assert decided == wanted
    assert len(set(wanted)) > 2
