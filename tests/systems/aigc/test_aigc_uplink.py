"""The queue of uploads, worked out by hand, and what must hold with it.

The mean task: 17.5 MB and 5.5 G-cycle at 100 Mbit/s, so an upload takes 1.4 s, and 6.25 MB are
sent in a slot of 0.5 s. Alone it takes 1.84375 s at a server of 16 GHz.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.scenarios.build import build
from edgewright.scenarios.load import identity, load, training_identity
from edgewright.systems.aigc import AigcWorld
from edgewright.systems.aigc.features import features
from edgewright.testing import check_world

QUEUE = AigcWorld(uplink="queue", overflow="reject")


def action(location, level=1):
    return jnp.array([3 * location + level], jnp.int32)


def test_an_upload_waits_for_those_before_it(aigc_params, aigc_inputs):
    params, x = aigc_params(), aigc_inputs()
    state = QUEUE.reset(params, x)
    first = QUEUE.step(params, state, action(1), x)
    assert float(first.metrics.delay_s[0]) == pytest.approx(1.84375, rel=1e-5)
    assert float(first.state.uplink_backlog_mb[0]) == pytest.approx(17.5 - 6.25)
    # 11.25 MB at 100 Mbit/s are 0.9 s; the server has done the first task's work by then
    second = QUEUE.step(params, first.state, action(1), x)
    assert float(second.metrics.delay_s[0]) == pytest.approx(0.9 + 1.84375, rel=1e-5)
    assert float(second.state.uplink_backlog_mb[0]) == pytest.approx(11.25 + 17.5 - 6.25)
    # the radio works for its own upload only
    assert float(second.metrics.device_energy_j[0]) == pytest.approx(2.865, rel=1e-5)
    # a task on the device neither waits nor sends
    third = QUEUE.step(params, second.state, action(0), x)
    assert float(third.metrics.delay_s[0]) == pytest.approx(2.75)
    assert float(third.state.uplink_backlog_mb[0]) == pytest.approx(22.5 - 6.25)


def test_what_is_refused_is_not_sent(aigc_params, aigc_inputs):
    params, x = aigc_params(load_limit_gcycles=1.0), aigc_inputs()
    out = QUEUE.step(params, QUEUE.reset(params, x), action(1), x)
    assert float(out.metrics.served[0]) == 0.0
    assert float(out.state.uplink_backlog_mb[0]) == 0.0


def test_parallel_uploads_have_no_queue(aigc_params, aigc_inputs):
    world, params, x = AigcWorld(), aigc_params(), aigc_inputs()
    out = world.step(params, world.reset(params, x), action(1), x)
    assert out.state.uplink_backlog_mb is None
    again = world.step(params, out.state, action(1), x)
    assert float(again.metrics.delay_s[0]) == pytest.approx(1.84375, rel=1e-5)
    assert "uplink_backlog_mb" not in {one.name for one in features(world)}


def test_the_queue_is_a_feature(aigc_params, aigc_inputs):
    params, x = aigc_params(), aigc_inputs()
    state = QUEUE.step(params, QUEUE.reset(params, x), action(1), x).state
    names = [column for one in features(QUEUE) for column in one.columns]
    row = QUEUE.observe(params, state, x)[0]
    assert float(row[names.index("uplink_backlog_mb")]) == pytest.approx(11.25)
    assert len(names) == row.shape[0] == QUEUE.observation_space(params).shape[-1]
    paper = dataclasses.replace(QUEUE, obs="paper")
    assert "uplink_backlog_mb" not in {one.name for one in features(paper)}


@pytest.fixture(scope="module")
def problem():
    changes = {"world.uplink": "queue", "params.horizon_slots": 20}
    return build(load("aigc-heavy", changes))


def test_a_world_with_the_queue_keeps_the_laws(problem):
    check_world(problem.world, problem.params, steps=100)


def test_waiting_only_costs_so_the_bound_holds(problem):
    from edgewright.loops.evaluate import episode_inputs, evaluate, full_information
    from edgewright.systems.aigc.baselines import Greedy, Rule, no_self_congestion

    inputs = episode_inputs(jax.random.key(1), problem.test_stream, 6, 20, {})
    key, params = jax.random.key(0), problem.params
    parallel = dataclasses.replace(problem.world, uplink="parallel")
    missed = -1.0
    bound = np.asarray(no_self_congestion(problem.world, params, inputs, missed))
    rule = Rule(world=problem.world, location="shortest", level=1)
    for policy in (Greedy(world=problem.world), rule):
        scores = evaluate(key, problem.world, params, policy, inputs, observe_fn=full_information)
        assert (np.asarray(scores["reward"]) <= bound + 1e-5).all()
    queued = evaluate(key, problem.world, params, rule, inputs, observe_fn=full_information)
    rule = dataclasses.replace(rule, world=parallel)
    free = evaluate(key, parallel, params, rule, inputs, observe_fn=full_information)
    assert (np.asarray(queued["delay_s"]) > np.asarray(free["delay_s"])).all()


def test_a_scenario_without_the_key_is_the_same_as_before():
    plain, stated = load("aigc-heavy"), load("aigc-heavy", {"world.uplink": "parallel"})
    queued = load("aigc-heavy", {"world.uplink": "queue"})
    for of in (identity, training_identity):
        assert of(plain) == of(stated) != of(queued)
    assert identity(plain) == "d27243310ec028bc"  # of the version before it
