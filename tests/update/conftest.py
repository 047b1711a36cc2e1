"""Bundles and simulated logs of a small AIGC scenario, shared by the tests of updates."""

import dataclasses

import numpy as np
import pytest

from edgewright.bundle import load as load_bundle
from edgewright.scenarios.build import build
from edgewright.scenarios.learners import world_of_learner
from edgewright.serve.store import Entry, Report, Store
from edgewright.update.simulate import SimulatedEdge


@pytest.fixture(scope="session")
def running(bundles):
    """Return the bundle that is served: small random networks."""
    return load_bundle(bundles["se-ppo"])


@pytest.fixture(scope="session")
def edge_of():
    """Return what makes a simulated edge of a scenario."""

    def make(scenario, copies=16):
        problem = build(scenario)
        return SimulatedEdge(problem, world_of_learner("se-ppo", problem), copies)

    return make


@pytest.fixture(scope="session")
def write_log():
    """Return what writes decisions as a log of a service."""

    def write(rows, path):
        store = Store(path)
        entries = [
            Entry(r.id, r.at, r.policy, r.decided_by, r.observation, r.decision, r.clamped,
                  r.propensity, r.client)
            for r in rows
        ]  # fmt: skip
        known = [r for r in rows if r.reward is not None]
        reports = [Report(r.id, r.outcome_at, r.reward, r.metrics, lambda _: None) for r in known]
        store.write(entries, reports)
        store.close()
        return path

    return write


@pytest.fixture(scope="session")
def later(running):
    """Return what makes an answer later by seconds, with the reward that its delay then gives."""

    def make(row, seconds):
        params = running.facts["scenario"]["params"]
        mode = [one.choices for one in running.interface.fields if one.name == "mode"][0]
        weight = params["mode_weights"][mode.index(row.observation["mode"])][1]
        lost = params["reward_scale"] * weight * seconds / params["delay_norm_s"]
        metrics = row.metrics | {"delay_s": row.metrics["delay_s"] + seconds}
        return dataclasses.replace(row, reward=row.reward - lost, metrics=metrics)

    return make


@pytest.fixture(scope="session")
def poisoned(later):
    """Return what poisons decisions, by the name of the poison."""

    def invert(row):
        return dataclasses.replace(row, reward=-row.reward)

    def absurd(row):
        metrics = {"delay_s": 1e-9, "device_energy_j": 1e-9}
        return dataclasses.replace(row, reward=1e5, metrics=metrics)

    def of_some(rows, change, share=0.05):
        wrong = np.random.default_rng(0).random(len(rows)) < share
        return [change(row) if bad else row for row, bad in zip(rows, wrong, strict=True)]

    def of_clients(rows, names):
        return [invert(row) if row.client in names else row for row in rows]

    poisons = {
        "inverted": lambda rows: [invert(row) for row in rows],
        "absurd": lambda rows: of_some(rows, absurd),
        "late": lambda rows: of_some(rows, lambda row: later(row, 1e4)),
        "one lies": lambda rows: of_clients(rows, {"copy-7"}),
        "many lie": lambda rows: of_clients(rows, {f"copy-{n}" for n in range(12)}),
    }
    return lambda name, rows: poisons[name](rows)
