"""What learners are measured against in the AIGC world: rules, greedies, planners, bounds."""

from edgewright.baselines.aigc.battery_price import BatteryPrice, price_battery
from edgewright.baselines.aigc.beam import Plan, beam_search
from edgewright.baselines.aigc.bound import bound_prices, no_self_congestion
from edgewright.baselines.aigc.clairvoyant import Clairvoyant, foresee
from edgewright.baselines.aigc.fluid import fluid, fluid_dual
from edgewright.baselines.aigc.greedy import Greedy
from edgewright.baselines.aigc.heuristic import AigcHeuristic
from edgewright.baselines.aigc.in_turn import GreedyInTurn, greedy_in_turn
from edgewright.baselines.aigc.rollout import Rollout
from edgewright.baselines.aigc.rules import Random, Rule

__all__ = [
    "AigcHeuristic",
    "BatteryPrice",
    "Clairvoyant",
    "Greedy",
    "GreedyInTurn",
    "Plan",
    "Random",
    "Rollout",
    "Rule",
    "beam_search",
    "bound_prices",
    "fluid",
    "fluid_dual",
    "foresee",
    "greedy_in_turn",
    "no_self_congestion",
    "price_battery",
]
