"""Write the notes and tables of the SE-PPO study's page."""

from __future__ import annotations

from typing import Any

from edgewright.papers.seppo.behaviours import refused
from edgewright.papers.seppo.figures import score_interval
from edgewright.papers.seppo.jobs import TUNED, learners, size_of
from edgewright.papers.seppo.view import HEAVY, REFERENCE, SETTINGS, View
from edgewright.reporting import html
from edgewright.studies.table import Table

METRICS = ("reward", "delay_s", "energy_j", "quality", "episode_length", "terminated")

EPISODE_COLUMNS = (
    html.Column("score", "score [95 %]", format=".3f"),
    html.Column("reward", "reward per slot", "", "+.4f"),
    html.Column("delay_s", "delay", "s", ".2f"),
    html.Column("energy_j", "energy", "J", ".2f"),
    html.Column("quality", "quality", "", ".3f"),
    html.Column("terminated", "ended early", "%", ".1f"),
)
"""The metrics of an episode that a table shows."""


def notes(table: Table) -> list[str]:
    """Return what a reader must know of settings and deviations, with the numbers of the plan."""
    size = size_of(table.plan)
    at_edge = [name for name in TUNED if table[f"tuning/{name}"].facts["at_edge"]]
    paragraphs = [
        "Setting 'paper': features in raw units, equation (18); of the compared learners only "
        "SE-PPO is normalised; every learner has the one default rate of its method.",
        "Setting 'fair': all learners see the same scaled features through the same hidden layers, "
        "with running normalisation of observations and rewards (but PPO-LR and plain PPO, whose "
        f"point is to have none, and the rewards of DQN: {_dqn(table)}). Each chooses its rate "
        f"from {len(size.factors)} candidates with {size.tuning_seeds} seeds of "
        f"{size.tuning:.0f} steps, on seeds and episodes that judge nothing. Variants of the "
        "modelling and the sweep of servers take these rates.",
        f"The main trainings have {size.main:.0f} steps, where the paper has 1e6 "
        "(`--steps 1e6` restores them); the sweep of servers has "
        f"{size.sweep:.0f}, the pairs of rates {size.pairs:.0f}. Numbers the paper does not "
        "give are our reading, see the page on the AIGC world.",
        f"Scores: 0 is the random policy, 1 the planner {REFERENCE}, on identical episodes. The "
        "random policy overloads servers and loses much, so small differences of scores are not "
        "small differences between good policies.",
        "Choosing rates on short trainings may favour rates that are too large for long ones.",
        "What Figs 8 and 9 call converged is judged after the shorter sweep, so a growth that is "
        "flat or small there may be one that has not come yet.",
        "In the fair setting PPO and PPO-Norm differ by their candidate rates alone, so what is "
        "said of both is nearly said twice; variants of the modelling are not tuned by themselves, "
        "which favours the full model.",
        "Claims on learning curves have intervals over seeds alone.",
        "The life of a battery is measured with full servers that refuse a task, so that nothing "
        "but the battery ends it; trainings and other measures have servers that end the episode.",
        "Not judged: 'conservative' at middle charge (Fig. 11), the unsettled energy of the "
        "Heuristic over training (Fig. 7: a rule does not train), and 'the action space grows "
        "exponentially' (it has K (1 + N) actions: arithmetic).",
    ]
    if at_edge:
        names = ", ".join(at_edge)
        paragraphs.append(f"The rate chosen lies at an end of the candidates for: {names}.")
    if table.plan.quick:
        paragraphs.append(
            f"This is the quick plan: {table.plan.seeds} seeds. Its intervals are too narrow, and "
            "its verdicts are a preview."
        )
    return paragraphs


def _dqn(table: Table) -> str:
    """Return what scaled rewards did to DQN in this study."""
    with_, without = (table.array(f"fair/{n}", "episodes/reward") for n in ("dqn-scaled", "dqn"))
    return (
        f"with scaled rewards it earns {with_.mean():+.4f} per slot, without {without.mean():+.4f}"
    )


def sections(table: Table) -> list[html.Section]:
    """Return the raw numbers, the choice of rates, and the speed of decisions."""
    return [_raw(table), _tuning(table), _speed(table)]


def _raw(table: Table) -> html.Section:
    rows: list[dict[str, Any]] = []
    for setting in SETTINGS:
        view = View(table, setting)
        rows += [_numbers(view, name, setting) for name in learners(setting)]
    view = View(table, SETTINGS[0])
    rules = [
        REFERENCE,
        "shadow-price",
        "greedy",
        "greedy-nominal",
        "heuristic-fair",
        "heuristic",
        "random",
    ]
    rows += [_numbers(view, name, "") for name in rules]
    rows += [_numbers(view, name, "") for name in ("fluid", "bound")]
    columns = [
        html.Column("policy", "policy"),
        html.Column("setting", "setting"),
        *EPISODE_COLUMNS,
        html.Column("life", "tasks of a battery", "", ".0f"),
        html.Column("life_quality", "their quality", "", ".3f"),
        html.Column("life_refused", "refused meanwhile", "%", ".1f"),
    ]
    caption = (
        "aigc-heavy: means over seeds and episodes; delay, energy, quality per task served. Over "
        "the life of a battery a full server refuses tasks, elsewhere it ends the episode."
    )
    return html.Section("Raw numbers", table=html.Table(columns, rows, caption))


def _numbers(view: View, name: str, setting: str) -> dict[str, Any]:
    arrays = view.table[view.key(name)].arrays
    row: dict[str, Any] = {"policy": name, "setting": setting, "score": score_interval(view, name)}
    for metric in METRICS:
        values = arrays.get(f"episodes/{metric}")
        row[metric] = None if values is None else float(values.mean())
    if row["terminated"] is not None:
        row["terminated"] *= 100
    life = arrays.get("life/tasks")
    row["life"] = None
    if life is not None:
        tasks, slots = float(life.mean()), float(arrays["life/slots"].mean())
        row["life"], row["life_refused"] = tasks, 100 * refused(tasks, slots)
        row["life_quality"] = float(arrays["life/quality"].mean())
    return row


def _tuning(table: Table) -> html.Section:
    rows = []
    for name in TUNED:
        result = table[f"tuning/{name}"]
        for index, settings in enumerate(result.facts["candidates"]):
            rates = " / ".join(f"{value:g}" for value in settings.values())
            reward = result.arrays["choice/reward"][index]
            chosen = index == result.facts["best"]
            rows.append(
                {
                    "learner": name,
                    "rates": rates,
                    "reward": float(reward.mean()),
                    "worst": float(reward.min()),
                    "chosen": "chosen" if chosen else "",
                    "highlight": chosen,
                }
            )
    columns = [
        html.Column("learner", "learner"),
        html.Column("rates", "rate (actor / critic)"),
        html.Column("reward", "mean reward", format="+.4f"),
        html.Column("worst", "of the worst seed", format="+.4f"),
        html.Column("chosen", ""),
    ]
    text = "Fair setting: the same budget for every learner, on seeds and episodes of their own."
    return html.Section("Choice of rates", table=html.Table(columns, rows, text, "highlight"))


def _speed(table: Table) -> html.Section:
    rows = []
    for key in table.results:
        if key.startswith("speed/"):
            rates = table.array(key, "speed/decisions_per_s")
            rows.append({"policy": key.removeprefix("speed/"), "rate": float(rates.mean())})
    columns = [html.Column("policy", "policy"), html.Column("rate", "decisions", "1/s", ".0f")]
    text = (
        f"One observation at a time on aigc-{HEAVY}, called from Python while other jobs of the "
        "study may have been running; most of it is the call itself."
    )
    return html.Section("Speed of decisions", table=html.Table(columns, rows, text))
