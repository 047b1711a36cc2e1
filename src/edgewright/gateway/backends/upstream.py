"""Send requests to any server that speaks OpenAI's interface for images or chat."""

from __future__ import annotations

import math
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import aiohttp
import orjson

from edgewright.gateway import clock
from edgewright.gateway.access import TRACE, TRACE_OF_REQUEST
from edgewright.gateway.backend import CHAT
from edgewright.gateway.config import SHEET
from edgewright.gateway.jobs import (
    Accepted,
    BackendError,
    Chunk,
    Event,
    Image,
    Job,
    NotAcceptedError,
    Started,
)
from edgewright.gateway.ledger import Item, Ledger
from edgewright.gateway.link import Link
from edgewright.gateway.settings import BackendTable

KEPT_S = 10.0
"""A connection that rested longer is made anew: a server that hangs up meanwhile leaves it unknown
whether a request arrived."""

PASSED_ON = ("retry-after", "retry-after-ms", "x-should-retry")
TOO_MANY, UNAVAILABLE = 429, 503

MISPLACED = (401, 403, 404, 407)
"""Answers that are about the key or the address in the configuration, and not about a request."""


class Upstream:
    """A server behind an address, whose levels are fields of a request.

    A request that could not be delivered, or that the server says it did not accept
    (``x-edgewright-accepted: false``), may go elsewhere. All else leaves it here.
    """

    def __init__(self, table: BackendTable, link: Link | None) -> None:
        self.table, self._link = table, link
        assert table.url is not None, "the configuration was checked"
        path = "chat/completions" if table.modality == CHAT else "images/generations"
        self._model = table.model
        self._url = f"{table.url.rstrip('/')}/{path}"
        self._edits_url = f"{table.url.rstrip('/')}/images/edits"
        self._session: aiohttp.ClientSession | None = None

    def expected_s(self, size: tuple[int, int], count: int, level: int) -> float:
        """Return the predicted time of service, in proportion to the pixels."""
        return self.table.seconds[level] * count * size[0] * size[1] / SHEET**2

    async def run(self, job: Job, ledger: Ledger, item: Item) -> AsyncGenerator[Event, None]:
        """Yield what happens to a job; see :class:`~edgewright.gateway.jobs.Generator`."""
        sent = clock.now()
        if self._link is not None:
            self._link.sending(job.request_bytes)
        try:
            async with self._connected().post(
                self._edits_url if job.sources else self._url,
                data=self._form(job) if job.sources else self._body(job),
                headers=self._headers(form=bool(job.sources)),
                allow_redirects=False,
            ) as response:
                if response.status != 200:
                    raise await _refusal(response, named=job.chat is not None and not self._model)
                yield Accepted()
                yield Started()
                parts: list[bytes] = []
                async with aclosing(self._read(response, job, sent)) as read:
                    async for part in read:
                        if job.chat is None:
                            parts.append(part)
                        else:
                            yield Chunk(part)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            if self._link is not None:
                self._link.unsent(job.request_bytes)
            raise NotAcceptedError(f"cannot be reached: {error}", transport=True) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            raise BackendError(f"it went away: {reason}", transport=True) from error
        if job.service_s is None:
            _divide(job, item, sent, clock.now())
        if job.chat is None:
            for one in _images(b"".join(parts)):
                yield Image(b64=one)

    def _connected(self) -> aiohttp.ClientSession:
        """Return the session, which belongs to the loop that runs."""
        if self._session is None:
            table = self.table
            timeout = aiohttp.ClientTimeout(
                total=None, sock_connect=table.connect_timeout_s, sock_read=table.read_timeout_s
            )
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT_S)
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=timeout,
                cookie_jar=aiohttp.DummyCookieJar(),  # all clients share it
            )
        return self._session

    def _body(self, job: Job) -> bytes:
        width, height = job.size
        content: dict[str, Any] = {
            "prompt": job.prompt,
            "n": job.count,
            "size": f"{width}x{height}",
        }
        if job.chat is not None:
            content = dict(job.chat)
        if self.table.model:
            content["model"] = self.table.model
        content |= self.table.levels[job.level]
        if job.seed is not None:
            content["edgewright"] = {"seed": job.seed}
        return orjson.dumps(content)

    def _form(self, job: Job) -> aiohttp.FormData:
        """Return the form of an edit; texts stand before files, as OpenAI's clients send them."""
        form = aiohttp.FormData(default_to_multipart=True)
        for name, value in orjson.loads(self._body(job)).items():
            nested = value if isinstance(value, dict) else {}
            for key, one in nested.items():
                form.add_field(f"{name}[{key}]", _text(one))
            if not nested:
                form.add_field(name, _text(value))
        name = "image" if len(job.sources) == 1 else "image[]"
        for number, content in enumerate(job.sources):
            form.add_field(name, content, filename=f"{number}.png", content_type="image/png")
        return form

    def _headers(self, form: bool = False) -> dict[str, str]:
        headers = {} if form else {"content-type": "application/json"}
        if trace := TRACE_OF_REQUEST.get():
            headers[TRACE] = trace
        if name := self.table.api_key_env:
            headers["authorization"] = f"Bearer {os.environ[name]}"
        return headers

    async def _read(
        self, response: aiohttp.ClientResponse, job: Job, sent: float
    ) -> AsyncGenerator[bytes, None]:
        """Yield the body, and note the times of queue, service and transfer."""
        length, first = -1, 0.0
        last = clock.now()
        async for part in response.content.iter_any():
            last = clock.now()
            first, length = (last, 0) if length < 0 else (first, length + len(part))
            yield part
        complete = "content-length" in response.headers  # a stream is as slow as what makes it
        if self._link is not None and complete and length > 0:
            self._link.transferred(length, last - first)
        job.paced_speed = _number(response.headers.get("x-edgewright-paced", ""))
        job.lateness = _number(response.headers.get("x-edgewright-lateness", ""))
        queue_ms, service_ms = (_milliseconds(response.headers, n) for n in ("queue", "service"))
        if service_ms is not None:
            job.service_s, job.queue_s = 1e-3 * service_ms, 1e-3 * (queue_ms or 0.0)
            job.transfer_s = max(0.0, last - sent - job.service_s - job.queue_s)
        elif complete and length > 0:
            job.transfer_s = last - first

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


def _text(value: Any) -> str:
    """Return a value as the text of a form."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _divide(job: Job, item: Item, sent: float, done: float) -> None:
    """Divide the time at a server that states none into queue and service.

    The queue is the time until the ledger had its turn; a server that works on several requests at
    once may answer before, and then all of it is service.
    """
    spent_s = max(0.0, done - sent - job.transfer_s)
    turn = sent if item.started is None else item.started
    job.queue_s = min(max(0.0, turn - sent), spent_s)
    job.service_s = spent_s - job.queue_s


async def _refusal(response: aiohttp.ClientResponse, named: bool) -> Exception:
    """Return the error that an answer with another status stands for.

    Args:
        named: whether the client named the model, so that one that is not there is its fault.
    """
    message = f"it answered {response.status}"
    if response.status in MISPLACED and not (response.status == 404 and named):
        return BackendError(message, transport=False)  # its text may hold a part of the key
    try:
        error = orjson.loads(await response.read()).get("error") or {}
        if isinstance(error, dict) and isinstance(error.get("message"), str):
            message += f": {error['message'][:300]}"
    except (orjson.JSONDecodeError, AttributeError):
        pass
    taken = response.headers.get("x-edgewright-accepted")
    if response.status in (TOO_MANY, UNAVAILABLE) and taken == "false":
        return NotAcceptedError(message, transport=False, wait_s=_wait_s(response.headers))
    status = response.status
    if not 400 <= status < 500:
        return BackendError(message, transport=False)
    given = {name: response.headers.get(name, "") for name in PASSED_ON}
    passed = {name: value for name, value in given.items() if value and value.isascii()}
    return BackendError(message, transport=False, status=status, headers=passed)


def _wait_s(headers: Mapping[str, str]) -> float | None:
    """Return the time to wait that an answer states; None where it states none."""
    for name, unit_s in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        value = _number(headers.get(name, ""))
        if value is not None:
            return unit_s * value
    return None


def _images(content: bytes) -> list[str]:
    """Return the images of an answer in base64.

    Raises:
        BackendError: there are none.
    """
    message = "its answer holds no images in base64; it may need response_format = 'b64_json'"
    try:
        images = [one["b64_json"] for one in orjson.loads(content)["data"]]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise BackendError(message, transport=False) from error
    if not images or not all(isinstance(one, str) and one for one in images):
        raise BackendError(message, transport=False)
    return images


def _milliseconds(headers: Mapping[str, str], name: str) -> float | None:
    return _number(headers.get(f"x-edgewright-{name}-ms", ""))


def _number(text: str) -> float | None:
    """Return a time that a header states; None where it is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0.0 else None
