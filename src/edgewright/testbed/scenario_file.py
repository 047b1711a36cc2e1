"""Write a calibrated scenario, with the source of every number in a comment."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from edgewright.gateway.plan import Plan
from edgewright.testbed.fit import DEVICE_GHZ, Errors, Fitted
from edgewright.testbed.quality import Quality

LOAD = 0.7
"""Share of the capacity of all locations that arrivals take, where no gap is stated."""

SLO_SERVICES = 3.0
"""Nominal services of the fastest server in the objective, where none is stated."""

UPLOAD_MB = 0.01
"""Requests below this are sent in a moment, so that none waits for another one."""

CUBE = 1e27
"""Hz^3 in GHz^3: the power of a device is ``kappa f^3``."""


@dataclasses.dataclass(frozen=True)
class Traffic:
    """Assumptions about requests, as no back end can be asked for them.

    Attributes:
        sizes: width and height of images, drawn between the smallest and the largest.
        input_mb: least and greatest size of a request.
        gap_s: mean time between two; None for the load :data:`LOAD`.
        slo_s: delay that an answer should not exceed; None for :data:`SLO_SERVICES`.
        horizon: requests of an episode.
    """

    sizes: Sequence[tuple[int, int]] = ((256, 256),)
    input_mb: tuple[float, float] = (0.0001, 0.002)
    gap_s: float | None = None
    slo_s: float | None = None
    horizon: int = 200

    @property
    def uplink(self) -> str:
        """Return the ``uplink`` of the world: real uploads wait for one another."""
        return "queue" if self.input_mb[1] >= UPLOAD_MB else "parallel"


def mean_gap_s(fitted: Fitted, traffic: Traffic) -> float:
    """Return the mean time between two requests in seconds."""
    if traffic.gap_s is not None:
        return traffic.gap_s
    work = float(np.mean([fitted.work_gcycles(size) for size in traffic.sizes]))
    return work / (LOAD * sum(fitted.ghz))


def objective_s(fitted: Fitted, traffic: Traffic) -> float:
    """Return the delay that an answer should not exceed, in seconds."""
    if traffic.slo_s is not None:
        return traffic.slo_s
    middle = len(fitted.multiplier) // 2
    fastest = min(
        fitted.service_s(one, middle, fitted.nominal_size) for one in range(1, len(fitted.ghz))
    )
    down_s = 8.0 * fitted.output_mb[middle] / float(np.mean(fitted.mbps)) if fitted.mbps else 0.0
    return SLO_SERVICES * fastest + 2.0 * fitted.delay_s + down_s


def scenario_text(name: str, plan: Plan, fitted: Fitted, quality: Quality, traffic: Traffic) -> str:
    """Return the TOML of a scenario that extends ``aigc``."""
    work = [fitted.work_gcycles(size) for size in traffic.sizes]
    slo_s, gap_s = objective_s(fitted, traffic), mean_gap_s(fitted, traffic)
    lines = [
        "# Written by edgewright calibrate. (M): measured on the back ends of the gateway; (G): as",
        "# its configuration says; (A): assumed, as no back end says it; (R): our reading.",
        *_error_lines(fitted),
        "schema = 1",
        'extends = "aigc"',
        f'name = "{name}"',
        f'title = "AIGC offloading, calibrated on {len(fitted.ghz)} back ends"',
        "",
        "[world]",
        f"servers = {len(fitted.ghz) - 1}  # (G)",
        f"qualities = {len(fitted.multiplier)}  # (G)",
        'overflow = "reject"  # (G) a full queue answers 429',
        f'uplink = "{traffic.uplink}"  # (R) uploads of {UPLOAD_MB:g} MB or more wait in a queue',
        "",
        "[params]",
        f"slot_s = {_number(gap_s)}  # (A) mean time between two requests",
        f"horizon_slots = {traffic.horizon}  # (A)",
        f"# (R) the device has {DEVICE_GHZ:g} GHz, as in the paper: a unit, only ratios matter",
        f"device_ghz = {_number(fitted.ghz[0])}  # (M) spread of equal services "
        f"{100 * fitted.service_cv[0]:.1f} %",
        f"server_ghz = {_numbers(fitted.ghz[1:])}  # (M) spread "
        f"{', '.join(f'{100 * one:.1f} %' for one in fitted.service_cv[1:])}",
        *_energy_lines(plan, fitted),
        f"network_delay_s = {_number(fitted.delay_s)}  # (M) half the transfer of the least image",
        f"output_mb = {_numbers(fitted.output_mb)}  # (M) answers in base64",
        f"load_limit_gcycles = {_number(_limit_gcycles(plan, work))}  # (G) queue times mean work",
        "background_utilisation = 0.0  # (A) nobody else uses these servers",
        f"quality_multiplier = {_numbers(fitted.multiplier)}  # (M)",
        f"quality_score = {_numbers(quality.score)}  # (M) {quality.source}",
        f"delay_norm_s = {_number(2.0 * slo_s)}  # (R) twice the objective of {slo_s:.3g} s",
        "",
        "[streams]",
        f"input_mb = {_between(*traffic.input_mb)}  # (A) bytes of a request",
        f"work_gcycles = {_between(min(work), max(work))}  # (M) times (A) sizes of images",
        f"bandwidth_mbps = {_bandwidth(fitted.mbps)}  # (M)",
        'background_gcps = { kind = "constant", value = 0.0 }  # (A)',
        'initial_charge_pct = { kind = "constant", value = 100.0 }  # (A) on the mains',
        f'gap_s = {{ kind = "poisson", mean = {_number(gap_s)} }}  # (A)',
        "",
        "[evaluation]",
        "episodes = 40",
        "fixed_inputs = { initial_charge_pct = [100.0] }",
        'reference = "shadow-price"',
        "",
        "[training]",
        "steps = 2e5",
    ]
    return "\n".join(lines) + "\n"


def _error_lines(fitted: Fitted) -> list[str]:
    def line(name: str, one: Errors) -> str:
        text = (
            f"#   {name}: {100 * one.absolute:.1f} % on average, signed {100 * one.signed:+.1f} %"
        )
        return f"{text}, of {one.count} samples"

    named = [line(name, one) for name, one in fitted.errors.items()]
    return ["# Errors on images that the fit did not use:", *named]


def _energy_lines(plan: Plan, fitted: Fitted) -> list[str]:
    """Return the numbers of energy: the power of a back end while it works, and no radio."""
    power = {one.table.location: one.table.power_w for one in plan.backends.values()}
    device_ghz, servers = fitted.ghz[0], range(1, len(fitted.ghz))
    per_gcycle = [power.get(n, 0.0) / fitted.ghz[n] for n in servers]
    top_j = power.get(0, 0.0) * fitted.service_s(0, -1, fitted.nominal_size)
    kappa = max(power.get(0, 0.0), 1e-6) / (device_ghz**3 * CUBE)
    return [
        f"kappa = {kappa:.6e}  # (G) {power.get(0, 0.0):g} W at {device_ghz:.3g} GHz",
        f"edge_j_per_gcycle = {_number(float(np.mean(per_gcycle)))}  # (G) power over speed, mean",
        "transmit_w = 0.0  # (R) the gateway measures no radio",
        "receive_w = 0.0  # (R)",
        "battery_j = 1e9  # (A) on the mains",
        f"energy_norm_j = {_number(max(top_j, 1e-3))}  # (R) the best image on the device",
    ]


def _limit_gcycles(plan: Plan, work: Sequence[float]) -> float:
    queues = [one.table.queue for one in plan.backends.values() if one.table.location > 0]
    return (min(queues) + 1) * float(np.mean(work))


def _between(low: float, high: float) -> str:
    """Return a process between two numbers; one that is constant where they are equal."""
    if high <= low:
        return f'{{ kind = "constant", value = {_number(low)} }}'
    return f'{{ kind = "uniform", low = {_number(low)}, high = {_number(high)} }}'


def _bandwidth(mbps: Sequence[float]) -> str:
    """Return the process of a bandwidth: a walk in the range of the measured ones."""
    if not mbps:
        return '{ kind = "constant", value = 1000.0 }'
    low, high = 0.9 * min(mbps), 1.1 * max(mbps)
    steps = np.abs(np.diff(mbps)) if len(mbps) > 1 else np.array([0.1 * mbps[0]])
    step = max(0.01 * (high - low), float(np.mean(steps)))
    ends = f"low = {_number(low)}, high = {_number(high)}"
    return f'{{ kind = "reflected_walk", {ends}, step_std = {_number(step)} }}'


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _number(value: float) -> str:
    text = f"{value:.6g}"
    return text if any(one in text for one in ".en") else f"{text}.0"


def _numbers(values: Sequence[float]) -> str:
    return f"[{', '.join(map(_number, values))}]"
