"""Fit the numbers of the AIGC world to measured samples, and say how far off they are."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from edgewright.testbed.calibration import SMALL, Sample

DEVICE_GHZ = 2.0
"""Speed of the device, as in the paper. It is the unit of speed: only ratios matter."""

MIN_MBPS = 0.1


@dataclasses.dataclass(frozen=True)
class Errors:
    """Errors of a fit on samples that it did not use, as shares of the actual values.

    Attributes:
        absolute: mean of the absolute ones (MAPE).
        signed: mean of the signed ones; above 0 where the fit is too large.
        count: number of samples.
    """

    absolute: float
    signed: float
    count: int


@dataclasses.dataclass(frozen=True)
class Fitted:
    """The numbers of a scenario.

    Attributes:
        nominal_gcycles: work of an image of the nominal size at the middle level.
        multiplier: ``[K]`` work of each level over that of the middle one, omega(q).
        ghz: ``[1 + N]`` speed of each location, the device first.
        service_cv: ``[1 + N]`` standard deviation over mean of equal services.
        output_mb: ``[K]`` size of an answer with an image of the nominal size.
        delay_s: one-way delay of the link; 0 without one.
        mbps: bandwidth of each transfer that was long enough to measure it.
        errors: of ``service`` and ``output_mb`` and, behind a link, of ``bandwidth``.
    """

    nominal_size: tuple[int, int]
    nominal_gcycles: float
    multiplier: list[float]
    ghz: list[float]
    service_cv: list[float]
    output_mb: list[float]
    delay_s: float
    mbps: list[float]
    errors: Mapping[str, Errors]

    def work_gcycles(self, size: tuple[int, int]) -> float:
        """Return the work of an image at the middle level."""
        return self.nominal_gcycles * _pixels(size) / _pixels(self.nominal_size)

    def service_s(self, location: int, level: int, size: tuple[int, int]) -> float:
        """Return the predicted time of service: ``C omega / f``, equation (3) of SE-PPO."""
        return self.work_gcycles(size) * self.multiplier[level] / self.ghz[location]


def errors_of(predicted: Sequence[float], actual: Sequence[float]) -> Errors:
    """Return the errors of predictions as shares of what was, in percent points over 100."""
    ratio = np.asarray(predicted, float) / np.asarray(actual, float) - 1.0
    return Errors(float(np.mean(np.abs(ratio))), float(np.mean(ratio)), len(ratio))


def fit(samples: Sequence[Sample], nominal_size: tuple[int, int]) -> Fitted:
    """Return the numbers that samples of even repeats give, with their errors on the odd ones.

    Work is in proportion to pixels, and the logarithm of a service is that of the level minus that
    of the location, by least squares: with all pairs measured equally often, means of rows and
    columns.
    """
    images = [one for one in samples if one.size != SMALL]
    used = [one for one in images if one.repeat % 2 == 0]
    held = [one for one in images if one.repeat % 2 == 1]
    locations = range(1 + max(one.location for one in images))
    levels = range(1 + max(one.level for one in images))
    logs = np.array([[_log_service(used, m, k, nominal_size) for k in levels] for m in locations])
    middle = len(levels) // 2
    of_level = logs.mean(axis=0) - logs.mean(axis=0)[middle]
    nominal_s = np.exp(logs.mean(axis=1) - of_level.mean())
    outputs = [_output_mb(used, level, nominal_size) for level in levels]
    small = [one.transfer_s for one in samples if one.size == SMALL]
    delay_s = 0.5 * float(np.median(small)) if small else 0.0
    nominal_gcycles = DEVICE_GHZ * float(nominal_s[0])
    fitted = Fitted(
        nominal_size=nominal_size,
        nominal_gcycles=nominal_gcycles,
        multiplier=[float(one) for one in np.exp(of_level)],
        ghz=[float(nominal_gcycles / one) for one in nominal_s],
        service_cv=[_spread(images, m) for m in locations],
        output_mb=outputs,
        delay_s=delay_s,
        mbps=_bandwidths(images, delay_s),
        errors={},
    )
    return dataclasses.replace(fitted, errors=_errors(fitted, used, held))


def _pixels(size: tuple[int, int]) -> int:
    return size[0] * size[1]


def _log_service(
    samples: Sequence[Sample], location: int, level: int, nominal: tuple[int, int]
) -> float:
    """Return the mean logarithm of a service, as if the image had the nominal size."""
    rows = [one for one in samples if (one.location, one.level) == (location, level)]
    seconds = [max(1e-9, one.service_s) * _pixels(nominal) / _pixels(one.size) for one in rows]
    return float(np.mean(np.log(seconds)))


def _output_mb(samples: Sequence[Sample], level: int, nominal: tuple[int, int]) -> float:
    rows = [one for one in samples if one.level == level and one.size == nominal]
    rows = rows or [one for one in samples if one.level == level]
    return 1e-6 * float(
        np.mean([one.wire_bytes * _pixels(nominal) / _pixels(one.size) for one in rows])
    )


def _spread(samples: Sequence[Sample], location: int) -> float:
    """Return the standard deviation over the mean of services that should be equal."""
    groups: dict[tuple[int, tuple[int, int]], list[float]] = {}
    for one in samples:
        if one.location == location:
            groups.setdefault((one.level, one.size), []).append(one.service_s)
    ratios = [
        second / float(np.mean(seconds))
        for seconds in groups.values()
        if len(seconds) > 1
        for second in seconds
    ]
    return float(np.std(ratios)) if ratios else 0.0


def _bandwidths(samples: Sequence[Sample], delay_s: float) -> list[float]:
    """Return the rate of every transfer that took longer than the delay."""
    times = [(one.wire_bytes, one.transfer_s - 2.0 * delay_s) for one in samples]
    return [max(MIN_MBPS, 8e-6 * count / seconds) for count, seconds in times if seconds > 1e-4]


def _errors(fitted: Fitted, used: Sequence[Sample], held: Sequence[Sample]) -> dict[str, Errors]:
    held = held or used
    result = {
        "service": errors_of(
            [fitted.service_s(one.location, one.level, one.size) for one in held],
            [max(1e-9, one.service_s) for one in held],
        ),
        "output_mb": errors_of(
            [
                fitted.output_mb[one.level] * _pixels(one.size) / _pixels(fitted.nominal_size)
                for one in held
            ],
            [1e-6 * one.wire_bytes for one in held],
        ),
    }
    mean_of, actual = (_bandwidths(rows, fitted.delay_s) for rows in (used, held))
    if mean_of and actual:
        mean = float(np.mean(mean_of))
        result["bandwidth"] = errors_of([mean] * len(actual), actual)
    return result
