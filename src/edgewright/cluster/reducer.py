"""Add gradients of several processes, each exactly once."""

from __future__ import annotations

import asyncio

import numpy as np

Total = tuple[np.ndarray, np.float32]


class Reducer:
    """The sum of what all workers send in a step, which each worker waits for.

    A sum has the number of an update and of a step within it. A worker that was replaced sends
    again what its predecessor sent: then the first one counts, and the answer is the same sum.

    Args:
        workers: number of processes that send.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.parts: dict[tuple[int, int], dict[int, Total]] = {}
        self.sums: dict[tuple[int, int], Total] = {}
        self.complete: dict[tuple[int, int], asyncio.Event] = {}

    async def add(self, number: int, step: int, rank: int, part: Total) -> Total:
        """Return the sum over all workers as soon as all have sent.

        Args:
            number: of the update.
            step: within the update.
            rank: of the worker, from 0.
            part: its sum ``[n]`` and how many devices it is of.
        """
        name = (number, step)
        if name not in self.sums:
            parts = self.parts.setdefault(name, {})
            parts.setdefault(rank, part)
            complete = self.complete.setdefault(name, asyncio.Event())
            if len(parts) == self.workers:
                ordered = [parts[n] for n in range(self.workers)]
                total = np.stack([vector for vector, _ in ordered]).sum(axis=0)
                count = np.float32(sum(count for _, count in ordered))
                self.sums[name] = np.asarray(total, np.float32), count
                del self.parts[name], self.complete[name]
                complete.set()
            else:
                await complete.wait()
        return self.sums[name]

    async def forget(self) -> int:
        """Drop all sums, and return how many there were: no worker will ask for them again."""
        count = len(self.sums)
        self.sums.clear()
        return count


__all__ = ["Reducer", "Total"]
