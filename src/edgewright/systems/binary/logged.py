"""Read what a decision log says of the devices of one binary task.

A bundle of ``binary`` decides for all devices of one task at once: observations hold
``gain_<n>_db`` of each device, decisions the bits in ``action``. Outcomes report ``delay_<n>_s`` of
each device, and as reward minus the mean weighted delay.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from edgewright.serve.log_table import LogTable

MIN_ROWS = 30
"""Fewer decisions of a device say nothing of it."""


@dataclasses.dataclass(frozen=True)
class LoggedSlots:
    """The slots of a log, as arrays; numbers that a row lacks are NaN.

    Attributes:
        gain: ``[n, N]`` linear power gains.
        offloaded: ``[n, N]`` bits of the logged action.
        delay_s: ``[n, N]`` reported delays.
        weighted_s: ``[n]`` sum of weighted delays, from the reported reward.
        energy_j: ``[n, N]`` reported energies.
    """

    gain: np.ndarray
    offloaded: np.ndarray
    delay_s: np.ndarray
    weighted_s: np.ndarray
    energy_j: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """Return the slots ``[n]`` whose gains and bits are known."""
        both = np.concatenate([self.gain, self.offloaded], axis=1)
        return np.asarray(np.isfinite(both).all(axis=1))


def logged_slots(table: LogTable, devices: int) -> LoggedSlots:
    """Return the slots of a log with ``devices`` devices."""
    each = range(1, devices + 1)
    gain_db = np.stack([table.field(f"gain_{n}_db") for n in each], axis=1)
    return LoggedSlots(
        gain=10.0 ** (gain_db / 10.0),
        offloaded=table.vector("action", devices),
        delay_s=np.stack([table.metric(f"delay_{n}_s") for n in each], axis=1),
        weighted_s=-table.reward * devices,
        energy_j=np.stack([table.metric(f"device_energy_{n}_j") for n in each], axis=1),
    )


def counts_of_bits(slots: LoggedSlots) -> np.ndarray:
    """Return how often each device computed itself and offloaded, with a delay: ``[N, 2]``."""
    known = np.isfinite(slots.delay_s) & (slots.delay_s > 0)
    return np.stack([np.sum(known & (slots.offloaded == bit), axis=0) for bit in (0, 1)], axis=1)


def shown(table: LogTable, actions: np.ndarray) -> float:
    """Return the share of bits ``[n, N]`` that their device took :data:`MIN_ROWS` times in a log.

    A device that never offloaded shows nothing of its uplink, whatever the physics.
    """
    devices = actions.shape[1]
    counts = counts_of_bits(logged_slots(table, devices))
    enough = counts >= MIN_ROWS
    return float(np.mean(enough[np.arange(devices), actions.astype(int)]))


__all__ = ["MIN_ROWS", "LoggedSlots", "counts_of_bits", "logged_slots", "shown"]
