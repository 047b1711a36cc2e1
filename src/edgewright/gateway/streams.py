"""Answer one request over ASGI, as one JSON body or as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing, suppress
from typing import Any

import orjson

from edgewright.gateway import clock, images
from edgewright.gateway.errors import APIError
from edgewright.gateway.generate import Generation
from edgewright.gateway.images import ImageRequest
from edgewright.gateway.jobs import Chunk, Event, Image, Partial

Send = Callable[[Any], Awaitable[None]]
Receive = Callable[[], Awaitable[Any]]

KEEPALIVE = b": keepalive\n\n"


class ClientGone(Exception):
    """The client went away before its answer was sent."""


async def while_connected(work: Coroutine[Any, Any, None], receive: Receive) -> None:
    """Run something, and cancel it where the client goes away.

    Raises:
        ClientGone: it was cancelled.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_until_gone(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
            return
        raise ClientGone
    finally:
        for one in (task, gone):
            if not one.done():
                one.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await one


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Answer:
    """Writes the answer to one request.

    Attributes:
        started: whether the head was sent, after which an error is an event of the stream.
    """

    def __init__(self, send: Send, extra: dict[str, str]) -> None:
        self._send, self._extra, self.started = send, extra, False

    async def json(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """Send a whole body."""
        facts = {"content-type": "application/json", "content-length": str(len(body))}
        await self._head(status, {**facts, **self._extra, **headers})
        await self._send({"type": "http.response.body", "body": body})

    async def begin_stream(self, headers: dict[str, str]) -> None:
        """Send the head of a stream, once."""
        if not self.started:
            facts = {"content-type": "text/event-stream", "cache-control": "no-store"}
            await self._head(200, {**facts, **self._extra, **headers})

    async def chunk(self, content: bytes) -> None:
        """Send a part of a stream."""
        await self._send({"type": "http.response.body", "body": content, "more_body": True})

    async def end(self) -> None:
        """End a stream."""
        await self._send({"type": "http.response.body", "body": b""})

    async def error(self, error: APIError, headers: dict[str, str]) -> None:
        """Send an error as an answer of its own, or as the last event of a stream."""
        if not self.started:
            await self.json(error.status, error.body, {**headers, **error.headers})
            return
        await self.chunk(b"event: error\ndata: %b\n\n" % error.body)
        await self.end()

    async def _head(self, status: int, headers: dict[str, str]) -> None:
        lines = [
            (name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()
        ]
        self.started = True
        await self._send({"type": "http.response.start", "status": status, "headers": lines})


async def send_whole(
    answer: Answer, generation: Generation, events: AsyncGenerator[Event, None], quality: Quality
) -> None:
    """Wait for all images, and send them in one body with the receipt."""
    made: list[str] = []
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Image):
                made.append(event.b64 or images.encoded(event.png))
    receipt, request = generation.receipt, generation.request
    assert isinstance(request, ImageRequest), "only these have images"
    content = images.answer(request, quality(generation), int(receipt.at), made)
    if generation.plan.config.gateway.receipt == "both":
        content[images.EXTRA] = receipt.short()
    await answer.json(200, orjson.dumps(content), receipt.headers())


Quality = Callable[[Generation], str]
"""Returns the literal of the level that was chosen."""


async def send_stream(
    answer: Answer,
    generation: Generation,
    events: AsyncGenerator[Event, None],
    quality: Quality,
    on_first: Callable[[float], None],
) -> None:
    """Send partial images and images as they come.

    Args:
        on_first: called with the seconds until the first image, partial or not.
    """
    first = True
    held: Image | None = None  # the last image waits for its receipt
    every_s = generation.plan.config.gateway.keepalive_s
    async with aclosing(events):
        async for event in _kept_alive(events, every_s):
            await answer.begin_stream(generation.receipt.headers())
            if event is None:
                await answer.chunk(KEEPALIVE)
            if not isinstance(event, Partial | Image):
                continue
            if first:
                on_first(clock.now() - generation.began)
                first = False
            if held is not None:
                await answer.chunk(_shown(held, generation, quality(generation)))
            held = event if isinstance(event, Image) else None
            if isinstance(event, Partial):
                await answer.chunk(_shown(event, generation, quality(generation)))
    if held is not None:
        await answer.chunk(_shown(held, generation, quality(generation)))
    await answer.end()


def _shown(event: Partial | Image, generation: Generation, quality: str) -> bytes:
    """Return the server-sent event of a partial image or an image."""
    request = generation.request
    assert isinstance(request, ImageRequest), "only these have images"
    about = {**images.common(request, quality), "created_at": int(generation.receipt.at)}
    if isinstance(event, Partial):
        content = {"b64_json": images.encoded(event.png), "partial_image_index": event.index}
        return images.event(f"{request.event}.partial_image", {**content, **about})
    b64 = event.b64 or images.encoded(event.png)
    content = {"b64_json": b64, "usage": images.USAGE, **about}
    if generation.plan.config.gateway.receipt == "both":
        content[images.EXTRA] = generation.receipt.short()
    return images.event(f"{request.event}.completed", content)


async def _kept_alive(
    events: AsyncGenerator[Event, None], every_s: float | None
) -> AsyncIterator[Event | None]:
    """Yield events, and None where none came for a while."""
    iterator = aiter(events)
    coming: asyncio.Future[Event] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(_following(iterator))
            done, _ = await asyncio.wait({coming}, timeout=every_s)
            if not done:
                yield None
                continue
            future, coming = coming, None
            try:
                yield future.result()
            except StopAsyncIteration:
                return
    finally:
        if coming is not None:  # what it ended with is looked at, or it would be reported
            coming.cancel()
            with suppress(asyncio.CancelledError, StopAsyncIteration, Exception):
                await coming


async def _following(iterator: AsyncIterator[Event]) -> Event:
    return await anext(iterator)


async def send_chat(
    answer: Answer,
    generation: Generation,
    events: AsyncGenerator[Event, None],
    on_first: Callable[[float], None],
) -> None:
    """Send the upstream's body with the receipt, or its stream as it comes."""
    parts: list[bytes] = []
    stream, first = generation.request.stream, True
    every_s = generation.plan.config.gateway.keepalive_s if stream else None
    async with aclosing(events):
        async for event in _kept_alive(events, every_s):
            if stream:
                await answer.begin_stream(generation.receipt.headers())
            if event is None:
                await answer.chunk(KEEPALIVE)
            if not isinstance(event, Chunk):
                continue
            if first:
                on_first(clock.now() - generation.began)
                first = False
            if stream:
                await answer.chunk(event.content)
            else:
                parts.append(event.content)
    receipt = generation.receipt
    if stream:
        await answer.end()
        return
    body = b"".join(parts)
    if generation.plan.config.gateway.receipt == "both":
        with suppress(orjson.JSONDecodeError, TypeError):
            body = orjson.dumps({**orjson.loads(body), images.EXTRA: receipt.short()})
    await answer.json(200, body, receipt.headers())
