"""Let a service take other actions now and then, with a probability that is logged.

Without exploring, a log says nothing of what another policy would have earned: every decision has
probability 1. Exploring is off by default and costs reward, so its share is stated and bounded.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgewright.bundle.bundle import Bundle
from edgewright.bundle.choices import Choices, choices_of, probabilities
from edgewright.bundle.engine import SCORES
from edgewright.core.errors import InputError

OWN = "own"
"""Value of ``--explore`` that takes the policy's own probabilities."""

MAX_EPSILON = 0.5
"""Largest share of decisions that may be drawn uniformly."""


def read_explore(text: str | None) -> float | str | None:
    """Return the share of ``--explore``, :data:`OWN`, or None where nothing is explored.

    Raises:
        InputError: it is neither ``own`` nor a share above 0 and at most :data:`MAX_EPSILON`.
    """
    if text is None or text == OWN:
        return text
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0.0 < share <= MAX_EPSILON:
        message = f"must be above 0 and at most {MAX_EPSILON:g}, or '{OWN}'; got '{text}'"
        hint = "e.g. --explore 0.05; leave it out to explore nothing"
        raise InputError(message, where="--explore", hint=hint)
    return share


@dataclasses.dataclass(frozen=True)
class Explorer:
    """Draws decisions of a bundle, each with its probability.

    Attributes:
        epsilon: share that is drawn uniformly over the allowed choices; None for the softmax of the
            scores, with which the policy played in training.
    """

    bundle: Bundle
    choices: Choices
    epsilon: float | None

    def decide(
        self, rows: Sequence[Sequence[float]], rng: np.random.Generator
    ) -> list[tuple[dict[str, Any], float]]:
        """Return outputs and their propensity for rows ``[n, columns]``.

        Raises:
            EngineError: the model failed.
        """
        engine = self.bundle.engine
        result = engine.many(np.array(rows, np.float32))
        columns = zip(*(result[name].tolist() for name in engine.outputs), strict=True)
        drawn = []
        for number, values in enumerate(columns):
            outputs = dict(zip(engine.outputs, values, strict=True))
            scores = result[SCORES][number] if SCORES in result else None
            drawn.append(self._drawn(outputs, scores, rng))
        return drawn

    def _drawn(
        self, outputs: dict[str, Any], scores: np.ndarray | None, rng: np.random.Generator
    ) -> tuple[dict[str, Any], float]:
        choices, greedy = self.choices, self.choices.index(outputs)
        if greedy < 0:  # an action that is none of its own proposals is left as it is
            return outputs, 1.0
        law = probabilities(choices, self.epsilon, greedy, None if choices.proposes else scores)
        chosen = int(np.searchsorted(np.cumsum(law), rng.random() * law.sum(), side="right"))
        chosen = min(chosen, int(np.flatnonzero(law)[-1]))
        taken = choices.outputs(chosen, outputs)
        return taken, self._propensity(law, chosen, outputs)

    def _propensity(self, law: np.ndarray, chosen: int, outputs: dict[str, Any]) -> float:
        """Return the probability of an action, over all proposals that are the same action."""
        if not self.choices.proposes:
            return float(min(1.0, law[chosen]))
        proposals = outputs["proposals"]
        same = [one == proposals[chosen] for one in proposals]
        return float(min(1.0, law[same].sum()))


def explorer_of(bundle: Bundle, explore: float | str | None) -> Explorer | None:
    """Return what explores for a bundle; None where nothing is explored.

    Raises:
        InputError: the bundle has no choices, or no probabilities of its own.
    """
    if explore is None:
        return None
    choices = choices_of(bundle)
    if explore != OWN:
        return Explorer(bundle, choices, float(explore))
    if not choices.samples:
        message = f"'{OWN}' needs a policy that was trained to draw its actions"
        hint = "state a share instead, e.g. --explore 0.05, or export a policy of se-ppo again"
        raise InputError(message, where=f"--explore: {bundle.path}", hint=hint)
    return Explorer(bundle, choices, None)


__all__ = ["MAX_EPSILON", "OWN", "Explorer", "explorer_of", "read_explore"]
