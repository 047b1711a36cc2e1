"""The jobs of the SE-PPO study, with two settings, sweeps, rules and selected learning rates."""

from __future__ import annotations

import dataclasses
from typing import Any

from edgewright.papers.seppo.probes import behaviour, lifetime
from edgewright.papers.seppo.view import (
    HEAVY,
    LEARNERS,
    REFERENCE,
    SETTINGS,
    TOY,
    arm,
    rule,
)
from edgewright.scenarios.build import build, build_learner
from edgewright.scenarios.load import load
from edgewright.studies.job import Job, Plan
from edgewright.studies.jobs import (
    BoundJob,
    HyperparameterSelection,
    Rule,
    TrainingJob,
    TransferJob,
)
from edgewright.studies.setup import Setup, episodes
from edgewright.studies.speed import speed
from edgewright.systems.aigc.system import fluid_bound

COMPARED = ("se-ppo", "ppo", "a2c", "dqn")
"""Learners of Figs 5 to 9."""

TUNED = (*COMPARED, "dqn-scaled", "ppo-norm", "ppo-lr", "ppo-plain", "se-ppo-steady")
"""Learners that choose their rate in the fair setting; variants of the modelling take their own."""

FACTORS = (0.1, 0.3, 1.0, 3.0, 10.0)
"""Candidate rates, in units of the learner's default rates; both networks' rates move together."""

PAIRS = {
    "rates-paper": (5e-4, 1.5e-3),  # (S)
    "rates-small": (5e-5, 1.5e-4),  # (R) a tenth
    "rates-large": (5e-3, 1.5e-2),  # (R) ten times
    "rates-equal-actor": (5e-4, 5e-4),  # (R) both as the actor
    "rates-equal-critic": (1.5e-3, 1.5e-3),  # (R) both as the critic
}
"""Rates of actor and critic in Fig. 2; the paper prints one pair."""

TUNING_SEED = 1000
TUNING_EPISODES_SEED = 20252
"""Seeds of trainings and episodes that choose a rate: none of them is used to judge."""


@dataclasses.dataclass(frozen=True)
class Size:
    """The amounts of work of a plan."""

    main: float
    sweep: float
    pairs: float
    tuning: float
    light: float
    tuning_seeds: int
    factors: tuple[float, ...]
    servers: tuple[int, ...]
    episodes: int


def size_of(plan: Plan) -> Size:
    """Return the sizes of a plan; steps are in proportion to those of the main trainings."""
    steps = plan.steps
    if plan.quick:
        return Size(steps, steps / 2, steps / 2, steps / 2, steps / 2, 1, FACTORS[1:4], (2, 4), 40)
    return Size(
        steps, 0.3 * steps, 0.4 * steps, 0.2 * steps, 0.4 * steps, 3, FACTORS,
        (1, 2, 3, 4, 5, 6), 100,
    )  # fmt: skip


def jobs(plan: Plan) -> list[Job]:
    """Return all jobs of a plan."""
    size = size_of(plan)
    made: list[Job] = [*tuning(size)]
    for setting in SETTINGS:
        made += [trained(plan, size, setting, name) for name in learners(setting)]
        made += [rates(plan, size, setting, name) for name in PAIRS]
        made += [trained(plan, size, setting, "se-ppo", world) for world in ("light", TOY)]
        for count in size.servers:
            world = f"servers-{count}"
            made += [trained(plan, size, setting, name, world) for name in COMPARED]
    return [*made, *rules(size), *speeds()]


def learners(setting: str) -> tuple[str, ...]:
    """Return the learners of Figs 3 to 7 in a setting."""
    return (
        LEARNERS if setting == "paper" else (*LEARNERS, "ppo-plain", "dqn-scaled", "se-ppo-steady")
    )


def scenario_of(world: str, size: Size) -> tuple[str, dict[str, Any]]:
    """Return the scenario of a world and what is changed in it."""
    changes: dict[str, Any] = {"evaluation.episodes": size.episodes}
    if world.startswith("servers-"):
        return "aigc-scaling", {**changes, "world.servers": int(world.removeprefix("servers-"))}
    return f"aigc-{world}", changes


def in_setting(name: str, setting: str) -> tuple[str, dict[str, Any]]:
    """Return the learner that plays a part in a setting, and what the setting changes.

    The paper's: features in raw units, only SE-PPO (and PPO-Norm) normalised. The fair one: all
    see scaled features; all are normalised but those whose point is that they are not, and DQN's
    rewards, whose scaling made it worse when it was tried (``dqn-scaled`` has it).
    """
    if setting == "paper":
        raw: dict[str, Any] = {"world.obs": "paper"}
        if name == "dqn":
            raw |= {"learner.normalize_observations": False, "learner.normalize_rewards": False}
        return name, raw
    if name == "ppo-plain":
        return "ppo", {}
    if name == "dqn":
        return "dqn", {"learner.normalize_observations": True, "learner.normalize_rewards": False}
    if name == "dqn-scaled":
        return "dqn", {"learner.normalize_observations": True, "learner.normalize_rewards": True}
    if name == "ppo-lr":
        return name, {}
    return name, {"learner.normalize_observations": True, "learner.normalize_rewards": True}


def tuned_as(name: str) -> str:
    """Return the learner whose choice of rates a learner takes in the fair setting."""
    return name.removesuffix("-fixed-quality").removesuffix("-fixed-weights")


def trained(plan: Plan, size: Size, setting: str, name: str, world: str = HEAVY) -> TrainingJob:
    """Return the arm of a learner in a setting and a world."""
    learner, change = in_setting(name, setting)
    scenario, changes = scenario_of(world, size)
    steps = {HEAVY: size.main, TOY: size.main, "light": size.light}.get(world, size.sweep)
    return TrainingJob(
        key=arm(name, setting, world),
        setup=Setup(
            scenario,
            {**changes, **change},
            (behaviour, lifetime) if world == HEAVY else (episodes,),
        ),
        learner=learner,
        steps=steps,
        seeds=plan.seeds,
        setting=setting,
        rates_from=f"tuning/{tuned_as(name)}" if setting == "fair" else "",
    )


def rates(plan: Plan, size: Size, setting: str, name: str) -> TrainingJob:
    """Return the arm of a pair of rates of Fig. 2."""
    actor, critic = PAIRS[name]
    learner, change = in_setting("se-ppo", setting)
    scenario, changes = scenario_of(HEAVY, size)
    pair = {"learner.actor_learning_rate": actor, "learner.critic_learning_rate": critic}
    return TrainingJob(
        key=arm(name, setting),
        setup=Setup(scenario, {**changes, **change, **pair}),
        learner=learner,
        steps=size.pairs,
        seeds=plan.seeds,
        setting=setting,
    )


def default_rates(learner: str) -> dict[str, float]:
    """Return a learner's rates as ``learners.toml`` has them."""
    scenario = load("aigc-heavy")
    made = build_learner(learner, scenario, build(scenario), 1e6).learner
    names = ("actor_learning_rate", "critic_learning_rate", "learning_rate")
    return {name: float(getattr(made, name)) for name in names if hasattr(made, name)}


def tuning(size: Size, names: tuple[str, ...] = TUNED) -> list[Job]:
    """Return the arms that choose the rates of the fair setting, the same budget for everyone."""
    made: list[Job] = []
    scenario, changes = scenario_of(HEAVY, size)
    changes = {**changes, "evaluation.seed": TUNING_EPISODES_SEED}
    for name in names:
        learner, change = in_setting(name, "fair")
        defaults = default_rates(learner)
        candidates = []
        for factor in size.factors:
            settings = {key: factor * value for key, value in defaults.items()}
            tried = TrainingJob(
                key=f"tuning/{name}/{factor:g}",
                setup=Setup(
                    scenario,
                    {**changes, **change, **{f"learner.{k}": v for k, v in settings.items()}},
                ),
                learner=learner,
                steps=size.tuning,
                seeds=size.tuning_seeds,
                setting="tuning",
                first_seed=TUNING_SEED,
            )
            made.append(tried)
            candidates.append((tried.key, settings))
        made.append(HyperparameterSelection(f"tuning/{name}", tuple(candidates)))
    return made


def rules(size: Size) -> list[Job]:
    """Return the policies that need no training, and the bounds."""
    made: list[Job] = []

    def add(names: tuple[str, ...], world: str, *probes: Any, cost: float = 1e5) -> None:
        setup = Setup(*scenario_of(world, size), probes)
        made.extend(Rule(rule(name, world), setup, name, cost) for name in names)

    add(("random", "greedy", "greedy-nominal", "shadow-price", "heuristic", "heuristic-fair"),
        HEAVY, behaviour, lifetime)  # fmt: skip
    add((REFERENCE,), HEAVY, behaviour, cost=3e5)
    add(("shadow-price",), "light", episodes)
    add(("random", "greedy", REFERENCE, "optimum"), TOY, episodes)
    others = ("light", *(f"servers-{count}" for count in size.servers))
    for world in others:
        add(("random", "greedy", "heuristic"), world, episodes)
        add((REFERENCE,), world, episodes, cost=4e5)
    for world in (HEAVY, TOY, *others):
        made.append(BoundJob(rule("bound", world), Setup(*scenario_of(world, size))))
    for world in (HEAVY, "light"):
        setup = Setup(*scenario_of(world, size))
        made.append(BoundJob(rule("fluid", world), setup, fluid_bound, "fluid"))
    return made


def speeds() -> list[Job]:
    """Return the jobs that measure how fast policies decide, on the machine of the study."""
    setup = Setup("aigc-heavy", {}, (speed,))
    made: list[Job] = [
        TransferJob(f"speed/{name}", arm(name, "fair"), setup, "fair", cost=5e4)
        for name in ("se-ppo", "dqn")
    ]
    return [*made, *(Rule(f"speed/{name}", setup, name, 5e4) for name in ("greedy", REFERENCE))]
