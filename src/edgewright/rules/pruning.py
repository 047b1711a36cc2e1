"""Prune the hidden units of a network during its training, then make it smaller exactly.

Masks are arrays of the training's state, so nothing is compiled again while units come and go: only
:func:`gathered` changes shapes. Schedules: Zhu and Gupta (arXiv:1710.01878, 2017); pruning of
actors during training: Su et al. (arXiv:2402.05146, 2024).
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.records import Array, Number, record, static
from edgewright.rules.importance import LEAST_NORM, Prunable, over_mean, widths_of

Masks = tuple[Array, ...]
"""1 for a unit that stays, 0 for a masked one, ``[width]`` for each hidden layer."""

Mode = Literal["cubic", "rate", "threshold", "one_shot"]


@record
class PruningState:
    """Masks and smoothed scores ``[width]`` of every hidden layer, and the count of events."""

    masks: Masks
    scores: tuple[Array, ...]
    events: Array


def init_pruning(network: Prunable) -> PruningState:
    """Return the state in which every unit stays."""
    ones = tuple(jnp.ones(width) for width in widths_of(network))
    return PruningState(masks=ones, scores=ones, events=jnp.zeros((), jnp.int32))


@record
class Pruning:
    """When and how many units are masked.

    Attributes:
        sparsity: share of a layer's units that are masked in the end (``"rate"``: always).
        start, end: shares of the training between which masks change; they are frozen after it.
        threshold: ``kappa`` of ``"threshold"``.
        max_drop: largest share of a layer that one event of ``"threshold"`` masks.
        decay: of the moving average over the scores.
        mode: ``"cubic"``, ``"rate"``, ``"threshold"`` or ``"one_shot"``.
        allocation: whether every layer loses the same share, or all are ranked together.
        regrowth: whether a masked unit may return when its score rises.
        min_units: that stay in every layer.
    """

    sparsity: float = static()
    start: Number
    end: Number
    threshold: Number
    max_drop: Number
    decay: Number
    mode: Mode = static()
    allocation: Literal["layer", "global"] = static()
    regrowth: bool = static()
    min_units: int = static()

    def final_widths(self, widths: tuple[int, ...]) -> tuple[int, ...] | None:
        """Return the widths that masks leave in the end; None where only the scores decide."""
        if self.mode == "threshold" or self.allocation == "global":
            return None
        return tuple(self._kept(width) for width in widths)

    def next(self, state: PruningState, scores: tuple[Array, ...], share: Number) -> PruningState:
        """Return the state after units were scored at ``share`` of the training.

        The scores are ``decay`` times those before plus the rest of the new ones.
        """
        first = state.events == 0
        smoothed = tuple(
            jnp.where(first, new, self.decay * old + (1.0 - self.decay) * new)
            for old, new in zip(state.scores, scores, strict=True)
        )
        ranked = smoothed
        if not self.regrowth:  # what is masked comes last
            ranked = tuple(
                jnp.where(mask > 0, score, -1.0)
                for mask, score in zip(state.masks, smoothed, strict=True)
            )
        masks = self._masks(state.masks, ranked, share)
        if not self.regrowth:
            masks = jax.tree.map(jnp.multiply, masks, state.masks)
        return PruningState(masks=masks, scores=smoothed, events=state.events + 1)

    def sparsity_at(self, share: Number) -> Array:
        """Return the target at a share of the training.

        ``s (1 - (1 - (e - e0) / (e1 - e0))^3)`` for ``"cubic"`` (Zhu and Gupta 2017, equation 1);
        ``s`` from ``e0`` on for ``"rate"``, and only at ``e1`` for ``"one_shot"``.
        """
        share = jnp.asarray(share)
        if self.mode == "one_shot":
            return jnp.where(share >= self.end, self.sparsity, 0.0)
        if self.mode == "rate":
            return jnp.where(share >= self.start, self.sparsity, 0.0)
        way = (share - self.start) / jnp.maximum(jnp.asarray(self.end) - self.start, 1e-9)
        return self.sparsity * (1.0 - (1.0 - jnp.clip(way, 0.0, 1.0)) ** 3)

    def _kept(self, width: int) -> int:
        return max(min(self.min_units, width), width - math.floor(width * self.sparsity + 1e-6))

    def _masks(self, before: Masks, scores: tuple[Array, ...], share: Number) -> Masks:
        if self.mode == "threshold":
            pairs = zip(before, scores, strict=True)
            return tuple(self._above(mask, score, share) for mask, score in pairs)
        target = self.sparsity_at(share)
        final = jnp.asarray(share) >= self.end
        counts = [self._count(score.shape[0], target, final) for score in scores]
        if self.allocation == "layer":
            return tuple(top(score, count) for score, count in zip(scores, counts, strict=True))
        return self._together(scores, counts)

    def _count(self, width: int, target: Array, final: Array) -> Array:
        """Return how many units stay; in the end exactly as many as :meth:`final_widths` says."""
        count = width - jnp.floor(width * target).astype(jnp.int32)
        count = jnp.maximum(count, min(self.min_units, width))
        return jnp.where(final, self._kept(width), jnp.maximum(count, self._kept(width)))

    def _together(self, scores: tuple[Array, ...], counts: list[Array]) -> Masks:
        """Return masks of all layers ranked together; the best few of each stay in any case."""
        safe = [
            jnp.where(
                top(score, jnp.int32(min(self.min_units, score.shape[0]))) > 0, jnp.inf, score
            )
            for score in scores
        ]
        mask = top(jnp.concatenate(safe), sum(counts[1:], counts[0]))
        ends = np.cumsum([score.shape[0] for score in scores])[:-1]
        return tuple(jnp.split(mask, ends.tolist()))

    def _above(self, before: Array, scores: Array, share: Number) -> Array:
        """Return units with ``I_j >= kappa (e / E) mean I``, after Su et al. 2024 (our formula)."""
        width = scores.shape[0]
        live = over_mean(jnp.maximum(scores, 0.0))
        passing = live >= self.threshold * jnp.asarray(share) * (jnp.asarray(share) >= self.start)
        least = jnp.sum(before).astype(jnp.int32) - jnp.floor(width * self.max_drop).astype(
            jnp.int32
        )
        least = jnp.maximum(least, min(self.min_units, width))
        return jnp.maximum(passing.astype(jnp.float32), top(scores, least))


def top(scores: Array, count: Array) -> Array:
    """Return 1 for the ``count`` largest scores ``[width]``, the first of equal ones, else 0."""
    rank = jnp.argsort(jnp.argsort(-scores, stable=True), stable=True)
    return (rank < count).astype(jnp.float32)


def masked(network: Any, masks: Masks) -> Any:
    """Return the network whose masked units hand nothing on, in shapes as before.

    A mask multiplies the unit after its activation, so its bias cannot leak. It is written into the
    outgoing weights, which is the same product. Slopes of all weights of a masked unit are 0.
    """
    rest = zip(network.weights[1:], masks, strict=True)
    weights = (network.weights[0], *(weight * mask[:, None] for weight, mask in rest))
    return dataclasses.replace(network, weights=weights)


def live_parameters(network: Any, masks: Masks) -> Any:
    """Return 1 for every weight and bias of units that stay, else 0, in the network's structure."""
    ones = [jnp.ones(network.weights[0].shape[0]), *masks, jnp.ones_like(network.biases[-1])]
    return dataclasses.replace(
        network,
        weights=tuple(jnp.outer(one, other) for one, other in itertools.pairwise(ones)),
        biases=tuple(ones[1:]),
    )


def with_moments_cleared(optimiser: Any, live: Array) -> Any:
    """Return the state of an optimiser whose moments are 0 where ``live`` ``[parameters]`` is."""

    def cleared(leaf: Array) -> Array:
        return leaf * live if leaf.shape == live.shape else leaf

    return jax.tree.map(cleared, optimiser)


def kept_units(masks: Masks, widths: tuple[int, ...]) -> tuple[Array, ...]:
    """Return the indices ``[width]`` of the units that stay, for widths known beforehand."""
    pairs = zip(masks, widths, strict=True)
    return tuple(jnp.nonzero(mask, size=width)[0] for mask, width in pairs)


def gathered(network: Any, remaining: tuple[Array, ...]) -> Any:
    """Return the smaller network of the ``remaining`` units ``[width]`` of every hidden layer."""
    weights, biases = list(network.weights), list(network.biases)
    for layer, own in enumerate(remaining):
        weights[layer], biases[layer] = weights[layer][:, own], biases[layer][own]
        weights[layer + 1] = weights[layer + 1][own]
    return dataclasses.replace(network, weights=tuple(weights), biases=tuple(biases))


def compacted(network: Any) -> Any:
    """Return a network without its units that hand nothing on; not for compiled code.

    At least one unit of every layer stays.
    """
    remaining = []
    for weight in network.weights[1:]:
        used = np.flatnonzero(np.any(np.asarray(weight) != 0, axis=1))
        remaining.append(used if used.size else np.zeros(1, np.int64))
    return gathered(network, tuple(remaining))


def group_sparsity(network: Any, scores: tuple[Array, ...], masks: Masks) -> Array:
    """Return ``sum_l sum_j omega_j |[W(:, j), b_j]|_2``, which pushes unimportant units to zero.

    After Su et al. 2024: ``omega_j = 1 / (I_j + eps)`` divided by its mean over the layer. Masked
    units are left alone.
    """
    total = jnp.zeros(())
    rows = zip(network.weights[:-1], network.biases[:-1], scores, masks, strict=True)
    for weight, bias, score, mask in rows:
        omega = over_mean(1.0 / (score + 1e-3))
        square = jnp.sum(jnp.square(weight), axis=0) + jnp.square(bias)
        total += jnp.sum(jax.lax.stop_gradient(omega * mask) * jnp.sqrt(square + LEAST_NORM))
    return total


__all__ = [
    "Masks",
    "Mode",
    "Pruning",
    "PruningState",
    "compacted",
    "gathered",
    "group_sparsity",
    "init_pruning",
    "kept_units",
    "live_parameters",
    "masked",
    "top",
    "with_moments_cleared",
]
