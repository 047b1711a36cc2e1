"""Count what a grid of Flower carries, and remember which nodes did not answer."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from flwr.common.serde import recorddict_to_proto  # pyright: ignore[reportMissingImports]


class CountingGrid:
    """A grid around another one. Bytes are those of the contents as they are serialised.

    Args:
        grid: sends messages to nodes.

    Attributes:
        silent: of each call, reason by node of those that answered with an error or not at all.
    """

    def __init__(self, grid: Any) -> None:
        self.grid = grid
        self.silent: list[dict[int, str]] = []
        self.counts = _nothing()
        self.begun = time.perf_counter()

    def __getattr__(self, name: str) -> Any:
        """Return what the grid inside has."""
        return getattr(self.grid, name)

    def send_and_receive(
        self, messages: Iterable[Any], *, timeout: float | None = None
    ) -> list[Any]:
        """Return the answers of the nodes."""
        sent = list(messages)
        self.counts["messages"] += len(sent)
        self.counts["downlink_bytes"] += sum(size_of(one) for one in sent)
        silent = {one.metadata.dst_node_id: "sent no answer" for one in sent}
        replies = list(self.grid.send_and_receive(sent, timeout=timeout))
        for reply in replies:
            node = reply.metadata.src_node_id
            if reply.has_error():
                silent[node] = str(reply.error.reason)
            else:
                self.counts["uplink_bytes"] += size_of(reply)
                silent.pop(node, None)
        self.silent.append(silent)
        return replies

    def since_last(self) -> dict[str, float]:
        """Return messages, bytes and seconds since the last call, and count from zero again."""
        now = time.perf_counter()
        result = {**self.counts, "seconds": now - self.begun}
        self.counts, self.begun = _nothing(), now
        return result


def _nothing() -> dict[str, float]:
    return {name: 0 for name in ("messages", "downlink_bytes", "uplink_bytes")}


def size_of(message: Any) -> int:
    """Return the bytes of what a message holds."""
    return int(recorddict_to_proto(message.content).ByteSize())


__all__ = ["CountingGrid", "size_of"]
