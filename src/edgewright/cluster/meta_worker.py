"""Train devices of a meta-learner's round in a process of their own."""

from __future__ import annotations

import os
from typing import Any

import jax

from edgewright.cluster.plain import plain, restored
from edgewright.cluster.runtime import stay_on, versions
from edgewright.core.compilation import keep_compilations
from edgewright.loops.meta import train_device


class MetaWorker:
    """Devices of rounds; nothing of them is left in the worker after a call.

    Args:
        world: the world of all tasks.
        arguments: the tasks, the learner and its teacher, see ``loops.meta.advance``.
    """

    def __init__(self, world: Any, arguments: tuple[Any, Any, Any]) -> None:
        self.arguments = arguments

        def together(arguments: Any, keys: Any, chosen: Any, initial: Any) -> Any:
            tasks, learner, teacher = arguments

            def one(key: Any, index: Any) -> Any:
                return train_device(world, tasks, learner, teacher, key, index, initial)

            return jax.vmap(one)(keys, chosen)

        self._update = jax.jit(together)

    def ready(self) -> dict[str, str]:
        """Return the versions of this process, and its number as ``pid``."""
        return {**versions(), "pid": str(os.getpid())}

    def update(self, keys: Any, chosen: Any, initial: Any) -> tuple[Any, Any]:
        """Train devices and return what they upload, and scalars to log ``[k]``; plain.

        Args:
            keys: one for each device, ``[k]``.
            chosen: index of each device's task, ``[k]``.
            initial: what they download.
        """
        given = (restored(keys), restored(chosen), restored(initial))
        return plain(self._update(self.arguments, *given))


class MetaActor(MetaWorker):
    """A worker that is all of its process.

    Args:
        world, arguments: of :class:`MetaWorker`.
        core: the one core to run on; any if None.
    """

    def __init__(self, world: Any, arguments: tuple[Any, Any, Any], core: int | None) -> None:
        stay_on(core)
        keep_compilations()
        super().__init__(world, arguments)


__all__ = ["MetaActor", "MetaWorker"]
