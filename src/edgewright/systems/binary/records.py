"""The records of the binary world for its numbers, inputs, state and metrics."""

from __future__ import annotations

from edgewright.core.records import Array, record


@record
class BinaryParams:
    """The numbers of one task. Those that differ between tasks are hidden from a learner."""

    weight: Array  # [N] (S) w_n; (R) from {1, 1.5}, DROO's two values
    input_mbit: Array  # [N] i_n (R) U[1, 8]
    output_mbit: Array  # [N] o_n (R) a tenth of the input
    cycles_per_bit: Array  # [N] (S) 165, per bit or per byte: the text does not say
    distance_m: Array  # [N] (R) uniform in a disc
    obstructed: Array  # [] 0: line of sight (S), 1: without (R)
    shadowing_db: Array  # [] (R) deviation of the log-normal shadowing of each slot
    present: Array  # [N] 1 where there is a device, 0 where the place is empty
    bandwidth_mhz: Array  # (S) 10
    noise_dbm_hz: Array  # (R) -165: (S) -95 dBm over 10 MHz
    transmit_dbm: Array  # (S) 23
    device_ghz: Array  # (S) 2.84
    kappa: Array  # switched capacitance [J s^2 / cycle^3]; 0 where a scenario has none
    edge_ghz: Array  # (S) 100
    gain_log10_mean: Array  # what the feature of a gain is standardised with: a constant of the
    gain_log10_std: Array  # training scenarios, the same for every device
    horizon_slots: Array  # an episode is cut here


@record
class BinaryInputs:
    """The inputs of one slot."""

    gain: Array  # [N] linear power gain h_n of each uplink


@record
class BinaryState:
    """The clock, which is all that the world carries from slot to slot."""

    slot: Array  # [] int32


@record
class BinaryMetrics:
    """The metrics of one slot, per device ``[N]``; an empty place counts 0."""

    reward: Array  # minus the weighted delay: their sum over devices is -Q(x, h), equation (6)
    delay_s: Array  # T_n, equation (5) with the shares of the objective
    weighted_delay_s: Array  # w_n T_n
    offloaded: Array  # x_n
    device_energy_j: Array  # computing, or sending the input; nothing depends on it
