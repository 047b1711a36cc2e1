"""Read the time, in one place, so that a gateway may also run on a virtual clock."""

from __future__ import annotations

import asyncio
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


async def sleep_until(moment: float) -> None:
    """Sleep until :func:`now` is at ``moment`` [s] or later.

    A loop may end a sleep up to a tick early (libuv counts whole milliseconds), so what is left is
    slept again; a paced back end would else be faster than its pace.
    """
    await asyncio.sleep(max(0.0, moment - now()))
    while (left := moment - now()) > 0.0:
        await asyncio.sleep(max(left, TICK_S))


TICK_S = 1e-4
"""Shortest of the sleeps that follow a short one."""


@contextlib.contextmanager
def read_by(read: Callable[[], float]) -> Iterator[None]:
    """Let :func:`now` ask ``read`` here, and in tasks that are started here."""
    token = _READ.set(read)
    try:
        yield
    finally:
        _READ.reset(token)
