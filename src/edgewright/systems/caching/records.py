"""The numbers, inputs, state and metrics of the caching world.

Sources: (P) the code published with HADRL (fangvv/HADRL, commit 2989832; paper: doi
10.1109/JIOT.2026.3695862); (A) its ancestor (IEEE TWC 2024, doi 10.1109/TWC.2024.3430486); (R) our
reading, argued in ``docs/concepts/caching.md``. Axes: ``M`` servers, ``U`` users, ``K`` services.
"""

from __future__ import annotations

from typing import ClassVar

from edgewright.core.records import Array, record


@record
class CachingParams:
    """Every number of the world."""

    slot_s: Array  # (R) time between two slots, which drains the queues
    horizon_slots: Array  # steps of an episode: epochs times (slots of an epoch + 1)
    server_ghz: Array  # [M] (P) 60 with two servers, else 20
    bandwidth_mhz: Array  # [M] (P) 200
    cache_gib: Array  # [M] (R) 40, (P) 200
    backhaul_mib_s: Array  # (P) 200
    service_mib: Array  # [K] (P) 2000 k
    input_mbit: Array  # [K] (P) 500 k 8192 bit; 700 with two servers
    work_gcycles: Array  # [K] (P) (400 + 50 k) cycles for each 10 bit
    tolerance_s: Array  # [K] (P) 0.8 k
    cell: Array  # [U] int32, whose link a user has with channel = "cell", as published
    cell_m: Array  # (P) 200, side of a cell; cells lie in a row
    nearest_m: Array  # (R) 1, least distance to a server
    transmit_dbm: Array  # (P) 20
    noise_dbm: Array  # (P) -114, of the whole band
    cloud_mbps: Array  # (P) 4 x 2^20 bit/s
    cloud_ghz: Array  # (P) 4
    cloud_delay_s: Array  # (P) 0.1
    demand_memory: Array  # (R) 0.9, weight of the past in the averages of requests
    switch_weight: Array  # (A) 0.001, seconds of latency that a second of fetching is worth
    least_weight: Array  # (R) 0.01, added to every weight, so that no share is zero
    usable_share: Array  # (P) 0.8, of the cache, in the published rule of capacity only
    fallback_share: Array  # (P) 0.2 or 0.3, in the published rule of shares only
    reciprocal_scale: Array  # (P) 1e4
    hits_norm: Array  # (P) 100 users
    switch_norm_s: Array  # (P) 100


@record
class CachingInputs:
    """The inputs of one slot."""

    service: Array  # [U] int32, the requested service
    x_m: Array  # [U] position along the row of cells, from its beginning
    y_m: Array  # [U] position across it, from its edge
    fading: Array  # [U, M] power gain of fading, mean 1


@record
class CachingState:
    """The state of the world between steps."""

    cached: Array  # [M, K], 1 where a server holds a service
    demand: Array  # [M, K] average of the requests of a slot, by cell and service
    last_request: Array  # [M, K] steps since the last request of a cell for a service
    backlog_gcycles: Array  # [M]
    switch_cost_s: Array  # of the present epoch
    counts: Array  # [M, K] served requests of the episode, for the published features
    gain: Array  # [K] the published "gain" of a service
    leftover_mhz: Array  # [M] the published "remaining bandwidth"
    leftover_ghz: Array  # [M] the published "remaining speed"
    slot: Array  # [] int32, steps since the start of the episode


@record
class CachingMetrics:
    """The metrics of one step, per user ``[U]``; steps that place services serve nobody."""

    WEIGHT: ClassVar[str] = "served"

    reward: Array  # []
    upper_reward: Array  # [], for the decision of an epoch: its sum over the epoch
    lower_reward: Array  # [], for the decision of a slot
    latency_s: Array
    hit_ratio: Array  # 1 where the chosen server holds the service
    in_time: Array  # 1 where the latency is within the tolerance of the service
    transmission_s: Array
    wait_s: Array  # behind the backlog of the chosen server
    switch_cost_s: Array  # [U] the same for all: of the present epoch
    cached_share: Array  # [U] the same for all: part of all caches that is full
    served: Array  # 1 in a slot, 0 while services are placed
