"""Make a bundle's observation from what the gateway measured, field by field."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edgewright.bundle import Bundle
from edgewright.bundle.interface import Field
from edgewright.core.errors import InputError
from edgewright.gateway.settings import Config

_SERVER = re.compile(r"(?:server|near)_(\d+)_(backlog_gcycles|ghz)")
_AT_NOMINAL_WORK = 1.0
"""The multiplier of the level that ``work_gcycles`` refers to."""


@dataclasses.dataclass(frozen=True)
class Signals:
    """Measurements at one moment.

    Attributes:
        input_mb: size of the request.
        work_s: predicted time of service of each level at the first location that has a back end.
        mode, charge_pct: as the client, its key or the configuration says.
        bandwidth_mbps: of the link, by the policy for stale estimates.
        queue_s: work ahead at each location.
        number: requests before this one.
        uplink_backlog_mb: left to send over the link before a new upload.
    """

    input_mb: float
    work_s: Sequence[float]
    mode: str
    charge_pct: float
    bandwidth_mbps: float
    queue_s: Sequence[float]
    number: int
    uplink_backlog_mb: float = 0.0


@dataclasses.dataclass(frozen=True)
class Machines:
    """Speeds of a bundle's scenario, by which seconds become Gcycles.

    Attributes:
        ghz: of each location, the device first.
        nominal: the level whose work has multiplier 1, or is nearest to it.
        first: the first location that has a back end.
    """

    ghz: Sequence[float]
    nominal: int
    first: int


Reader = Callable[[Signals], Any]


class Observer:
    """Fills the fields of one bundle.

    Raises:
        InputError: the bundle asks for a field that is neither measured nor fixed.
    """

    def __init__(
        self,
        bundle: Bundle,
        config: Config,
        locations: int,
        where: str,
        key: str = "policy.bundle",
    ) -> None:
        scenario = bundle.facts.get("scenario") or {}
        params = scenario.get("params") or {}
        multipliers = [*_numbers(params.get("quality_multiplier"), len(config.quality.levels))]
        nominal = min(range(len(multipliers)), key=lambda n: abs(multipliers[n] - _AT_NOMINAL_WORK))
        ghz = [*_numbers(params.get("device_ghz"), 1)[:1]]
        ghz += _numbers(params.get("server_ghz"), locations - 1)[: locations - 1]
        first = min(one.location for one in config.backend)
        self._key = key
        self._machines = Machines(ghz, nominal, first)
        self._params: Mapping[str, Any] = params
        self._readers: dict[str, Reader] = {}
        self._fields = {field.name: field for field in bundle.interface.fields}
        for field in bundle.interface.fields:
            self._readers[field.name] = self._reader(field, config, where)

    def observe(self, signals: Signals) -> dict[str, Any]:
        """Return the value of every field."""
        return {name: read(signals) for name, read in self._readers.items()}

    def outside(self, observation: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the fields whose values training never met."""
        names = []
        for name, field in self._fields.items():
            if field.trained is not None:
                low, high = field.trained
                if not low <= observation[name] <= high:
                    names.append(name)
        return tuple(names)

    def _reader(self, field: Field, config: Config, where: str) -> Reader:
        """Return what reads one field from the signals."""
        fixed = config.signals.fixed
        if field.name in fixed:
            value = float(fixed[field.name])
            return lambda signals: value
        if field.name == "mode":
            _check_modes(field, config, where)
            return lambda signals: signals.mode
        machines = self._machines
        simple: dict[str, Reader] = {
            "input_mb": lambda signals: signals.input_mb,
            "work_gcycles": lambda signals: (
                signals.work_s[machines.nominal] * machines.ghz[machines.first]
            ),
            "charge_pct": lambda signals: signals.charge_pct,
            "bandwidth_mbps": lambda signals: signals.bandwidth_mbps,
            "local_backlog_gcycles": lambda signals: signals.queue_s[0] * machines.ghz[0],
            "uplink_backlog_mb": lambda signals: signals.uplink_backlog_mb,
            "task_number": lambda signals: float(signals.number),
            "phase": lambda signals: 0.0,
        }
        if field.name in simple:
            return simple[field.name]
        if match := _SERVER.fullmatch(field.name):
            return _of_server(int(match[1]), match[2], machines)
        if isinstance(number := self._params.get(field.name), int | float):
            value = float(number)
            return lambda signals: value
        message = (
            f"the bundle asks for '{field.name}' ({field.meaning}), which is not measured here"
        )
        hint = f"state it: [signals.fixed] {field.name} = NUMBER"
        raise InputError(message, where=f"{where}: {self._key}", hint=hint)


def _of_server(server: int, what: str, machines: Machines) -> Reader:
    ghz = machines.ghz[server] if server < len(machines.ghz) else 1.0
    if what == "ghz":
        return lambda signals: ghz
    return lambda signals: signals.queue_s[server] * ghz if server < len(signals.queue_s) else 0.0


def _check_modes(field: Field, config: Config, where: str) -> None:
    """Refuse a mode in the configuration that the bundle does not know."""
    named = [("signals.mode", config.signals.mode)]
    named += [(f"key[{n}].mode", one.mode) for n, one in enumerate(config.key) if one.mode]
    for path, mode in named:
        if mode not in field.choices:
            message = f"must be a mode of the bundle; got '{mode}'"
            hint = f"the bundle knows {', '.join(field.choices)}"
            raise InputError(message, where=f"{where}: {path}", hint=hint)


def _numbers(value: Any, count: int) -> list[float]:
    """Return a number, or a list of them, as ``count`` numbers; 1 where there are none."""
    if isinstance(value, int | float):
        return [float(value)] * count
    numbers = [float(one) for one in value or [] if isinstance(one, int | float)]
    return (numbers + [numbers[-1] if numbers else 1.0] * count)[: max(count, len(numbers))]
