"""Read requests for images in OpenAI's shape, and write their answers."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Mapping
from typing import Any

import orjson

from edgewright.gateway.config import MULTIPLE, parse_size
from edgewright.gateway.errors import APIError
from edgewright.gateway.jobs import Job
from edgewright.gateway.literals import level_of
from edgewright.gateway.settings import GatewayTable

EXTRA = "edgewright"
"""The key of a body that holds what other gateways do not know."""

FORMATS = ("b64_json", "url")


@dataclasses.dataclass(frozen=True)
class Claims:
    """A client's statements about itself, from the body or from headers.

    Attributes:
        deadline_s: time from the arrival of the request, the least of all that were stated.
    """

    mode: str | None = None
    charge_pct: float | None = None
    deadline_s: float | None = None


@dataclasses.dataclass(frozen=True)
class ImageRequest:
    """A request for images.

    Attributes:
        level: the only level allowed; None leaves it to the policy.
        sources: files of images to edit; none to generate from the prompt alone.
        response_format: ``url`` gets a data URL, which every replica can resolve.
    """

    prompt: str
    model: str
    size: tuple[int, int]
    count: int
    quality: str
    level: int | None
    stream: bool
    partials: int
    response_format: str
    seed: int | None
    request_bytes: int
    sources: tuple[bytes, ...] = ()
    modality: str = "image"

    @property
    def edits(self) -> bool:
        """Return whether it brings images to edit."""
        return bool(self.sources)

    @property
    def event(self) -> str:
        """Return the first part of the names of its server-sent events."""
        return "image_edit" if self.sources else "image_generation"

    def job(self, level: int) -> Job:
        """Return what a back end is handed."""
        job = Job(self.prompt, self.size, self.count, level, request_bytes=self.request_bytes)
        job.sources = self.sources
        job.partials, job.seed = self.partials if self.stream else 0, self.seed
        return job


class Fields:
    """The fields of a body, which are checked one by one."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = content

    def text(self, name: str, default: str) -> str:
        value = self._content.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            raise _bad(name, "must be a string", value)
        return value

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        value = self._content.get(name)
        if value is None:
            return default
        if type(value) is float and value.is_integer():
            value = int(value)  # the same number in JSON
        if type(value) is not int or not low <= value <= high:
            raise _bad(name, f"must be a whole number from {low} to {high}", value)
        return value

    def flag(self, name: str) -> bool:
        value = self._content.get(name)
        if value is not None and type(value) is not bool:
            raise _bad(name, "must be true or false", value)
        return bool(value)

    def one_of(self, name: str, choices: tuple[str, ...]) -> str:
        value = self.text(name, choices[0])
        if value not in choices:
            raise _bad(name, f"must be one of {', '.join(choices)}", value)
        return value

    def number(self, name: str, low: float, high: float, path: str = "") -> float | None:
        value = self._content.get(name)
        if value is None:
            return None
        if type(value) not in (int, float) or not low <= value <= high:
            raise _bad(path + name, f"must be a number from {low:g} to {high:g}", value)
        return float(value)


def read_request(
    content: Mapping[str, Any], length: int, table: GatewayTable, levels: dict[str, int]
) -> ImageRequest:
    """Return a checked request.

    Args:
        length: of the body in bytes.
        levels: of the quality literals.

    Raises:
        APIError: a field is missing or wrong.
    """
    fields = Fields(content)
    prompt = fields.text("prompt", "")
    if not prompt:
        raise APIError(400, "prompt must be a text", param="prompt", code="missing_field")
    if len(prompt) > table.max_prompt_chars:
        message = f"prompt must have at most {table.max_prompt_chars} characters"
        raise APIError(400, message, param="prompt", code="string_too_long")
    count = fields.whole("n", 1, 1, 10)
    quality = fields.text("quality", "auto")
    extra = content.get(EXTRA)
    seed = Fields(extra if isinstance(extra, dict) else {}).whole("seed", -1, 0, 2**63 - 1)
    fields.one_of("output_format", ("png",))
    return ImageRequest(
        prompt=prompt,
        model=fields.text("model", "auto"),
        size=_size(fields.text("size", "auto"), count, table),
        count=count,
        quality=quality,
        level=level_of(quality, levels),
        stream=fields.flag("stream"),
        partials=fields.whole("partial_images", 0, 0, 3),
        response_format=fields.one_of("response_format", FORMATS),
        seed=None if seed < 0 else seed,
        request_bytes=length,
    )


def read_claims(
    content: Mapping[str, Any], headers: Mapping[str, str], modes: tuple[str, ...]
) -> Claims:
    """Return what a client says about itself; the body goes before headers, deadlines all count.

    Raises:
        APIError: a statement is not of its kind.
    """
    extra = content.get(EXTRA)
    if extra is not None and not isinstance(extra, dict):
        raise _bad(EXTRA, "must be an object", extra)
    given: dict[str, Any] = dict(extra or {})
    stated: dict[str, Any] = {}
    for name, key in _CLAIMED.items():
        header = headers.get(key)
        if header is not None:
            stated[name] = header if name == "mode" else _header_number(name, header)
    given = stated | {name: value for name, value in given.items() if value is not None}
    fields, path = Fields(given), f"{EXTRA}."
    mode = given.get("mode")
    if mode is not None and (not isinstance(mode, str) or (modes and mode not in modes)):
        raise _bad(f"{path}mode", f"must be one of {', '.join(modes)}", mode)
    limits = [
        one.number("deadline_ms", 1.0, 86_400_000.0, path) for one in (fields, Fields(stated))
    ]
    deadlines = [1e-3 * limit_ms for limit_ms in limits if limit_ms is not None]
    deadlines += _client_timeouts(headers)
    charge_pct = fields.number("charge_pct", 0.0, 100.0, path)
    return Claims(mode, charge_pct, min(deadlines, default=None))


_CLAIMED = {
    "mode": "x-edgewright-mode",
    "charge_pct": "x-edgewright-charge-pct",
    "deadline_ms": "x-edgewright-deadline-ms",
}
MARGIN, NO_TIMEOUT_S = 0.9, 600.0
"""Share of a client's timeout that is a deadline; the default of OpenAI's clients is none."""


def _client_timeouts(headers: Mapping[str, str]) -> list[float]:
    """Return deadlines from the headers in which OpenAI's clients state their timeout."""
    result = []
    for name in ("x-stainless-read-timeout", "x-stainless-timeout"):
        try:
            seconds = float(headers.get(name, "nan"))
        except ValueError:
            continue
        if 0.0 < seconds < NO_TIMEOUT_S:
            result.append(MARGIN * seconds)
    return result


def _header_number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise _bad(f"{EXTRA}.{name}", "must be a number", text) from None


def _size(text: str, count: int, table: GatewayTable) -> tuple[int, int]:
    """Return width and height.

    Raises:
        APIError: the size is not one, or too large.
    """
    size = parse_size(table.default_size if text == "auto" else text)
    if size is None or size[0] % MULTIPLE or size[1] % MULTIPLE:
        message = f"must be WIDTHxHEIGHT in multiples of {MULTIPLE}, such as 256x256, or auto"
        raise _bad("size", message, text)
    if count * size[0] * size[1] > table.max_pixels:
        message = f"with n = {count} must have at most {table.max_pixels} pixels in all"
        raise _bad("size", message, text)
    return size


def _bad(name: str, rule: str, value: Any) -> APIError:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else f"{shown[:60]}..."
    return APIError(400, f"{name} {rule}; got {shown}", param=name, code="invalid_value")


def encoded(png: bytes) -> str:
    """Return a file as text in base64."""
    return base64.b64encode(png).decode()


USAGE = {
    "input_tokens": 0,
    "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
    "output_tokens": 0,
    "total_tokens": 0,
}
"""Clients want it; generators without tokens count none."""


def common(request: ImageRequest, quality: str) -> dict[str, Any]:
    """Return what answers and events say of their image."""
    width, height = request.size
    return {
        "background": "opaque",
        "output_format": "png",
        "quality": quality,
        "size": f"{width}x{height}",
    }


def answer(request: ImageRequest, quality: str, created: int, images: list[str]) -> dict[str, Any]:
    """Return the body of an answer with images in base64."""
    if request.response_format == "url":
        data = [{"url": f"data:image/png;base64,{one}"} for one in images]
    else:
        data = [{"b64_json": one} for one in images]
    return {"created": created, "data": data, **common(request, quality), "usage": USAGE}


def event(kind: str, content: dict[str, Any]) -> bytes:
    """Return one server-sent event, named by its type."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"type": kind, **content}))


__all__ = [
    "Claims",
    "ImageRequest",
    "answer",
    "common",
    "encoded",
    "event",
    "read_claims",
    "read_request",
]
