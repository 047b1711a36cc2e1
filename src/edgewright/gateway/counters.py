"""Count the events of a gateway; Prometheus families are made on request.

Names follow OpenTelemetry's conventions for generative AI where these have one
(``gen_ai.server.request.duration``), else they begin with ``edgewright_gateway``.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from edgewright.gateway.backend import Backend
from edgewright.gateway.breaker import STATES
from edgewright.gateway.link import MISSING, STALE
from edgewright.serve.counters import PROMOTED, WITHDRAWN, exposition
from edgewright.serve.drift_watch import DriftWatch

if TYPE_CHECKING:
    from edgewright.gateway.canary import Trial
    from edgewright.gateway.plan import Plan

DURATIONS_S = tuple(0.01 * 2**k for k in range(14))
"""Edges that the conventions ask for, up to 81.92 s."""

OVERHEADS_S = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 1e-1, 1.0)
ERRORS_S = (-10.0, -3.0, -1.0, -0.3, -0.1, -0.03, 0.0, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
MAX_VALUES, OTHER = 50, "other"

SHED = ("queue_full", "no_backend", "deadline", "other")
REFUSALS = (400, 401, 404, 405, 413, 429, 503)
"""Reasons and statuses of requests that are refused."""


class Histogram:
    """Counts numbers by the edges of buckets."""

    def __init__(self, edges: tuple[float, ...]) -> None:
        self.edges, self.total = edges, 0.0
        self._counts = [0] * (len(edges) + 1)

    def add(self, value: float) -> None:
        """Count one number."""
        self.total += value
        self._counts[bisect.bisect_left(self.edges, value)] += 1

    def buckets(self) -> list[tuple[str, float]]:
        """Return the running counts by upper edge."""
        total, result = 0, []
        for edge, count in zip((*map(str, self.edges), "+Inf"), self._counts, strict=True):
            total += count
            result.append((edge, total))
        return result


class Capped:
    """Passes the first values of a label on, and counts all later ones as ``other``."""

    def __init__(self, most: int = MAX_VALUES) -> None:
        self.most = most
        self._known: set[str] = set()

    def __call__(self, value: str) -> str:
        if value in self._known:
            return value
        if len(self._known) >= self.most:
            return OTHER
        self._known.add(value)
        return value


class Counters:
    """Counts of one gateway. Only the event loop writes here."""

    def __init__(self) -> None:
        self.refused: Counter[int] = Counter()
        self.decisions: Counter[tuple[str, ...]] = Counter()
        self.clients: Counter[tuple[str, ...]] = Counter()
        self.shed: Counter[tuple[str, ...]] = Counter()
        self.cancelled: Counter[tuple[str, ...]] = Counter()
        self.out_of_range: Counter[tuple[str, ...]] = Counter()
        self.stale: Counter[tuple[str, ...]] = Counter()
        self.disagreed: Counter[tuple[str, ...]] = Counter()
        self.shadowed: Counter[tuple[str, ...]] = Counter()
        self.reloads: Counter[tuple[str, ...]] = Counter()
        self.canaries: Counter[tuple[str, ...]] = Counter()
        self.retries = self.late = 0
        self.durations: dict[tuple[str, str, str], Histogram] = {}
        self.first_partial, self.overhead = Histogram(DURATIONS_S), Histogram(OVERHEADS_S)
        self.delay_error = Histogram(ERRORS_S)
        self.lateness: dict[str, float] = {}
        self.watch = DriftWatch()
        self._model, self._backend = Capped(), Capped()

    def expect(self, plan: Plan) -> None:
        """Let every series that a plan can have be there from the start, at 0.

        Durations by model, and the lateness of paced services, begin with the first request.
        """
        config, policy = plan.config, plan.policy
        self.refused.update(dict.fromkeys(REFUSALS, 0))
        tables: list[tuple[Counter[tuple[str, ...]], Iterable[tuple[str, ...]]]] = [
            (self.shed, ((reason,) for reason in SHED)),
            (self.cancelled, (("queued",), ("running",))),
            (self.reloads, (("taken",), ("refused",))),
            (self.canaries, ((PROMOTED,), (WITHDRAWN,))),
            (self.clients, ((one.name,) for one in config.key)),
            (self.shadowed, ((name,) for name in plan.shadows)),
            (self.disagreed, ((name,) for name in plan.shadows)),
            (self.decisions, _decisions(plan)),
        ]
        if not config.key:
            tables.append((self.clients, (("anyone",),)))
        if policy is not None:
            fields = [one for one in policy.bundle.interface.fields if one.trained is not None]
            tables.append((self.out_of_range, ((one.name,) for one in fields)))
            tables.append((self.stale, (("bandwidth_mbps", state) for state in (STALE, MISSING))))
        for counts, labels in tables:
            counts.update(dict.fromkeys(labels, 0))

    def took(self, operation: str, model: str, error: str, seconds: float) -> None:
        """Count a request that was answered, or failed for a reason named ``error``."""
        labels = (operation, self._model(model), error)
        self.durations.setdefault(labels, Histogram(DURATIONS_S)).add(seconds)

    def decided(self, location: int, level: int, by: str) -> None:
        """Count a decision."""
        self.decisions[str(location), str(level), by] += 1

    def text(self, backends: Iterable[Backend], trial: Trial | None = None) -> bytes:
        """Return the scrape in Prometheus' text format."""
        watched = self.watch.families("edgewright_gateway")
        families = [*self._families(), *_of_canary(trial), *watched]
        return exposition([*families, *_of_backends([*backends])])

    def _families(self) -> Iterator[Metric]:
        yield self._durations()
        yield _histogram(
            "gen_ai_server_time_to_first_token_seconds",
            "Until the first partial image was sent.",
            self.first_partial,
        )
        yield _histogram(
            "edgewright_gateway_overhead_seconds", "Time that the gateway added.", self.overhead
        )
        yield _histogram(
            "edgewright_gateway_predicted_delay_error_seconds",
            "Actual minus predicted delay.",
            self.delay_error,
        )
        tables = {
            "client_requests": ("Requests by the names of their keys.", ("key",), self.clients),
            "decisions": ("Decisions.", ("location", "level", "decided_by"), self.decisions),
            "shed": ("Requests that no back end took.", ("reason",), self.shed),
            "cancelled": ("Requests whose client went away.", ("stage",), self.cancelled),
            "out_of_range": ("Values that training never met.", ("field",), self.out_of_range),
            "stale": ("Decisions on a stale or missing signal.", ("signal", "state"), self.stale),
            "shadow_decisions": ("Decisions of shadows.", ("policy",), self.shadowed),
            "shadow_disagreement": ("Of these, other choices.", ("policy",), self.disagreed),
            "reloads": ("Configurations read again.", ("result",), self.reloads),
            "canaries": ("Canaries that ended.", ("result",), self.canaries),
        }
        for name, (about, labels, counts) in tables.items():
            family = CounterMetricFamily(f"edgewright_gateway_{name}", about, labels=labels)
            for values, count in sorted(counts.items()):
                family.add_metric(values, count)
            yield family
        refused = CounterMetricFamily(
            "edgewright_gateway_refused", "Requests refused.", labels=["status"]
        )
        for status, count in sorted(self.refused.items()):
            refused.add_metric([str(status)], count)
        yield refused
        about = "Requests that clients sent again."
        yield CounterMetricFamily("edgewright_gateway_client_retries", about, self.retries)
        about = "Requests whose deadline no choice could meet."
        yield CounterMetricFamily("edgewright_gateway_late", about, self.late)
        lateness = GaugeMetricFamily(
            "edgewright_gateway_lateness_ratio", "Actual over paced time.", labels=["backend"]
        )
        for name, value in self.lateness.items():
            lateness.add_metric([self._backend(name)], value)
        yield lateness

    def _durations(self) -> HistogramMetricFamily:
        labels = ["gen_ai_operation_name", "gen_ai_request_model", "error_type"]
        family = HistogramMetricFamily(
            "gen_ai_server_request_duration_seconds", "Time of a request.", labels=labels
        )
        for values, histogram in self.durations.items():
            family.add_metric(values, histogram.buckets(), histogram.total)
        return family


def _decisions(plan: Plan) -> Iterator[tuple[str, ...]]:
    """Yield the labels of all decisions that a plan can take."""
    labels = {plan.chooser.label, plan.fallback.label, *(one.label for one in plan.arms.values())}
    labels |= {plan.canary.policy.label} if plan.canary is not None else set()
    places = {backend.table.location for backend in plan.backends.values()}
    for location in sorted(places):
        for level in range(len(plan.config.quality.levels)):
            yield from ((str(location), str(level), label) for label in sorted(labels))


def _histogram(name: str, about: str, histogram: Histogram) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, about)
    family.add_metric([], histogram.buckets(), histogram.total)
    return family


def _of_canary(trial: Trial | None) -> Iterator[Metric]:
    """Yield how the comparison of a canary stands; all is 0 without one."""
    about = "Share of requests that a canary decides now."
    share = 0.0 if trial is None else trial.share
    yield GaugeMetricFamily("edgewright_gateway_canary_share", about, share)
    counts = {"canary": 0, "running": 0} if trial is None else trial.outcomes()
    outcomes = GaugeMetricFamily(
        "edgewright_gateway_canary_outcomes", "Rewards in the comparison.", labels=["arm"]
    )
    for arm, count in counts.items():
        outcomes.add_metric([arm], count)
    yield outcomes


def _of_backends(backends: list[Backend]) -> Iterator[Metric]:
    labels = ["backend", "location"]
    gauges = {
        "queue_work_seconds": ("Accepted work.", lambda one: one.ledger.work_s),
        "queue_requests": ("Accepted requests.", lambda one: len(one.ledger)),
        "breaker_state": (
            "0 closed, 1 half-open, 2 open.",
            lambda one: STATES.index(one.breaker.state),
        ),
        "service_ratio": ("Actual over predicted service.", lambda one: one.ledger.ratio),
    }
    for name, (about, value) in gauges.items():
        family = GaugeMetricFamily(f"edgewright_gateway_{name}", about, labels=labels)
        for one in backends:
            family.add_metric([one.name, str(one.table.location)], value(one))
        yield family
    images = CounterMetricFamily("edgewright_gateway_images", "Images generated.", labels=labels)
    for one in backends:
        images.add_metric([one.name, str(one.table.location)], one.generated)
    yield images
    links = GaugeMetricFamily("edgewright_gateway_link_mbps", "Bandwidth.", labels=["link"])
    for name, link in {one.link.table.name: one.link for one in backends if one.link}.items():
        links.add_metric([name], link.mbps)
    yield links
