"""Notes and tables of the learner study."""

from __future__ import annotations

from typing import Any

from edgewright.papers.learner.apart import FLEET_PAIRS, by_cell, by_charge, worth
from edgewright.papers.learner.figures import policies
from edgewright.papers.learner.groups import ARMS, STUDENT, STUDENT_LONGER, STUDENT_TEN
from edgewright.papers.learner.population import CHOSEN, TOGETHER
from edgewright.papers.learner.tuning import FACTORS, SEEDS, TRIAL
from edgewright.papers.learner.view import CHARGES, View
from edgewright.papers.learner.worlds import (
    AHEAD,
    AHEAD_ARM,
    DECOMPOSED,
    GROUP,
    HINDSIGHT,
    LEARNERS,
    LONGER,
    OURS,
    PLANNED,
    PLANNER,
    PRICED,
    QUANTILES,
    RECORDED,
    SHIPPED,
    TEAM,
    TIMES,
    UNGUIDED,
    WORLDS,
    worlds,
)
from edgewright.reporting import html
from edgewright.studies.job import Plan
from edgewright.studies.table import Table

LEVELS = (0.055, 0.06, 0.075)
"""Rewards of `aigc-heavy` that the table of steps names; SE-PPO's mean is near the first."""


def notes(table: Table) -> list[str]:
    """Return what a reader must know."""
    plan = table.plan
    paragraphs = [
        "All learners have the same features, the same hidden layers of the actor and the same "
        f"number of steps ({plan.steps:.0f}; 0.15 of it in the fleet and 0.04 in the "
        "town, where a slot has a decision of every device; 0.4 of it for the sensor). With all "
        "actions every step costs as many steps of the world as there are actions of all devices.",
        f"{OURS} imitates shadow-price in the first half of its training, with a weight that falls "
        "to zero; what it learned is a network of the observation alone. Its settings were chosen "
        "in earlier work on aigc-heavy, on episodes of the training inputs.",
        f"{LONGER} is the same with {TIMES * plan.steps:.0f} steps. Two further rows use its "
        "seeds: the best of them by episodes of the inputs that they were trained on, and the mean "
        f"of their probabilities, which is {plan.seeds} networks in the place of one.",
        "shadow-price and the planners know the load of others and the gap of the present slot, "
        "which the features do not show. beam-16 and the bound know all that will come.",
        f"{TEAM} is {OURS} with what an action leads to for all devices. It, -longer in aigc-light "
        "and aigc-trace, and more steps in fleet and town were added after the first results were "
        "known. Three of its five seeds in the fleet were trained after the first two were known.",
        f"{PLANNED} imitates {AHEAD}, the rule of prices that looks two slots ahead. Its weight "
        f"falls to zero at the end only. It has as many steps as {LONGER} and the rates of {OURS}. "
        "It was added last. Guide and weight were chosen after eight trainings of four seeds, two "
        "of them on other episodes of aigc-heavy and six on those that are judged.",
        f"{SHIPPED} is {PLANNED} with the rates of its entry. The search of rates had trainings of "
        "less than a tenth of its steps. It was added when the choice was known, with seeds that "
        "no trial had.",
        *_added_last(plan),
        "Gaps are counted to the fluid bound; for the sensor to the bound of its file.",
    ]
    if plan.quick:
        text = "This is the quick plan, with short episodes, few seeds and no planner: a preview."
        return [*paragraphs, f"{text} No rate was searched."]
    searched = (
        f"Every learner had the same search of its rates on aigc-heavy: {len(FACTORS)} trials of "
        f"{SEEDS} seeds and {TRIAL * plan.steps:.0f} steps, all rates multiplied by 1/3, 1 and 3, "
        "judged on other episodes and seeds. An ablation takes the rates of what it varies. The "
        "rates are used in aigc-light and with recorded inputs, too. Fleet, town and sensor have "
        "the rates of the learners' entries."
    )
    city = (
        "aigc-city has too many actions to try all of them in every slot. Its policies were "
        "trained in a town of 26 devices and 4 servers, as dense as the city."
    )
    return [*paragraphs, searched, city]


def _added_last(plan: Plan) -> list[str]:
    """Return what is to know of networks from groups of trainings, and of the last arms."""
    return [
        f"{STUDENT} is one network of the size of an actor. It learned the mean scores of three "
        f"{OURS}, on 98,000 states of training inputs. The mean met a third of them and the "
        f"network itself the others. So its steps are about those of one {LONGER}. There is such "
        f"a group for each of {plan.seeds} seeds, on aigc-heavy only. {STUDENT_LONGER} is the same "
        f"of three {LONGER}, with three times the steps, and there are {plan.seeds // GROUP} "
        f"groups of these. No training is in two groups. {STUDENT_TEN} is one network from all "
        f"{plan.seeds}, so its intervals are of episodes only.",
        "Three groups and one network are few: the intervals of such arms are too narrow, and "
        "their verdicts, reproduced or not, are of these groups and not of new trainings.",
        "The best of three earns most in 100 episodes of training inputs, which are new draws, but "
        "of the recordings that it was trained on. Arms of groups were added last, after the mean "
        "of ten was known on the episodes that are judged. That scores are averaged was chosen on "
        "other episodes.",
        f"{AHEAD_ARM} lets the policy take four more steps after each action before the value "
        f"counts; {QUANTILES} has a critic of 16 quantiles. Both are {OURS} else and had no trial. "
        "They have four seeds, but ten with recordings, which were made after the four were known.",
    ]


def sections(table: Table) -> list[html.Section]:
    """Return the tables of the page."""
    plan = table.plan
    made = [gaps(table), leads(table)]
    if not plan.quick:
        made += [worth(View(table, "heavy")), steps_needed(table), rates(table)]
        made += [sources(table)] if plan.data else []
        for world in (name for name in worlds(plan) if name in DECOMPOSED):
            made += [by_charge(View(table, world)), by_cell(View(table, world))]
        made.append(by_charge(View(table, "fleet"), FLEET_PAIRS))
    return [*made, raw(table)]


def gaps(table: Table) -> html.Section:
    """Return the share of the gap between a base rule and the bound that is closed, by world."""
    names = (
        PLANNER,
        "se-ppo",
        UNGUIDED,
        OURS,
        LONGER,
        PLANNED,
        SHIPPED,
        CHOSEN,
        TOGETHER,
        STUDENT,
        STUDENT_LONGER,
        STUDENT_TEN,
        TEAM,
        PRICED,
        AHEAD,
        HINDSIGHT,
    )
    rows: list[dict[str, Any]] = []
    for world in worlds(table.plan):
        view, base = View(table, world), WORLDS[world].base
        row: dict[str, Any] = {"world": world, "base": view.level(base).estimate}
        row["bound"] = view.level("bound").estimate
        for name in names:
            arm = f"{name}-from-town" if world == "city" else name
            row[name] = view.closed(arm) if view.has(arm) else None
        rows.append(row)
    columns = [
        html.Column("world", "world"),
        html.Column("base", "base rule", format="+.4f"),
        html.Column("bound", "bound", format="+.4f"),
        *(html.Column(name, f"{name} [95 %]", "%", ".0f") for name in names),
    ]
    caption = "0 is the base rule (greedy; picky for the sensor), 100 the bound, which no policy "
    caption += "can pass and which may lie above what any policy can reach."
    return html.Section("Share of the gap closed", table=html.Table(columns, rows, caption))


def leads(table: Table) -> html.Section:
    """Return paired differences of our learner to others, by world."""
    others = (PRICED, AHEAD, PLANNER, UNGUIDED, OURS, LONGER, "se-ppo")
    rows: list[dict[str, Any]] = []
    arms = [
        (world, name)
        for world in worlds(table.plan)
        for name in (OURS, LONGER, PLANNED, SHIPPED, CHOSEN, TOGETHER, *ARMS, TEAM)
    ]
    for world, name in arms:
        view = View(table, world)
        ours = f"{name}-from-town" if world == "city" else name
        if not view.has(ours):
            continue
        row: dict[str, Any] = {"world": world, "ours": name, "seeds": len(view.reward(ours))}
        for other in others:
            arm = f"{other}-from-town" if world == "city" and other == "se-ppo" else other
            row[other] = view.difference(ours, arm) if view.has(arm) else None
        rows.append(row)
    columns = [
        html.Column("world", "world"),
        html.Column("ours", "policy"),
        html.Column("seeds", "seeds", format="d"),
        *(html.Column(other, f"less {other} [95 %]", format="+.4f") for other in others),
    ]
    caption = "Reward per slot of each policy less that of others, on identical episodes."
    return html.Section("Paired differences", table=html.Table(columns, rows, caption))


def steps_needed(table: Table) -> html.Section:
    """Return the steps after which each learner earns certain rewards on `aigc-heavy`."""
    view, rows = View(table, "heavy"), []
    for name in LEARNERS:
        row: dict[str, Any] = {"learner": name, "last": view.level(name)}
        row |= {f"to {level}": view.steps_to(name, level) for level in LEVELS}
        rows.append(row)
    columns = [
        html.Column("learner", "learner"),
        *(html.Column(f"to {level}", f"steps to {level}", format=",.0f") for level in LEVELS),
        html.Column("last", "reward at the end [95 %]", format="+.4f"),
    ]
    caption = "aigc-heavy: first evaluation on the way whose mean over seeds is as high; there are "
    caption += "40 evaluations at equal distances. None: not within the training."
    return html.Section("Steps needed", table=html.Table(columns, rows, caption))


def rates(table: Table) -> html.Section:
    """Return what the search of rates chose, with the mean reward of each trial."""
    rows = []
    for learner in LEARNERS:
        result = table[f"tuning/{learner}"]
        means = result.arrays["choice/reward"].mean(axis=1)
        row = {"learner": learner, "chosen": FACTORS[result.facts["best"]]}
        rows.append(row | {f"{k}": float(mean) for k, mean in enumerate(means)})
    columns = [
        html.Column("learner", "learner"),
        *(html.Column(f"{k}", f"reward at {f:.2g}", format="+.4f") for k, f in enumerate(FACTORS)),
        html.Column("chosen", "factor chosen", format=".2g"),
    ]
    caption = "Trials on aigc-heavy. Factor: of all rates in the learner's entry."
    return html.Section("Rates", table=html.Table(columns, rows, caption))


def sources(table: Table) -> html.Section:
    """Return what policies earn on recorded inputs, by the recordings they were trained on."""
    rows: list[dict[str, Any]] = []
    for world in RECORDED:
        view = View(table, world)
        arms = {OURS: world} | {
            f"{OURS}-from-{source}": source for source in WORLDS[world].moved_from
        }
        for arm, source in arms.items():
            row: dict[str, Any] = {"judged": world, "trained": source, "reward": view.level(arm)}
            row["closed"], row["lead"] = view.closed(arm), view.difference(arm, PRICED)
            rows.append(row)
    columns = [
        html.Column("judged", "judged on"),
        html.Column("trained", "trained on"),
        html.Column("reward", "reward per slot [95 %]", format="+.4f"),
        html.Column("closed", "gap closed [95 %]", "%", ".0f"),
        html.Column("lead", f"less {PRICED} [95 %]", format="+.4f"),
    ]
    caption = (
        "trace: Azure conversation log, all bandwidth logs. Its first 70 % train, its rest is "
    )
    caption += (
        "judged on. late: the last 70 % of that log train, its first 30 % are judged on, but "
    )
    caption += "not with policies of trace, which trained there. code, mooncake: another request "
    caption += (
        "log, cut as trace. norway, oboe: only these bandwidth logs. heavy: synthetic inputs. "
    )
    caption += f"{PRICED} has its prices from the train part of what it is judged on."
    return html.Section("Recorded inputs", table=html.Table(columns, rows, caption))


def raw(table: Table) -> html.Section:
    """Return the raw numbers, by the charge that an episode begins with too."""
    rows: list[dict[str, Any]] = []
    for world in worlds(table.plan):
        view = View(table, world)
        for name in [*policies(table, world), "bound"]:
            row: dict[str, Any] = {"world": world, "policy": name, "reward": view.level(name)}
            row["seeds"], row["closed"] = len(view.reward(name)), view.closed(name)
            if world != "sensor":
                row |= {f"at {c}": r for c, r in zip(CHARGES, view.by_charge(name), strict=True)}
            rows.append(row)
    columns = [
        html.Column("world", "world"),
        html.Column("policy", "policy"),
        html.Column("seeds", "seeds", format="d"),
        html.Column("reward", "reward per slot [95 %]", format="+.4f"),
        html.Column("closed", "gap to the bound closed [95 %]", "%", ".1f"),
        *(html.Column(f"at {c}", f"from {c} % charge", format="+.4f") for c in CHARGES),
    ]
    caption = "Gap: 0 is the base rule, 100 the bound. Charge: what an episode begins with."
    return html.Section("Raw numbers", table=html.Table(columns, rows, caption))


__all__ = ["gaps", "leads", "notes", "rates", "raw", "sections", "sources", "steps_needed"]
