"""Carry a decided request out, account for it, and complete its receipt."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from edgewright.gateway import receipts
from edgewright.gateway.backend import Backend
from edgewright.gateway.counters import Counters
from edgewright.gateway.decide import Decision, Request, decide
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


class Generation:
    """One request on its way through a back end.

    Attributes:
        receipt: which is completed as it goes.
        began: when the request arrived, by ``time.perf_counter``.
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
        tried: frozenset[str] = frozenset()
        while True:
            decision = decide(self.plan, self.request, claims, client, number, chooser, tried)
            backend = self.plan.backends[decision.option.backend]
            self._note(decision, backend)
            on_decision(decision)
            try:
                async with aclosing(self._at(backend, decision)) as events:
                    async for event in events:
                        yield event
                return
            except NotAcceptedError as error:
                tried |= {backend.name}
                self.receipt.not_accepted.append(f"{backend.name}: {error}")

    async def _at(self, backend: Backend, decision: Decision) -> AsyncGenerator[Event, None]:
        """Yield the events of one back end, and keep its ledger and its breaker."""
        request, option = self.request, decision.option
        job = request.job(option.level)
        expected_s = backend.generator.expected_s(request.size, request.count, option.level)
        item = backend.ledger.add(expected_s)
        backend.breaker.sending()
        sent, length = time.perf_counter(), 0
        self.receipt.actual["overhead_ms"] = 1e3 * (sent - self.began)
        try:
            async with aclosing(backend.generator.run(job, backend.ledger, item)) as events:
                async for event in events:
                    if isinstance(event, Started):
                        job.queue_s = time.perf_counter() - sent
                    elif isinstance(event, Image):
                        length += len(event.png) or len(event.b64) * 3 // 4
                    elif isinstance(event, Chunk):
                        length += len(event.content)
                    yield event
        except (asyncio.CancelledError, GeneratorExit):
            self._cancelled(backend, item.started is not None)
            raise
        except NotAcceptedError as error:
            if error.transport:
                backend.breaker.failed(transport=True)
            else:
                backend.breaker.abandoned()
            raise
        except BackendError as error:
            raise self._failed(backend, error) from error
        else:
            backend.breaker.succeeded()
            backend.ledger.finish(item, job.service_s)
            backend.answered(option.level, request.size, request.count, length)
            self._completed(job, decision, sent)
        finally:
            backend.ledger.release(item)  # unless it is finished

    def _note(self, decision: Decision, backend: Backend) -> None:
        """Write a decision into the receipt, and count it."""
        receipt, option, counters = self.receipt, decision.option, self.counters
        receipt.option, receipt.runner_up = option, decision.runner_up
        receipt.decided_by, receipt.observation = decision.decided_by, decision.observation
        receipt.level_name = self.plan.config.quality.levels[option.level]
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

    def _cancelled(self, backend: Backend, started: bool) -> None:
        """Account for a client that went away; the breaker does not count it."""
        backend.breaker.abandoned()
        self.counters.cancelled["running" if started else "queued",] += 1
        self.receipt.status = receipts.CANCELLED

    def _failed(self, backend: Backend, error: BackendError) -> APIError:
        """Account for a back end that failed; return what the client gets."""
        self.receipt.status, self.receipt.problem = receipts.FAILED, str(error)
        if error.status < 500 and not error.transport:
            backend.breaker.succeeded()  # the request was at fault
            return APIError(error.status, str(error), code="backend_refused", headers=error.headers)
        backend.breaker.failed(error.transport)
        message = f"'{backend.name}' failed after it accepted the request: {error}"
        return unknown_outcome(message)

    def _completed(self, job: Job, decision: Decision, sent: float) -> None:
        """Complete the receipt with what was measured."""
        receipt, done = self.receipt, time.perf_counter()
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
        if job.lateness is not None:
            receipt.backend["lateness"] = round(job.lateness, 4)
            self.counters.lateness[decision.option.backend] = job.lateness
        self.counters.delay_error.add(waited_s - decision.option.delay_s)
        self.counters.overhead.add(1e-3 * receipt.actual["overhead_ms"])
