"""The delays of binary offloading in NumPy, and the sizes and distances that they follow from.

The same equations as in :mod:`edgewright.systems.binary.delay`, in 64 bits, for whole logs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats

from edgewright.specs.fitting import robust_sum
from edgewright.systems.binary.schema import BinaryScenario

FADING_DB = 10.0 / np.log(10.0) * np.pi / np.sqrt(6.0)
"""Deviation of Rayleigh fading in dB: 5.57."""

MEDIAN_DB = 10.0 * np.log10(np.log(2.0))
"""Median of Rayleigh fading of mean gain 1, in dB: -1.59."""

LOSSES = {False: (103.8, 20.9), True: (145.4, 37.5)}
"""``a + b lg d`` [dB] with ``d`` in km, by whether the line of sight is obstructed."""


@dataclasses.dataclass(frozen=True)
class Uplink:
    """The numbers of a scenario that a log does not change.

    Attributes:
        snr: signal to noise of a gain of 1.
    """

    objective: str
    bandwidth_mhz: float
    snr: float
    output_share: float
    device_ghz: float
    transmit_w: float

    @classmethod
    def of(cls, scenario: BinaryScenario) -> Uplink:
        """Return the uplink of a scenario; the first band where it draws one of several."""
        numbers = scenario.params
        band = numbers.bandwidth_mhz
        mhz = float(band[0] if isinstance(band, list) else band)
        noise_dbm = numbers.noise_dbm_hz + 10.0 * np.log10(mhz * 1e6)
        snr = 10.0 ** ((numbers.transmit_dbm - noise_dbm) / 10.0)
        share, ghz = numbers.output_share, numbers.device_ghz
        watts = 10.0 ** (numbers.transmit_dbm / 10.0 - 3.0)
        return cls(scenario.world.objective, mhz, float(snr), share, ghz, watts)

    def rates_mbps(self, gain: np.ndarray) -> np.ndarray:
        """Return the rate with the whole band. MRL equation (1)."""
        return self.bandwidth_mhz * np.log2(1.0 + self.snr * gain)

    def delays_s(
        self, gain: np.ndarray, bits: np.ndarray, numbers: tuple[Any, Any, Any], edge_ghz: float
    ) -> np.ndarray:
        """Return the delay ``[n, N]`` [s] of each device.

        Args:
            gain, bits: ``[n, N]``.
            numbers: weight, work [Gcycles] and input [Mbit] of each device ``[N]``.
        """
        weight, work, input_mbit = numbers
        up = np.sqrt(weight * input_mbit * (1.0 + self.output_share) / self.rates_mbps(gain))
        edge = np.sqrt(weight * work / edge_ghz)
        alone = up**2 + edge**2
        if self.objective == "coupled":
            away = up * np.sum(up * bits, axis=1, keepdims=True)
            away = away + edge * np.sum(edge * bits, axis=1, keepdims=True)
        elif self.objective == "equal_share":
            away = np.sum(bits, axis=1, keepdims=True) * alone
        else:
            away = alone
        return np.where(bits, away / weight, work / self.device_ghz)

    def sending_s(
        self, gain: np.ndarray, bits: np.ndarray, weight: np.ndarray, input_mbit: np.ndarray
    ) -> np.ndarray:
        """Return the seconds ``[n, N]`` in which each device sends its input over its share.

        Args:
            gain, bits: ``[n, N]``.
            weight, input_mbit: of each device ``[N]``.
        """
        alone = input_mbit / self.rates_mbps(gain)
        if self.objective == "coupled":
            root = np.sqrt(weight * alone)
            return root * np.sum(root * bits, axis=1, keepdims=True) / weight
        members = np.sum(bits, axis=1, keepdims=True) if self.objective == "equal_share" else 1.0
        return members * alone

    def with_power(self, transmit_w: float) -> Uplink:
        """Return the uplink of devices that send with another power [W]."""
        ratio = transmit_w / self.transmit_w
        return dataclasses.replace(self, snr=self.snr * ratio, transmit_w=transmit_w)

    def sizes(
        self,
        gain: np.ndarray,
        bits: np.ndarray,
        delays: np.ndarray,
        weighted: np.ndarray,
        numbers: tuple[np.ndarray, np.ndarray],
    ) -> Callable[[float], tuple[np.ndarray, float]]:
        """Return what fits the inputs ``[N]`` [Mbit] for a speed of the edge, with its error.

        Args:
            gain, bits, delays: ``[n, N]`` of slots in which somebody offloads.
            weighted: ``[n]`` sum of the weighted delays of those who offload.
            numbers: weight and work of each device ``[N]``.
        """
        weight, work = numbers
        root_rate = np.sqrt(self.rates_mbps(gain))
        columns = bits / root_rate
        members = np.where(self.objective == "equal_share", bits.sum(axis=1), 1.0)

        def coupled(ghz: float) -> tuple[np.ndarray, float]:
            edge = np.square(np.sum(np.sqrt(weight * work) * bits, axis=1)) / ghz
            left = np.sqrt(np.maximum(weighted - edge, 0.0))
            alpha, _ = robust_sum(columns, left)
            forecast = np.square(columns @ alpha) + edge
            error = float(np.median(np.abs(forecast - weighted) / np.maximum(weighted, 1e-12)))
            return np.square(alpha) / (weight * (1.0 + self.output_share)), error

        def alone(ghz: float) -> tuple[np.ndarray, float]:
            sent = (delays / members[:, None] - work / ghz) * np.square(root_rate)
            sizes = np.array(
                [
                    np.median(sent[on, n]) if (on := bits[:, n]).any() else 0.0
                    for n in range(len(work))
                ]
            )
            sizes = np.maximum(sizes, 0.0) / (1.0 + self.output_share)
            up = sizes * (1.0 + self.output_share) / np.square(root_rate)
            error = np.abs(members[:, None] * (up + work / ghz) - delays)[bits] / delays[bits]
            return sizes, float(np.median(error))

        return coupled if self.objective == "coupled" else alone

    def channel(self, gain_db: np.ndarray, obstructed: bool) -> tuple[np.ndarray, float, float]:
        """Return distances ``[N]`` [m], shadowing [dB], and the distance of their law to the gains.

        Args:
            gain_db: ``[n, N]``.
        """
        first, slope = LOSSES[obstructed]
        middle = np.median(gain_db, axis=0)
        variance = float(np.mean(np.var(gain_db, axis=0)))
        shadowing = float(np.sqrt(max(0.0, variance - FADING_DB**2)))
        # A normal law on top moves the median of the skewed one towards its mean.
        share = shadowing**2 / max(variance, 1e-9)
        mean_db = -10.0 * np.euler_gamma / np.log(10.0)
        centre = MEDIAN_DB + share * (mean_db - MEDIAN_DB)
        distance = 1000.0 * 10.0 ** ((centre - middle - first) / slope)
        rng = np.random.default_rng(0)
        drawn = 10.0 * np.log10(rng.exponential(size=4000)) + shadowing * rng.normal(size=4000)
        result: Any = stats.ks_2samp((gain_db - middle + centre).ravel(), drawn, method="asymp")
        return distance, shadowing, float(result.statistic)


__all__ = ["Uplink"]
