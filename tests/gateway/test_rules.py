"""Rules with settings of their own, on options that were written by hand."""

from edgewright.gateway.options import Option
from edgewright.gateway.rules import Rule, Shares


def option(location, level, queue_s=0.0, service_s=1.0, transfer_s=0.0):
    return Option(location, level, f"b{location}", queue_s, service_s, transfer_s, 0.0)


def chosen(options):
    return options[0].location, options[0].level


def test_a_cascade_takes_the_best_level_that_keeps_its_target():
    options = [option(m, k, service_s=(4.0, 0.5)[m] * (1 + k)) for m in (0, 1) for k in (0, 1, 2)]
    assert chosen(Rule("cascade", 3, 1.6).rank(options, None)) == (1, 2)  # 1.5 s
    assert chosen(Rule("cascade", 3, 1.4).rank(options, None)) == (1, 1)  # 1 s
    assert chosen(Rule("cascade", 3, 0.1).rank(options, None)) == (1, 0)  # the fastest
    busy = [option(1, k, queue_s=0.7, service_s=0.5 * (1 + k)) for k in (0, 1, 2)]
    assert chosen(Rule("cascade", 3, 1.6).rank(busy, None)) == (1, 0)  # 1.2 s, then 1.7 s
    ranked = Rule("cascade", 3, 1.6).rank(options, None)
    assert len(ranked) == 2 and ranked[1] is not ranked[0]


def test_shares_hold_over_every_stretch():
    rule = Shares([[1.0, 0.0], [2.0, 1.0]])
    options = [option(m, k) for m in (0, 1) for k in (0, 1)]
    choices = [chosen(rule.rank(options, None)) for _ in range(40)]
    for first in range(0, 40, 4):
        stretch = choices[first : first + 4]
        assert sorted(stretch) == [(0, 0), (1, 0), (1, 0), (1, 1)]
    assert rule.label == "rule:shares"


def test_shares_go_elsewhere_while_a_location_is_not_allowed():
    rule = Shares([[1.0], [1.0]])
    both, rest = [option(0, 0), option(1, 0)], [option(1, 0)]
    assert [chosen(rule.rank(rest, None)) for _ in range(3)] == [(1, 0)] * 3
    # the device is owed three of its halves by then
    assert [chosen(rule.rank(both, None)) for _ in range(3)] == [(0, 0)] * 3
    assert {chosen(rule.rank(both, None)) for _ in range(2)} == {(0, 0), (1, 0)}
