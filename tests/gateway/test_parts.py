"""The breaker, the ledger, the link and the rules, on a clock of the test's own."""

import pytest

from edgewright.gateway.backend import base64_length
from edgewright.gateway.blocks import Blocks
from edgewright.gateway.breaker import CLOSED, HALF_OPEN, OPEN, Breaker
from edgewright.gateway.ledger import Ledger
from edgewright.gateway.link import FRESH, MISSING, STALE, Link
from edgewright.gateway.options import Option
from edgewright.gateway.rules import RULES
from edgewright.gateway.settings import BlocksTable, BreakerTable, LinkTable, SignalsTable


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_10_a_transport_failure_opens_at_once_and_5xx_after_three(clock):
    breaker = Breaker(BreakerTable(), clock)
    breaker.failed(transport=False, probe=False)
    breaker.failed(transport=False, probe=False)
    assert breaker.state == CLOSED
    breaker.succeeded(probe=False)
    for _ in range(3):
        assert breaker.state == CLOSED
        breaker.failed(transport=False, probe=False)
    assert breaker.state == OPEN
    other = Breaker(BreakerTable(), clock)
    other.failed(transport=True, probe=False)
    assert (other.state, other.allows) == (OPEN, False)


def test_10_one_probe_at_a_time_and_the_cooldown_grows_but_never_shrinks(clock):
    breaker = Breaker(BreakerTable(cooldown_s=5.0, cooldown_max_s=12.0), clock)
    breaker.failed(transport=True, probe=False)
    breaker.failed(transport=True, probe=False)  # of a request that was sent before
    assert breaker.wait_s == 5.0
    for wait in (5.0, 10.0, 12.0, 12.0):
        assert breaker.wait_s == wait
        clock.now += wait - 0.01
        assert not breaker.allows
        clock.now += 0.02
        assert breaker.state == HALF_OPEN
        assert breaker.allows
        assert breaker.sending()
        assert not breaker.allows
        assert not breaker.sending()  # another request, sent at the same moment
        breaker.succeeded(probe=False)
        breaker.abandoned(probe=False)
        breaker.failed(transport=True, probe=False)
        assert (breaker.state, breaker.allows) == (HALF_OPEN, False)
        breaker.abandoned(probe=True)
        assert breaker.allows
        assert breaker.sending()
        breaker.failed(transport=False, probe=True)
    clock.now += 12.1
    assert breaker.sending()
    breaker.succeeded(probe=True)
    assert breaker.state == CLOSED
    assert not breaker.sending()
    breaker.failed(transport=True, probe=False)
    assert breaker.wait_s == 5.0


def test_the_ledger_holds_seconds_of_work(clock):
    ledger = Ledger(clock)
    first, second = ledger.add(4.0), ledger.add(2.0)
    assert ledger.work_s == 6.0
    clock.now += 1.0
    assert ledger.work_s == 5.0
    assert ledger.drain_s() == 3.0
    ledger.advance(first, 0.5)
    assert ledger.drain_s() == 2.0
    clock.now += 9.0  # late: what is left is nothing, not less than nothing
    assert ledger.work_s == 2.0
    ledger.finish(first, 10.0)
    assert ledger.ratio == pytest.approx(1.0 + 0.2 * 1.5)
    assert ledger.work_s == pytest.approx(2.0 * 1.3)
    ledger.release(second)
    ledger.release(second)
    assert (len(ledger), ledger.work_s, ledger.finished, ledger.released) == (0, 0.0, 1, 1)


def test_a_late_item_has_its_other_steps_before_it(clock):
    ledger = Ledger(clock)
    item = ledger.add(4.0)
    clock.now += 6.0
    assert ledger.drain_s() == 0.0
    ledger.advance(item, 0.25)
    assert ledger.drain_s() == 3.0
    clock.now += 1.0
    assert ledger.drain_s() == 2.0


def test_an_open_breaker_follows_other_settings(clock):
    breaker = Breaker(BreakerTable(cooldown_s=5.0), clock)
    breaker.failed(transport=True, probe=False)
    breaker.use(BreakerTable(cooldown_s=50.0))
    assert breaker.wait_s == 5.0
    clock.now += 5.0
    breaker.sending()
    breaker.succeeded(probe=True)
    breaker.failed(transport=True, probe=False)
    assert breaker.wait_s == 50.0


def test_17_a_link_learns_from_transfers_and_grows_stale(clock):
    link = Link(LinkTable("a", initial_mbps=50.0, delay_ms=10.0), SignalsTable(), clock)
    assert (link.state, link.mbps) == (MISSING, 50.0)
    link.transferred(100, 1e-6)  # too short to say anything
    assert link.state == MISSING
    for megabits in (10.0, 20.0, 30.0):
        link.transferred(1_000_000, 8.0 / megabits)
    running = 10.0 + 0.3 * 10.0
    running += 0.3 * (30.0 - running)
    assert link.state == FRESH
    assert link.mbps == pytest.approx(running)
    assert link.seconds(1_000_000) == pytest.approx(0.02 + 8.0 / running)
    clock.now += 10.1
    assert link.state == STALE
    assert link.mbps == pytest.approx(10.0)
    lasting = Link(link.table, SignalsTable(stale="last"), clock)
    lasting.transferred(1_000_000, 1.0)
    clock.now += 10.1
    assert (lasting.mbps, lasting.usable) == (8.0, True)
    masked = Link(link.table, SignalsTable(stale="mask"), clock)
    masked.transferred(1_000_000, 1.0)
    assert masked.usable
    clock.now += 10.1
    assert not masked.usable
    clock.now += 10.0  # it is tried again, or it would never be measured any more
    assert masked.usable


def option(location, level, delay_s, queue_s=0.0):
    return Option(location, level, f"b{location}", queue_s, delay_s - queue_s, 0.0, 0.0)


OPTIONS = [
    option(location, level, base * (level + 1) + queue, queue)
    for location, base, queue in ((0, 3.0, 0.0), (1, 1.0, 0.5), (2, 0.9, 2.5))
    for level in range(3)
]


@pytest.mark.parametrize(
    ("rule", "chosen"),
    [
        ("least-delay", (1, 1)),
        ("min-backlog", (0, 1)),
        ("local", (0, 1)),
        ("fastest", (1, 0)),
        ("finest", (1, 2)),
    ],
)
def test_rules_by_hand(rule, chosen):
    result = RULES[rule](OPTIONS, 3)
    assert (result.location, result.level) == chosen


def test_local_goes_elsewhere_where_the_device_is_not_allowed():
    result = RULES["local"](OPTIONS[3:], 3)
    assert (result.location, result.level) == (1, 1)


def test_27_blocks_are_permutations_and_depend_on_the_seed_alone():
    arms = {"a1": "policy", "a2": "policy", "b": "local"}
    first, again, other = (
        Blocks(BlocksTable(arms=arms, seconds=60.0, seed=seed)) for seed in (1, 1, 2)
    )
    order = [first.arm(n) for n in range(300)]
    assert order == [again.arm(n) for n in range(300)]
    assert order != [other.arm(n) for n in range(300)]
    assert all({*order[n : n + 3]} == {*arms} for n in range(0, 300, 3))
    assert len({tuple(order[n : n + 3]) for n in range(0, 300, 3)}) == 6


def test_uploads_wait_for_one_another_in_the_ledger_of_a_link(clock):
    link = Link(LinkTable("access", initial_mbps=8.0, delay_ms=100.0), SignalsTable(), clock)
    assert link.uplink_backlog_mb == 0.0
    assert link.seconds(1_000_000) == pytest.approx(0.2 + 1.0)
    link.sending(2_000_000)
    clock.now += 0.5  # 8 Mbit/s have sent half a megabyte
    assert link.uplink_backlog_mb == pytest.approx(1.5)
    assert link.seconds(1_000_000) == pytest.approx(0.2 + 1.5 + 1.0)
    link.sending(500_000)
    assert link.uplink_backlog_mb == pytest.approx(2.0)
    clock.now += 0.5
    link.unsent(500_000)
    assert link.uplink_backlog_mb == pytest.approx(1.0)
    clock.now += 10.0
    assert link.uplink_backlog_mb == 0.0
    link.unsent(500_000)
    assert link.uplink_backlog_mb == 0.0


def test_answers_are_counted_as_the_link_carries_them():
    assert [base64_length(count) for count in (0, 1, 3, 4, 300)] == [0, 4, 4, 8, 400]
