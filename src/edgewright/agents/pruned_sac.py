"""Learn by SAC while the hidden units of the actor are pruned, then fine-tune a smaller actor.

Units are masked in arrays of the state while they may come and go. At the end of the schedule the
masks are frozen. Where the schedule says how many units stay, the actor is then gathered into
smaller matrices, which the same compiled program trains on: both shapes are part of the state.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from edgewright.agents.sac import SAC, DrawingPolicy, SACState
from edgewright.agents.sac_steps import Learned
from edgewright.core.errors import InputError
from edgewright.core.records import Array, Trajectory, record, static
from edgewright.core.settings import Share
from edgewright.core.spaces import Box, Space
from edgewright.nets.critics import action_values
from edgewright.nets.phased import Gated, PhasedActor, with_network
from edgewright.rules import importance, pruning
from edgewright.rules.pruning import Pruning, PruningState
from edgewright.rules.replay import draw
from edgewright.rules.transitions import Transition


@record
class SmallActor:
    """The actor of the units that stayed, and the state of its optimiser."""

    actor: Any
    optimiser: Any


@record
class PrunedSACState:
    """Everything that changes while a pruned SAC learns.

    Attributes:
        small: zeros before the schedule has ended; None where its widths are not known beforehand.
        frozen: bool, whether the schedule has ended.
    """

    sac: SACState
    pruning: PruningState
    small: SmallActor | None
    frozen: Array


@record
class PrunedSAC(SAC):
    """SAC whose actor loses hidden units while it learns (after Su et al., arXiv:2402.05146).

    (Z) is the schedule of Zhu and Gupta (arXiv:1710.01878). Scores are those of
    :mod:`edgewright.rules.importance`, ``"spread"`` left out.
    """

    pruning_start: Share = 0.2  # e0, share of total_steps
    pruning_end: Share = 0.7  # e1; masks are frozen and the actor is made smaller
    pruning_interval: Array | float = 1000.0  # environment steps between two scorings
    pruning_threshold: Array | float = 1.0  # kappa, for schedule "threshold"
    max_drop: Share = 0.1  # of a layer, in one event of "threshold"
    importance_decay: Share = 0.9  # of the moving average over the scores
    group_coef: Array | float = 1e-3  # weight of the group-sparse term, where it is on
    kept_percent: int = static(default=50)  # of every layer's units; 100 prunes nothing
    group_sparse: bool = static(default=False)  # whether unimportant units are pushed to zero
    importance: Literal["mag", "act", "taylor", "random"] = static(default="act")
    pruning_schedule: pruning.Mode = static(default="cubic")  # (Z)
    allocation: Literal["layer", "global"] = static(default="layer")
    regrowth: bool = static(default=True)  # whether a masked unit may return until pruning_end
    min_units: int = static(default=8)  # that stay in every layer
    importance_samples: int = static(default=256)  # of the replay, for one scoring

    def check_sizes(self, observations: Box, actions: Space) -> None:
        """Check also the share of units and that the schedule ends after it begins.

        Raises:
            InputError: it does not, or a size does not fit.
        """
        super().check_sizes(observations, actions)
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

    def init(self, key: Array, observations: Box, actions: Box) -> PrunedSACState:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return SAC before its first step, with every unit of the actor. Consumes ``key``."""
        sac = super().init(key, observations, actions)
        masks = pruning.init_pruning(sac.learned.actor.network)
        small = self._small(sac.learned, masks)
        if small is not None:
            small = jax.tree.map(jnp.zeros_like, small)
        return PrunedSACState(sac=sac, pruning=masks, small=small, frozen=jnp.zeros((), bool))

    def policy(self, state: PrunedSACState, explore: bool) -> DrawingPolicy:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the actor of the units that stay."""
        actor: Any = state.sac.learned.actor
        if self._masks_units():
            actor = _restricted(actor, state.pruning.masks)
        if state.small is not None:
            actor = PhasedActor(dense=actor, small=state.small.actor, use_small=state.frozen)
        return self.policy_of(state.sac, actor, explore)

    def update(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, key: Array, state: PrunedSACState, batch: Trajectory
    ) -> tuple[PrunedSACState, dict[str, Array]]:
        """Store one trajectory, learn as SAC does, and score and mask units when it is time."""
        if not self._masks_units() and not self.group_sparse:  # SAC bit for bit
            sac, log = super().update(key, state.sac, batch)
            return dataclasses.replace(state, sac=sac), {**log, "sparsity": jnp.zeros(())}
        draw_key, learn_key = jax.random.split(key)
        sac, parts = self.stored(draw_key, state.sac, batch)
        state, log = self._learn(learn_key, dataclasses.replace(state, sac=sac), parts)
        before = (sac.steps - batch.terminated.size) / self.pruning_interval
        turn = jnp.floor(sac.steps / self.pruning_interval) > jnp.floor(before)
        ends = sac.steps >= self.pruning_end * self.total_steps
        state = jax.lax.cond(
            ~state.frozen & (turn | ends),
            lambda: self._scored(jax.random.fold_in(learn_key, 1), state, ends),
            lambda: state,
        )
        live = jnp.concatenate(state.pruning.masks)
        return state, {**log, "sparsity": 1.0 - jnp.mean(live)}

    def _learn(
        self, key: Array, state: PrunedSACState, parts: Transition
    ) -> tuple[PrunedSACState, dict[str, Array]]:
        """Take gradient steps on the actor that plays."""
        sac, small = state.sac, state.small
        options = self._options(state)

        def dense() -> tuple[PrunedSACState, dict[str, Array]]:
            learned, log = self.learned(
                key, sac, lambda key, now: self._steps()(key, now, parts, **options)
            )
            return _with_learned(state, learned), log

        def fine_tuned() -> tuple[PrunedSACState, dict[str, Array]]:
            assert small is not None
            rest = sac.learned.optimisers
            start = dataclasses.replace(
                sac.learned, actor=small.actor, optimisers=(small.optimiser, *rest[1:])
            )
            now = dataclasses.replace(sac, learned=start)
            learned, log = self.learned(key, now, lambda key, now: self._steps()(key, now, parts))
            after = SmallActor(actor=learned.actor, optimiser=learned.optimisers[0])
            learned = dataclasses.replace(
                learned, actor=sac.learned.actor, optimisers=(rest[0], *learned.optimisers[1:])
            )
            return dataclasses.replace(_with_learned(state, learned), small=after), log

        return dense() if small is None else jax.lax.cond(state.frozen, fine_tuned, dense)

    def _options(self, state: PrunedSACState) -> dict[str, Any]:
        """Return what a gradient step does otherwise than that of SAC."""
        masks, scores, options = state.pruning.masks, state.pruning.scores, {}
        if self._masks_units():
            options["restrict"] = lambda actor: _restricted(actor, masks)
            options["live"] = _live(state.sac.learned.actor, masks)
        if self.group_sparse:
            coef = jnp.where(state.frozen, 0.0, self.group_coef)
            options["penalty"] = lambda actor: (
                coef * pruning.group_sparsity(actor.network, scores, masks)
            )
        return options

    def _masks_units(self) -> bool:
        """Return whether a unit may be masked."""
        return self.kept_percent < 100 or self.pruning_schedule == "threshold"

    def _scored(self, key: Array, state: PrunedSACState, ends: Array) -> PrunedSACState:
        """Return the state after an event: new masks, no moments of what they mask."""
        learned = state.sac.learned
        share = state.sac.steps / self.total_steps
        scores = self._scores(key, state)
        masks = self._pruning().next(state.pruning, scores, share)
        live = _live(learned.actor, masks.masks)
        moments = pruning.with_moments_cleared(learned.optimisers[0], live)
        learned = dataclasses.replace(learned, optimisers=(moments, *learned.optimisers[1:]))
        after = dataclasses.replace(_with_learned(state, learned), pruning=masks, frozen=ends)
        if state.small is None:
            return after
        small = jax.tree.map(
            lambda new, old: jnp.where(ends, new, old), self._small(learned, masks), state.small
        )
        return dataclasses.replace(after, small=small)

    def _scores(self, key: Array, state: PrunedSACState) -> tuple[Array, ...]:
        """Return the scores of every hidden unit on states of the replay and the actor's chain."""
        state_key, noise_key = jax.random.split(key)
        learned = state.sac.learned
        actor, network = learned.actor, learned.actor.network
        if self.importance == "random":
            return importance.random_scores(key, importance.widths_of(network))
        rows = draw(state_key, state.sac.replay, (self.importance_samples,))
        observed = state.sac.inputs(rows.observation)
        shape = (*observed.shape[:-1], actor.draws, rows.action.size // observed.shape[0])
        noise = jax.random.normal(noise_key, shape)
        if self.importance == "taylor":
            return _gate_slopes(learned, state.pruning.masks, observed, noise)
        plays = _restricted(actor, state.pruning.masks)
        activations = plays.network.hidden(plays.network_inputs(observed, noise))
        return importance.score_network(self.importance, network, activations)

    def _small(self, learned: Learned, masks: PruningState) -> SmallActor | None:
        """Return the actor of the units that stay, with the moments of its parameters."""
        actor = learned.actor
        widths = self._pruning().final_widths(importance.widths_of(actor.network))
        if widths is None or not self._masks_units():
            return None
        remaining = pruning.kept_units(masks.masks, widths)
        restore = ravel_pytree(actor)[1]
        size = ravel_pytree(actor)[0].shape

        def gathered(tree: Any) -> Any:
            return with_network(tree, pruning.gathered(tree.network, remaining))

        def moments(leaf: Array) -> Array:
            return ravel_pytree(gathered(restore(leaf)))[0] if leaf.shape == size else leaf

        return SmallActor(
            actor=gathered(actor), optimiser=jax.tree.map(moments, learned.optimisers[0])
        )

    def _pruning(self) -> Pruning:
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


def _restricted(actor: Any, masks: pruning.Masks) -> Any:
    return with_network(actor, pruning.masked(actor.network, masks))


def _live(actor: Any, masks: pruning.Masks) -> Array:
    """Return 1 for every parameter of an actor that still learns, as one vector."""
    ones = jax.tree.map(jnp.ones_like, actor)
    return ravel_pytree(with_network(ones, pruning.live_parameters(actor.network, masks)))[0]


def _with_learned(state: PrunedSACState, learned: Learned) -> PrunedSACState:
    return dataclasses.replace(state, sac=dataclasses.replace(state.sac, learned=learned))


def _gate_slopes(
    learned: Learned, masks: pruning.Masks, observed: Array, noise: Array
) -> tuple[Array, ...]:
    """Return ``E|h_j dJ/dh_j|`` of every layer, divided by its mean; J is the actor's loss."""
    actor, temperature = learned.actor, jnp.exp(learned.log_temperature)

    def loss(gates: pruning.Masks) -> Array:
        gated = with_network(actor, Gated(inner=actor.network, gates=gates))
        units, log_density = gated.sample(observed, noise)
        least = jnp.min(action_values(learned.critics, observed, units), axis=-1)
        return jnp.sum(temperature * log_density - least)

    gates = tuple(jnp.broadcast_to(mask, (observed.shape[0], mask.size)) for mask in masks)
    slopes = jax.grad(loss)(gates)
    return tuple(importance.over_mean(importance.gate_slope(slope)) for slope in slopes)


__all__ = ["PrunedSAC", "PrunedSACState", "SmallActor"]
