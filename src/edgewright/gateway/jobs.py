"""Define what a gateway hands to a back end, and what comes back."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Protocol

from edgewright.gateway.ledger import Item, Ledger


@dataclasses.dataclass
class Job:
    """A request as a back end sees it, and what it measured of it.

    Attributes:
        size: width and height in pixels.
        count: number of images.
        level: quality level, 0 is the lowest.
        partials: partial images to send for each image.
        sources: files of images to edit; none to generate from the prompt alone.
        chat: the body of a request for a chat completion; None for images.
        transfer_s: time on the link, where there is one.
        lateness: actual time of service over the paced one; None where it is not paced.
        paced_speed: what a worker elsewhere says of its pace; None where it says nothing.
    """

    prompt: str
    size: tuple[int, int]
    count: int
    level: int
    partials: int = 0
    seed: int | None = None
    request_bytes: int = 0
    sources: tuple[bytes, ...] = ()
    chat: Mapping[str, Any] | None = None
    transfer_s: float = 0.0
    service_s: float | None = None
    queue_s: float | None = None
    lateness: float | None = None
    paced_speed: float | None = None


@dataclasses.dataclass(frozen=True)
class Accepted:
    """The back end has the request; it must not be sent elsewhere any more."""


@dataclasses.dataclass(frozen=True)
class Started:
    """The service began."""


@dataclasses.dataclass(frozen=True)
class Partial:
    """An image before its last step, ``index`` in the order of partial images."""

    png: bytes
    index: int


@dataclasses.dataclass(frozen=True)
class Image:
    """A finished image, as a file or as text in base64."""

    png: bytes = b""
    b64: str = ""


@dataclasses.dataclass(frozen=True)
class Chunk:
    """A part of a chat completion, as the upstream sent it."""

    content: bytes


Event = Accepted | Started | Partial | Image | Chunk


class NotAcceptedError(Exception):
    """The back end did not take the request in, so another one may get it.

    Attributes:
        transport: whether it could not be reached; else it was busy.
        wait_s: time after which to come again, where it said so.
    """

    def __init__(self, message: str, transport: bool, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.transport, self.wait_s = transport, wait_s


class BackendError(Exception):
    """The back end failed after it took the request in.

    Attributes:
        transport: whether it went away; else it answered with an error.
        status, headers: of its answer, where the client should see them.
    """

    def __init__(
        self,
        message: str,
        transport: bool,
        status: int = 502,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.transport, self.status, self.headers = transport, status, headers or {}


class Generator(Protocol):
    """A back end's generator. Cancelling the iteration stops the work at the next step."""

    def expected_s(self, size: tuple[int, int], count: int, level: int) -> float:
        """Return the predicted time of service."""
        ...

    def run(self, job: Job, ledger: Ledger, item: Item) -> AsyncGenerator[Event, None]:
        """Yield what happens to a job, in order; note its progress in the ledger.

        Raises:
            NotAcceptedError, BackendError: see there.
        """
        ...

    async def close(self) -> None:
        """Release threads and connections."""
        ...
