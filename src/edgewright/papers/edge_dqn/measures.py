"""From the table of the edge-dqn study to the numbers that claims are judged by."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgewright.evaluation.statistics import Interval
from edgewright.studies.claims_file import Measures
from edgewright.studies.reward_view import RewardView, lead

NEAR = 0.95
"""Share of the centralised score that a curve must reach."""


class View(RewardView):
    """The table as claims see it."""

    def score(self, key: str) -> Interval:
        """Return (reward - random) / (reference - random) on the devices of a key, in per cent."""
        devices = key.split("/")[0]
        return self.way(key, f"{devices}/random", f"{devices}/greedy-in-turn")

    def epsilon(self, arm: str) -> float | None:
        """Return the epsilon of an arm; None without noise, or without the accountant."""
        privacy = self.table[f"own/{arm}"].facts["exchange"].get("privacy") or {}
        return privacy.get("epsilon")

    def curve(self, arm: str) -> tuple[np.ndarray, np.ndarray]:
        """Return steps ``[marks]`` and rewards ``[seeds, marks]`` of an arm while it trained."""
        steps = self.table.array(f"own/{arm}", "curves/steps")[0]
        return steps, self.table.array(f"own/{arm}", "curves/reward")

    def steps_to_centralised(self, arm: str) -> float | None:
        """Return the steps after which an arm stays at 95 % of the centralised score.

        Both are means over seeds; the centralised score is the last one of its curve. None if the
        arm does not reach it.
        """
        random = float(self.reward("own/random").mean())
        steps, rewards = self.curve(arm)
        goal = random + NEAR * (float(self.curve("centralised")[1].mean(axis=0)[-1]) - random)
        below = np.flatnonzero(rewards.mean(axis=0) < goal)
        first = int(below[-1]) + 1 if below.size else 0
        return float(steps[first]) if first < len(steps) else None

    def links(self, arm: str) -> dict[str, Any]:
        """Return what recorded links make of an arm; nothing without recordings."""
        facts = self.table[f"own/{arm}"].facts["exchange"].get("links") or {}
        return facts if "seconds" in facts else {}

    def seconds_per_thousand(self, arm: str) -> float | None:
        """Return the seconds of exchange for a thousand steps of training."""
        facts = self.links(arm)
        return 1e3 * facts["seconds"] / float(self.curve(arm)[0][-1]) if facts else None

    def seconds_to_centralised(self, arm: str) -> float | None:
        """Return the seconds of exchange until an arm stays at 95 % of the centralised score."""
        steps, each = self.steps_to_centralised(arm), self.seconds_per_thousand(arm)
        return None if steps is None or each is None else steps * each / 1e3


MEASURES: Measures = {"lead": lead}
