"""The numbers, inputs, state and metrics of the AIGC offloading world.

Sources: (S) the SE-PPO paper's parameter table; (R) our reading where it is silent, each argued
in ``docs/concepts/aigc.md``. Axes: ``M`` devices, ``N`` servers, ``k`` servers in reach of a device
(all of them, unless the world says otherwise), ``K`` quality levels, 3 modes.
"""

from __future__ import annotations

from typing import ClassVar

from edgewright.core.records import Array, record


@record
class AigcParams:
    """Every number of the world; those of ``OF_A_DEVICE`` may be one for all or ``[M]``."""

    slot_s: Array  # (R) nominal time between two tasks of a device
    horizon_slots: Array  # (R) an episode is cut here
    device_ghz: Array  # (S) 2.0
    server_ghz: Array  # [N] (S) 16.0, "aggregate"
    kappa: Array  # (R) 1e-27 J s^2 per cycle^3, QECO
    edge_j_per_gcycle: Array  # (R) 2.0: 32 W at 16 GHz
    transmit_w: Array  # (S) 2.0
    receive_w: Array  # (S) 0.5
    idle_w: Array  # (R) 0: the text ignores the table's 0.5 W
    battery_j: Array  # (S) 10 000
    charge_floor_pct: Array  # (R) 10, the lowest bin of the paper's Fig. 11
    network_delay_s: Array  # (S) 0.010
    output_mb: Array  # (R) 1.0; or [K], one for each quality level
    load_limit_gcycles: Array  # (R) 160: 10 s of work at 16 GHz
    background_cap: Array  # (R) 0.8: others' load alone never overflows a server
    background_utilisation: Array  # [N] (R) share of each server that others take on average
    quality_multiplier: Array  # [K] (S) 0.5, 1.0, 2.0
    quality_score: Array  # [K] (R) 0.50, 0.77, 1.00, see physics.quality
    mode_weights: Array  # [3, 3] (R) rows preview, balanced, best; columns quality, delay, energy
    shift_fraction: Array  # (R) 0.7 of the quality weight moves to energy in need
    low_charge_pct: Array  # (R) 50: need begins below
    low_charge_span_pct: Array  # (R) 40: need is full this much lower
    load_threshold: Array  # (R) 0.5 of the load limit
    load_span: Array  # (R) 0.4 of the load limit
    delay_norm_s: Array  # (R) 10: the wait at the load limit
    energy_norm_j: Array  # (R) 40: a local task of the best quality
    reward_scale: Array  # (R) 1, the paper's alpha
    terminal_reward: Array  # (R) -20 = missed reward / (1 - gamma): dying early must not pay
    rejected_reward: Array  # (R) -1: a task refused by a full server, or of a device that is out
    neighbours: Array | None = None  # [M, k] int32, the servers in reach; None: all are


OF_A_DEVICE = ("device_ghz", "kappa", "transmit_w", "receive_w", "idle_w", "battery_j")
"""Numbers that may differ between devices."""


@record
class AigcInputs:
    """The inputs of one slot."""

    input_mb: Array  # [M] size of the task's input (S) U[10, 25]
    work_gcycles: Array  # [M] work at quality multiplier 1 (S) U[3, 8]
    mode: Array  # [M] int32: 0 preview, 1 balanced, 2 best
    bandwidth_mbps: Array  # [M] (S) walk on [50, 150]
    background_gcps: Array  # [N] work that others bring per second
    initial_charge_pct: Array  # [M] read by reset only (R) U[12, 100]
    gap_s: Array  # [] time until the next slot


@record
class AigcState:
    """The state of the world between slots."""

    charge_pct: Array  # [M]
    local_backlog_gcycles: Array  # [M]
    server_backlog_gcycles: Array  # [N], or [M k] where every device is alone
    local_idle_slots: Array  # [M] whole slots since the queue ran empty
    server_idle_slots: Array  # as server_backlog_gcycles
    slot: Array  # [] int32
    uplink_backlog_mb: Array | None = None  # [M] Q_trans; None with world.uplink = "parallel"


@record
class AigcMetrics:
    """The metrics of one slot, per device ``[M]``. Averages over tasks weigh by ``served``."""

    WEIGHT: ClassVar[str] = "served"

    reward: Array  # alpha (w_q quality - w_t delay / norm - w_e energy / norm), no terminal part
    delay_s: Array
    energy_j: Array  # as the energy account of the world counts it
    device_energy_j: Array  # what left the battery
    edge_energy_j: Array
    quality: Array  # score in [0, 1]
    served: Array  # 1 if the task was done, 0 if refused or the device is out
    charge_pct: Array  # before the task
    mode: Array
    location: Array  # 0 local, n = the n-th server in reach
    level: Array  # quality level
