"""The energies of devices are simulated by their equations, and fitted to a log with their gap."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.scenarios.build import build
from edgewright.scenarios.load import identity, load
from edgewright.serve.log_reader import BY_POLICY, LoggedDecision
from edgewright.serve.log_table import LogTable
from edgewright.systems.binary import delay
from edgewright.systems.binary.replay import REPLAY
from edgewright.update.calibrate import calibrated

SLOTS = 400
BASE = {"world.devices": 4, "params.horizon_slots": 40, "params.train_scenarios": 2}
TRUE = {"params.transmit_dbm": 20.0, "params.kappa": 3e-27}


def logged(objective, settings, noise=0.0):
    """Return a table of random decisions in a world, with what outcomes report."""
    scenario = load("binary-easy", BASE | settings | {"world.objective": objective})
    problem = build(scenario).only(0)
    world, params = problem.world, problem.params
    carry = problem.train_stream.init_carry(jax.random.key(1))
    _, rows = problem.train_stream.next_rows(carry, SLOTS)
    bits = jax.random.bernoulli(jax.random.key(2), 0.5, (SLOTS, 4)).astype(jnp.int32)
    state = world.reset(params, jax.tree.map(lambda leaf: leaf[0], rows))
    step = jax.jit(jax.vmap(lambda bits, x: world.step(params, state, bits, x).metrics))
    metrics = step(bits, rows)
    rng, decisions = np.random.default_rng(3), []
    gain_db = 10.0 * np.log10(np.asarray(rows.gain))
    for n in range(SLOTS):
        one = jax.tree.map(lambda leaf, n=n: np.asarray(leaf[n]), metrics)
        report = REPLAY.report(one)
        wrong = {
            key: float(value * np.exp(noise * rng.normal()))
            for key, value in report.items()
            if "energy" in key
        }
        decisions.append(
            LoggedDecision(
                id=str(n), at=float(n), policy="p", decided_by=BY_POLICY,
                observation={f"gain_{k}_db": float(v) for k, v in enumerate(gain_db[n], 1)},
                decision={"action": np.asarray(bits[n]).tolist()}, clamped=(), propensity=0.5,
                client="site", reward=float(np.mean(one.reward)), outcome_at=float(n),
                metrics=report | wrong,
            )
        )  # fmt: skip
    return problem, metrics, LogTable(decisions)


@pytest.mark.parametrize("objective", ["coupled", "equal_share", "separable"])
def test_energies_are_fitted_with_their_goodness(objective):
    problem, _, table = logged(objective, TRUE, noise=0.02)
    old = load("binary-easy", BASE | {"world.objective": objective})
    new, report = calibrated(old, table, "log.db")
    fits = {fit.key: fit for fit in report.fits}
    assert new.params.kappa == pytest.approx(3e-27, rel=0.01)
    assert new.params.transmit_dbm == pytest.approx(20.0, abs=0.1)
    for key in TRUE:
        assert fits[key].changed and 0.005 < fits[key].goodness < 0.03 and fits[key].rows > 300
    np.testing.assert_allclose(
        new.params.device_input_mbit, np.asarray(problem.params.input_mbit), rtol=0.02
    )
    gap = report.gap["device_energy_j"]
    assert gap["after_relative_error"] < 0.03 and gap["after_wasserstein"] > 0


def test_a_gap_before_and_after_shows_what_changed():
    _, _, table = logged("coupled", TRUE)
    old = load("binary-easy", BASE | {"params.kappa": 1e-27})
    gap = calibrated(old, table, "log.db")[1].gap["device_energy_j"]
    assert gap["before_relative_error"] > 0.3
    assert gap["after_wasserstein"] < 0.02 * gap["before_wasserstein"]


def test_a_log_without_energies_leaves_them():
    _, _, table = logged("coupled", {})
    bare = [
        dataclasses.replace(
            row, metrics={key: v for key, v in row.metrics.items() if "energy" not in key}
        )
        for row in table.rows
    ]
    new, report = calibrated(load("binary-easy", BASE), LogTable(bare), "log.db")
    assert {"params.kappa", "params.transmit_dbm"} <= set(report.left)
    assert new.params.kappa is None and new.params.transmit_dbm == 23.0
    assert "device_energy_j" not in report.gap and "delay_s" in report.gap


def test_energies_follow_their_equations():
    problem, metrics, table = logged("coupled", TRUE)
    params = problem.params
    bits = np.array([row.decision["action"] for row in table.rows])
    energy = np.asarray(metrics.device_energy_j)
    work = np.asarray(params.input_mbit * params.cycles_per_bit) * 1e6  # cycles
    local = 3e-27 * (2.84e9) ** 2 * work
    np.testing.assert_allclose(energy[bits == 0], np.broadcast_to(local, bits.shape)[bits == 0],
                               rtol=1e-4)  # fmt: skip
    n = int(np.flatnonzero(bits.sum(axis=1) == 1)[0])  # one device alone has the band for itself
    (k,) = np.flatnonzero(bits[n])
    gain = jnp.asarray(10.0 ** (table.field(f"gain_{k + 1}_db")[n] / 10.0))
    seconds = params.input_mbit[k] / delay.rates_mbps(params, gain)
    assert energy[n, k] == pytest.approx(0.1 * float(seconds), rel=1e-3)  # 20 dBm
    for shared in (1.0, 0.0):  # shares of the band add up to 1, whatever the law
        many = jnp.ones(4) * shared + (1 - shared) * jnp.asarray(bits[n])
        gains = jnp.asarray(10.0 ** (np.array([table.field(f"gain_{k}_db")[n]
                                               for k in range(1, 5)]) / 10.0))  # fmt: skip
        need = delay.needs(params, gains)
        alone = params.input_mbit / delay.rates_mbps(params, gains)
        for objective in ("coupled", "equal_share"):
            share = alone / delay.sending_s(objective, need, params, many)
            assert float(jnp.sum(share * many)) == pytest.approx(1.0, rel=1e-3)


def test_a_scenario_without_a_capacitance_is_the_same_as_before():
    plain, given = load("binary-easy"), load("binary-easy", {"params.kappa": 1e-27})
    assert plain.params.kappa is None and identity(plain) != identity(given)
