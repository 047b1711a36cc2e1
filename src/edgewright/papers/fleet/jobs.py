"""The jobs of the fleet study, which are three ways to train, rules, the planner and bounds."""

from __future__ import annotations

from edgewright.studies.job import Job, Plan
from edgewright.studies.jobs import BoundJob, Rule, TrainingJob, TransferJob
from edgewright.studies.setup import Setup
from edgewright.systems.aigc.system import fluid_bound

TRAINED = {
    "se-ppo-alone": "trained alone, deployed together",
    "se-ppo": "trained together, one policy",
    "se-ppo-independent": "trained together, a policy each",
}
"""The three arms: learner by name, and what it is called in figures."""

RULES = ("random", "greedy", "greedy-location", "greedy-in-turn")
PLANNER = "rollout-12"
BOUNDS = {"bound": "no self-congestion", "fluid": "fluid"}
PROMISED = "alone/se-ppo-alone"
"""Key of the policy that was trained alone, where every device *is* alone."""

SHORT = {"evaluation.episodes": 4, "params.horizon_slots": 50}
"""What the quick plan changes in the scenario."""


def jobs(plan: Plan) -> list[Job]:
    """Return all jobs of a plan; the planner takes minutes and is left out of the quick one."""
    setup = Setup("aigc-fleet", dict(SHORT) if plan.quick else {})
    return fleet_jobs(plan, setup, RULES if plan.quick else (*RULES, PLANNER))


def fleet_jobs(plan: Plan, setup: Setup, rules: tuple[str, ...]) -> list[Job]:
    """Return the jobs for any scenario of several devices."""
    made: list[Job] = [
        TrainingJob(f"fleet/{name}", setup, name, plan.steps, plan.seeds, "together")
        for name in TRAINED
    ]
    apart = Setup(setup.scenario, {**setup.changes, "world.alone": True})
    made.append(TransferJob(PROMISED, "fleet/se-ppo-alone", apart, "alone"))
    cost = {PLANNER: 2e6}
    made += [Rule(f"fleet/{name}", setup, name, cost.get(name, 1e5)) for name in rules]
    made.append(BoundJob("fleet/bound", setup))
    return [*made, BoundJob("fleet/fluid", setup, fluid_bound, "fluid")]
