"""From the table of the MRL study to the number a claim is judged by."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from edgewright.evaluation.joint_bootstrap import joint_bootstrap, joint_mean
from edgewright.papers.mrl.jobs import RULES
from edgewright.studies.claim import Measured, measured
from edgewright.studies.table import Table

SETTINGS = ("easy, rounded", "easy, priced", "hard, rounded", "hard, priced")
"""Preset, and whether the best of N proposals is taken (phi = N) or the rounding (phi = 1)."""


LAST = -1
"""The last evaluated step of a plan."""


@dataclasses.dataclass(frozen=True)
class View:
    """The table in one setting."""

    table: Table
    setting: str

    @property
    def preset(self) -> str:
        """``easy`` or ``hard``."""
        return self.setting.split(", ")[0]

    @property
    def way(self) -> str:
        """``rounded`` or ``priced``."""
        return self.setting.split(", ")[1]

    @property
    def suffix(self) -> str:
        """Return the ending of the arrays' names."""
        return "_rounded" if self.way == "rounded" else ""

    def scores(self, name: str, step: int = 0, metric: str = "q_hat") -> np.ndarray:
        """Return ``[seeds, scenarios]`` of a rule, or of an initialisation after ``step`` steps.

        ``LAST`` stands for the last evaluated step.
        """
        if name in RULES:
            values = self.table.array(f"{self.preset}/rules", f"rules/{metric}")
            return values[RULES.index(name)][None]
        key = f"{self.preset}/{name}"
        values = self.table.array(key, f"adapt/{metric}{self.suffix}")
        steps = self.steps(name)
        return values[..., steps.index(steps[-1] if step == LAST else step)]

    def steps(self, name: str) -> list[int]:
        """Return the gradient steps at which an initialisation was evaluated."""
        return self.table[f"{self.preset}/{name}"].facts["steps"]

    def curve(self, name: str, metric: str = "q_hat") -> np.ndarray:
        """Return the mean over scenarios ``[seeds, steps]`` of an initialisation."""
        values = self.table.array(f"{self.preset}/{name}", f"adapt/{metric}{self.suffix}")
        return values.mean(axis=1)


def spoken(name: str, step: int) -> str:
    """Return the label of a rule, or of an initialisation after some steps."""
    if name in RULES:
        return name
    return f"{name} after {'all' if step == LAST else step} steps"


def level(view: View, ours: str, step: int) -> Measured:
    """Measure the mean Q-hat of an initialisation after some steps."""
    values = view.scores(ours, step)
    return measured(joint_mean(values), f"Q-hat of {spoken(ours, step)}", len(values))


def lead(view: View, ours: str, step: int, other: str, other_step: int = 0) -> Measured:
    """Measure the difference of two mean Q-hats on the same scenarios and held-out slots.

    A seed's slots are the same for every initialisation, so seeds are paired.
    """
    our_scores, other_scores = view.scores(ours, step), view.scores(other, other_step)
    interval = joint_bootstrap(
        {"ours": {"x": our_scores}, "other": {"x": other_scores}},
        lambda m: m["ours"]["x"] - m["other"]["x"],
        paired_seeds=True,
    )
    quantity = f"Q-hat of {spoken(ours, step)} less that of {spoken(other, other_step)}"
    return measured(interval, quantity, len(our_scores))


def delay_lead(view: View, ours: str, step: int, others: list[list[Any]]) -> Measured:
    """Measure by how many per cent the weighted delay is below the lowest of others."""
    our_scores = view.scores(ours, step, "cost")
    best: Measured | None = None
    for name, at in others:
        other_scores = view.scores(name, at, "cost")
        interval = joint_bootstrap(
            {"ours": {"x": our_scores}, "other": {"x": other_scores}},
            lambda m: 100.0 * (1.0 - m["ours"]["x"] / m["other"]["x"]),
            paired_seeds=True,
        )
        quantity = f"delay of {spoken(ours, step)} below that of {spoken(name, at)}"
        one = measured(interval, quantity, len(our_scores), "%")
        best = one if best is None or one.estimate < best.estimate else best
    assert best is not None
    return dataclasses.replace(best, quantity=f"{best.quantity}, the closest of {len(others)}")


def after_switches(view: View, ours: str, step: int, how: str) -> Measured:
    """Measure the least mean Q-hat over a sequence of scenarios, some steps after each switch."""
    key = f"{view.preset}/switch-{ours}"
    facts = view.table[key].facts
    values = view.table.array(key, f"switch/q_hat{view.suffix}_{how}")
    split = values.reshape(*values.shape[:2], facts["in_a_row"], len(facts["steps"]))
    after = split[..., 1:, facts["steps"].index(step)]
    arms = {"one": {str(index): after[..., index] for index in range(after.shape[-1])}}
    interval = joint_bootstrap(arms, lambda m: np.min(list(m["one"].values()), axis=0))
    quantity = f"least Q-hat of {ours} ({how}) {step} steps after a switch, over three switches"
    return measured(interval, quantity, len(values))
