"""Simulated blocks of a testbed, worked out by hand, and the gateway on a virtual clock."""

import asyncio
import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.gateway import clock
from edgewright.gateway.rules import Rule
from edgewright.systems.aigc import AigcWorld
from edgewright.testbed import discrete, virtual, world_replay
from edgewright.testbed.arrivals import Replay, arrivals, body_of, type_of, upload, upload_mb
from edgewright.testbed.conditions import Conditions
from edgewright.testbed.fit import Fitted
from edgewright.testbed.objective import DONE, REFUSED, Arrival, Objective, Outcome
from edgewright.testbed.plan import QUICK, Worker, gateway_text
from edgewright.testbed.rate import constant
from edgewright.testbed.shares import best_shares

NOMINAL = (256, 256)
FITTED = Fitted(
    nominal_size=NOMINAL, nominal_gcycles=4.0, multiplier=[0.5, 1.0, 2.0], ghz=[2.0, 8.0],
    service_cv=[0.0, 0.0], output_mb=[0.1, 0.1, 0.1], delay_s=0.25, mbps=[8.0], errors={},
)  # fmt: skip
"""A device that takes 1, 2 and 4 s, and a server that takes a quarter of that."""

GIVEN = Conditions(FITTED, constant(8.0), constant(8.0), power_w=[2.0, 20.0], queues=[4, 4])


def arrival(index, at_s, size=NOMINAL, request_bytes=10_000):
    return Arrival(index, at_s, "4", size, "balanced", 100 + index, request_bytes)


class Always:
    """Chooses one location and level."""

    label = "always"

    def __init__(self, location, level):
        self.pair = location, level

    def rank(self, options, observation):
        return [one for one in options if (one.location, one.level) == self.pair]


def delays(outcomes):
    return [one.delay_s for one in outcomes]


def test_a_server_adds_both_transfers_and_what_is_ahead():
    # up 0.01 + 0.25 s, service 0.5 s, down 0.1 + 0.25 s: 1.11 s; the second waits 0.4 s behind
    result = discrete.simulate(
        GIVEN, Rule("least-delay", 3), [], [arrival(0, 0.0), arrival(1, 0.1)]
    )
    assert [(one.location, one.level) for one in result] == [(1, 1), (1, 1)]
    assert delays(result) == pytest.approx([1.11, 1.51])
    assert result[1].queue_s == pytest.approx(0.4)
    assert result[1].transfer_s == pytest.approx(0.61)
    assert result[0].energy_j == pytest.approx(10.0)  # 20 W for 0.5 s
    assert result[0].predicted_s == pytest.approx(1.11)


def test_the_device_has_no_link_and_full_queues_refuse():
    result = discrete.simulate(GIVEN, Rule("local", 3), [], [arrival(n, 0.0) for n in range(6)])
    assert delays(result)[:5] == pytest.approx([2.0, 4.0, 6.0, 8.0, 10.0])
    assert result[5].location == 1  # four wait and one is served, so the device takes no more
    many = discrete.simulate(GIVEN, Rule("local", 3), [], [arrival(n, 0.0) for n in range(11)])
    assert [one.status for one in many] == [DONE] * 10 + [REFUSED]


def test_transfers_wait_for_one_another():
    slow = dataclasses.replace(GIVEN, down=constant(0.8))  # an answer takes 1 s
    pair = [arrival(0, 0.0), arrival(1, 0.0)]
    result = discrete.simulate(slow, Always(1, 1), [], pair)
    # the services end at 0.76 and 1.26 s, the transfers at 1.76 and 2.76 s, 0.25 s later each
    assert delays(result) == pytest.approx([2.01, 3.01])


@pytest.fixture
def config(tmp_path):
    """Return what writes a gateway's configuration in front of two workers."""
    workers = (Worker("device", 0.1, 2.0, queue=4), Worker("edge", 0.4, 20.0, queue=4))
    setup = dataclasses.replace(QUICK, workers=workers, mean_mbps=8.0, delay_ms=250.0)
    seconds = [[1.0, 2.0, 4.0], [0.25, 0.5, 1.0]]

    def write(policy):
        file = tmp_path / "gateway.toml"
        file.write_text(gateway_text(setup, ["a:1", "b:2"], policy, seconds))
        return file

    return write


def test_the_gateway_itself_runs_on_a_virtual_clock(config):
    file = config({"fallback": "least-delay"})
    result = virtual.simulate(file, GIVEN, [arrival(0, 0.0), arrival(1, 0.1)])
    assert [(one.location, one.level, one.status) for one in result] == [(1, 1, DONE)] * 2
    assert delays(result) == pytest.approx([1.11, 1.51], abs=0.002)
    assert [one.service_s for one in result] == pytest.approx([0.5, 0.5])
    assert sum((result[1].queue_s, result[1].service_s, result[1].transfer_s)) == pytest.approx(
        result[1].delay_s, abs=0.002
    )


def test_all_simulations_agree_where_nothing_is_random(config):
    rule = {"fallback": "least-delay"}
    block = [arrival(n, 2.5 * n, request_bytes=len(body_of(arrival(n, 0.0)))) for n in range(6)]
    one = discrete.simulate(GIVEN, Rule("least-delay", 3), [], block)
    two = virtual.simulate(config(rule), GIVEN, block)
    assert delays(one) == pytest.approx(delays(two), abs=0.01)
    assert [a.location for a in one] == [a.location for a in two]


def test_a_full_gateway_refuses_on_the_virtual_clock(config):
    result = virtual.simulate(
        config({"fallback": "local"}), GIVEN, [arrival(n, 0.0) for n in range(11)]
    )
    assert [one.status for one in result] == [DONE] * 10 + [REFUSED]


def test_a_virtual_clock_jumps_and_a_deadlock_is_an_error():
    async def sleeps():
        began = clock.now()
        await asyncio.sleep(3600.0)
        return clock.now() - began

    assert virtual.run_virtually(sleeps) == pytest.approx(3600.0)
    with pytest.raises(RuntimeError, match="nothing will ever happen"):
        virtual.run_virtually(lambda: asyncio.Event().wait())


def test_the_world_replays_the_same_block(aigc_params):
    numbers = {
        "device_ghz": 2.0, "server_ghz": [8.0], "background_utilisation": [0.0],
        "network_delay_s": 0.25, "output_mb": [0.1, 0.1, 0.1], "slot_s": 1.0,
    }  # fmt: skip
    world, params = AigcWorld(servers=1, overflow="reject"), aigc_params(**numbers)
    block = [arrival(0, 0.0), arrival(1, 0.1)]
    result = world_replay.simulate(world, params, GIVEN, Rule("least-delay", 3), [], block)
    assert [(one.location, one.level) for one in result] == [(1, 1), (1, 1)]
    # the work joins the queue at once, so 0.4 s of the first are ahead of the second
    assert delays(result) == pytest.approx([1.11, 1.51], abs=1e-4)
    local = world_replay.simulate(world, params, GIVEN, Rule("local", 3), [], block)
    assert delays(local) == pytest.approx([2.0, 3.9], abs=1e-4)
    rows = world_replay.inputs_of(GIVEN, block)
    assert float(rows[0].gap_s) == pytest.approx(0.1)
    assert float(rows[0].work_gcycles[0]) == 4.0


def test_the_objective_is_the_reward_of_the_world(aigc_params, aigc_state, aigc_inputs):
    params, world = aigc_params(), AigcWorld()
    objective = Objective(
        score=np.asarray(params.quality_score).tolist(),
        weights={"balanced": np.asarray(params.mode_weights)[1].tolist()},
        delay_norm_s=10.0, energy_norm_j=40.0, rejected_reward=-1.0, slo_s=2.5,
    )  # fmt: skip
    for location, level in ((0, 1), (1, 2), (2, 0)):
        action = jnp.array([3 * location + level], jnp.int32)
        metrics = world.step(params, aigc_state(), action, aigc_inputs()).metrics
        one = Outcome(
            0, DONE, location, level, float(metrics.delay_s[0]), energy_j=float(metrics.energy_j[0])
        )
        assert objective.reward(arrival(0, 0.0), one) == pytest.approx(float(metrics.reward[0]))
        assert objective.late(one) == (one.delay_s > 2.5)
    assert objective.reward(arrival(0, 0.0), Outcome(0, REFUSED)) == -1.0


def test_arrivals_are_the_same_for_a_seed(tmp_path):
    replay = Replay(20.0, 5.0, [(64, 64), (128, 64)])
    first, again, other = (arrivals(replay, seed) for seed in (3, 3, 4))
    assert first == again
    assert first != other
    assert 60 < len(first) < 140  # 100 on average
    assert all(0.0 <= one.at_s < 20.0 and one.request_bytes > 20 for one in first)
    assert {one.size for one in first} == {(64, 64), (128, 64)}
    assert len({one.seed for one in first}) == len(first)
    log = tmp_path / "log.csv"
    rows = "\n".join(
        f"2023-11-16 18:15:{n // 4:02d}.{25 * (n % 4):02d}00000,10,10" for n in range(200)
    )
    log.write_text(f"TIMESTAMP,ContextTokens,GeneratedTokens\n{rows}\n")
    logged = arrivals(dataclasses.replace(replay, log=log), 3)
    assert np.diff([one.at_s for one in logged]) == pytest.approx(0.2)  # 4 Hz, scaled to 5 Hz


def test_shares_fill_the_best_levels_that_fit():
    # one server, 1 s or 2 s: at 0.6 Hz there is room for 0.85 / 0.6 = 1.4167 s a request
    shares = best_shares([0.5, 1.0], [[1.0, 2.0]], 0.6)
    assert shares[0] == pytest.approx([0.58333, 0.41667], abs=1e-4)
    plenty = best_shares([0.5, 1.0], [[4.0, 8.0], [1.0, 2.0]], 0.1)
    assert sum(row[1] for row in plenty) == pytest.approx(1.0)
    beyond = best_shares([0.5, 1.0], [[3.0, 9.0], [1.0, 3.0]], 100.0)
    assert beyond == [pytest.approx([0.25, 0.0]), pytest.approx([0.75, 0.0])]


def test_uploads_wait_in_every_simulation(aigc_params, config):
    # the first upload takes 1 s and reaches its server at 1.25 s; the second one waits for it, and
    # reaches it at 2.25 s: up, 0.5 s of service, 0.1 s down and 0.25 s of delay
    pair = [arrival(0, 0.0, request_bytes=1_000_000), arrival(1, 0.0, request_bytes=1_000_000)]
    one = discrete.simulate(GIVEN, Always(1, 1), [], pair)
    assert delays(one) == pytest.approx([2.1, 3.1])
    assert one[1].predicted_s == pytest.approx(1.0 + 1.0 + 0.5 + 0.1 + 0.5 + 0.5)  # and the queue
    numbers = {
        "device_ghz": 2.0, "server_ghz": [8.0], "background_utilisation": [0.0],
        "network_delay_s": 0.25, "output_mb": [0.1, 0.1, 0.1], "slot_s": 1.0,
    }  # fmt: skip
    world, params = AigcWorld(servers=1, overflow="reject"), aigc_params(**numbers)
    arguments = (world, params, GIVEN, Always(1, 1), [], pair)
    queued = world_replay.simulate(*arguments)
    # in the world work joins the queue at once, so the second waits for 0.5 s of work as well
    assert delays(queued) == pytest.approx([2.1, 3.6], abs=1e-3)
    parallel = world_replay.simulate(*arguments, world_replay.Reading(uplink=False))
    assert delays(parallel) == pytest.approx([2.1, 2.6], abs=1e-3)
    slots = world_replay.Reading(between=False, uplink=False)
    assert delays(world_replay.simulate(*arguments, slots)) == pytest.approx([2.1, 2.1], abs=1e-3)


def test_a_refused_request_lets_queues_drain(aigc_params):
    numbers = {
        "device_ghz": 2.0, "server_ghz": [8.0], "background_utilisation": [0.0],
        "network_delay_s": 0.0, "output_mb": [0.0, 0.0, 0.0], "slot_s": 1.0,
        "load_limit_gcycles": 5.0,
    }  # fmt: skip
    world, params = AigcWorld(servers=1, overflow="reject"), aigc_params(**numbers)
    given = dataclasses.replace(GIVEN, queues=[0, 4])
    block = [arrival(n, at_s) for n, at_s in enumerate((0.0, 0.0, 0.0, 0.4, 4.0))]
    result = world_replay.simulate(world, params, given, Rule("local", 3), [], block)
    # the device and the server take one each; the third finds both full, the fourth the server too
    assert [one.status for one in result] == [DONE, DONE, REFUSED, DONE, DONE]


def test_a_form_uploads_images(config):
    replay = Replay(5.0, 4.0, [(64, 64)], files=(1, 3))
    block = arrivals(replay, 1)
    assert {one.files for one in block} == {1, 2, 3}
    for one in block:
        body = body_of(one)
        assert len(body) == one.request_bytes > one.files * len(upload((64, 64)))
        assert body.count(b"Content-Type: image/png") == one.files
        assert type_of(one).startswith("multipart/form-data; boundary=")
    assert upload_mb([(64, 64), (128, 128)], (1, 3))[0] == pytest.approx(
        1e-6 * len(upload((64, 64)))
    )
    (only,) = virtual.simulate(config({"fallback": "least-delay"}), GIVEN, block[:1])
    assert only.status == DONE
