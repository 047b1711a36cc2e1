"""The numbers, inputs, state and metrics of the contract world.

(S): stated by the abstract of EDMSAC (arXiv 2504.14326), whose body is not public. (R): our
reading, argued in ``docs/concepts/contract.md``, as are the equation numbers B.x. Axes: ``K``
types, from the least to the most willing.
"""

from __future__ import annotations

from edgewright.core.records import Array, record


@record
class ContractParams:
    """Every number of the world, of a nominal market, the scale of actions, and the reward."""

    horizon_slots: Array  # (R) rounds of an episode, a whole contract in each
    theta: Array  # [K] (R) willingness of the types, increasing; unit cost 1 / theta
    prior: Array  # [K] (R) probabilities of the types in period 1
    transition: Array  # [K, K] (R) probabilities of the next type, by rows
    sigma: Array  # [2] (R) value of contributions in both periods
    eta: Array  # (R) saturation of that value
    linear_effort: Array  # (R) a of psi(q) = a q + b q^2 / 2
    quadratic_effort: Array  # (R) b
    discount: Array  # (R) delta
    servers: Array  # (R) N, edge servers
    q_max: Array  # (R) the most that one contributes
    payment_max: Array  # (R) scale of the payments of raw actions
    rent_max: Array  # (R) scale of the rents of rent actions
    violation_weight: Array  # (R) lambda of the penalised reward; exact above 1
    reward_floor: Array  # (R) what a penalised menu costs at most
    reward_scale: Array  # (R) kappa


@record
class ContractInputs:
    """The market of one round."""

    theta: Array  # [K]
    prior: Array  # [K]
    transition: Array  # [K, K]
    sigma_1: Array
    sigma_2: Array
    eta: Array
    linear_effort: Array
    quadratic_effort: Array
    discount: Array
    servers: Array  # rounded to a whole number


@record
class ContractState:
    """The state of the world between rounds."""

    slot: Array  # [] int32, rounds since the start of the episode


@record
class ContractMetrics:
    """The criteria of a menu, for each server; profits of the cloud, utilities in its units."""

    reward: Array  # what a learner maximises: the objective times its scale
    paper_profit: Array  # if all took their own items, whether or not they would
    best_response_profit: Array  # from rational servers (B.9)
    ic_violation: Array  # gains from lying, one for each type and history (B.4)
    ir_violation: Array  # shortfalls of participation (B.4)
    participation: Array  # share of the two periods in which a rational server works
    server_utility: Array  # what a rational server expects
    total_profit: Array  # of the cloud, from all rational servers
    feasible: Array  # 1 where no constraint is missed by more than 1e-3
    objective: Array  # before its scale: penalised, from rational servers, or hard
