"""Define what a back end in this process needs of the program that makes its images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from edgewright.gateway.jobs import Job


class Engine(Protocol):
    """Makes an image in steps, and says how long they take on this machine.

    All methods but the first two run on the thread of the back end.
    """

    def steps(self, size: tuple[int, int], level: int) -> int:
        """Return the number of steps of an image at a level.

        Args:
            size: width and height in pixels.
        """
        ...

    def seconds(self, size: tuple[int, int], level: int, step: int) -> float:
        """Return the time from the beginning of an image to the end of a step, the file included.

        Args:
            size: width and height in pixels.
            step: counted from 1; the last one gives the time of the image.
        """
        ...

    def images(self, job: Job, number: int) -> Iterator[Any]:
        """Yield the estimate of an image of a job after every step.

        Args:
            number: of the image in the job, from 0.

        Raises:
            BackendError: the request asks for what this engine does not make.
        """
        ...

    def file(self, image: Any, last: bool) -> bytes:
        """Return the PNG file of an estimate.

        Args:
            last: whether it is the image itself, and not a partial one.
        """
        ...


__all__ = ["Engine"]
