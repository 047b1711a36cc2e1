"""Fit the inputs and the physics of an AIGC scenario to a decision log.

Metrics that outcomes must report for it: ``delay_s`` of a task, and ``device_energy_j`` and
``edge_energy_j`` where energies are to be fitted. Queues of servers are known from neighbouring
decisions, so clients must state their names where several ask.

A service that measures times of its own, as the gateway does, reports ``service_s`` too. Speeds are
then work over service, and its backlogs are waits in seconds, given in Gcycles of the old speeds.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from scipy import stats

from edgewright.core.units import CYCLES_PER_GCYCLE, HZ_PER_GHZ, MBIT_PER_MB
from edgewright.serve.log_table import LogTable
from edgewright.specs.calibration import Calibration, Fit
from edgewright.specs.fitting import distances, nearest_law, robust_ratio
from edgewright.systems.aigc.features import MODES
from edgewright.systems.aigc.schema import AigcScenario

MIN_ROWS = 30
"""Fewer decisions fit nothing; the value of the scenario is left."""

LAWS = {
    "input_mb": ("uniform", "autoregressive"),
    "work_gcycles": ("uniform", "autoregressive"),
    "bandwidth_mbps": ("reflected_walk", "autoregressive", "uniform"),
}
"""Kinds of laws that are tried for each input."""

_MEASURE = "distance of law and correlation"
_RELATIVE = "median relative error"
_ALONE = f"fewer than {MIN_ROWS} decisions follow one another: state clients' names"
_APART = (
    f"fewer than {MIN_ROWS} decisions follow one another in an episode, by charge_pct and phase"
)
_FEW = f"fewer than {MIN_ROWS} decisions say something of it"


def calibrate(scenario: AigcScenario, table: LogTable) -> Calibration:
    """Return the scenario's inputs and physics as a log shows them.

    Args:
        scenario: whose numbers are compared and, where the log says nothing, left.
        table: decisions with their observations and outcomes.
    """
    fits, left = _inputs(scenario, table)
    left["streams.gap_s"] = "a log has the times of the service, not those between tasks"
    left["streams.initial_charge_pct"] = "a log does not say where an episode begins"
    physical = scenario.world.reading == "ours" and not scenario.world.reach
    if not physical:
        left["params"] = "physics are fitted where reading = 'ours' and every server is in reach"
        return Calibration(tuple(fits), left, {})
    fitted, without = _Physics(scenario, table).fits()
    fits += fitted
    left |= without
    after = _with(scenario, fits)
    gap = {}
    for name in ("delay_s", "device_energy_j"):
        logged, known = table.metric(name), _served(table)
        parts = {
            prefix: predicted(one, table, scenario)[name]
            for prefix, one in (("before", scenario), ("after", after))
        }
        known = np.isfinite([logged, *parts.values()]).all(axis=0) & known
        if known.sum() >= MIN_ROWS:
            gap[name] = {
                f"{prefix}_{key}": value
                for prefix, one in parts.items()
                for key, value in distances(one[known], logged[known]).items()
            }
    return Calibration(tuple(fits), left, gap)


def predicted(
    scenario: AigcScenario, table: LogTable, logged: AigcScenario | None = None
) -> dict[str, np.ndarray]:
    """Return ``delay_s`` and ``device_energy_j`` ``[n]`` of the logged decisions, by the scenario.

    Equations (4), (10), (11) and (12) of SE-PPO, see :mod:`edgewright.systems.aigc.costs`.

    Args:
        logged: whose speeds turned measured waits into the backlogs of the log, where outcomes have
            ``service_s``; the same scenario if None.
    """
    numbers, parts = scenario.params, _Parts(scenario, table)
    local, device_ghz = parts.location == 0, _first(numbers.device_ghz)
    server_ghz = _each(numbers.server_ghz, scenario.world.servers)[parts.server]
    waits = (logged or scenario).params if parts.clocked else numbers
    wait_ghz = _each(waits.server_ghz, scenario.world.servers)[parts.server]
    up_s, down_s = parts.transfers_s
    delay = np.where(
        local,
        parts.local_ahead / _first(waits.device_ghz) + parts.work / device_ghz,
        up_s + down_s + parts.ahead / wait_ghz + parts.work / server_ghz,
    )
    cubic = _first(numbers.kappa) * (device_ghz * HZ_PER_GHZ) ** 2 * CYCLES_PER_GCYCLE
    radio = _first(numbers.transmit_w) * up_s + _first(numbers.receive_w) * down_s
    return {"delay_s": delay, "device_energy_j": np.where(local, cubic * parts.work, radio)}


class _Parts:
    """The arguments of the equations, per decision ``[n]``."""

    def __init__(self, scenario: AigcScenario, table: LogTable) -> None:
        numbers, servers = scenario.params, scenario.world.servers
        self.service_s = table.metric("service_s")
        self.clocked = bool(np.isfinite(self.service_s).sum() >= MIN_ROWS)
        self.location = np.nan_to_num(table.output("location"), nan=-1.0).astype(int)
        level = np.nan_to_num(table.output("level"), nan=0.0).astype(int)
        omega = np.asarray(numbers.quality_multiplier, float)
        level = np.clip(level, 0, len(omega) - 1)
        self.work = table.field("work_gcycles") * omega[level]
        self.local_ahead = table.field("local_backlog_gcycles")
        self.queues = np.stack(
            [table.field(f"server_{n + 1}_backlog_gcycles") for n in range(servers)], axis=1
        )
        self.server = np.clip(self.location - 1, 0, servers - 1)
        self.ahead = self.queues[np.arange(len(table)), self.server]
        rate, wait = table.field("bandwidth_mbps"), numbers.network_delay_s
        rate = np.where(rate > 0.0, rate, np.nan)  # 0 where a gateway has no link
        output_mb = _each(numbers.output_mb, len(omega))[level]
        self.transfers_s = (
            MBIT_PER_MB * table.field("input_mb") / rate + wait,
            MBIT_PER_MB * output_mb / rate + wait,
        )


class _Physics:
    """The fits of speeds, energies and loads."""

    def __init__(self, scenario: AigcScenario, table: LogTable) -> None:
        self.scenario, self.table, self.parts = scenario, table, _Parts(scenario, table)
        self.delay, self.energy = table.metric("delay_s"), table.metric("device_energy_j")
        self._fits: list[Fit] = []
        self._left: dict[str, str] = {}

    def fits(self) -> tuple[list[Fit], dict[str, str]]:
        """Return all fits, and why the rest was left."""
        numbers, parts = self.scenario.params, self.parts
        local = parts.location == 0
        up_s, down_s = parts.transfers_s
        ahead = 0.0 if parts.clocked else parts.local_ahead
        seconds = parts.service_s if parts.clocked else self.delay
        device = self._ratio(
            "params.device_ghz", numbers.device_ghz, ahead + parts.work, seconds, local
        )
        self._server_speeds()
        cubic = (device * HZ_PER_GHZ) ** 2 * CYCLES_PER_GCYCLE
        self._ratio("params.kappa", numbers.kappa, self.energy, cubic * parts.work, local)
        received = _first(numbers.receive_w) * down_s
        self._ratio("params.transmit_w", numbers.transmit_w, self.energy - received, up_s, ~local)
        self._ratio(
            "params.edge_j_per_gcycle",
            numbers.edge_j_per_gcycle,
            self.table.metric("edge_energy_j"),
            parts.work,
            ~local,
        )
        self._loads()
        return self._fits, self._left

    def _ratio(
        self, key: str, before: Any, above: np.ndarray, below: np.ndarray, rows: np.ndarray
    ) -> float:
        """Fit one number as a median ratio; return it, or the one before."""
        usable = rows & np.isfinite(above) & np.isfinite(below) & (above > 0) & (below > 0)
        if isinstance(before, list) and len(set(before)) > 1:
            self._left[key] = "devices differ in it, and a log does not say which one decided"
            return _first(before)
        if usable.sum() < MIN_ROWS:
            self._left[key] = _FEW
            return _first(before)
        value, error = robust_ratio(above[usable], below[usable])
        self._fits.append(Fit(key, before, value, int(usable.sum()), _RELATIVE, error))
        return value

    def _server_speeds(self) -> None:
        """Fit ``f_n = (L_n + C omega) / (T - up - down)`` for each server, or work over service."""
        key, servers = "params.server_ghz", self.scenario.world.servers
        before = _each(self.scenario.params.server_ghz, servers)
        parts, after, errors, count = self.parts, [*before], [], 0
        computing = parts.service_s if parts.clocked else self.delay - sum(parts.transfers_s)
        ahead = parts.work if parts.clocked else parts.ahead + parts.work
        for n in range(servers):
            rows = (parts.location == n + 1) & np.isfinite(computing) & (computing > 0)
            rows &= ahead > 0
            if rows.sum() < MIN_ROWS:
                self._left[f"{key}[{n}]"] = _FEW
                continue
            after[n], error = robust_ratio(ahead[rows], computing[rows])
            errors.append(error)
            count += int(rows.sum())
        if errors:
            plain = [float(value) for value in after]
            self._fits.append(Fit(key, before.tolist(), plain, count, _RELATIVE, max(errors)))

    def _loads(self) -> None:
        """Fit the share of each server that others take, from how its queue goes on."""
        key, scenario = "params.background_utilisation", self.scenario
        if scenario.streams.background_gcps.kind != "compound_poisson":
            self._left[key] = "the load of others is not drawn by kind = 'compound_poisson'"
            return
        if self.parts.clocked:
            self._left[key] = "queues are those of the gateway's own requests"
            return
        if scenario.world.devices > 1 and not scenario.world.alone:
            self._left[key] = "queues hold the work of several devices, and pairs know one"
            return
        pairs = _following(self.table)
        before = _each(scenario.params.background_utilisation, scenario.world.servers)
        speeds = next((f.after for f in self._fits if f.key == "params.server_ghz"), None)
        ghz = np.asarray(speeds or _each(scenario.params.server_ghz, scenario.world.servers))
        if len(pairs) < MIN_ROWS:
            self._left[key] = _APART if len(self.table.pairs) >= MIN_ROWS else _ALONE
            return
        after, errors = before.tolist(), []
        for n in range(len(after)):
            queue = self.parts.queues[pairs, n]
            known = pairs[np.isfinite(queue).all(axis=1)]
            if len(known) < MIN_ROWS:
                self._left[f"{key}[{n}]"] = f"{_FEW}: server_{n + 1}_backlog_gcycles is missing"
                continue
            after[n], error = _utilisation(scenario, self.parts, known, n, ghz[n])
            errors.append(error)
        if errors:
            measure = "distance of the next queue's law"
            self._fits.append(Fit(key, before.tolist(), after, len(pairs), measure, max(errors)))


def _utilisation(
    scenario: AigcScenario, parts: _Parts, pairs: np.ndarray, server: int, ghz: float
) -> tuple[float, float]:
    """Return the utilisation whose next queues have the logged mean, and their distance.

    ``L' = max(0, L + own + B - f slot)`` with the work ``B`` of others, a compound Poisson number
    of jobs: the mean of ``L'`` rises with the utilisation, so that bisection finds it.

    Args:
        pairs: ``[m, 2]`` neighbours whose queues are known.
        server: its number, from 0; ``ghz`` is its speed.
    """
    numbers = scenario.params
    spec: Any = scenario.streams.background_gcps
    first, second = pairs[:, 0], pairs[:, 1]
    own = np.where(parts.location[first] == server + 1, np.nan_to_num(parts.work[first]), 0.0)
    ahead, following = parts.queues[first, server] + own, parts.queues[second, server]
    rng, most = np.random.default_rng(0), spec.most_jobs
    jobs = rng.uniform(spec.job_low, spec.job_high, size=(len(ahead), most))
    jobs *= rng.choice(np.asarray(numbers.quality_multiplier, float), size=jobs.shape)
    sums = np.concatenate([np.zeros((len(ahead), 1)), np.cumsum(jobs, axis=1)], axis=1)
    chance, served = rng.random(len(ahead)), ghz * numbers.slot_s
    mean_job = float(np.mean(numbers.quality_multiplier)) * (spec.job_low + spec.job_high) / 2
    room = np.maximum(0.0, numbers.background_cap * numbers.load_limit_gcycles - ahead)

    def next_queue(share: float) -> np.ndarray:
        counts = stats.poisson(share * served / mean_job).ppf(chance)
        drawn = sums[np.arange(len(ahead)), np.clip(counts, 0, most).astype(int)]
        return np.maximum(0.0, ahead + np.minimum(drawn, room) - served)

    low, high, wanted = 0.0, 0.99, float(np.mean(_trimmed(following)))
    for _ in range(20):
        middle = (low + high) / 2
        if np.mean(_trimmed(next_queue(middle))) < wanted:
            low = middle
        else:
            high = middle
    share = (low + high) / 2
    result: Any = stats.ks_2samp(next_queue(share), following, method="asymp")
    return share, float(result.statistic)


def _trimmed(values: np.ndarray) -> np.ndarray:
    """Return values with those beyond the 99 % quantile brought to it."""
    return np.minimum(values, np.quantile(values, 0.99))


def _following(table: LogTable) -> np.ndarray:
    """Return pairs ``[m, 2]`` of decisions of one client in one episode.

    Charge falls and phase rises in an episode. Where a log has neither, no episode can be known.
    """
    pairs = table.pairs
    if not len(pairs):
        return pairs
    charge, phase = table.field("charge_pct"), table.field("phase")
    gained = charge[pairs[:, 1]] - charge[pairs[:, 0]]
    moved = phase[pairs[:, 1]] - phase[pairs[:, 0]]
    same = ~(gained > 1e-6) & ~(moved < 0)
    return pairs[same & ~(np.isnan(gained) & np.isnan(moved))]


def _inputs(scenario: AigcScenario, table: LogTable) -> tuple[list[Fit], dict[str, str]]:
    """Return the fits of the observed inputs, and why others were left."""
    fits, left = [], {}
    pairs = _following(table)
    for name, kinds in LAWS.items():
        spec: Any = getattr(scenario.streams, name)
        key, values = f"streams.{name}", table.field(name)
        usable = np.isfinite(values)
        if spec.kind not in kinds or any(isinstance(v, list) for v in vars(spec).values()):
            left[key] = f"a law of kind '{spec.kind}' is not fitted"
            continue
        if usable.sum() < MIN_ROWS:
            left[key] = _FEW
            continue
        both = usable[pairs].all(axis=1) if len(pairs) else np.zeros(0, bool)
        steps = values[pairs[both]].reshape(-1, 2)
        fit = nearest_law(kinds, spec.kind, values[usable], steps)
        if fit is None:
            left[key] = "its values do not vary"
            continue
        before = dataclasses.asdict(spec)
        fits.append(Fit(key, before, fit[0], int(usable.sum()), _MEASURE, fit[1]))
    fits += _modes(scenario, table, left)
    return fits, left


def _modes(scenario: AigcScenario, table: LogTable, left: dict[str, str]) -> list[Fit]:
    """Return the fit of the modes' probabilities."""
    spec: Any = scenario.streams.mode
    asked = table.choice("mode")
    counts = np.array([np.sum(asked == mode) for mode in MODES], float)
    if counts.sum() < MIN_ROWS or any(isinstance(one, list) for one in spec.probabilities):
        left["streams.mode"] = _FEW
        return []
    shares = counts / counts.sum()
    plain = [round(float(share), 9) for share in shares[:-1]]
    after = {"kind": spec.kind, "probabilities": [*plain, 1.0 - sum(plain)]}
    error = float(np.max(np.sqrt(shares * (1 - shares) / counts.sum())))
    before = dataclasses.asdict(spec)
    return [Fit("streams.mode", before, after, int(counts.sum()), "largest standard error", error)]


def _served(table: LogTable) -> np.ndarray:
    """Return which tasks were done; a refused one has no delay."""
    served = table.metric("served")
    return np.isnan(served) | (served > 0)


def _with(scenario: AigcScenario, fits: list[Fit]) -> AigcScenario:
    """Return the scenario with fitted numbers."""
    numbers = {f.key.split(".")[1]: f.after for f in fits if f.key.startswith("params.")}
    return dataclasses.replace(scenario, params=dataclasses.replace(scenario.params, **numbers))


def _first(value: Any) -> float:
    return float(value[0] if isinstance(value, list) else value)


def _each(value: Any, count: int) -> np.ndarray:
    return np.asarray(value if isinstance(value, list) else [value] * count, float)


__all__ = ["calibrate", "predicted"]
