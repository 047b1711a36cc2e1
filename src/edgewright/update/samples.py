"""From a log and bundles to what off-policy estimates take."""

from __future__ import annotations

import dataclasses

import numpy as np

from edgewright.bundle.bundle import Bundle
from edgewright.bundle.choices import ACTION, Choices, choices_of
from edgewright.bundle.interface import BadField
from edgewright.core.errors import InputError
from edgewright.rules.off_policy import LoggedActions
from edgewright.serve.log_table import LogTable

MIN_OUTCOMES = 100
"""Fewer decisions with outcomes are refused."""


@dataclasses.dataclass(frozen=True)
class Samples:
    """Decisions of a log that an estimate can use.

    Attributes:
        table: the decisions.
        rows: ``[n, columns]`` as a bundle takes them.
        logged: features, actions, rewards and propensities.
        left_out: how many decisions could not be used, by reason.
    """

    table: LogTable
    rows: np.ndarray
    logged: LoggedActions
    left_out: dict[str, int]

    def only(self, keep: np.ndarray) -> Samples:
        """Return the samples where ``keep`` ``[n]`` is true."""
        logged = LoggedActions(*(part[keep] for part in dataclasses.astuple(self.logged)))
        return Samples(self.table.only(keep), self.rows[keep], logged, self.left_out)


def samples_of(table: LogTable, bundle: Bundle, where: str) -> Samples:
    """Return the decisions of a log that a policy took among the choices of a bundle.

    Decisions of a rule that stood in are left out, and those without an outcome or a propensity, or
    with an observation that the bundle does not take.

    Args:
        where: names the log in messages.

    Raises:
        InputError: the bundle has no choices, or fewer than :data:`MIN_OUTCOMES` decisions stay.
    """
    choices = choices_of(bundle)
    if choices.proposes:
        message = "the bundle proposes actions of its own to each state, so the log says nothing"
        hint = "compare the two in simulation alone: edgewright compare"
        raise InputError(f"{message} of another policy's", where=where, hint=hint)
    reasons = {"by a rule": 0, "no outcome": 0, "no propensity": 0, "not of this bundle": 0}
    keep, rows, actions = [], [], []
    for index, row in enumerate(table.rows):
        action = choices.index(row.decision)
        encoded = _encoded(bundle, row.observation)
        reason = (
            "by a rule"
            if not row.by_policy
            else "no outcome"
            if row.reward is None
            else "no propensity"
            if row.propensity is None
            else "not of this bundle"
            if action < 0 or encoded is None
            else ""
        )
        if reason:
            reasons[reason] += 1
            continue
        keep.append(index)
        rows.append(encoded)
        actions.append(action)
    if len(keep) < MIN_OUTCOMES:
        message = f"the log must hold {MIN_OUTCOMES} decisions of the policy with outcomes"
        hint = f"{MIN_OUTCOMES - len(keep)} more are needed: report them with POST /v1/outcome"
        raise InputError(f"{message}; got {len(keep)}", where=where, hint=hint)
    mask = np.zeros(len(table), bool)
    mask[keep] = True
    used = table.only(mask)
    plain = np.array(rows, np.float32)
    logged = LoggedActions(features_of(plain), np.array(actions), used.reward, used.propensity)
    left = {reason: count for reason, count in reasons.items() if count}
    return Samples(used, plain, logged, left)


def features_of(rows: np.ndarray, like: np.ndarray | None = None) -> np.ndarray:
    """Return features ``[n, d]`` for a reward model: 1, every column, and squares of numbers.

    Args:
        rows: ``[n, columns]`` as a bundle takes them.
        like: rows whose means and deviations are used; those of ``rows`` if None.
    """
    own = np.asarray(rows if like is None else like, np.float64)
    centre, spread = own.mean(axis=0), own.std(axis=0)
    varied = spread > 1e-9
    scaled = (np.asarray(rows, np.float64)[:, varied] - centre[varied]) / spread[varied]
    scaled = np.clip(scaled, -6.0, 6.0)
    many = np.array([len(np.unique(column)) > 2 for column in own[:, varied].T], bool)
    squares = (np.square(scaled[:, many]) - 1.0) / np.sqrt(2.0)
    return np.concatenate([np.ones((len(rows), 1)), scaled, squares], axis=1)


def greedy_law(bundle: Bundle, rows: np.ndarray) -> np.ndarray:
    """Return the law ``[n, actions]`` of a bundle that takes its best action always."""
    choices: Choices = choices_of(bundle)
    taken = bundle.engine.many(rows)[ACTION].reshape(-1)
    return np.eye(choices.count)[taken]


def _encoded(bundle: Bundle, observation: dict[str, object]) -> list[float] | None:
    try:
        return bundle.interface.encode(observation)[0]
    except BadField:
        return None


__all__ = ["MIN_OUTCOMES", "Samples", "features_of", "greedy_law", "samples_of"]
