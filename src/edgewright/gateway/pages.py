"""Answer with models, receipts, the state, probes and metrics."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edgewright.core.version import __version__
from edgewright.gateway.config import AUTO
from edgewright.gateway.errors import APIError
from edgewright.gateway.live import Live
from edgewright.gateway.openapi import MAX_LISTED, document

if TYPE_CHECKING:
    from edgewright.gateway.app import Gateway


_LIMIT = re.compile(r"[0-9]{1,9}")  # Python refuses to read numbers of thousands of digits


class Pages:
    """The paths of a gateway that decide nothing.

    Attributes:
        routes: all of them.
        probe_app: an application of the probes alone, for a port of their own.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        probes = [
            Route("/healthz", self._alive, methods=["GET"]),
            Route("/readyz", self._ready, methods=["GET"]),
            Route("/metrics", self._metrics, methods=["GET"]),
        ]
        self.routes = [
            Route("/v1/models", self._models, methods=["GET"]),
            Route("/v1/models/{id:path}", self._model, methods=["GET"]),
            Route("/v1/receipts", self._receipts, methods=["GET"]),
            Route("/v1/receipts/{id}", self._receipt, methods=["GET"]),
            Route("/v1/state", self._state, methods=["GET"]),
            Route("/openapi.json", self._openapi, methods=["GET"]),
            *Live(gateway).routes,
            *probes,
        ]
        self.probe_app = Starlette(routes=probes, exception_handlers=ERRORS)
        self.probe_app.router.redirect_slashes = False

    async def _models(self, request: Request) -> Response:
        plan = self._gateway.plan
        names = [AUTO, *plan.backends, *(one for one in plan.config.aliases if one != AUTO)]
        data = [_model(name) for name in dict.fromkeys(names)]
        return JSONResponse({"object": "list", "data": data})

    async def _model(self, request: Request) -> Response:
        plan, name = self._gateway.plan, request.path_params["id"]
        if name not in (AUTO, *plan.backends, *plan.config.aliases):
            raise APIError(404, "this model is unknown", param="model", code="model_not_found")
        return JSONResponse(_model(name))

    async def _receipt(self, request: Request) -> Response:
        gateway = self._gateway
        receipt = gateway.receipts.get(request.path_params["id"], request.state.client)
        if receipt is None:
            message = f"no receipt of that id; the last {gateway.receipts.most} are kept"
            raise APIError(404, message, code="not_found")
        content = receipt.full()
        if receipt.blocks is not None:
            content["arm"] = receipt.blocks.arm_if_over(int(receipt.block))
        return JSONResponse(content)

    async def _receipts(self, request: Request) -> Response:
        text = request.query_params.get("limit", "100")
        if not _LIMIT.fullmatch(text) or not 1 <= int(text) <= MAX_LISTED:
            message = f"limit must be a whole number from 1 to {MAX_LISTED}"
            raise APIError(400, message, param="limit", code="invalid_value")
        after = request.query_params.get("after")
        listed = self._gateway.receipts.after(after, request.state.client, int(text))
        return JSONResponse({"object": "list", "data": [one.full() for one in listed]})

    async def _state(self, request: Request) -> Response:
        gateway = self._gateway
        plan = gateway.plan
        content = {
            "version": __version__,
            "config": {"digest": plan.digest, "problem": gateway.watcher.message},
            "policy": plan.chooser.label,
            "fallback": plan.fallback.label,
            "shadows": [*plan.shadows],
            "canary": None if plan.canary is None else plan.canary.facts(),
            "backends": {name: _backend(backend) for name, backend in plan.backends.items()},
            "links": {
                name: {"mbps": link.mbps, "state": link.state, "transfers": link.measured}
                for name, link in plan.links.items()
            },
        }
        return JSONResponse(content)

    async def _openapi(self, request: Request) -> Response:
        return JSONResponse(document(self._gateway.plan))

    async def _alive(self, request: Request) -> Response:
        return JSONResponse({"alive": True})

    async def _ready(self, request: Request) -> Response:
        gateway = self._gateway
        reachable = any(backend.reachable for backend in gateway.plan.backends.values())
        ready = reachable and not gateway.stopping
        facts = {
            "ready": ready,
            "stopping": gateway.stopping,
            "reachable": reachable,
            "config": gateway.plan.digest,
            "reload_problem": gateway.watcher.message,
        }
        return JSONResponse(facts, 200 if ready else 503)

    async def _metrics(self, request: Request) -> Response:
        await asyncio.to_thread(self._gateway.counters.watch.look)
        plan = self._gateway.plan
        text = self._gateway.counters.text(plan.backends.values(), plan.canary)
        return Response(text, media_type="text/plain; version=0.0.4")


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "edgewright"}


def _backend(backend: Any) -> dict[str, Any]:
    return {
        "kind": backend.table.kind,
        "location": backend.table.location,
        "speed": backend.table.speed,
        "paced": backend.table.speed < 1.0,
        "queue_work_s": backend.ledger.work_s,
        "queued": len(backend.ledger),
        "queue": backend.table.queue,
        "finished": backend.ledger.finished,
        "released": backend.ledger.released,
        "images": backend.generated,
        "service_ratio": backend.ledger.ratio,
        "breaker": backend.breaker.state,
        "breaker_opened": backend.breaker.opened,
    }


async def _refused(request: Request, error: Any) -> Response:
    return JSONResponse(error.content, error.status, error.headers)


async def _nothing_here(request: Request, error: Exception) -> Response:
    content = APIError(404, "nothing answers at this path", code="not_found").content
    return JSONResponse(content, 404)


async def _other_method(request: Request, error: Any) -> Response:
    message = f"{request.method} is not what this path answers"
    return JSONResponse(APIError(405, message).content, 405, error.headers)


async def _broken(request: Request, error: Exception) -> Response:
    return JSONResponse(APIError(500, "the gateway failed").content, 500)


ERRORS: dict[Any, Any] = {
    APIError: _refused,
    404: _nothing_here,
    405: _other_method,
    Exception: _broken,
}
"""What answers where no path does."""
