"""Check the settings of a fleet against each other."""

from __future__ import annotations

from typing import Any

from edgewright.core.errors import InputError


def check_settings(fleet: Any, devices: int, statistics: bool) -> None:
    """Check the settings of a fleet.

    Args:
        fleet: an ``agents.fleet.Fleet``.
        devices: number of devices.
        statistics: whether its devices exchange running statistics.

    Raises:
        InputError: two settings do not fit each other, or one is out of range.
    """
    if fleet.noise_multiplier and not fleet.clip_norm:
        message = "must be above 0 where noise_multiplier is; got 0"
        hint = "set learner.clip_norm, or learner.noise_multiplier = 0"
        raise InputError(message, where="learner.clip_norm", hint=hint)
    if fleet.noise_multiplier and statistics:
        message = "must be 0 where statistics are exchanged, which noise does not protect"
        hint = "set learner.normalize_observations and learner.normalize_rewards to false"
        raise InputError(message, where="learner.noise_multiplier", hint=hint)
    if fleet.top_percent > 100:
        message = f"must be from 1 to 100; got {fleet.top_percent}"
        raise InputError(message, where="learner.top_percent", hint="e.g. 10")
    if fleet.aggregate != "mean" and (fleet.mode != "federated" or fleet.noise_multiplier):
        message = f"must be mean with this mode or with noise; got '{fleet.aggregate}'"
        hint = "set learner.mode = 'federated' and learner.noise_multiplier = 0"
        raise InputError(message, where="learner.aggregate", hint=hint)
    able = fleet.mode in ("federated", "asynchronous")
    if not 0 <= fleet.malicious_devices <= (devices if able else 0):
        most = f"at most the devices, {devices}" if able else f"0 with mode {fleet.mode}"
        message = f"must be {most}; got {fleet.malicious_devices}"
        raise InputError(message, where="learner.malicious_devices", hint="e.g. 0")


__all__ = ["check_settings"]
