"""Learn by PPO while the hidden units of the actor are pruned, then fine-tune a smaller actor.

As in :mod:`.pruned_sac`, masks are arrays of the state, and both shapes of the actor are part of
it, so that one compiled program trains and plays them. The critic keeps all its units.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from edgewright.agents.ppo import PPO, ActorPolicy, PPOState, Samples
from edgewright.agents.unit_pruning import (
    Masked,
    PhasedNetwork,
    UnitPruning,
    made_smaller,
)
from edgewright.core.records import Array, Trajectory, record
from edgewright.core.spaces import Box, Discrete, Space
from edgewright.nets.actors import (
    Actor,
    GaussianActor,
    distribution_of,
    network_of,
    with_own_network,
)
from edgewright.nets.phased import Gated
from edgewright.rules import batches, importance, pruning
from edgewright.rules.pruning import PruningState


@record
class SmallNetworks:
    """The actor of the units that stayed with the critic, and the state of their optimiser."""

    networks: tuple[Actor, Any]
    optimiser: Any


@record
class PrunedPPOState:
    """Everything that changes while a pruned PPO learns.

    Attributes:
        ppo: its actor's network is a :class:`~edgewright.agents.unit_pruning.Masked` one.
        small: zeros before the schedule has ended; None where its widths are not known beforehand.
        frozen: bool, whether the schedule has ended.
    """

    ppo: PPOState
    pruning: PruningState
    small: SmallNetworks | None
    frozen: Array


@record
class PrunedPPO(UnitPruning, PPO):
    """PPO whose actor loses hidden units while it learns, see :class:`.unit_pruning.UnitPruning`.

    Scores are taken on observations of the last trajectory.
    """

    def check_sizes(self, observations: Box, actions: Space) -> None:
        """Check also the share of units and that the schedule ends after it begins.

        Raises:
            InputError: it does not, or a size does not fit.
        """
        super().check_sizes(observations, actions)
        self.check_pruning()

    def init(self, key: Array, observations: Box, actions: Discrete | Box) -> PrunedPPOState:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return PPO before its first step, with every unit of the actor. Consumes ``key``."""
        ppo = super().init(key, observations, actions)
        actor, critic = ppo.networks
        masks = pruning.init_pruning(network_of(actor))
        own = Masked(inner=network_of(actor), masks=masks.masks)
        networks = (with_own_network(actor, own), critic)
        before, after = (ravel_pytree(one)[0].size for one in (ppo.networks, networks))
        optimiser = jax.tree.map(
            lambda leaf: jnp.zeros(after) if leaf.shape == (before,) else leaf, ppo.optimiser
        )
        ppo = dataclasses.replace(ppo, networks=networks, optimiser=optimiser)
        small = jax.tree.map(jnp.zeros_like, self._small(ppo, masks))
        return PrunedPPOState(ppo=ppo, pruning=masks, small=small, frozen=jnp.zeros((), bool))

    def policy(self, state: PrunedPPOState, explore: bool) -> ActorPolicy:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the actor of the units that stay."""
        actor = state.ppo.networks[0]
        if state.small is not None:
            small, dense = state.small.networks[0], network_of(actor)
            if isinstance(actor, GaussianActor):
                spread = jnp.where(state.frozen, small.log_deviation, actor.log_deviation)
                actor = dataclasses.replace(actor, log_deviation=spread)
            both = PhasedNetwork(dense=dense, small=network_of(small), use_small=state.frozen)
            actor = with_own_network(actor, both)
        return ActorPolicy(actor=actor, inputs=state.ppo.inputs, explore=explore)

    def update(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, key: Array, state: PrunedPPOState, batch: Trajectory
    ) -> tuple[PrunedPPOState, dict[str, Array]]:
        """Learn from one trajectory as PPO does, and score and mask units when it is time."""
        before = state.ppo
        state, log = self._learn(key, state, batch)
        if self.masks_units():
            due, ends = self.due(state.ppo.steps, batch.terminated.size, self.total_steps)
            state = jax.lax.cond(
                ~state.frozen & due,
                lambda: self._scored(jax.random.fold_in(key, 1), state, before, batch, ends),
                lambda: state,
            )
        live = jnp.concatenate(state.pruning.masks)
        return state, {**log, "sparsity": 1.0 - jnp.mean(live)}

    def _learn(
        self, key: Array, state: PrunedPPOState, batch: Trajectory
    ) -> tuple[PrunedPPOState, dict[str, Array]]:
        """Take the gradient steps on the actor that plays."""
        learn, ppo, small = super().update, state.ppo, state.small

        def dense() -> tuple[PrunedPPOState, dict[str, Array]]:
            after, log = learn(key, ppo, batch)
            return dataclasses.replace(state, ppo=after), log

        def fine_tuned() -> tuple[PrunedPPOState, dict[str, Array]]:
            assert small is not None
            now = dataclasses.replace(ppo, networks=small.networks, optimiser=small.optimiser)
            after, log = learn(key, now, batch)
            own = SmallNetworks(networks=after.networks, optimiser=after.optimiser)
            rest = dataclasses.replace(after, networks=ppo.networks, optimiser=ppo.optimiser)
            return dataclasses.replace(state, ppo=rest, small=own), log

        return dense() if small is None else jax.lax.cond(state.frozen, fine_tuned, dense)

    def _scored(
        self,
        key: Array,
        state: PrunedPPOState,
        before: PPOState,
        batch: Trajectory,
        ends: Array,
    ) -> PrunedPPOState:
        """Return the state after an event: new masks, no moments of what they mask."""
        ppo, share = state.ppo, state.ppo.steps / self.total_steps
        masks = self.rule().next(state.pruning, self._scores(key, state, before, batch), share)
        actor, critic = ppo.networks
        network = dataclasses.replace(network_of(actor), masks=masks.masks)
        ones = jax.tree.map(jnp.ones_like, ppo.networks)
        live = dataclasses.replace(
            network, inner=pruning.live_parameters(network.inner, masks.masks)
        )
        vector = ravel_pytree((with_own_network(ones[0], live), ones[1]))[0]
        ppo = dataclasses.replace(
            ppo,
            networks=(with_own_network(actor, network), critic),
            optimiser=pruning.with_moments_cleared(ppo.optimiser, vector),
        )
        after = dataclasses.replace(state, ppo=ppo, pruning=masks, frozen=ends)
        if state.small is None:
            return after
        small = jax.tree.map(
            lambda new, old: jnp.where(ends, new, old), self._small(ppo, masks), state.small
        )
        return dataclasses.replace(after, small=small)

    def _scores(
        self, key: Array, state: PrunedPPOState, before: PPOState, batch: Trajectory
    ) -> tuple[Array, ...]:
        """Return the scores of every hidden unit on observations of the trajectory."""
        network = network_of(state.ppo.networks[0])
        if self.importance == "random":
            return importance.random_scores(key, importance.widths_of(network.inner))
        samples = batches.samples(state.ppo.inputs(batch.observation), 1)
        rows = jax.random.randint(key, (self.importance_samples,), 0, samples.shape[0])
        if self.importance == "taylor":
            part = jax.tree.map(lambda leaf: leaf[rows], self._samples(before, batch)[0])
            return self._gate_slopes(state, part)
        activations = network.plain.hidden(samples[rows])
        return importance.score_network(self.importance, network.inner, activations)

    def _gate_slopes(self, state: PrunedPPOState, part: Samples) -> tuple[Array, ...]:
        """Return ``E|h_j dJ/dh_j|`` over its mean for every layer; J is the clipped surrogate."""
        actor = state.ppo.networks[0]
        inner, count = network_of(actor).inner, part.observation.shape[0]

        def loss(gates: pruning.Masks) -> Array:
            gated = with_own_network(actor, Gated(inner=inner, gates=gates))
            scores = gated(part.observation)
            if self.all_actions:
                log_p = jax.nn.log_softmax(scores)
            else:
                log_p = distribution_of(gated).log_probability(scores, part.drawn)
            return -count * self._surrogate(log_p, part, part.advantage)

        gates = tuple(jnp.broadcast_to(m, (count, m.size)) for m in state.pruning.masks)
        slopes = jax.grad(loss)(gates)
        return tuple(importance.over_mean(importance.gate_slope(slope)) for slope in slopes)

    def _small(self, ppo: PPOState, masks: PruningState) -> SmallNetworks | None:
        """Return networks with the units that stay, with the moments of their parameters."""
        remaining = self.remaining(network_of(ppo.networks[0]).inner, masks.masks)
        if remaining is None:
            return None

        def gathered(tree: Any) -> Any:
            actor, critic = tree
            inner = network_of(actor).inner
            return with_own_network(actor, pruning.gathered(inner, remaining)), critic

        networks, optimiser = made_smaller(ppo.networks, ppo.optimiser, gathered)
        return SmallNetworks(networks=networks, optimiser=optimiser)


__all__ = ["PrunedPPO", "PrunedPPOState", "SmallNetworks"]
