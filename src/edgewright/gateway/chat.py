"""Read requests for chat completions in OpenAI's shape; their answers are those of an upstream."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import orjson

from edgewright.gateway.backend import CHAT
from edgewright.gateway.config import SHEET
from edgewright.gateway.errors import APIError
from edgewright.gateway.images import EXTRA, Fields
from edgewright.gateway.jobs import Job
from edgewright.gateway.settings import GatewayTable

EFFORTS = {
    **dict.fromkeys(("none", "minimal", "low"), "low"),
    "medium": "medium",
    **dict.fromkeys(("high", "xhigh", "max"), "high"),
}
"""The quality literal whose level a reasoning effort has."""


@dataclasses.dataclass(frozen=True)
class ChatRequest:
    """A request for a chat completion.

    Attributes:
        level: the only level allowed; None leaves it to the policy.
        content: the body, without what is meant for this gateway.
        size, count: one unit of work for each completion.
    """

    model: str
    quality: str
    level: int | None
    stream: bool
    count: int
    request_bytes: int
    content: Mapping[str, Any]
    size: tuple[int, int] = (SHEET, SHEET)
    modality: str = CHAT
    edits: bool = False

    @property
    def prompt(self) -> str:
        """Return the messages as JSON, with the names of their fields in order."""
        return orjson.dumps(self.content["messages"], option=orjson.OPT_SORT_KEYS).decode()

    def job(self, level: int) -> Job:
        """Return what a back end is handed."""
        job = Job("", self.size, self.count, level, request_bytes=self.request_bytes)
        job.chat = self.content
        return job


def read_chat(
    content: Mapping[str, Any], length: int, table: GatewayTable, levels: dict[str, int]
) -> ChatRequest:
    """Return a checked request; what else it holds is for the upstream to check.

    Args:
        length: of the body in bytes.
        levels: of the quality literals.

    Raises:
        APIError: a field is missing or wrong.
    """
    fields = Fields(content)
    messages = content.get("messages")
    if not isinstance(messages, list) or not messages:
        message = "messages must be a list with something in it"
        raise APIError(400, message, param="messages", code="missing_field")
    effort = fields.text("reasoning_effort", "")
    if effort and effort not in EFFORTS:
        message = f"reasoning_effort must be one of {', '.join(EFFORTS)}; got '{effort[:60]}'"
        raise APIError(400, message, param="reasoning_effort", code="invalid_value")
    return ChatRequest(
        model=fields.text("model", "auto"),
        quality=effort or "auto",
        level=levels[EFFORTS[effort]] if effort else None,
        stream=fields.flag("stream"),
        count=fields.whole("n", 1, 1, 128),
        request_bytes=length,
        content={name: value for name, value in content.items() if name != EXTRA},
    )
