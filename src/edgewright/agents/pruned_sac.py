"""Learn by SAC while the hidden units of the actor are pruned, then fine-tune a smaller actor.

Units are masked in arrays of the state while they may come and go. At the end of the schedule the
masks are frozen. Where the schedule says how many units stay, the actor is then gathered into
smaller matrices, which the same compiled program trains on: both shapes are part of the state.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from edgewright.agents.sac import SAC, DrawingPolicy, SACState
from edgewright.agents.sac_steps import Learned
from edgewright.agents.unit_pruning import UnitPruning, made_smaller
from edgewright.core.records import Array, Trajectory, record, static
from edgewright.core.spaces import Box, Space
from edgewright.nets.critics import action_values
from edgewright.nets.phased import Gated, PhasedActor, with_network
from edgewright.rules import importance, pruning
from edgewright.rules.pruning import PruningState
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
class PrunedSAC(UnitPruning, SAC):
    """SAC whose actor loses hidden units while it learns, see :class:`.unit_pruning.UnitPruning`.

    Scores are taken on states of the replay and all steps of the actor's own chain.
    """

    group_coef: Array | float = 1e-3  # weight of the group-sparse term, where it is on
    group_sparse: bool = static(default=False)  # whether unimportant units are pushed to zero

    def check_sizes(self, observations: Box, actions: Space) -> None:
        """Check also the share of units and that the schedule ends after it begins.

        Raises:
            InputError: it does not, or a size does not fit.
        """
        super().check_sizes(observations, actions)
        self.check_pruning()

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
        if self.masks_units():
            actor = _restricted(actor, state.pruning.masks)
        if state.small is not None:
            actor = PhasedActor(dense=actor, small=state.small.actor, use_small=state.frozen)
        return self.policy_of(state.sac, actor, explore)

    def update(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, key: Array, state: PrunedSACState, batch: Trajectory
    ) -> tuple[PrunedSACState, dict[str, Array]]:
        """Store one trajectory, learn as SAC does, and score and mask units when it is time."""
        if not self.masks_units() and not self.group_sparse:  # SAC bit for bit
            sac, log = super().update(key, state.sac, batch)
            return dataclasses.replace(state, sac=sac), {**log, "sparsity": jnp.zeros(())}
        draw_key, learn_key = jax.random.split(key)
        sac, parts = self.stored(draw_key, state.sac, batch)
        state, log = self._learn(learn_key, dataclasses.replace(state, sac=sac), parts)
        due, ends = self.due(sac.steps, batch.terminated.size, self.total_steps)
        state = jax.lax.cond(
            ~state.frozen & due,
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
        if self.masks_units():
            options["restrict"] = lambda actor: _restricted(actor, masks)
            options["live"] = _live(state.sac.learned.actor, masks)
        if self.group_sparse:
            coef = jnp.where(state.frozen, 0.0, self.group_coef)
            options["penalty"] = lambda actor: (
                coef * pruning.group_sparsity(actor.network, scores, masks)
            )
        return options

    def _scored(self, key: Array, state: PrunedSACState, ends: Array) -> PrunedSACState:
        """Return the state after an event: new masks, no moments of what they mask."""
        learned = state.sac.learned
        share = state.sac.steps / self.total_steps
        scores = self._scores(key, state)
        masks = self.rule().next(state.pruning, scores, share)
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
        remaining = self.remaining(learned.actor.network, masks.masks)
        if remaining is None:
            return None

        def gathered(tree: Any) -> Any:
            return with_network(tree, pruning.gathered(tree.network, remaining))

        actor, optimiser = made_smaller(learned.actor, learned.optimisers[0], gathered)
        return SmallActor(actor=actor, optimiser=optimiser)


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
