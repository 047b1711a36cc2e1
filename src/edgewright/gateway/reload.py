"""Take up a changed configuration whole, or leave the running one as it is."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from edgewright.core.errors import InputError
from edgewright.gateway.plan import Plan, make_plan, retire
from edgewright.serve.reload import Watcher

if TYPE_CHECKING:
    from edgewright.gateway.app import Gateway

FIXED = (
    "host",
    "port",
    "probe_port",
    "max_connections",
    "client_timeout_s",
    "watch_s",
    "drain_s",
    "grace_s",
)
"""Keys of ``[gateway]`` that hold for the life of the process."""

CLOSING_S = 1.0


class ConfigWatcher(Watcher):
    """Watches the configuration and the bundles that it names."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._retiring: set[asyncio.Task[None]] = set()
        super().__init__(gateway.settings.watch_s)

    def files(self) -> list[Path]:
        """Return the configuration, and the bundles that it names."""
        file, config = self._gateway.file, self._gateway.plan.config
        names = [config.policy.bundle or "", *config.policy.shadow]
        names += [config.canary.bundle] if config.canary else []
        return [file, *(file.parent / name for name in names if name.endswith(".edge"))]

    async def closed(self) -> None:
        """Wait a moment for the back ends of former plans to be closed."""
        if self._retiring:
            await asyncio.wait(self._retiring, timeout=CLOSING_S)

    async def _take(self) -> bool:
        gateway = self._gateway
        running = gateway.plan
        try:
            fresh = await asyncio.to_thread(make_plan, gateway.file, running)
            _check_fixed(running, fresh, str(gateway.file))
        except Exception as error:  # whatever is wrong with a file, the next one may be good
            self.message = str(error) or repr(error)
            gateway.counters.reloads["refused",] += 1
            gateway.emit(f"the configuration was not taken up, {running.digest} stays: {error}")
            return False
        self.message = ""
        gateway.take(fresh)
        gateway.counters.reloads["taken",] += 1
        gateway.emit(f"configuration {fresh.digest} is used now; before, {running.digest}")
        task = asyncio.get_running_loop().create_task(retire(running, fresh))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)
        return True


def _check_fixed(running: Plan, fresh: Plan, file: str) -> None:
    """Refuse a change that needs another process.

    Raises:
        InputError: such a key changed.
    """
    before, after = running.config, fresh.config
    for name in FIXED:
        if getattr(before.gateway, name) != getattr(after.gateway, name):
            value = getattr(before.gateway, name)
            message = f"cannot change while the gateway runs; it is {value!r}"
            hint = "restart the gateway for it"
            raise InputError(message, where=f"{file}: gateway.{name}", hint=hint)
    if before.log != after.log:
        message = "cannot change while the gateway runs"
        raise InputError(message, where=f"{file}: log", hint="restart the gateway for it")
