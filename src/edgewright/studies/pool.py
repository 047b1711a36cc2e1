"""Define a pool of workers that runs the jobs of a study, and the messages that it returns."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from edgewright.core.errors import EdgewrightError, InputError
from edgewright.studies.job import Job
from edgewright.studies.workspace import Workspace

Message = tuple[int, str, Any]
"""Number of the worker, a kind, and its content.

``progress`` has a fraction, ``done`` None, ``failed`` a text and an error or None, and ``died``
what is known of the end of the process.
"""


class Pool(Protocol):
    """Workers that run one job each at a time."""

    @property
    def numbers(self) -> Sequence[int]:
        """Numbers of the workers that can take a job; those that are lost for good have none."""
        ...

    def start(self, n: int, job: Job) -> bool:
        """Let worker ``n`` run a job, and return whether it does: a lost worker does not.

        A new process takes over from a dead one.
        """
        ...

    def messages(self) -> list[Message]:
        """Return messages of busy workers; wait a while if there are none."""
        ...

    def close(self) -> None:
        """End all workers."""
        ...


MakePool = Callable[[int, Workspace], AbstractContextManager[Pool]]
"""(most workers that are of use, files of the jobs) to a pool for as long as it is used."""


def outcome_of(job: Job, files: Workspace, on_progress: Callable[[float], None]) -> tuple[str, Any]:
    """Run a job in this process and return the kind and the content of the message about it."""
    try:
        files.run(job, on_progress)
    except Exception as error:
        # Keyword arguments of an error do not survive pickling, so the parent gets a plain one.
        refusal = InputError(str(error)) if isinstance(error, InputError) else None
        return "failed", (error_text(error), refusal)
    return "done", None


def error_text(error: Exception) -> str:
    """Return the message of an error, with its type and line if the error is unexpected."""
    if isinstance(error, EdgewrightError):
        return str(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno})"


__all__ = ["MakePool", "Message", "Pool", "error_text", "outcome_of"]
