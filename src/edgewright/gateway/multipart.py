"""Read bodies of the kind ``multipart/form-data``, in which files are uploaded."""

from __future__ import annotations

import json
from typing import Any

from edgewright.gateway.errors import APIError

MAX_PARTS, MAX_TEXT_BYTES = 64, 200_000
"""Parts of a body, and bytes of those without a file."""

FILES = ("image", "image[]", "mask")
"""Names of parts that hold a file; OpenAI's clients call several ones ``image[]``."""

_JSON = ("n", "stream", "partial_images", "output_compression")
"""Fields whose text is a number or a truth value."""


class _Parts:
    """Collects the parts of a body as the parser meets them."""

    def __init__(self) -> None:
        self.parts: list[tuple[str, bytearray]] = []
        self._field = self._value = b""
        self._headers: dict[str, str] = {}

    def callbacks(self) -> Any:
        """Return what the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._named,
            "on_part_data": self._data,
        }

    def _begin(self) -> None:
        self._headers = {}

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._field.decode("latin-1").lower()] = self._value.decode("latin-1")
        self._field = self._value = b""

    def _named(self) -> None:
        from python_multipart.multipart import parse_options_header

        disposition = self._headers.get("content-disposition", "")
        _, options = parse_options_header(disposition)
        if len(self.parts) >= MAX_PARTS:
            raise APIError(400, f"a body must have at most {MAX_PARTS} parts")
        self.parts.append((options.get(b"name", b"").decode("utf-8", "replace"), bytearray()))

    def _data(self, data: bytes, start: int, end: int) -> None:
        name, content = self.parts[-1]
        content += data[start:end]
        if name not in FILES and len(content) > MAX_TEXT_BYTES:
            raise APIError(413, f"{name[:60]} is longer than {MAX_TEXT_BYTES} bytes", param="body")


def parse_form(body: bytes, content_type: str) -> dict[str, Any]:
    """Return the fields of a form as those of a JSON body; ``image`` is a list of files.

    Parts such as ``edgewright[deadline_ms]`` become an object, as OpenAI's clients flatten one.

    Raises:
        APIError: the body is not a form, or has too many parts.
    """
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import MultipartParser, parse_options_header

    _, options = parse_options_header(content_type)
    collected = _Parts()
    try:
        parser = MultipartParser(options[b"boundary"], collected.callbacks())
        parser.write(body)
        parser.finalize()
    except KeyError:
        raise APIError(400, "Content-Type must name the boundary of the parts") from None
    except FormParserError as error:
        raise APIError(400, f"the body must be a form: {str(error)[:200]}") from None
    result: dict[str, Any] = {}
    for name, content in collected.parts:
        if name in FILES:
            result.setdefault(name.removesuffix("[]"), []).append(bytes(content))
            continue
        text = content.decode("utf-8", "replace")
        outer, bracket, inner = name.partition("[")
        if bracket and inner.endswith("]"):
            nested = result.setdefault(outer, {})
            if isinstance(nested, dict):
                nested[inner[:-1]] = _value(text) if inner[:-1] != "mode" else text
        else:
            result[name] = _value(text) if name in _JSON else text
    return result


def _value(text: str) -> Any:
    """Return a number or a truth value; the text where it is none, which a check then refuses."""
    try:
        return json.loads(text)
    except ValueError:
        return text
