"""Show a gateway while it works, as one page and a stream of its state."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from edgewright.gateway.app import Gateway

EVERY_S = 1.0
"""Time between two events of the stream."""

SHOWN = 60
"""Requests of the client that an event holds."""

PAGE = (Path(__file__).parent / "live.html").read_text()


def _policy() -> str:
    """Return the content security policy: the page's own script, and nothing from elsewhere."""
    script = re.search(r"<script>(.*)</script>", PAGE, re.DOTALL)
    assert script is not None, "the page has one script"
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src data:; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; "
        "base-uri 'none'"
    )


_HEADERS = {
    "content-security-policy": _policy(),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


class Live:
    """The page at ``/`` and its stream at ``/v1/live``, which asks for a key where there are keys.

    Attributes:
        routes: both.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.routes = [
            Route("/", self._page, methods=["GET"]),
            Route("/v1/live", self._stream, methods=["GET"]),
        ]

    async def _page(self, request: Request) -> Response:
        return HTMLResponse(PAGE, headers=_HEADERS)

    async def _stream(self, request: Request) -> Response:
        events = self._events(request.state.client)
        head = {"cache-control": "no-store"}
        return StreamingResponse(events, media_type="text/event-stream", headers=head)

    async def _events(self, client: str) -> AsyncIterator[bytes]:
        while not self._gateway.stopping:
            yield b"data: %b\n\n" % orjson.dumps(self.facts(client))
            await asyncio.sleep(EVERY_S)

    def facts(self, client: str) -> dict[str, Any]:
        """Return what the page shows to a client: requests are its own only."""
        gateway = self._gateway
        plan = gateway.plan
        levels = plan.config.quality.levels
        counts = [[0] * len(levels) for _ in range(plan.locations)]
        for (location, level, _), count in gateway.counters.decisions.items():
            if int(location) < len(counts) and int(level) < len(levels):
                counts[int(location)][int(level)] += count
        return {
            "policy": plan.chooser.label,
            "digest": plan.digest,
            "canary": None if plan.canary is None else plan.canary.facts(),
            "problem": gateway.watcher.message,
            "levels": levels,
            "decisions": counts,
            "backends": [
                {
                    "name": name,
                    "queue_work_s": one.ledger.work_s,
                    "queued": len(one.ledger),
                    "breaker": one.breaker.state,
                    "service_ratio": one.ledger.ratio,
                }
                for name, one in plan.backends.items()
            ],
            "links": [
                {"name": name, "mbps": link.mbps, "state": link.state}
                for name, link in plan.links.items()
            ],
            "requests": [_request(one) for one in gateway.receipts.after(None, client, SHOWN)],
        }


def _request(receipt: Any) -> dict[str, Any]:
    """Return what the page shows of a receipt."""
    option = receipt.option
    return {
        "id": receipt.id,
        "status": receipt.status,
        "backend": option.backend if option else None,
        "quality": receipt.level_name,
        "decided_by": receipt.decided_by,
        "predicted_ms": 1e3 * option.delay_s if option else None,
        "actual_ms": receipt.actual.get("total_ms"),
    }
