"""List what a bundle chooses among, and how likely it makes each choice.

A bundle that takes the best of several actions can be asked for any of them, because the manifest
holds the other outputs of each action. A bundle that proposes actions can be asked for each of its
proposals. Nothing else has choices.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgewright.bundle.bundle import Bundle
from edgewright.bundle.engine import SCORES
from edgewright.bundle.manifest import POLICY
from edgewright.core.errors import InputError

ACTION, PROPOSALS = "action", "proposals"
FORBIDDEN = -1e9
"""Score of an action that a mask forbids, or less."""

SOFTMAX = "softmax"
"""``provenance.samples`` of a policy whose scores are log-probabilities up to a constant."""


@dataclasses.dataclass(frozen=True)
class Choices:
    """The choices of a bundle.

    Attributes:
        count: number of actions, or of proposals.
        tables: the other outputs by action, e.g. ``location``; empty for proposals.
        proposes: whether the choices are the proposals of each decision.
        samples: whether softmax of the scores are the probabilities that training played with.
    """

    count: int
    tables: Mapping[str, Sequence[int]]
    proposes: bool
    samples: bool

    def allowed(self, scores: np.ndarray | None) -> np.ndarray:
        """Return which choices ``[count]`` bool no mask forbids, for scores ``[count]``."""
        if self.proposes or scores is None:
            return np.ones(self.count, bool)
        return scores > FORBIDDEN

    def outputs(self, choice: int, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the outputs of a choice, in the order of those ``given`` by the bundle."""
        if self.proposes:
            return {**given, ACTION: given[PROPOSALS][choice]}
        values = {name: table[choice] for name, table in self.tables.items()}
        return {name: choice if name == ACTION else values[name] for name in given}

    def index(self, outputs: Mapping[str, Any]) -> int:
        """Return which choice ``outputs`` are; -1 for an action that is none of the choices."""
        action = outputs.get(ACTION)
        if self.proposes:
            proposals = outputs.get(PROPOSALS, [])
            return proposals.index(action) if action in proposals else -1
        return action if type(action) is int and 0 <= action < self.count else -1


def choices_of(bundle: Bundle) -> Choices:
    """Return the choices of a bundle.

    Raises:
        InputError: it has none, or was exported before manifests held the outputs of each action.
    """
    entry = bundle.facts["graphs"][POLICY]
    head = entry.get("head", {})
    outputs = {output.name: output for output in bundle.interface.outputs}
    samples = bundle.facts["provenance"].get("samples") == SOFTMAX
    if PROPOSALS in outputs and ACTION in outputs:
        return Choices(outputs[PROPOSALS].shape[0], {}, True, False)
    if head.get("kind") != "choice" or ACTION not in outputs:
        message = f"the bundle must choose among actions; it gives {', '.join(outputs)}"
        hint = "name a bundle with a discrete action, such as one of aigc, or one that proposes"
        raise InputError(message, where=bundle.path, hint=hint)
    count = len(outputs[ACTION].labels) or _scores(bundle)
    tables = head.get("tables", {})
    for name in outputs:
        wanted = name == ACTION or _is_table(tables.get(name), count)
        if not wanted:
            message = f"the manifest does not say '{name}' of each of the {count} actions"
            hint = "export the policy again with this version: edgewright export RUN --out FILE"
            raise InputError(message, where=bundle.path, hint=hint)
    return Choices(count, tables, False, samples and bundle.engine.has_scores)


def probabilities(
    choices: Choices, epsilon: float | None, greedy: int, scores: np.ndarray | None
) -> np.ndarray:
    """Return the probability of each choice ``[count]`` when a service explores.

    ``(1 - epsilon) [a = greedy] + epsilon / n`` over the ``n`` allowed choices, or the softmax of
    the scores of those, ``exp(s_a) / sum_b exp(s_b)``. A forbidden choice has probability 0, unless
    it is the greedy one: what the policy takes by itself is never changed by that.

    Args:
        epsilon: share of decisions that are drawn uniformly; None for the policy's own law.
        greedy: the choice that the policy takes without exploring.
        scores: of the choices, ``[count]``; None where none are known.
    """
    allowed = choices.allowed(scores)
    if not allowed.any():
        allowed[greedy] = True
    if epsilon is None:
        assert scores is not None, "the policy's own law needs scores"
        logits = np.where(allowed, scores.astype(np.float64), -math.inf)
        weights = np.exp(logits - logits.max())
        return weights / weights.sum()
    result = epsilon * allowed / allowed.sum()
    result[greedy] += 1.0 - epsilon
    return result


def _scores(bundle: Bundle) -> int:
    """Return how many scores the graph gives for one decision; 0 without scores."""
    if not bundle.engine.has_scores:
        return 0
    row = np.zeros((1, bundle.interface.columns), np.float32)
    return int(bundle.engine.many(row)[SCORES].shape[-1])


def _is_table(table: Any, count: int) -> bool:
    return (
        isinstance(table, list) and len(table) == count and all(type(one) is int for one in table)
    )


__all__ = ["ACTION", "FORBIDDEN", "PROPOSALS", "SOFTMAX", "Choices", "choices_of", "probabilities"]
