"""Learn a model of the world and plan with it by expected free energy (active inference).

Friston et al. (Cognitive Neuroscience 6(4), 2015); with learned ensembles and the cross-entropy
method: Tschantz, Millidge, Seth, Buckley (arXiv:2002.12636) and PETS (Chua et al., NeurIPS 2018).
It is written for one decision maker whose action is numbers within bounds. Equations, variants and
where the published programs differ are in ``docs/concepts/active-inference.md``.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax

from edgewright.agents.planning import (
    Estimator,
    FreeEnergy,
    Objective,
    Particles,
    PlannerPolicy,
    Strategy,
)
from edgewright.agents.world_model import Step, WorldModel, fit, standardised
from edgewright.core.errors import InputError
from edgewright.core.records import Array, Trajectory, record, static
from edgewright.core.settings import Share, check_samples
from edgewright.core.spaces import Box, Space
from edgewright.nets.actions import to_units
from edgewright.nets.ensemble import Ensemble, init_ensemble
from edgewright.rules import batches, normalise
from edgewright.rules.cem import CEM
from edgewright.rules.replay import Replay, add, empty
from edgewright.rules.scaling import InputScaler

Networks = tuple[Ensemble, Ensemble]
"""Of the transition, and of the reward."""


@record
class ActiveInferenceState:
    """Everything that changes while the model is learned."""

    networks: Networks
    optimiser: Any
    replay: Replay
    inputs: InputScaler
    changes: normalise.Moments  # of states in scaled units
    rewards: normalise.Moments
    goal: Array  # the preferred reward, raw
    steps: Array  # environment steps so far
    space: Box = static()  # of the actions


@record
class ActiveInference:
    """A planner with a learned model. Numbers are leaves: another value does not recompile.

    Values marked (P) are those of the published planner; ``active-inference-paper`` has its sizes.

    Attributes:
        epistemic_weight: of the epistemic value, in deviations of the reward per nat.
        preference_quantile, preference_gain: the preferred reward is the gain times this quantile
            of the rewards in the replay. It and ``preference_variance`` count with the free
            energies ``"risk"`` and ``"as-run"``.
        initial_noise, noise_decay, final_noise: deviation of the noise that an exploring policy
            adds to an action in [-1, 1], and its factor per environment step.
        refit: ``"continue"`` takes one gradient step per ``train_freq`` environment steps;
            ``"reset"`` trains new networks for ``fit_epochs`` passes over the replay.
    """

    learning_rate: Array | float = 1e-3  # (P) Adam
    max_grad_norm: Array | float = 1000.0  # (P)
    learning_starts: Array | float = 200.0  # environment steps with uniform actions
    epistemic_weight: Array | float = 0.1
    preference_quantile: Share = 0.95
    preference_gain: Array | float = 1.0
    preference_variance: Array | float = 0.5  # (P)
    initial_noise: Array | float = 0.3
    noise_decay: Share = 0.999
    final_noise: Array | float = 0.05
    plan_std: Array | float = 0.5
    min_plan_std: Array | float = 0.05
    min_variance: Array | float = 1e-4  # standardised
    max_variance: Array | float = 2.0  # noise alone has 1
    free_energy: FreeEnergy = static(default="expected")
    strategy: Strategy = static(default="information")
    estimator: Estimator = static(default="lower")
    reward_informs: bool = static(default=True)
    particles: Particles = static(default="common")
    warm_start: bool = static(default=True)
    clip: bool = static(default=True)
    elite_memory: bool = static(default=True)
    answer: Literal["mean", "best"] = static(default="mean")
    refit: Literal["continue", "reset"] = static(default="continue")
    normalize_rewards: bool = static(default=True)
    ensemble_size: int = static(default=5)
    hidden_sizes: tuple[int, ...] = static(default=(128, 128))
    reward_hidden_sizes: tuple[int, ...] = static(default=(128, 128))
    plan_horizon: int = static(default=3)
    num_candidates: int = static(default=128)
    num_elites: int = static(default=16)
    plan_iterations: int = static(default=4)
    num_blocks: int = static(default=1)  # in which candidates are imagined
    num_envs: int = static(default=4)
    rollout_steps: int = static(default=8)
    buffer_size: int = static(default=20_000)
    batch_size: int = static(default=64)  # of each member
    train_freq: int = static(default=1)  # environment steps per gradient step
    fit_epochs: int = static(default=60)  # (P)

    def misfit(self, observations: Box, actions: Space) -> str:
        """Return why it cannot learn with these spaces; empty if it can."""
        if len(observations.shape) != 1:
            return "it plans for one decision maker, without an axis of agents"
        if isinstance(actions, Box) and np.isfinite(np.stack(actions.bounds)).all():
            return ""
        return "its actions must be a Box with finite bounds"

    def check_sizes(self, observations: Box, actions: Space) -> None:
        """Check that the sizes fit one another.

        An ensemble of one has no epistemic uncertainty, so every strategy but ``"none"`` needs two
        members. ``"as-run"`` has no strategy.

        Raises:
            InputError: an ensemble is too small for its strategy, or a size exceeds another one.
        """
        check_samples(self, ())
        scored = self.free_energy != "as-run" and self.strategy != "none"
        knn = scored and self.strategy == "information" and self.estimator == "knn"
        least = (4 if knn else 2) if scored else 1
        if self.ensemble_size < least:
            name = "estimator = 'knn'" if knn else f"strategy = '{self.strategy}'"
            message = f"must be at least {least} with {name}; got {self.ensemble_size}"
            hint = "raise it, or set learner.strategy = 'none'"
            raise InputError(message, where="learner.ensemble_size", hint=hint)
        if not 2 <= self.num_elites <= self.num_candidates:
            message = f"must be from 2 to num_candidates = {self.num_candidates}"
            message = f"{message}; got {self.num_elites}"
            raise InputError(message, where="learner.num_elites", hint="a tenth of them is usual")
        if self.num_candidates % self.num_blocks:
            message = f"must divide num_candidates = {self.num_candidates}; got {self.num_blocks}"
            raise InputError(message, where="learner.num_blocks", hint="choose a divisor, e.g. 1")
        played = self.num_envs * self.rollout_steps
        if played > self.buffer_size:
            message = f"must hold the {played} samples of an update; got {self.buffer_size}"
            hint = "raise it, or lower learner.rollout_steps"
            raise InputError(message, where="learner.buffer_size", hint=hint)
        if not 0 < float(self.min_variance) < float(self.max_variance):
            message = f"must be positive and below max_variance; got {self.min_variance}"
            raise InputError(message, where="learner.min_variance", hint="e.g. 1e-4")

    def init(self, key: Array, observations: Box, actions: Box) -> ActiveInferenceState:
        """Return fresh ensembles and an empty replay. Consumes ``key``."""
        (columns,), numbers = observations.shape, math.prod(actions.shape)
        networks = self._networks(key, columns, numbers)
        blank = jnp.zeros(columns)
        example = Step(
            observation=blank,
            action=jnp.zeros(numbers),
            reward=jnp.zeros(()),
            next_observation=blank,
        )
        return ActiveInferenceState(
            networks=networks,
            optimiser=self._optimiser().init(networks),  # pyright: ignore[reportArgumentType]
            replay=empty(example, self.buffer_size),
            inputs=InputScaler.of(observations, standardise=True),
            changes=normalise.no_moments((columns,)),
            rewards=normalise.no_moments(()),
            space=actions,
            goal=jnp.zeros(()),
            steps=jnp.zeros(()),
        )

    def policy(self, state: ActiveInferenceState, explore: bool) -> PlannerPolicy:
        """Return the planner with a snapshot of the model.

        A policy that does not explore adds no noise and leaves the epistemic value out.
        """
        model = self._model(state)
        noise = self.initial_noise * jnp.power(self.noise_decay, state.steps)
        return PlannerPolicy(
            model=model,
            objective=Objective(
                epistemic_weight=self.epistemic_weight,
                goal=standardised(model.rewards, state.goal),
                goal_variance=self.preference_variance,
                free_energy=self.free_energy,
                strategy=self.strategy if explore else "none",
                estimator=self.estimator,
                reward_informs=self.reward_informs,
            ),
            search=CEM(
                initial_std=self.plan_std,
                min_std=self.min_plan_std,
                num_candidates=self.num_candidates,
                num_elites=self.num_elites,
                iterations=self.plan_iterations,
                clip=self.clip,
                elite_memory=self.elite_memory,
                answer=self.answer,
            ),
            space=state.space,
            noise=jnp.maximum(noise, self.final_noise),
            uniform=state.steps < self.learning_starts,
            horizon=self.plan_horizon,
            particles=self.particles,
            blocks=self.num_blocks,
            warm_start=self.warm_start,
            explore=explore,
        )

    def update(
        self, key: Array, state: ActiveInferenceState, batch: Trajectory
    ) -> tuple[ActiveInferenceState, dict[str, Array]]:
        """Store one trajectory ``[T, N, ...]``, then fit the model to the replay.

        A state that ends an episode is learned from like any other, and what would follow it is
        not: rewards beyond the end of an episode are imagined as if it went on.
        """
        stored = self._stored(state, batch)
        (networks, optimiser), log = jax.lax.cond(
            stored.steps >= self.learning_starts,
            lambda: self._fitted(key, stored),
            lambda: (
                (stored.networks, stored.optimiser),
                {"state_loss": jnp.zeros(()), "reward_loss": jnp.zeros(())},
            ),
        )
        after = dataclasses.replace(stored, networks=networks, optimiser=optimiser)
        return after, {**log, "preferred_reward": stored.goal}

    def _stored(self, state: ActiveInferenceState, batch: Trajectory) -> ActiveInferenceState:
        """Return the state with a trajectory in its replay and in its statistics."""
        rows = Step(
            observation=batches.samples(batch.observation, 1),
            action=to_units(state.space, batches.samples(batch.action, len(state.space.shape))),
            reward=batches.samples(batch.reward),
            next_observation=batches.samples(batch.next_observation, 1),
        )
        scaled = state.inputs.scaled
        changes = scaled(rows.next_observation) - scaled(rows.observation)
        rewards = state.rewards
        if self.normalize_rewards:
            rewards = normalise.merge(rewards, rows.reward)
        replay = add(state.replay, rows)
        return dataclasses.replace(
            state,
            replay=replay,
            inputs=state.inputs.merged(rows.observation),
            changes=normalise.merge(state.changes, changes),
            rewards=rewards,
            goal=self._preferred(replay),
            steps=state.steps + batch.terminated.size,
        )

    def _preferred(self, replay: Replay) -> Array:
        """Return the preferred reward: a multiple of a quantile of the rewards in the replay."""
        rows = jnp.arange(self.buffer_size)
        ordered = jnp.sort(jnp.where(rows < replay.filled, replay.rows.reward, jnp.inf))
        index = jnp.round(self.preference_quantile * (replay.filled - 1)).astype(jnp.int32)
        return self.preference_gain * ordered[index]

    def _fitted(
        self, key: Array, state: ActiveInferenceState
    ) -> tuple[tuple[Networks, Any], dict[str, Array]]:
        """Return networks and optimiser after the gradient steps of one update."""
        init_key, fit_key = jax.random.split(key)
        rule, replay = self._optimiser(), state.replay
        model, memory = self._model(state), state.optimiser
        steps: Array | int = max(1, self.num_envs * self.rollout_steps // self.train_freq)
        if self.refit == "reset":
            columns, numbers = (
                leaf.shape[-1] for leaf in (replay.rows.observation, replay.rows.action)
            )
            networks = self._networks(init_key, columns, numbers)
            model = dataclasses.replace(model, transition=networks[0], reward=networks[1])
            memory = rule.init(networks)  # pyright: ignore[reportArgumentType]
            steps = jnp.maximum(1, self.fit_epochs * replay.filled // self.batch_size)
        model, memory, log = fit(
            fit_key, model, (rule, memory), replay,
            rate=self.learning_rate, steps=steps, batch_size=self.batch_size,
        )  # fmt: skip
        return ((model.transition, model.reward), memory), log

    def _model(self, state: ActiveInferenceState) -> WorldModel:
        return WorldModel(
            transition=state.networks[0],
            reward=state.networks[1],
            inputs=state.inputs,
            changes=state.changes,
            rewards=state.rewards,
            min_variance=self.min_variance,
            max_variance=self.max_variance,
        )

    def _networks(self, key: Array, columns: int, numbers: int) -> Networks:
        """Return fresh ensembles. Consumes ``key``."""
        keys, inputs = jax.random.split(key), columns + numbers
        sizes = (inputs, *self.hidden_sizes, 2 * columns)
        reward_sizes = (inputs, *self.reward_hidden_sizes, 2)
        return (
            init_ensemble(keys[0], self.ensemble_size, sizes),
            init_ensemble(keys[1], self.ensemble_size, reward_sizes),
        )

    def _optimiser(self) -> optax.GradientTransformation:
        return optax.chain(
            optax.clip_by_global_norm(self.max_grad_norm),  # pyright: ignore[reportArgumentType]
            optax.scale_by_adam(),
        )


__all__ = ["ActiveInference", "ActiveInferenceState"]
