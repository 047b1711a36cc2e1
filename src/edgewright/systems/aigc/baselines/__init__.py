"""Baselines of the AIGC world, which are rules, greedies, planners and bounds."""

from edgewright.systems.aigc.baselines.battery_price import BatteryPrice, price_battery
from edgewright.systems.aigc.baselines.beam import Plan, beam_search
from edgewright.systems.aigc.baselines.bound import no_self_congestion
from edgewright.systems.aigc.baselines.clairvoyant import Clairvoyant, hindsight_policy
from edgewright.systems.aigc.baselines.fluid import fluid
from edgewright.systems.aigc.baselines.greedy import Greedy
from edgewright.systems.aigc.baselines.heuristic import AigcHeuristic
from edgewright.systems.aigc.baselines.priced_rollout import PricedRollout
from edgewright.systems.aigc.baselines.rollout import Rollout
from edgewright.systems.aigc.baselines.rules import Random, Rule
from edgewright.systems.aigc.baselines.sequential_greedy import GreedyInTurn, greedy_in_turn

__all__ = [
    "AigcHeuristic",
    "BatteryPrice",
    "Clairvoyant",
    "Greedy",
    "GreedyInTurn",
    "Plan",
    "PricedRollout",
    "Random",
    "Rollout",
    "Rule",
    "beam_search",
    "fluid",
    "greedy_in_turn",
    "hindsight_policy",
    "no_self_congestion",
    "price_battery",
]
