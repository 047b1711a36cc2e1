"""Simulate a block event by event, with measured services and a link that is shared.

Beside the world of the scenario it has the spread of services, a link on which transfers wait for
one another, and queues in the order in which requests reach a server. It has no code of the
gateway: what a policy sees is the true state.
"""

from __future__ import annotations

import dataclasses
import heapq
import itertools
from collections.abc import Sequence
from typing import Any

from edgewright.gateway.options import Chooser, Option
from edgewright.testbed.conditions import Conditions
from edgewright.testbed.link import TransmissionClock
from edgewright.testbed.objective import DONE, REFUSED, Arrival, Outcome
from edgewright.testbed.view import State, chosen, observation

ARRIVES, REACHES, ENDS = range(3)


@dataclasses.dataclass
class _Item:
    """A request that was sent to a location, with its expected service and its start."""

    expected_s: float
    started_s: float | None = None

    def left_s(self, now_s: float) -> float:
        spent_s = 0.0 if self.started_s is None else max(0.0, now_s - self.started_s)
        return max(0.0, self.expected_s - spent_s)


class Discrete:
    """One block with one policy."""

    def __init__(self, conditions: Conditions, chooser: Chooser, names: Sequence[str]) -> None:
        self._given, self._chooser, self._names = conditions, chooser, names
        count = len(conditions.locations)
        self._free_s = [0.0] * count  # when a location has done all that reached it
        self._sent: list[dict[int, _Item]] = [{} for _ in range(count)]
        self._up, self._down = (
            TransmissionClock(one, 0.0) for one in (conditions.up, conditions.down)
        )
        self._order = itertools.count()
        self._events: list[tuple[float, int, int, tuple[Any, ...]]] = []

    def run(self, arrivals: Sequence[Arrival]) -> list[Outcome]:
        """Return what became of every request, in their order."""
        result: dict[int, Outcome] = {}
        for one in arrivals:
            self._at(one.at_s, ARRIVES, (one,))
        while self._events:
            now_s, _, kind, facts = heapq.heappop(self._events)
            if kind == ARRIVES:
                self._arrives(now_s, facts[0], result)
            elif kind == REACHES:
                self._reaches(now_s, *facts)
            else:
                self._ends(now_s, facts[0], facts[1], facts[2], result)
        return [result[one.index] for one in arrivals]

    def _at(self, time_s: float, kind: int, facts: tuple[Any, ...]) -> None:
        heapq.heappush(self._events, (time_s, next(self._order), kind, facts))

    def _options(self, arrival: Arrival, now_s: float) -> list[Option]:
        given, mbps = self._given, max(1e-3, self._given.down.at(now_s))
        waits_s, result = 8.0 * self._up.ahead_mb(now_s) / mbps, []
        for location in given.locations:
            if len(self._sent[location]) > given.queues[location]:
                continue
            for level in given.levels:
                service_s = given.expected_s(arrival, location, level)
                transfer_s = waits_s + given.transfer_s(arrival, level, mbps) if location else 0.0
                ahead_s = self._ahead_s(location, now_s)
                energy_j = given.power_w[location] * service_s
                result.append(
                    Option(location, level, str(location), ahead_s, service_s, transfer_s, energy_j)
                )
        return result

    def _ahead_s(self, location: int, now_s: float) -> float:
        """Return the expected work that was sent to a location and is not done."""
        return sum(item.left_s(now_s) for item in self._sent[location].values())

    def _arrives(self, now_s: float, arrival: Arrival, result: dict[int, Outcome]) -> None:
        options = self._options(arrival, now_s)
        if not options:
            result[arrival.index] = Outcome(arrival.index, REFUSED)
            return
        given = self._given
        queue_s = [self._ahead_s(location, now_s) for location in given.locations]
        ahead_mb = self._up.ahead_mb(now_s)
        state = State(queue_s, max(1e-3, given.down.at(now_s)), arrival.index, ahead_mb)
        row = observation(self._names, arrival, state, given.fitted)
        option = chosen(self._chooser, options, row)
        location = option.location
        self._sent[location][arrival.index] = _Item(option.service_s)
        reaches_s = now_s
        if location:
            reaches_s = self._up.admit(arrival.request_bytes, now_s) + given.fitted.delay_s
        self._at(reaches_s, REACHES, (arrival, option, now_s))

    def _reaches(self, now_s: float, arrival: Arrival, option: Option, sent_s: float) -> None:
        location = option.location
        start_s = max(now_s, self._free_s[location])
        service_s = self._given.service_s(arrival, location, option.level)
        self._free_s[location] = start_s + service_s
        self._sent[location][arrival.index].started_s = start_s
        times = (sent_s, start_s - now_s, service_s)
        self._at(start_s + service_s, ENDS, (arrival, option, times))

    def _ends(
        self,
        now_s: float,
        arrival: Arrival,
        option: Option,
        times: tuple[float, float, float],
        result: dict[int, Outcome],
    ) -> None:
        location, level, given = option.location, option.level, self._given
        sent_s, queue_s, service_s = times
        del self._sent[location][arrival.index]
        done_s = now_s
        if location:
            done_s = self._down.admit(given.answer_bytes(arrival, level), now_s)
            done_s += given.fitted.delay_s
        delay_s = done_s - sent_s
        result[arrival.index] = Outcome(
            index=arrival.index,
            status=DONE,
            location=location,
            level=level,
            delay_s=delay_s,
            queue_s=queue_s,
            service_s=service_s,
            transfer_s=delay_s - queue_s - service_s,
            energy_j=given.power_w[location] * service_s,
            predicted_s=option.delay_s,
        )


def simulate(
    conditions: Conditions, chooser: Chooser, names: Sequence[str], arrivals: Sequence[Arrival]
) -> list[Outcome]:
    """Return the outcomes of a block.

    Args:
        names: fields that the policy observes; none for a rule.
    """
    return Discrete(conditions, chooser, names).run(arrivals)
