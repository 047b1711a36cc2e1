"""Stop long work at a signal so that what is done is saved: SIGINT (Ctrl-C) and SIGTERM alike."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """Work was stopped by a signal, and what was done is saved.

    Attributes:
        code: what the process exits with, 128 and the number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


@contextlib.contextmanager
def saving_on_signals(ask: Callable[[], None] | None = None) -> Iterator[None]:
    """Let the first signal stop the work inside, and further ones wait until it has saved.

    Args:
        ask: called at the first signal; the work is to save and return soon, and
            :class:`Stopped` is raised after it. Without it, it is raised where the work is.

    Raises:
        Stopped: a signal came.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    came: list[int] = []

    def receive(number: int, frame: FrameType | None) -> None:
        first = not came
        came.append(number)
        _say("stopping: saving what is done\n" if first else "still saving\n")
        if first and ask is not None:
            ask()
        elif first:
            raise Stopped(number)

    with _handling(receive):
        yield
        if came:
            raise Stopped(came[0])


@contextlib.contextmanager
def _handling(receive: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Handle the signals that this process does not ignore, and restore their handlers."""
    before: dict[int, Any] = {}
    try:
        for number in _SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:
                before[number] = signal.signal(number, receive)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_signals() -> None:
    """Ignore further signals, in a process that is about to end."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _say(text: str) -> None:
    if multiprocessing.parent_process() is not None:
        return  # the parent says it for its workers
    with contextlib.suppress(OSError):
        os.write(2, text.encode())  # a buffered stream may be in use where the signal came


__all__ = ["Stopped", "ignore_signals", "saving_on_signals"]
