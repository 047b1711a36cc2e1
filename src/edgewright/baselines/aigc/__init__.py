"""What learners are measured against in the AIGC world: rules, greedies, a planner, a bound."""

from edgewright.baselines.aigc.bound import no_self_congestion
from edgewright.baselines.aigc.greedy import Greedy
from edgewright.baselines.aigc.heuristic import AigcHeuristic
from edgewright.baselines.aigc.rollout import Rollout
from edgewright.baselines.aigc.rules import Random, Rule

__all__ = ["AigcHeuristic", "Greedy", "Random", "Rollout", "Rule", "no_self_congestion"]
