"""Train some devices of a fleet in a process of their own."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from edgewright.agents.fleet import AXIS, Fleet
from edgewright.agents.fleet_exchange import Shared
from edgewright.agents.per_device import EachPolicy, by_device
from edgewright.cluster.plain import plain, restored
from edgewright.cluster.reducer import Total
from edgewright.cluster.runtime import stay_on, versions
from edgewright.core.compilation import keep_compilations
from edgewright.core.records import Array, Trajectory
from edgewright.rules.gradient_hooks import AveragedAcross

STEPS = "gradient_steps"
"""Entry of the logs: how many gradients each device sent in an update of ``synchronous``."""

Add = Callable[[int, int, Total], Total]
"""(update, step, own sum) to the sum of all workers."""


class FleetWorker:
    """The devices of one worker. Arguments and answers are plain, see :mod:`.plain`.

    Args:
        learner: the fleet.
        add: sums gradients over workers; None where no mode needs it.
    """

    def __init__(self, learner: Fleet, add: Add | None = None) -> None:
        self.learner, self.add = learner, add
        self.devices: Any = None
        self.after: Any = None
        self.based: Any = None
        self._train = jax.jit(self._trained)
        self._send = jax.jit(lambda learner, *args: learner.sent(*args))
        self._adopt = jax.jit(lambda learner, *args: learner.downloaded(*args))
        self._act = jax.jit(_policies)
        self._learn = jax.jit(lambda learner, *args: learner.update(*args))

    def ready(self) -> dict[str, str]:
        """Return the versions of this process, and its number as ``pid``."""
        return {**versions(), "pid": str(os.getpid())}

    def load(self, devices: Any, based: Any) -> Any:
        """Take over devices with leaves ``[k, ...]`` and return their exploring policies."""
        self.devices, self.based = restored(devices), restored(based)
        return plain(self._act(self.learner, self.devices.state))

    def train(self, number: int, keys: Any, send: Any, data: Any) -> tuple[Any, Any, Any]:
        """Train all devices once.

        Args:
            number: of the update.
            keys: one for each device, ``[k]``.
            send: keys of what they send afterwards; None if nothing is due.
            data: the trajectory of these devices.

        Returns:
            scalars to log ``[k]``, what they send, and their policies where they send nothing.
        """
        states, logs = self._train(
            self.learner, np.int32(number), restored(keys), self.devices.state, self.based,
            restored(data),
        )  # fmt: skip
        self.devices = dataclasses.replace(self.devices, state=states)
        if send is None:
            return plain(logs), None, plain(self._act(self.learner, states))
        sent, self.after = self._send(self.learner, restored(send), self.based, self.devices)
        return plain(logs), plain(sent), None

    def download(self, models: Any, chosen: Any) -> Any:
        """Let the chosen devices ``[k]`` adopt their models, and return all policies."""
        models = restored(models)
        self.devices = self._adopt(self.learner, self.devices, self.after, models, restored(chosen))
        self.based, self.after = models, None
        return plain(self._act(self.learner, self.devices.state))

    def state(self) -> Any:
        """Return the devices."""
        return plain(self.devices)

    def load_all(self, state: Any) -> Any:
        """Take over a whole fleet and return its policy."""
        self.devices = restored(state)
        return plain(self.learner.policy(self.devices, explore=True))

    def learn(self, key: Any, data: Any) -> tuple[Any, Any]:
        """Let the whole fleet learn once; return scalars to log and its policy."""
        self.devices, logs = self._learn(self.learner, restored(key), self.devices, restored(data))
        return plain(logs), plain(self.learner.policy(self.devices, explore=True))

    def _trained(
        self, learner: Fleet, number: Array, keys: Array, states: Any, based: Shared,
        data: Trajectory,
    ) -> Any:  # fmt: skip
        """Return the devices after one update, and their logs."""

        def across(key: Array) -> AveragedAcross:
            return AveragedAcross(
                key=key, axis=AXIS, encoding=learner.encoding, percent=learner.top_percent,
                number=number, add=self._summed,
            )  # fmt: skip

        parts, axes = by_device(data)
        if self.add is None:
            return learner.train_devices(keys, states, based, parts, axes)
        after, logs = learner.train_devices(keys, states, based, parts, axes, across)
        return after, {**logs, STEPS: after.memory[1] - states.memory[1]}

    def _summed(self, number: Any, step: Any, total: Any, count: Any) -> Total:
        """Return the sum over all workers, outside the compiled program."""
        assert self.add is not None
        part = np.asarray(total, np.float32), np.float32(count)
        return self.add(int(number), int(step), part)


class FleetActor(FleetWorker):
    """A worker that is all of its process.

    Args:
        learner, add: of :class:`FleetWorker`.
        core: the one core to run on; any if None.
    """

    def __init__(self, learner: Fleet, add: Add | None, core: int | None) -> None:
        stay_on(core)
        # The program calls out of itself for sums; one that runs ahead may wait for ever.
        jax.config.update("jax_cpu_enable_async_dispatch", False)
        keep_compilations()
        super().__init__(learner, add)


def _policies(learner: Fleet, states: Any) -> EachPolicy:
    """Return the exploring policies of some devices."""
    return EachPolicy(
        policies=jax.vmap(lambda one: learner.inner.policy(one, explore=True))(states)
    )


__all__ = ["STEPS", "Add", "FleetActor", "FleetWorker"]
