"""The time of one decision, of policies of every system."""

from __future__ import annotations

import time

import jax
import jax.numpy as jnp
import pytest

from edgewright.core.records import Decision, record
from edgewright.evaluation.decision_time import decision_ms
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load
from edgewright.scenarios.policies import baseline
from edgewright.systems.system import PolicyEntry


@record
class Slow:
    """A policy that takes 20 ms."""

    def init_carry(self, key):
        return ()

    def act(self, key, carry, observation):
        def wait(x):
            time.sleep(0.02)
            return x

        like = jax.ShapeDtypeStruct((1,), jnp.int32)
        action = jax.pure_callback(wait, like, jnp.zeros(1, jnp.int32))
        return carry, Decision(action=action, aux=())


def test_a_decision_takes_as_long_as_it_takes():
    problem = build(load("aigc-heavy"))
    slow = decision_ms(PolicyEntry("slow", "learned", Slow(), None, problem.world), problem)
    assert 20.0 <= slow < 500.0


@pytest.mark.parametrize(
    ("scenario", "name"),
    [("aigc-heavy", "greedy"), ("binary-hard", "all-local"), ("caching-toy", "spread+hit")],
)
def test_it_is_measured_in_every_system(scenario, name):
    problem = build(load(scenario))
    assert 0.0 < decision_ms(baseline(name, problem), problem) < 1000.0


def test_an_oracle_of_the_future_has_no_time():
    problem = build(load("aigc-heavy"))
    entry = PolicyEntry("oracle", "oracle", None, None, problem.world, lambda inputs: None)
    assert decision_ms(entry, problem) is None
