"""Fit the numbers of one binary task to a decision log, in closed form and robustly.

With the notation of :mod:`edgewright.systems.binary.delay`: a device that computes itself shows its
work, ``zeta = T f0``. The reward shows the weights, ``sum_n w_n T_n``. What offloading devices
share shows their sizes: for ``coupled``,

    sqrt(Q_S - (sum_S sqrt(w zeta))^2 / F)  =  sum_S alpha_n / sqrt(R_n),   alpha_n^2 = w_n (i + o)

which is linear in ``alpha`` for each speed ``F`` of the edge; the speed with the least error is
taken. For ``separable`` and ``equal_share`` each device has one ratio. Median gains show distances.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgewright.serve.log_table import LogTable
from edgewright.specs.calibration import Calibration, Fit
from edgewright.specs.fitting import distances, robust_ratio, robust_sum
from edgewright.systems.binary.energies import (
    SAME,
    Ratio,
    energies_j,
    energy_gap,
    kappa,
    transmit_w,
)
from edgewright.systems.binary.logged import MIN_ROWS, LoggedSlots, logged_slots
from edgewright.systems.binary.schema import BinaryScenario
from edgewright.systems.binary.uplink import Uplink

SPEEDS = np.geomspace(0.25, 4.0, 33)
"""Speeds of the edge that are tried, as shares of the one before; refined once around the best."""

FINER = np.geomspace(0.9, 1.0 / 0.9, 21)

SWEEPS = 3
"""Fits of the sizes, between which devices that never computed get the work of their size."""

POWERS = 3
"""Fits of the power that devices send with, each with the sizes that go with the one before."""

NEARLY = 0.01
"""The speed of the edge is kept where no other one lowers the relative error by more than this."""

_RELATIVE = "median relative error"


def calibrate(scenario: BinaryScenario, table: LogTable) -> Calibration:
    """Return the numbers of the devices, of their channel and of the edge as a log shows them.

    Args:
        scenario: whose numbers are compared and, where the log says nothing, taken.
        table: decisions of one task, see :mod:`edgewright.systems.binary.logged`.
    """
    slots = logged_slots(table, scenario.world.devices)
    if scenario.world.masked or slots.known.sum() < MIN_ROWS:
        return Calibration((), {"params": "a log of one task with all its devices is needed"}, {})
    before = _Fits(scenario, slots, Uplink.of(scenario))
    fitted, power = _with_power(before)
    fitted.spending(power)
    fitted.channel()
    parts = {"before": before, "after": fitted}
    gap: dict[str, dict[str, float]] = {}
    total = np.sum(slots.delay_s, axis=1)
    known = np.isfinite(total) & (total > 0) & slots.known
    if known.sum() >= MIN_ROWS:
        gap["delay_s"] = {
            f"{name}_{key}": value
            for name, one in parts.items()
            for key, value in distances(
                one.predicted_s()[known], total[known] / slots.gain.shape[1]
            ).items()
        }
    spent = energy_gap(slots, {name: one.energies_j() for name, one in parts.items()})
    if spent is not None:
        gap["device_energy_j"] = spent
    return Calibration(tuple(fitted.fits), fitted.left, gap)


def _with_power(before: _Fits) -> tuple[_Fits, Ratio | None]:
    """Return the fits of weights, work and sizes, and the power that goes with them.

    Rates depend on the power that devices send with, and sizes on rates. So where energies show
    another power, sizes are fitted again with it.
    """
    uplink, power = before.uplink, None
    fitted = before
    for _ in range(POWERS):
        fitted = _Fits(before.scenario, before.slots, uplink)
        fitted.weights()
        fitted.works()
        fitted.offloading()
        power = transmit_w(uplink, fitted.slots, fitted.weight, fitted.input_mbit)
        if power is None or abs(power.value / uplink.transmit_w - 1.0) < SAME:
            break
        uplink = uplink.with_power(power.value)
    return fitted, power


class _Fits:
    """The numbers of the devices ``[N]``, first those of the scenario, then those of the log."""

    def __init__(self, scenario: BinaryScenario, slots: LoggedSlots, uplink: Uplink) -> None:
        numbers, devices = scenario.params, scenario.world.devices
        self.scenario, self.slots, self.uplink = scenario, slots, uplink
        self.fits: list[Fit] = []
        self.left: dict[str, str] = {}
        self.kappa = numbers.kappa

        def each(own: list[float] | None, law: list[float]) -> np.ndarray:
            return np.asarray(own, float) if own else np.full(devices, float(np.mean(law)))

        self.weight = each(numbers.device_weights, numbers.weights)
        self.input_mbit = each(numbers.device_input_mbit, numbers.input_mbit)
        self.cycles = each(numbers.device_cycles_per_bit, numbers.cycles_per_bit)
        self.work = self.cycles * self.input_mbit * 1e-3
        ghz = numbers.edge_ghz
        self.edge_ghz = self._first_ghz = float(ghz[0] if isinstance(ghz, list) else ghz)
        self._worked, self._works = np.zeros(devices, bool), (0, 0.0)
        self._error = 0.0

    def weights(self) -> None:
        """Fit the weights to the reward, which is minus the mean of ``w_n T_n``."""
        slots = self.slots
        rows = np.isfinite(slots.delay_s).all(axis=1) & np.isfinite(slots.weighted_s)
        if rows.sum() < MIN_ROWS:
            self.left["params.device_weights"] = "too few outcomes have a delay of every device"
            return
        value, error = robust_sum(slots.delay_s[rows], slots.weighted_s[rows])
        if not np.all(value > 0) or error > 0.5:
            self.left["params.device_weights"] = "rewards are not minus a sum of weighted delays"
            return
        self.weight = value
        self._add("device_weights", value, int(rows.sum()), error)

    def works(self) -> None:
        """Fit the work of each device, from the delays of those that computed themselves."""
        slots, ghz, errors, count = self.slots, self.scenario.params.device_ghz, [0.0], 0
        for n in range(len(self.work)):
            delay = slots.delay_s[(slots.offloaded[:, n] == 0), n]
            delay = delay[np.isfinite(delay) & (delay > 0)]
            if len(delay) < MIN_ROWS:
                self.left[f"work of device {n + 1}"] = f"it computed less than {MIN_ROWS} times"
                continue
            self._worked[n] = True
            self.work[n], error = robust_ratio(delay * ghz, np.ones(len(delay)))
            errors.append(error)
            count += len(delay)
        self._works = (count, max(errors))

    def offloading(self) -> None:
        """Fit the sizes of the inputs and the speed of the edge, from those that offloaded."""
        slots = self.slots
        bits = slots.offloaded == 1
        delays = np.where(bits, slots.delay_s, 0.0)
        rows = slots.known & bits.any(axis=1) & np.isfinite(delays).all(axis=1)
        enough = bits[rows].sum(axis=0) >= MIN_ROWS
        if rows.sum() < MIN_ROWS or not enough.any():
            self.left["params.device_input_mbit"] = f"less than {MIN_ROWS} slots have offloading"
            self._add_cycles()
            return
        weighted = (delays @ self.weight)[rows]
        for _ in range(SWEEPS):
            fit = self.uplink.sizes(
                slots.gain[rows], bits[rows], delays[rows], weighted, (self.weight, self.work)
            )
            self.edge_ghz = self._speed(lambda ghz, fit=fit: fit(ghz)[1])
            sizes, self._error = fit(self.edge_ghz)
            usable = enough & (sizes > 0)
            self.input_mbit = np.where(usable, sizes, self.work / self.cycles * 1e3)
            self.work = np.where(self._worked, self.work, self.cycles * self.input_mbit * 1e-3)
        for n in np.flatnonzero(~enough):
            self.left[f"input of device {n + 1}"] = f"it offloaded less than {MIN_ROWS} times"
        count, before, error = int(rows.sum()), self.scenario.params.edge_ghz, self._error
        self.fits.append(Fit("params.edge_ghz", before, self.edge_ghz, count, _RELATIVE, error))
        self._add("device_input_mbit", self.input_mbit, count, error)
        self._add_cycles()

    def _add_cycles(self) -> None:
        self.cycles = self.work / self.input_mbit * 1e3
        self._add("device_cycles_per_bit", self.cycles, *self._works)

    def _speed(self, error: Callable[[float], float]) -> float:
        """Return the speed of the edge with the least error; the one before if nearly as good."""
        before, best = self._first_ghz, self._first_ghz
        for shares in (SPEEDS, FINER):
            best = min(best * shares, key=error)
        return float(best if error(best) < error(before) - NEARLY else before)

    def channel(self) -> None:
        """Fit distances and shadowing to the gains, of which nothing depends on decisions."""
        numbers = self.scenario.params
        if self.scenario.streams.gain.kind != "fading":
            self.left["streams.gain"] = "recorded gains are not fitted"
            return
        gain_db = 10.0 * np.log10(self.slots.gain[self.slots.known])
        obstructed = numbers.obstructed_share >= 0.5
        distance, shadowing, error = self.uplink.channel(gain_db, obstructed)
        count = len(gain_db)
        self._add("device_distance_m", distance, count, error, "distance of the law of gains")
        for key, value in (
            ("shadowing_db", shadowing),
            ("obstructed_share", float(obstructed)),
        ):
            before = getattr(numbers, key)
            measure = "distance of the law of gains"
            self.fits.append(Fit(f"params.{key}", before, value, count, measure, error))

    def spending(self, power: Ratio | None) -> None:
        """Fit the power that devices send with and the capacitance, to their energies."""
        numbers, slots = self.scenario.params, self.slots
        few = f"less than {MIN_ROWS} outcomes have a device_energy_<n>_j of a device that"
        if power is None:
            self.left["params.transmit_dbm"] = f"{few} offloads"
        else:
            self.uplink = self.uplink.with_power(power.value)
            dbm = round(10.0 * float(np.log10(power.value)) + 30.0, 9)
            self._number("transmit_dbm", numbers.transmit_dbm, dbm, power)
        spent = kappa(self.uplink, slots, self.work)
        if spent is None:
            self.left["params.kappa"] = f"{few} computes"
        else:
            self.kappa = spent.value
            self._number("kappa", numbers.kappa, spent.value, spent)

    def _number(self, key: str, before: float | None, after: float, fit: Ratio) -> None:
        self.fits.append(Fit(f"params.{key}", before, after, fit.rows, _RELATIVE, fit.error))

    def energies_j(self) -> np.ndarray:
        """Return the energy ``[n, N]`` [J] of each device in each logged slot, by the numbers."""
        numbers = (self.weight, self.work, self.input_mbit)
        return energies_j(self.uplink, self.slots, numbers, self.kappa)

    def predicted_s(self) -> np.ndarray:
        """Return the mean delay ``[n]`` [s] of the devices in each logged slot, by the numbers."""
        slots = self.slots
        bits = np.nan_to_num(slots.offloaded) == 1
        numbers = (self.weight, self.work, self.input_mbit)
        return np.mean(self.uplink.delays_s(slots.gain, bits, numbers, self.edge_ghz), axis=1)

    def _add(
        self, key: str, value: np.ndarray, rows: int, error: float, measure: str = _RELATIVE
    ) -> None:
        plain: list[Any] = [round(float(one), 9) for one in value]
        before = getattr(self.scenario.params, key)
        self.fits.append(Fit(f"params.{key}", before, plain, rows, measure, error))


__all__ = ["calibrate"]
