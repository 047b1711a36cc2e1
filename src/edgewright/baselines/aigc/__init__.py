"""What learners are measured against in the AIGC world: rules, greedies, a planner, a bound."""

from edgewright.baselines.aigc.bound import no_self_congestion
from edgewright.baselines.aigc.greedy import Greedy
from edgewright.baselines.aigc.heuristic import AigcHeuristic
from edgewright.baselines.aigc.in_turn import GreedyInTurn, greedy_in_turn
from edgewright.baselines.aigc.rollout import Rollout
from edgewright.baselines.aigc.rules import Random, Rule

__all__ = [
    "AigcHeuristic",
    "Greedy",
    "GreedyInTurn",
    "Random",
    "Rollout",
    "Rule",
    "greedy_in_turn",
    "no_self_congestion",
]
