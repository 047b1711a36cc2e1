"""Learn action values by Q-learning from replay (DQN), with its extensions as switches.

Mnih et al. (Nature 2015); double targets: van Hasselt et al. (AAAI 2016); dueling: Wang et al.
(ICML 2016); rewards of several steps: Hessel et al. (AAAI 2018); prioritised replay: Schaul et al.
(ICLR 2016); a target that follows slowly: Lillicrap et al. (ICLR 2016). It keeps the protocol of
PPO: the replay is part of the learner's state, observations are stored raw and normalised with the
running statistics when they are used.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from edgewright.core.errors import InputError
from edgewright.core.records import Array, Decision, Memoryless, Trajectory, record, static
from edgewright.core.settings import Share, check_samples
from edgewright.core.spaces import Box, Discrete, Space
from edgewright.nets.heads import dueling_values
from edgewright.nets.mlp import MLP, init_mlp
from edgewright.rules import batches, schedule
from edgewright.rules.gradient_hooks import GradientHook, hooked
from edgewright.rules.optimiser import clipped_adam
from edgewright.rules.priority import draw_places, importance, with_errors
from edgewright.rules.replay import Replay, add, empty
from edgewright.rules.scaling import InputScaler, RewardScaler
from edgewright.rules.transitions import Transition, blank, n_step_transitions, normalised
from edgewright.rules.value import double_target, huber, plain_target, value_of


def action_values(network: MLP, observation: Array, dueling: bool) -> Array:
    """Return ``Q(s, .)`` ``[..., n]``; a dueling network has one more output, the value."""
    output = network(observation)
    return dueling_values(output[..., :1], output[..., 1:]) if dueling else output


@record
class ValuePolicy(Memoryless):
    """A policy that takes the best action value, or any action with ``epsilon`` while exploring."""

    network: MLP
    inputs: InputScaler
    epsilon: Array
    dueling: bool = static()
    explore: bool = static()

    def act(self, key: Array, carry: tuple[()], observation: Array) -> tuple[tuple[()], Decision]:
        """Return an action ``[*agents]``; agents explore independently."""
        values = action_values(self.network, self.inputs(observation), self.dueling)
        action = jnp.argmax(values, axis=-1).astype(jnp.int32)
        if self.explore:
            chance_key, choice_key = jax.random.split(key)
            chance = jax.random.uniform(chance_key, action.shape)
            choice = jax.random.randint(choice_key, action.shape, 0, values.shape[-1])
            action = jnp.where(chance < self.epsilon, choice, action)
        return carry, Decision(action=action, aux=())


@record
class Sample:
    """A row of the replay.

    Attributes:
        transition: its reward may sum over several steps.
        span: over how many.
        priority: how often it is drawn; zero where nothing is stored.
    """

    transition: Transition
    span: Array
    priority: Array


@record
class Part:
    """Normalised samples, their discounts and weights ``[*samples]``, as the loss takes them."""

    transition: Transition
    discount: Array
    weight: Array


@record
class DQNState:
    """Everything that changes while DQN learns."""

    network: MLP
    target: MLP
    optimiser: Any
    replay: Replay
    inputs: InputScaler
    rewards: RewardScaler
    steps: Array  # environment steps so far
    memory: Any = ()  # of the gradient's hook


@record
class DQN:
    """Deep Q-learning for discrete actions, double and dueling unless switched off.

    Numbers are leaves: another value does not recompile. Where the SE-PPO paper is silent about
    its DQN, the values are those of cleanrl (C) or of Stable-Baselines3 and its zoo (B).
    """

    learning_rate: Array | float = 2.5e-4  # (C) Adam; SB3 has 1e-4 for images
    gamma: Share = 0.95  # as PPO here
    final_epsilon: Share = 0.05  # (C), (B)
    exploration_fraction: Share = 0.2  # of total_steps, from epsilon 1 to final_epsilon
    total_steps: Array | float = 1e6  # K_max, in environment steps
    learning_starts: Array | float = 1000.0  # (B) environment steps
    target_update_interval: Array | float = 1000.0  # (B) environment steps; (C) 500
    target_tau: Share = 0.0  # share of the network that the target takes after a gradient step
    priority_exponent: Array | float = 0.6  # alpha, Schaul et al. table 3, proportional
    importance_exponent: Share = 0.4  # beta at the beginning; it grows to 1 with total_steps
    max_grad_norm: Array | float = 10.0  # (B) norm
    double: bool = static(default=True)
    dueling: bool = static(default=True)
    prioritised: bool = static(default=False)
    n_step: int = static(default=1)
    normalize_observations: bool = static(default=True)
    normalize_rewards: bool = static(default=True)
    hidden_sizes: tuple[int, ...] = static(default=(64, 64))
    num_envs: int = static(default=8)
    rollout_steps: int = static(default=16)
    buffer_size: int = static(default=100_000)  # samples: one per agent and environment step
    train_freq: int = static(default=4)  # (B) environment steps per gradient step
    batch_size: int = static(default=64)
    hook: GradientHook | None = dataclasses.field(default=None, metadata={"setting": False})

    PARAMETERS: ClassVar[str] = "network"
    """The field of the state that holds the parameters."""
    FOLLOWER: ClassVar[str] = "target"
    """The field of the state that follows them."""

    def misfit(self, observations: Box, actions: Space) -> str:
        """Return why DQN cannot learn with these spaces; empty if it can."""
        return "" if isinstance(actions, Discrete) else "its actions must be Discrete"

    def check_sizes(self, observations: Box, actions: Space) -> None:
        """Check the number of samples between two updates, and the steps of a reward.

        Raises:
            InputError: there are too many, or a reward sums over more than a rollout.
        """
        check_samples(self, observations.shape[:-1])
        if not 1 <= self.n_step <= self.rollout_steps:
            message = f"must be from 1 to rollout_steps, {self.rollout_steps}; got {self.n_step}"
            hint = "sum over fewer steps, or set learner.rollout_steps higher"
            raise InputError(message, where="learner.n_step", hint=hint)

    def init(self, key: Array, observations: Box, actions: Discrete) -> DQNState:
        """Return a fresh network, its copy and an empty replay. Consumes ``key``."""
        *agents, features = observations.shape
        # With a last layer of gain 1 the first values are noise as large as a return, and learning
        # begins by forgetting it.
        network = init_mlp(
            key, (features, *self.hidden_sizes, actions.n + self.dueling), last_gain=0.01
        )
        zero = jnp.zeros(())
        example = Sample(
            transition=blank(features, jnp.zeros((), jnp.int32)), span=zero, priority=zero
        )
        return DQNState(
            network=network,
            target=network,
            optimiser=self._optimiser().init(ravel_pytree(network)[0]),
            replay=empty(example, self.buffer_size),
            inputs=InputScaler.of(observations, self.normalize_observations),
            rewards=RewardScaler.of((self.num_envs, *agents), self.normalize_rewards),
            steps=jnp.zeros(()),
        )

    def policy(self, state: DQNState, explore: bool) -> ValuePolicy:
        """Return the network with a snapshot of the running statistics."""
        return ValuePolicy(
            network=state.network,
            inputs=state.inputs,
            epsilon=self._epsilon(state.steps),
            dueling=self.dueling,
            explore=explore,
        )

    def predictions(self, state: DQNState, observations: Array) -> Array:
        """Return the action values ``[..., n]`` of observations ``[..., F]``."""
        return action_values(state.network, state.inputs(observations), self.dueling)

    def update(
        self, key: Array, state: DQNState, batch: Trajectory
    ) -> tuple[DQNState, dict[str, Array]]:
        """Store one trajectory ``[T, N, ...]``, then one gradient step per ``train_freq`` steps.

        The target is copied at the first update after each ``target_update_interval`` steps, or,
        with ``target_tau``, follows after each update by as much as it would have in its gradient
        steps. Priorities change after an update as well, for all that were drawn in it.
        """
        played = batch.terminated.size
        steps = state.steps + played
        replay = add(state.replay, self._samples(batch, state.replay))
        done = batches.over_agents(batch.done, batch.reward)
        rewards = state.rewards.merged(batch.reward, done, self.gamma)

        shape = (max(1, played // self.train_freq), self.batch_size)
        places, weights = self._drawn(key, replay, shape, steps)
        rows = jax.tree.map(lambda leaf: leaf[places], replay.rows)
        part = Part(
            transition=normalised(rows.transition, state.inputs, rewards),
            discount=jnp.power(jnp.asarray(self.gamma), rows.span),
            weight=weights,
        )
        learn = (state.network, state.optimiser, state.memory)
        (network, optimiser, memory), errors, log = jax.lax.cond(
            steps >= self.learning_starts,
            lambda: self._learn(learn, state.target, part),
            lambda: (learn, jnp.zeros(shape), {"loss": jnp.zeros(()), "mean_q": jnp.zeros(())}),
        )
        after = DQNState(
            network=network,
            target=self._followed(state.target, network, (state.steps, steps), shape[0]),
            optimiser=optimiser,
            replay=self._reweighted(replay, places, errors, steps),
            inputs=state.inputs.merged(batch.observation),
            rewards=rewards,
            steps=steps,
            memory=memory,
        )
        return after, {**log, "epsilon": self._epsilon(state.steps)}

    def followed(self, state: DQNState, since: Array) -> DQNState:
        """Return a state whose target followed its network as it is now, for a time.

        Args:
            state: its ``steps`` are the end of that time.
            since: environment steps at its beginning.
        """
        taken = jnp.maximum(1.0, jnp.floor((state.steps - since) / self.train_freq))
        target = self._followed(state.target, state.network, (since, state.steps), taken)
        return dataclasses.replace(state, target=target)

    def _samples(self, batch: Trajectory, replay: Replay) -> Sample:
        """Return the rows of a trajectory; new ones are drawn as often as any old one."""
        part, span = n_step_transitions(batch, self.gamma, self.n_step)
        highest = jnp.max(replay.rows.priority)
        priority = jnp.where(highest > 0.0, highest, 1.0)
        return Sample(transition=part, span=span, priority=jnp.full_like(span, priority))

    def _drawn(
        self, key: Array, replay: Replay, shape: tuple[int, ...], steps: Array
    ) -> tuple[Array, Array]:
        """Return places in the replay and the weight of each sample."""
        if not self.prioritised:
            return jax.random.randint(key, shape, 0, replay.filled), jnp.ones(shape)
        places, chance = draw_places(key, replay.rows.priority, shape)
        exponent = schedule.linear(steps, self.importance_exponent, 1.0, self.total_steps)
        return places, jax.vmap(importance, (0, None, None))(chance, replay.filled, exponent)

    def _reweighted(self, replay: Replay, places: Array, errors: Array, steps: Array) -> Replay:
        """Return the replay with the priorities that follow from errors of a learning round."""
        if not self.prioritised:
            return replay
        flat = places.ravel(), errors.ravel()
        after = with_errors(replay.rows.priority, *flat, self.priority_exponent)
        learned = jnp.where(steps >= self.learning_starts, after, replay.rows.priority)
        rows = dataclasses.replace(replay.rows, priority=learned)
        return dataclasses.replace(replay, rows=rows)

    def _followed(
        self, target: MLP, network: MLP, span: tuple[Array, Array], taken: int | Array
    ) -> MLP:
        """Return the target network after ``taken`` gradient steps within a span of steps."""
        begin, end = (jnp.floor(steps / self.target_update_interval) for steps in span)
        due = end > begin
        tau = jnp.asarray(self.target_tau)
        slow = 1.0 - jnp.power(1.0 - tau, taken)
        share = jnp.where(tau > 0.0, slow, jnp.where(due, 1.0, 0.0))
        return jax.tree.map(
            lambda new, old: jnp.where(share < 1.0, old + share * (new - old), new),
            network,
            target,
        )

    def _optimiser(self) -> optax.GradientTransformation:
        return clipped_adam(self.max_grad_norm)

    def _epsilon(self, steps: Array) -> Array:
        """Return the share of random actions at this step."""
        span = self.exploration_fraction * self.total_steps
        return schedule.linear(steps, 1.0, self.final_epsilon, span)

    def _learn(
        self, learn: tuple[MLP, Any, Any], target: MLP, parts: Part
    ) -> tuple[tuple[MLP, Any, Any], Array, dict[str, Array]]:
        """Take one gradient step for each of ``parts`` ``[steps, minibatch, ...]``.

        Returns:
            network, optimiser and the hook's memory; the errors ``[steps, minibatch]``; and means
            for the log.
        """
        flat, restore = ravel_pytree(learn[0])
        judged = action_values(target, parts.transition.next_observation, self.dueling)

        def loss(flat: Array, part: Part, judged: Array) -> tuple[Array, tuple[Array, Array]]:
            network, step = restore(flat), part.transition
            values = action_values(network, step.observation, self.dueling)
            if self.double:
                chosen = action_values(network, step.next_observation, self.dueling)
                goal = double_target(step.reward, chosen, judged, step.terminated, part.discount)
            else:
                goal = plain_target(step.reward, judged, step.terminated, part.discount)
            taken = value_of(values, step.action)
            error = taken - jax.lax.stop_gradient(goal)
            return jnp.mean(part.weight * huber(error)), (error, jnp.mean(taken))

        def step(carry: Any, row: tuple[Part, Array]) -> tuple[Any, tuple[Array, dict[str, Array]]]:
            flat, optimiser, memory = carry
            (cost, (error, mean_q)), grad = jax.value_and_grad(loss, has_aux=True)(flat, *row)
            grad, memory = hooked(self.hook, grad, flat, memory)
            change, optimiser = self._optimiser().update(grad, optimiser)
            after = flat - jnp.asarray(change) * self.learning_rate
            return (after, optimiser, memory), (error, {"loss": cost, "mean_q": mean_q})

        carry = (flat, *learn[1:])
        (flat, *rest), (errors, logs) = jax.lax.scan(step, carry, (parts, judged))
        means = {name: jnp.mean(leaf) for name, leaf in logs.items()}
        return (restore(flat), *rest), errors, means
