"""Decide one request from an observation, a mask and a deadline."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from edgewright.gateway.backend import Backend
from edgewright.gateway.errors import APIError, overloaded
from edgewright.gateway.images import Claims
from edgewright.gateway.jobs import Job
from edgewright.gateway.keys import Client
from edgewright.gateway.link import FRESH, Link
from edgewright.gateway.observation import Signals
from edgewright.gateway.options import Chooser, Option, nearest_delay
from edgewright.gateway.plan import Plan
from edgewright.gateway.policy import BundlePolicy

LEAST_WAIT_S = 0.05
_RNG = random.Random()


class Request(Protocol):
    """A request as decisions see it, with what it may use and how much work it is."""

    @property
    def modality(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def level(self) -> int | None: ...
    @property
    def quality(self) -> str: ...
    @property
    def stream(self) -> bool: ...
    @property
    def prompt(self) -> str: ...
    @property
    def size(self) -> tuple[int, int]: ...
    @property
    def count(self) -> int: ...
    @property
    def request_bytes(self) -> int: ...
    @property
    def edits(self) -> bool: ...
    def job(self, level: int) -> Job: ...


@dataclasses.dataclass(frozen=True)
class Asked:
    """A request with what is known of its client.

    Attributes:
        number: requests before this one.
        spent_s: time since it arrived, which its deadline counts from.
    """

    request: Request
    claims: Claims
    client: Client
    number: int
    spent_s: float


@dataclasses.dataclass(frozen=True)
class Decision:
    """A choice, with what it was made from.

    Attributes:
        options: all that were allowed, at most one for each location and level.
        signals: measurements that bundles observe; None where there are none of either kind.
        stale: state of the bandwidth, where a bundle saw it and it was not fresh.
        late: whether no option meets the deadline.
        propensity: probability of the option; 1 unless the gateway explores.
    """

    option: Option
    runner_up: Option | None
    decided_by: str
    options: Sequence[Option]
    observation: dict[str, Any] | None
    signals: Signals | None = None
    out_of_range: tuple[str, ...] = ()
    stale: str = ""
    late: bool = False
    propensity: float = 1.0


def decide(
    plan: Plan, asked: Asked, chooser: Chooser, tried: Mapping[str, float | None]
) -> Decision:
    """Return the decision for a request.

    Args:
        tried: back ends that did not accept it, with the time after which to come again; None
            where they could not be reached.

    Raises:
        APIError: nothing is allowed, or nothing meets the deadline and such requests are shed.
    """
    request, deadline_s = asked.request, asked.claims.deadline_s
    allowed = _allowed(plan, request, tried)
    options = _options(allowed, plan, request)
    signals = _measured(plan, asked, allowed) if plan.policy or plan.shadows else None
    observation, outside, stale = _observe(plan, chooser, signals)
    ranked, label = _ranked(plan, chooser, options, observation)
    late = False
    left_s = None if deadline_s is None else deadline_s - asked.spent_s
    if deadline_s is not None and left_s is not None and ranked[0].delay_s > left_s:
        if within := _in_time(options, left_s):
            ranked, label = _ranked(plan, chooser, within, observation)
        else:
            fastest, late = nearest_delay(options), True
            if plan.config.policy.on_late == "shed":
                raise _late(options, deadline_s, left_s)
            ranked = [fastest, *(one for one in ranked if one is not fastest)]
    fixed = request.level is not None and len(options) == 1
    by = "client" if fixed else label
    second, chosen, chance = ranked[1] if len(ranked) > 1 else None, ranked[0], 1.0
    if not late and (share := plan.config.policy.explore) > 0.0:
        chosen, chance = explored(chosen, _in_time(options, left_s), share)
        second = ranked[0] if chosen is not ranked[0] else second
    return Decision(chosen, second, by, options, observation, signals, outside, stale, late, chance)


def _in_time(options: Sequence[Option], left_s: float | None) -> list[Option]:
    """Return the options that meet a deadline in ``left_s``; all of them where there is none."""
    return [one for one in options if left_s is None or one.delay_s <= left_s]


def explored(
    best: Option, pool: Sequence[Option], share: float, rng: random.Random = _RNG
) -> tuple[Option, float]:
    """Return an option, and its probability: the best one, or with ``share`` any of the pool.

    Args:
        pool: what is allowed and meets the deadline, the best one among it.
    """
    chosen = rng.choice(pool) if rng.random() < share else best
    uniform = share / len(pool)
    return chosen, uniform + (1.0 - share if chosen is best else 0.0)


def _ranked(
    plan: Plan,
    chooser: Chooser,
    options: Sequence[Option],
    observation: dict[str, Any] | None,
) -> tuple[Sequence[Option], str]:
    """Return options, the best first, and who ranked them: the fallback where need be."""
    if ranked := chooser.rank(options, observation):
        return ranked, chooser.label
    return plan.fallback.rank(options, observation), plan.fallback.label


def _allowed(plan: Plan, request: Request, tried: Mapping[str, float | None]) -> list[Backend]:
    """Return the back ends that may get a request.

    Raises:
        APIError: none, with the predicted time until one of them can.
    """
    target = plan.config.aliases.get(request.model, request.model)
    backends = [one for one in plan.backends.values() if one.modality == request.modality]
    if target in plan.backends:
        backends = [backend for backend in backends if backend.name == target]
        if not backends:
            message = f"the model '{target}' does not answer requests of this kind"
            raise APIError(400, message, param="model", code="model_not_supported")
    if not backends:
        message = f"no back end answers requests for {request.modality}"
        raise APIError(404, message, param="model", code="model_not_found")
    if request.edits and not any(one.edits for one in backends):
        message = "none of the back ends that may get this request edits images"
        raise APIError(400, message, param="image", code="model_not_supported")
    backends = [one for one in backends if one.edits or not request.edits]
    reachable = [one for one in backends if one.reachable and one.name not in tried]
    free = [one for one in reachable if not one.full]
    if free:
        return free
    busy = [one.ledger.drain_s() for one in reachable]
    stated = [tried.get(one.name) for one in backends]
    busy += [wait_s for wait_s in stated if wait_s is not None]
    if busy:
        wait_s = max(LEAST_WAIT_S, min(busy))
        message = f"all queues are full; the next place is free in about {wait_s:.2f} s"
        raise overloaded(429, message, "queue_full", wait_s)
    waits = [one.breaker.wait_s for one in backends]
    wait_s = max(LEAST_WAIT_S, min(waits, default=1.0))
    message = f"no back end can be reached; one is tried again in {wait_s:.2f} s"
    raise overloaded(503, message, "no_backend", wait_s)


def _options(backends: Sequence[Backend], plan: Plan, request: Request) -> list[Option]:
    """Return the best back end of every location at every level that is allowed."""
    every = range(len(plan.config.quality.levels))
    levels = every if request.level is None else [request.level]
    best: dict[tuple[int, int], Option] = {}
    for backend in backends:
        queue_s = backend.ledger.work_s
        for level in levels:
            option = backend.predict(
                request.size, request.count, level, request.request_bytes, queue_s
            )
            key = option.location, level
            if key not in best or option.delay_s < best[key].delay_s:
                best[key] = option
    return [best[key] for key in sorted(best)]


def _observe(
    plan: Plan, chooser: Chooser, measured: Signals | None
) -> tuple[dict[str, Any] | None, tuple[str, ...], str]:
    """Return the observation of the bundle, its fields out of range, and a stale link's state.

    A bundle that decides sees its own fields; where a rule does, those of the plan's bundle.
    """
    policy = chooser if isinstance(chooser, BundlePolicy) else plan.policy
    if policy is None or measured is None:
        return None, (), ""
    observation = policy.observer.observe(measured)
    link = _slowest(plan)
    state = link.state if link else FRESH
    flagged = "bandwidth_mbps" in observation and state != FRESH
    return observation, policy.observer.outside(observation), state if flagged else ""


def _measured(plan: Plan, asked: Asked, allowed: Sequence[Backend]) -> Signals:
    """Return the measurements that bundles observe."""
    request, claims, table = asked.request, asked.claims, asked.client.table
    signals = plan.config.signals
    mode = claims.mode or (table.mode if table else None) or signals.mode
    charge_pct = claims.charge_pct
    if charge_pct is None:
        charge_pct = table.charge_pct if table else None
    link = _slowest(plan)
    same = [one for one in plan.backends.values() if one.modality == request.modality]
    first = min(same, key=lambda one: one.table.location)
    levels = range(len(plan.config.quality.levels))
    expected = first.generator.expected_s
    return Signals(
        input_mb=1e-6 * request.request_bytes,
        work_s=[expected(request.size, request.count, level) for level in levels],
        mode=mode,
        charge_pct=signals.charge_pct if charge_pct is None else charge_pct,
        bandwidth_mbps=link.mbps if link else 0.0,
        queue_s=_queues(plan, same, allowed),
        number=asked.number,
        uplink_backlog_mb=link.uplink_backlog_mb if link else 0.0,
    )


def _slowest(plan: Plan) -> Link | None:
    """Return the link that a policy with a single bandwidth sees."""
    return min(plan.links.values(), key=lambda link: link.mbps, default=None)


def _queues(plan: Plan, same: Sequence[Backend], allowed: Sequence[Backend]) -> list[float]:
    """Return the work ahead at every location, of its back end with the least.

    Args:
        same: back ends that answer requests of this kind; others say nothing of its queue.
        allowed: those of them that may get the request; where a location has any, they count.
    """
    result = []
    for location in range(plan.locations):
        here = [one for one in allowed if one.table.location == location]
        here = here or [one for one in same if one.table.location == location]
        result.append(min((one.ledger.work_s for one in here), default=0.0))
    return result


def _late(options: Sequence[Option], deadline_s: float, left_s: float) -> APIError:
    """Return the error of a request that meets its deadline nowhere.

    It says when to come again, unless a request would be late without any queue too.
    """
    fastest = nearest_delay(options)
    message = (
        f"no choice meets the deadline of {1e3 * deadline_s:.0f} ms, of which "
        f"{1e3 * max(0.0, left_s):.0f} ms are left; "
        f"the fastest would take {1e3 * fastest.delay_s:.0f} ms"
    )
    waits = [one.delay_s - deadline_s for one in options if one.delay_s - one.queue_s <= deadline_s]
    wait_s = max(LEAST_WAIT_S, min(waits)) if waits else None
    return overloaded(503, message, "deadline", wait_s)
