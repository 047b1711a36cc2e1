"""Carry a decided request out, account for it, and complete its receipt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from edgewright.gateway import clock, receipts
from edgewright.gateway.backend import Backend, base64_length
from edgewright.gateway.counters import Counters
from edgewright.gateway.decide import LEAST_WAIT_S, Asked, Decision, Request, decide
from edgewright.gateway.errors import APIError, unknown_outcome
from edgewright.gateway.images import Claims
from edgewright.gateway.jobs import (
    BackendError,
    Chunk,
    Event,
    Image,
    Job,
    NotAcceptedError,
    Started,
)
from edgewright.gateway.keys import Client
from edgewright.gateway.options import Chooser
from edgewright.gateway.plan import Plan
from edgewright.gateway.receipts import Receipt

MAX_AHEAD = 64
"""Events that wait for a client at most. A request for images has fewer, so they all wait."""

Events = asyncio.Queue[Event | Exception | None]


class Reservation:
    """An entry of a ledger and perhaps the probe of a breaker, which one request holds.

    Attributes:
        probe: whether it is the one that tries a back end again.
        sent: when it was made, by :func:`~edgewright.gateway.clock.now`.
    """

    def __init__(self, backend: Backend, expected_s: float) -> None:
        self.backend, self.item = backend, backend.ledger.add(expected_s)
        self.probe, self.sent = backend.breaker.sending(), clock.now()
        self._left = False

    def leave(self) -> None:
        """Give up, once, what the request still holds."""
        if not self._left:
            self._left = True
            self.backend.breaker.abandoned(self.probe)
            self.backend.ledger.release(self.item)


class Generation:
    """One request on its way through a back end.

    Attributes:
        receipt: which is completed as it goes.
        began: when the request arrived, by :func:`~edgewright.gateway.clock.now`.
    """

    def __init__(
        self,
        plan: Plan,
        counters: Counters,
        request: Request,
        receipt: Receipt,
        began: float,
    ) -> None:
        self.plan, self.counters, self.request = plan, counters, request
        self.receipt, self.began = receipt, began

    async def events(
        self,
        claims: Claims,
        client: Client,
        number: int,
        chooser: Chooser,
        on_decision: Callable[[Decision], None],
    ) -> AsyncGenerator[Event, None]:
        """Decide, send, and yield what comes back.

        A back end that does not accept the request leads to another decision without it. After one
        accepted it, it is sent nowhere else.

        Raises:
            APIError: nothing is allowed, or the back end failed.
        """
        tried: dict[str, float | None] = {}
        while True:
            spent_s = clock.now() - self.began
            asked = Asked(self.request, claims, client, number, spent_s)
            decision = decide(self.plan, asked, chooser, tried)
            backend = self.plan.backends[decision.option.backend]
            self._note(decision, backend)
            on_decision(decision)
            try:
                async with aclosing(self._at(backend, decision)) as events:
                    async for event in events:
                        yield event
                return
            except NotAcceptedError as error:
                tried[backend.name] = None if error.transport else error.wait_s or LEAST_WAIT_S
                self.receipt.not_accepted.append(f"{backend.name}: {error}")

    async def _at(self, backend: Backend, decision: Decision) -> AsyncGenerator[Event, None]:
        """Yield the events of one back end.

        They are made ahead of the client, so that one who reads slowly does not hold the back end.
        """
        expected = self.request.size, self.request.count, decision.option.level
        reserved = Reservation(backend, backend.generator.expected_s(*expected))
        self.receipt.actual["overhead_ms"] = 1e3 * (reserved.sent - self.began)
        events: Events = asyncio.Queue(MAX_AHEAD)
        task = asyncio.ensure_future(self._run(reserved, decision, events))
        try:
            while (event := await events.get()) is not None:
                if isinstance(event, Exception):
                    raise event
                yield event
        except (asyncio.CancelledError, GeneratorExit):
            self._cancelled(reserved.item.started is not None)
            raise
        finally:
            task.cancel()
            await asyncio.wait({task})
            reserved.leave()  # where it was cancelled before it began

    async def _run(self, reserved: Reservation, decision: Decision, made: Events) -> None:
        """Make the events of one back end, and keep its ledger and its breaker.

        Args:
            made: gets the events, and at the end None or the error.
        """
        request, option, backend = self.request, decision.option, reserved.backend
        job, length = request.job(option.level), 0
        item, probe = reserved.item, reserved.probe
        try:
            async with aclosing(backend.generator.run(job, backend.ledger, item)) as events:
                async for event in events:
                    if isinstance(event, Started):
                        job.queue_s = clock.now() - reserved.sent
                    elif isinstance(event, Image):
                        length += len(event.b64) or base64_length(len(event.png))
                    elif isinstance(event, Chunk):
                        length += len(event.content)
                    await made.put(event)
            backend.breaker.succeeded(probe)
            backend.ledger.finish(item, job.service_s)
            backend.answered(option.level, request.size, request.count, length)
            self._completed(job, decision, reserved.sent)
            outcome: Exception | None = None
        except NotAcceptedError as error:
            if error.transport:
                backend.breaker.failed(True, probe)
            outcome = error
        except BackendError as error:
            outcome = self._failed(backend, error, probe)
        except Exception as error:  # whatever a back end does, its client gets an answer
            unknown = BackendError(f"it failed with {type(error).__name__}", transport=False)
            outcome = self._failed(backend, unknown, probe)
        finally:
            reserved.leave()
        await made.put(outcome)

    def _note(self, decision: Decision, backend: Backend) -> None:
        """Write a decision into the receipt, and count it."""
        receipt, option, counters = self.receipt, decision.option, self.counters
        receipt.option, receipt.runner_up = option, decision.runner_up
        receipt.decided_by, receipt.observation = decision.decided_by, decision.observation
        receipt.signals = decision.signals
        quality = self.plan.config.quality
        receipt.level_name = quality.levels[option.level]
        receipt.score = quality.scores[option.level] if quality.scores else None
        receipt.backend = {"paced": backend.table.speed < 1.0, "speed": backend.table.speed}
        receipt.flags = {}
        counters.decided(option.location, option.level, decision.decided_by)
        if decision.out_of_range:
            receipt.flags["out_of_range"] = list(decision.out_of_range)
            for field in decision.out_of_range:
                counters.out_of_range[field,] += 1
        if decision.stale:
            receipt.flags["stale"] = {"bandwidth_mbps": decision.stale}
            counters.stale["bandwidth_mbps", decision.stale] += 1
        if decision.late:
            receipt.flags["late"] = True
            counters.late += 1

    def _cancelled(self, started: bool) -> None:
        """Account for a client that went away; the breaker does not count it."""
        self.counters.cancelled["running" if started else "queued",] += 1
        self.receipt.status = receipts.CANCELLED

    def _failed(self, backend: Backend, error: BackendError, probe: bool) -> APIError:
        """Account for a back end that failed; return what the client gets."""
        self.receipt.status, self.receipt.problem = receipts.FAILED, str(error)
        if error.status < 500 and not error.transport:
            backend.breaker.succeeded(probe)  # the request was at fault
            return APIError(error.status, str(error), code="backend_refused", headers=error.headers)
        backend.breaker.failed(error.transport, probe)
        message = f"'{backend.name}' failed after it accepted the request: {error}"
        return unknown_outcome(message)

    def _completed(self, job: Job, decision: Decision, sent: float) -> None:
        """Complete the receipt with what was measured."""
        receipt, done = self.receipt, clock.now()
        service_s, queue_s = job.service_s or 0.0, job.queue_s or 0.0
        waited_s = done - sent
        receipt.status = receipts.DONE
        receipt.actual |= {
            "queue_ms": 1e3 * queue_s,
            "service_ms": 1e3 * service_s,
            "transfer_ms": 1e3 * job.transfer_s,
            "overhead_ms": 1e3 * (done - self.began - queue_s - service_s - job.transfer_s),
            "total_ms": 1e3 * (done - self.began),
            "energy_j": decision.option.energy_j
            and self.plan.backends[decision.option.backend].table.power_w * service_s,
        }
        if job.paced_speed is not None:
            receipt.backend |= {"paced": True, "speed": job.paced_speed}
        if job.lateness is not None:
            receipt.backend["lateness"] = round(job.lateness, 4)
            self.counters.lateness[decision.option.backend] = job.lateness
        self.counters.delay_error.add(waited_s - decision.option.delay_s)
        self.counters.overhead.add(1e-3 * receipt.actual["overhead_ms"])
