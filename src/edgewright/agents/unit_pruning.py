"""Schedule the pruning of the hidden units of a network while its learner learns.

What the learners that prune share: their settings, the turn of an event, networks with masked
units, and the smaller arrays of the units that stay. The rules are in
:mod:`edgewright.rules.pruning`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from edgewright.core.errors import InputError
from edgewright.core.records import Array, Number, record, static
from edgewright.core.settings import Share
from edgewright.nets.mlp import MLP
from edgewright.rules import importance, pruning
from edgewright.rules.pruning import Pruning


@record
class UnitPruning:
    """Settings of a learner whose actor loses hidden units (after Su et al., arXiv:2402.05146).

    (Z) is the schedule of Zhu and Gupta (arXiv:1710.01878). Scores are those of
    :mod:`edgewright.rules.importance`, ``"spread"`` left out.
    """

    pruning_start: Share = 0.2  # e0, share of total_steps
    pruning_end: Share = 0.7  # e1; masks are frozen and the actor is made smaller
    pruning_interval: Array | float = 1000.0  # environment steps between two scorings
    pruning_threshold: Array | float = 1.0  # kappa, for schedule "threshold"
    max_drop: Share = 0.1  # of a layer, in one event of "threshold"
    importance_decay: Share = 0.9  # of the moving average over the scores
    kept_percent: int = static(default=50)  # of every layer's units; 100 prunes nothing
    importance: Literal["mag", "act", "taylor", "random"] = static(default="act")
    pruning_schedule: pruning.Mode = static(default="cubic")  # (Z)
    allocation: Literal["layer", "global"] = static(default="layer")
    regrowth: bool = static(default=True)  # whether a masked unit may return until pruning_end
    min_units: int = static(default=8)  # that stay in every layer
    importance_samples: int = static(default=256)  # observations for one scoring

    def check_pruning(self) -> None:
        """Check the share of units and that the schedule ends after it begins.

        Raises:
            InputError: it does not, or the share is above 100.
        """
        if self.kept_percent > 100:
            message = f"kept_percent must be at most 100; got {self.kept_percent}"
            hint = "100 prunes nothing, 50 leaves half of every layer"
            raise InputError(message, where="learner.kept_percent", hint=hint)
        if self.pruning_start > self.pruning_end:
            message = (
                f"pruning_end must be at least pruning_start {self.pruning_start}; "
                f"got {self.pruning_end}"
            )
            hint = "both are shares of the training, e.g. 0.2 and 0.7"
            raise InputError(message, where="learner.pruning_end", hint=hint)

    def masks_units(self) -> bool:
        """Return whether a unit may be masked."""
        return self.kept_percent < 100 or self.pruning_schedule == "threshold"

    def due(self, steps: Array, played: int, total_steps: Number) -> tuple[Array, Array]:
        """Return whether units are scored now, and whether the schedule ends with that.

        Args:
            steps: environment steps so far, of which the last update ``played`` some.
            total_steps: of the training.
        """
        before = (steps - played) / self.pruning_interval
        turn = jnp.floor(steps / self.pruning_interval) > jnp.floor(before)
        ends = steps >= self.pruning_end * total_steps
        return turn | ends, ends

    def remaining(self, network: Any, masks: pruning.Masks) -> tuple[Array, ...] | None:
        """Return the indices of the units that stay in the end; None where scores decide widths."""
        widths = self.rule().final_widths(importance.widths_of(network))
        if widths is None or not self.masks_units():
            return None
        return pruning.kept_units(masks, widths)

    def rule(self) -> Pruning:
        """Return the rule that turns scores into masks."""
        return Pruning(
            sparsity=(100 - self.kept_percent) / 100,
            start=self.pruning_start,
            end=self.pruning_end,
            threshold=self.pruning_threshold,
            max_drop=self.max_drop,
            decay=self.importance_decay,
            mode=self.pruning_schedule,
            allocation=self.allocation,
            regrowth=self.regrowth,
            min_units=self.min_units,
        )


@record
class Masked:
    """A network whose masked units hand nothing on; the masks are not learned.

    Attributes:
        masks: 1 or 0 for each unit, ``[width]`` for each hidden layer.
    """

    inner: MLP
    masks: pruning.Masks

    def __call__(self, x: Array) -> Array:
        """Return the outputs ``[..., out]``."""
        return self.plain(x)

    @property
    def plain(self) -> MLP:
        """The network with the masks written into its weights."""
        return pruning.masked(self.inner, jax.lax.stop_gradient(self.masks))


@record
class PhasedNetwork:
    """Two networks of one purpose, of which one is used, see
    :class:`edgewright.nets.phased.PhasedActor`.
    """

    dense: Masked
    small: MLP
    use_small: Array

    def __call__(self, x: Array) -> Array:
        """Return the outputs ``[..., out]``."""
        return jax.lax.cond(self.use_small, lambda: self.small(x), lambda: self.dense(x))


def plain_network(network: Any) -> Any:
    """Return the smallest network that computes the same: no masked units, one phase.

    Not for compiled code: which phase it is must be known.
    """
    if isinstance(network, PhasedNetwork):
        return network.small if bool(network.use_small) else plain_network(network.dense)
    return pruning.compacted(network.plain) if isinstance(network, Masked) else network


def made_smaller(tree: Any, optimiser: Any, gather: Callable[[Any], Any]) -> tuple[Any, Any]:
    """Return what ``gather`` makes of parameters, and of every vector of moments of them."""
    flat, restore = ravel_pytree(tree)

    def moments(leaf: Array) -> Array:
        return ravel_pytree(gather(restore(leaf)))[0] if leaf.shape == flat.shape else leaf

    return gather(tree), jax.tree.map(moments, optimiser)


__all__ = ["Masked", "PhasedNetwork", "UnitPruning", "made_smaller", "plain_network"]
