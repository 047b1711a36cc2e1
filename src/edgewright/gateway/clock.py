"""Read the time, in one place, so that a gateway may also run on a virtual clock."""

from __future__ import annotations

import contextlib
import contextvars
import time
from collections.abc import Callable, Iterator

_READ: contextvars.ContextVar[Callable[[], float]] = contextvars.ContextVar(
    "clock", default=time.monotonic
)


def now() -> float:
    """Return seconds since some moment; only differences mean something."""
    return _READ.get()()


@contextlib.contextmanager
def read_by(read: Callable[[], float]) -> Iterator[None]:
    """Let :func:`now` ask ``read`` here, and in tasks that are started here."""
    token = _READ.set(read)
    try:
        yield
    finally:
        _READ.reset(token)
