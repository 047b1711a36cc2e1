"""Tell a supervisor how a service stands, by the protocol of sd_notify(3)."""

from __future__ import annotations

import contextlib
import os
import socket

READY, STOPPING = "READY=1", "STOPPING=1"


def notify(state: str) -> bool:
    """Send a state to the socket that ``NOTIFY_SOCKET`` names; return whether somebody got it.

    A name that begins with ``@`` is one of the abstract namespace of Linux. Without the variable
    nothing is sent. A supervisor that went away changes nothing here.
    """
    name = os.environ.get("NOTIFY_SOCKET", "")
    if not name.startswith(("/", "@")):
        return False
    address = f"\0{name[1:]}" if name.startswith("@") else name
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.settimeout(1.0)
        sender.sendto(state.encode(), address)
        return True
    return False
