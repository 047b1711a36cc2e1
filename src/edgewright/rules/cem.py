"""Search for the best sequence of actions by the cross-entropy method (CEM).

Rubinstein 1999; as a planner with a learned model: Chua et al. (PETS, NeurIPS 2018). Written for
one decision: candidates are drawn from independent normal laws, one for each step and number, and
the laws are fitted to the best of them. Warm start and the memory of elites are those of iCEM
(Pinneri et al., CoRL 2020, arXiv:2008.06389).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp

from edgewright.core.records import Array, record, static

Score = Callable[[Array, Array], Array]
"""(key, candidates ``[J, H, A]``) to scores ``[J]``, the higher the better."""

REMEMBERED = 0.3
"""Share of the elites that come back as candidates (iCEM)."""


@record
class CEM:
    """The settings of a search.

    Attributes:
        initial_std: deviation of the first candidates.
        min_std: least deviation after a fit.
        clip: whether candidates are clipped to the bounds before they are scored.
        elite_memory: whether the best candidates of one iteration, and of the last decision, are
            scored again.
        answer: ``"mean"`` is the mean of the last elites, ``"best"`` the best candidate of all.
    """

    initial_std: Array | float = 0.5
    min_std: Array | float = 0.05
    num_candidates: int = static(default=128)
    num_elites: int = static(default=16)
    iterations: int = static(default=4)
    clip: bool = static(default=True)
    elite_memory: bool = static(default=False)
    answer: Literal["mean", "best"] = static(default="mean")

    @property
    def remembered(self) -> int:
        """Number of candidates that are remembered."""
        return math.ceil(REMEMBERED * self.num_elites) if self.elite_memory else 0


@record
class Plan:
    """The result of a search, and what the next search may start from.

    Attributes:
        mean: ``[H, A]`` of the last laws.
        best: ``[H, A]``, the candidate with the highest score so far.
        best_score: ``[]``; where scores are samples it is that of the luckiest one.
        elites: ``[remembered, H, A]``, the best of the last iteration.
    """

    mean: Array
    best: Array
    best_score: Array
    elites: Array


def no_plan(settings: CEM, mean: Array) -> Plan:
    """Return what the first search starts from: the laws' first mean ``[H, A]``."""
    return Plan(
        mean=mean,
        best=mean,
        best_score=jnp.float32(-jnp.inf),
        elites=jnp.broadcast_to(mean, (settings.remembered, *mean.shape)),
    )


def shifted(plan: Plan) -> Plan:
    """Return the plan one step later; its last step is repeated."""

    def later(steps: Array) -> Array:
        return jnp.concatenate([steps[..., 1:, :], steps[..., -1:, :]], axis=-2)

    return Plan(
        mean=later(plan.mean),
        best=later(plan.best),
        best_score=jnp.float32(-jnp.inf),
        elites=later(plan.elites),
    )


def search(key: Array, settings: CEM, score: Score, start: Plan, low: Array, high: Array) -> Plan:
    """Return the plan after all iterations.

    Args:
        key: consumed; candidates of one step are the same whatever the horizon.
        score: of candidates; NaN counts as the worst score.
        start: its mean is that of the first candidates, its elites are among them.
        low, high: bounds ``[A]``, used where ``settings.clip`` is set.
    """
    spread = jnp.broadcast_to(jnp.asarray(settings.initial_std, jnp.float32), start.mean.shape)

    def iterate(carry: tuple[Plan, Array], key: Array) -> tuple[tuple[Plan, Array], None]:
        plan, std = carry
        draw_key, score_key = jax.random.split(key)
        candidates = plan.mean + std * _noise(draw_key, settings.num_candidates, start.mean.shape)
        if settings.remembered:
            candidates = candidates.at[: settings.remembered].set(plan.elites)
        if settings.clip:
            candidates = jnp.clip(candidates, low, high)
        scores = score(score_key, candidates)
        scores = jnp.where(jnp.isnan(scores), -jnp.inf, scores)
        order = jax.lax.top_k(scores, settings.num_elites)[1]
        elites = candidates[order]
        better = scores[order[0]] > plan.best_score
        fitted = Plan(
            mean=jnp.mean(elites, axis=0),
            best=jnp.where(better, elites[0], plan.best),
            best_score=jnp.where(better, scores[order[0]], plan.best_score),
            elites=elites[: settings.remembered],
        )
        return (fitted, jnp.maximum(jnp.std(elites, axis=0), settings.min_std)), None

    keys = jax.random.split(key, settings.iterations)
    (plan, _), _ = jax.lax.scan(iterate, (start, spread), keys)
    return plan


def answer(settings: CEM, plan: Plan) -> Array:
    """Return the first action ``[A]`` of a plan."""
    return (plan.best if settings.answer == "best" else plan.mean)[0]


def _noise(key: Array, count: int, shape: tuple[int, ...]) -> Array:
    """Draw ``[count, H, A]``, step by step: a longer horizon only appends steps."""
    steps, numbers = shape
    keys = jax.vmap(lambda step: jax.random.fold_in(key, step))(jnp.arange(steps))
    draw: Any = jax.vmap(lambda one: jax.random.normal(one, (count, numbers)), out_axes=1)
    return draw(keys)


__all__ = ["CEM", "Plan", "answer", "no_plan", "search", "shifted"]
