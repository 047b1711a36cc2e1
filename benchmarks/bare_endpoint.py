"""An endpoint that decides nothing, on the server stack of ``edgewright serve``.

    python benchmarks/bare_endpoint.py raw|starlette --answer ANSWER_FILE

``raw`` is an ASGI function that reads the body and sends fixed bytes. ``starlette`` is a route that
parses the JSON that was asked and answers an object as JSON, as one would write it by hand. Both
say their address on stderr, like the service.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from edgewright.serve.server import bound_socket, configuration
from edgewright.serve.settings import Settings


def raw(answer: bytes) -> Any:
    """Return an ASGI application that answers bytes."""
    start = {
        "type": "http.response.start",
        "status": 200,
        "headers": [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(answer)).encode()),
        ],
    }

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for kind in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{kind}.complete"})
            return
        while (await receive()).get("more_body", False):
            pass
        await send(start)
        await send({"type": "http.response.body", "body": answer})

    return application


def starlette(answer: bytes) -> Any:
    """Return a Starlette application that parses what is asked and answers an object."""
    content = json.loads(answer)

    async def endpoint(request: Request) -> JSONResponse:
        await request.json()
        return JSONResponse(content)

    return Starlette(routes=[Route("/v1/decide", endpoint, methods=["POST"])])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("kind", choices=["raw", "starlette"])
    parser.add_argument("--answer", required=True, help="file with the JSON to answer")
    given = parser.parse_args()
    application = {"raw": raw, "starlette": starlette}[given.kind](Path(given.answer).read_bytes())
    settings = Settings(bundle=Path(), port=0)
    listening = bound_socket(settings.host, settings.port)
    host, port = listening.getsockname()[:2]
    print(f"{given.kind} on http://{host}:{port}", file=sys.stderr, flush=True)
    uvicorn.Server(configuration(application, settings)).run(sockets=[listening])


if __name__ == "__main__":
    main()
