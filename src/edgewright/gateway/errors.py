"""Define the errors of a gateway in the envelope that OpenAI's clients parse."""

from __future__ import annotations

from typing import Any

import orjson

NOT_ACCEPTED = {"x-edgewright-accepted": "false"}
"""Headers of an error after which another back end may get the request."""

INVALID, LIMIT, SERVER = "invalid_request_error", "rate_limit_error", "server_error"


NO_RETRY = {"x-should-retry": "false"}
"""A header by which OpenAI's clients do not send a request again."""


class APIError(Exception):
    """The error of a request, with its status and the parts of the envelope.

    Args:
        status: of HTTP.
        message: what is wrong and what to do.
        param: the field of the request that is at fault.
        code: a short word for programs.
        headers: further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code
        self.headers = headers or {}

    @property
    def content(self) -> dict[str, Any]:
        """Return the envelope."""
        kind = SERVER if self.status >= 500 else LIMIT if self.status == 429 else INVALID
        error = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return {"error": error}

    @property
    def body(self) -> bytes:
        """Return the envelope as JSON."""
        return orjson.dumps(self.content)


def error_body(status: int, message: str) -> bytes:
    """Return the envelope of a request that was refused before it was read."""
    return APIError(status, message).body


def overloaded(status: int, message: str, code: str, retry_after_s: float | None) -> APIError:
    """Return the error of a request that no back end accepted, with the time to come again.

    Args:
        retry_after_s: None where it is of no use, which the answer says too.
    """
    if retry_after_s is None:
        return APIError(status, message, code=code, headers={**NOT_ACCEPTED, **NO_RETRY})
    headers = {
        "retry-after-ms": str(max(1, round(1e3 * retry_after_s))),
        "retry-after": str(max(1, round(retry_after_s))),
    }
    return APIError(status, message, code=code, headers={**headers, **NOT_ACCEPTED})


def unknown_outcome(message: str) -> APIError:
    """Return the error of a request that a back end accepted and did not answer.

    The header asks clients not to send it again: the work may have been done.
    """
    headers = {**NO_RETRY, "x-edgewright-accepted": "true"}
    return APIError(502, message, code="backend_failed", headers=headers)


def unforeseen() -> APIError:
    """Return the error of a request in which this program failed, without its reason."""
    return APIError(500, "the gateway failed", code="gateway_failed", headers={**NO_RETRY})
