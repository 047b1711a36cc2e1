"""Fit what devices of one binary task spend to the energies of a log, and compare both.

A device that computes spends ``kappa f0^2 zeta``, see :func:`edgewright.physics.energy.dvfs_j`; one
that offloads sends with power ``P`` for as long as its share of the band needs. Receiving and
waiting count nothing.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from edgewright.core.units import CYCLES_PER_GCYCLE, HZ_PER_GHZ
from edgewright.specs.fitting import distances, robust_ratio
from edgewright.systems.binary.logged import MIN_ROWS, LoggedSlots
from edgewright.systems.binary.uplink import Uplink

SAME = 0.005
"""A power that differs by less from that of the scenario is the same: sizes are not fitted again.
"""


@dataclasses.dataclass(frozen=True)
class Ratio:
    """A fitted number, with the outcomes that it is from and their median relative error."""

    value: float
    rows: int
    error: float


def transmit_w(
    uplink: Uplink, slots: LoggedSlots, weight: np.ndarray, input_mbit: np.ndarray
) -> Ratio | None:
    """Return the power [W] of devices that offload; None where too few energies are logged.

    Args:
        weight, input_mbit: of each device ``[N]``, as fitted.
    """
    bits = np.nan_to_num(slots.offloaded) == 1
    seconds = uplink.sending_s(slots.gain, bits, weight, input_mbit)
    return _ratio(slots.energy_j, seconds, bits & slots.known[:, None])


def kappa(uplink: Uplink, slots: LoggedSlots, work: np.ndarray) -> Ratio | None:
    """Return the switched capacitance [J s^2 / cycle^3]; None where too few energies are logged.

    Args:
        work: of each device ``[N]`` [Gcycles], as fitted.
    """
    local = slots.offloaded == 0
    return _ratio(slots.energy_j, local * _squared(uplink) * work, local & slots.known[:, None])


def energies_j(
    uplink: Uplink,
    slots: LoggedSlots,
    numbers: tuple[np.ndarray, np.ndarray, np.ndarray],
    capacitance: float | None,
) -> np.ndarray:
    """Return the energy ``[n, N]`` [J] of each device in the logged slots; NaN where unknown.

    Args:
        numbers: weight, work [Gcycles] and input [Mbit] of each device ``[N]``.
        capacitance: ``kappa``; None where nothing says what computing costs.
    """
    weight, work, input_mbit = numbers
    bits = np.nan_to_num(slots.offloaded) == 1
    away = uplink.transmit_w * uplink.sending_s(slots.gain, bits, weight, input_mbit)
    each = np.nan if capacitance is None else capacitance
    return np.where(bits, away, each * _squared(uplink) * work)


def energy_gap(slots: LoggedSlots, parts: dict[str, np.ndarray]) -> dict[str, float] | None:
    """Return the distances of predicted energies from the logged ones; None with too few of these.

    Energies are those of single devices.

    Args:
        parts: predictions ``[n, N]`` by what their names begin with.
    """
    known = np.isfinite(slots.energy_j) & (slots.energy_j > 0) & slots.known[:, None]
    for one in parts.values():
        known &= np.isfinite(one)
    if known.sum() < MIN_ROWS:
        return None
    return {
        f"{name}_{key}": value
        for name, one in parts.items()
        for key, value in distances(one[known], slots.energy_j[known]).items()
    }


def _ratio(above: np.ndarray, below: np.ndarray, rows: np.ndarray) -> Ratio | None:
    usable = rows & np.isfinite(above) & np.isfinite(below) & (above > 0) & (below > 0)
    if usable.sum() < MIN_ROWS:
        return None
    value, error = robust_ratio(above[usable], below[usable])
    return Ratio(value, int(usable.sum()), error)


def _squared(uplink: Uplink) -> float:
    """Return the energy of a Gcycle for each unit of ``kappa``."""
    return (uplink.device_ghz * HZ_PER_GHZ) ** 2 * CYCLES_PER_GCYCLE


__all__ = ["SAME", "Ratio", "energies_j", "energy_gap", "kappa", "transmit_w"]
