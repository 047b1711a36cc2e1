"""Read requests to edit images in OpenAI's shape, as JSON or as a form with files."""

from __future__ import annotations

import base64
import binascii
import contextlib
import dataclasses
import struct
from collections.abc import Mapping
from typing import Any

from edgewright.gateway.config import MULTIPLE
from edgewright.gateway.errors import APIError
from edgewright.gateway.images import ImageRequest, read_request
from edgewright.gateway.settings import GatewayTable

MAX_IMAGES = 16
_PNG = b"\x89PNG\r\n\x1a\n"


def read_edit(
    content: Mapping[str, Any], length: int, table: GatewayTable, levels: dict[str, int]
) -> ImageRequest:
    """Return a checked request to edit images.

    Where no size is asked for, it is that of the first image, if that is a PNG file whose sides are
    multiples of 8.

    Args:
        content: its ``image`` is a file or a list of them: bytes of a form, or text in base64 or a
            data URL; ``images`` may hold objects with an ``image_url``.
        length: of the body in bytes.
        levels: of the quality literals.

    Raises:
        APIError: a field is missing or wrong.
    """
    sources = _sources(content)
    fields = {name: value for name, value in content.items() if name not in ("image", "images")}
    if fields.get("size") in (None, "auto") and (size := png_size(sources[0])) is not None:
        fields["size"] = f"{size[0]}x{size[1]}"
    request = read_request(fields, length, table, levels)
    return dataclasses.replace(request, sources=sources)


def png_size(content: bytes) -> tuple[int, int] | None:
    """Return width and height of a PNG file, if both are multiples of 8; else None."""
    if not content.startswith(_PNG) or len(content) < 24:
        return None
    width, height = struct.unpack(">II", content[16:24])
    fits = width and height and width % MULTIPLE == height % MULTIPLE == 0
    return (width, height) if fits and width <= 4096 >= height else None


def _sources(content: Mapping[str, Any]) -> tuple[bytes, ...]:
    """Return the files of a request.

    Raises:
        APIError: there are none, too many, or one is not a file.
    """
    given = content.get("image")
    if given is None:
        listed = content.get("images")
        given = [
            one.get("image_url") if isinstance(one, dict) else one
            for one in (listed if isinstance(listed, list) else [])
        ]
    files = given if isinstance(given, list) else [given]
    if not files:
        raise APIError(400, "image must be a file", param="image", code="missing_field")
    if len(files) > MAX_IMAGES:
        message = f"image must be at most {MAX_IMAGES} files; got {len(files)}"
        raise APIError(400, message, param="image", code="invalid_value")
    return tuple(map(_file, files))


def _file(given: Any) -> bytes:
    if isinstance(given, bytes) and given:
        return given
    if isinstance(given, str):
        text = given.rpartition(",")[2] if given.startswith("data:") else given
        with contextlib.suppress(ValueError, binascii.Error):
            if result := base64.b64decode(text, validate=True):
                return result
    message = "image must be a file: a part of a form, or base64 or a data URL in JSON"
    raise APIError(400, message, param="image", code="invalid_value")
