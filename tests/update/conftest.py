"""Bundles and simulated logs of a small AIGC scenario, shared by the tests of updates."""

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
