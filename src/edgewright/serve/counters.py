"""Count the events of the service in plain numbers; Prometheus families are made on request."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from edgewright.serve.drift_watch import DriftWatch

if TYPE_CHECKING:
    from edgewright.bundle.interface import Interface
    from edgewright.serve.log import DecisionLog

PROMOTED, WITHDRAWN = "promoted", "withdrawn"
"""Results of a canary."""

REFUSED = (400, 401, 404, 405, 413, 415, 422, 429, 431, 503)
"""Statuses of refused requests."""

MAX_ACTIONS = 64
"""Actions whose series are there before they are decided for; more would fill the scrape."""

BUCKETS_S = (1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 1e-1, 1.0)


class Counters:
    """Counts of one service. Only the event loop writes here; the watch alone is locked."""

    def __init__(self) -> None:
        self.decisions: Counter[str] = Counter()
        self.clamped: Counter[str] = Counter()
        self.fallbacks: Counter[str] = Counter()
        self.refused: Counter[int] = Counter()
        self.reloads: Counter[str] = Counter()
        self.canaries: Counter[str] = Counter()
        self.outcomes = self.drawn = 0
        self.latency_s = 0.0
        self.watch = DriftWatch()
        self._buckets = [0] * (len(BUCKETS_S) + 1)

    def expect(self, interface: Interface, rule: str | None) -> None:
        """Let every series that a bundle can have be there from the start, at 0.

        Args:
            interface: of the bundle that decides.
            rule: the fallback; None without one.
        """
        self.refused.update(dict.fromkeys(REFUSED, 0))
        self.reloads.update(dict.fromkeys(("taken", "refused"), 0))
        self.canaries.update(dict.fromkeys((PROMOTED, WITHDRAWN), 0))
        numbers = [one.name for one in interface.fields if not one.choices]
        self.clamped.update(dict.fromkeys(numbers, 0))
        first = interface.outputs[0]
        actions = [*map(str, range(len(first.labels)))] if first.labels else ["vector"]
        if len(actions) <= MAX_ACTIONS:
            self.decisions.update(dict.fromkeys(actions, 0))
        if rule is not None:
            self.fallbacks[rule] += 0

    def took(self, seconds: float) -> None:
        """Count one answered request of decisions."""
        self.latency_s += seconds
        self._buckets[bisect.bisect_left(BUCKETS_S, seconds)] += 1

    def families(self, facts: dict[str, str], log: DecisionLog | None) -> Iterator[Metric]:
        """Yield what there is to scrape."""
        yield _counted("decisions", "Decisions by action.", "action", self.decisions)
        yield _counted("out_of_range", "Numbers clamped, by field.", "field", self.clamped)
        yield _counted("fallbacks", "Decisions that a rule took, by rule.", "rule", self.fallbacks)
        yield _counted("refused", "Requests refused, by status.", "status", self.refused)
        yield _counted("reloads", "Bundles read again, by result.", "result", self.reloads)
        yield _counted("canaries", "Canaries that ended, by result.", "result", self.canaries)
        yield CounterMetricFamily("edgewright_outcomes", "Outcomes recorded.", self.outcomes)
        yield CounterMetricFamily(
            "edgewright_drawn", "Decisions drawn at random, see --explore.", self.drawn
        )
        yield self._latency()
        info = GaugeMetricFamily(
            "edgewright_policy_info", "The policy that decides.", labels=[*facts]
        )
        info.add_metric([*facts.values()], 1.0)
        yield info
        yield from self.watch.families()
        if log is not None:
            yield CounterMetricFamily("edgewright_log_written", "Rows written.", log.written)
            yield CounterMetricFamily(
                "edgewright_log_dropped", "Decisions not logged.", log.dropped
            )
            yield CounterMetricFamily("edgewright_log_failures", "Failed writes.", log.failures)
            yield GaugeMetricFamily("edgewright_log_waiting", "Rows to be written.", log.waiting)
            yield GaugeMetricFamily("edgewright_log_alive", "Whether rows are written.", log.alive)

    def text(self, facts: dict[str, str], log: DecisionLog | None) -> bytes:
        """Return the scrape in Prometheus' text format."""
        return exposition(self.families(facts, log))

    def _latency(self) -> HistogramMetricFamily:
        total, buckets = 0, []
        for edge, count in zip((*map(str, BUCKETS_S), "+Inf"), self._buckets, strict=True):
            total += count
            buckets.append((edge, total))
        family = HistogramMetricFamily(
            "edgewright_decide_seconds", "From a whole request to its answer."
        )
        family.add_metric([], buckets, self.latency_s)
        return family


def exposition(families: Iterable[Metric]) -> bytes:
    """Return families in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Once(families))
    return generate_latest(registry)


class _Once:
    """A collector for one scrape."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        """Return the families."""
        return self._families


def _counted(name: str, text: str, label: str, counts: Counter[Any]) -> CounterMetricFamily:
    family = CounterMetricFamily(f"edgewright_{name}", text, labels=[label])
    for value, count in sorted(counts.items(), key=str):
        family.add_metric([str(value)], count)
    return family
