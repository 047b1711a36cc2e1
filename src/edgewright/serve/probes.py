"""Answer the probes of an orchestrator and the scrapes of Prometheus."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from edgewright.serve.app import Service


class Probes:
    """The three paths that say how a service is.

    Attributes:
        routes: of the paths, for the application that decides.
        app: an application of these paths alone, for a port of their own.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self.routes = [
            Route("/healthz", self._alive, methods=["GET"]),
            Route("/readyz", self._ready, methods=["GET"]),
            Route("/metrics", self._metrics, methods=["GET"]),
        ]
        self.app = Starlette(routes=self.routes, exception_handlers=ERRORS)
        self.app.router.redirect_slashes = False

    async def _alive(self, request: Request) -> Response:
        return JSONResponse({"alive": True})

    async def _ready(self, request: Request) -> Response:
        service = self._service
        serving, log = service.decider.serving, service.log
        facts: dict[str, Any] = {"ready": not service.stopping, **serving.facts}
        facts["fallback"] = serving.fallback_facts
        facts["reload_problem"] = service.reloader.message
        if log is not None:
            facts["log"] = {
                "alive": log.alive,
                "written": log.written,
                "waiting": log.waiting,
                "dropped": log.dropped,
                "failures": log.failures,
                "problem": log.message,
                "last_refused": log.last_refused,
            }
        return JSONResponse(facts, 503 if service.stopping else 200)

    async def _metrics(self, request: Request) -> Response:
        service = self._service
        await asyncio.to_thread(service.counters.watch.look)
        text = service.counters.text(service.decider.serving.facts, service.log)
        return Response(text, media_type="text/plain; version=0.0.4")


async def _nothing_here(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": {"problem": "there is nothing here"}}, 404)


async def _other_method(request: Request, error: Any) -> Response:
    content = {"error": {"problem": f"{request.method} is not what this path answers"}}
    return JSONResponse(content, 405, error.headers)


async def _broken(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": {"problem": "the service failed"}}, 500)


ERRORS: dict[Any, Any] = {404: _nothing_here, 405: _other_method, Exception: _broken}
"""What answers where no path does."""
