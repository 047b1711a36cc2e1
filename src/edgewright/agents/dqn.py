"""Learn action values by Q-learning from replay (DQN), with double and dueling as switches.

Mnih et al. (Nature 2015); double targets: van Hasselt et al. (AAAI 2016); dueling: Wang et al.
(ICML 2016). It keeps the protocol of PPO: the replay is part of the learner's state, observations
are stored raw and normalised with the running statistics when they are used.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from edgewright.core.records import Array, Decision, Memoryless, Trajectory, record, static
from edgewright.core.settings import Share, check_samples
from edgewright.core.spaces import Box, Discrete, Space
from edgewright.nets.heads import dueling_values
from edgewright.nets.mlp import MLP, init_mlp
from edgewright.rules import batches, schedule
from edgewright.rules.optimiser import clipped_adam
from edgewright.rules.replay import Replay, add, draw, empty
from edgewright.rules.scaling import InputScaler, RewardScaler
from edgewright.rules.transitions import Transition, blank, normalised, transitions
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
class DQNState:
    """Everything that changes while DQN learns."""

    network: MLP
    target: MLP
    optimiser: Any
    replay: Replay
    inputs: InputScaler
    rewards: RewardScaler
    steps: Array  # environment steps so far


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
    max_grad_norm: Array | float = 10.0  # (B) norm
    double: bool = static(default=True)
    dueling: bool = static(default=True)
    normalize_observations: bool = static(default=True)
    normalize_rewards: bool = static(default=True)
    hidden_sizes: tuple[int, ...] = static(default=(64, 64))
    num_envs: int = static(default=8)
    rollout_steps: int = static(default=16)
    buffer_size: int = static(default=100_000)  # samples: one per agent and environment step
    train_freq: int = static(default=4)  # (B) environment steps per gradient step
    batch_size: int = static(default=64)

    def misfit(self, observations: Box, actions: Space) -> str:
        """Return why DQN cannot learn with these spaces; empty if it can."""
        return "" if isinstance(actions, Discrete) else "its actions must be Discrete"

    def check_sizes(self, observations: Box, actions: Space) -> None:
        """Check the number of samples between two updates.

        Raises:
            InputError: there are too many.
        """
        check_samples(self, observations.shape[:-1])

    def init(self, key: Array, observations: Box, actions: Discrete) -> DQNState:
        """Return a fresh network, its copy and an empty replay. Consumes ``key``."""
        *agents, features = observations.shape
        # With a last layer of gain 1 the first values are noise as large as a return, and learning
        # begins by forgetting it.
        network = init_mlp(
            key, (features, *self.hidden_sizes, actions.n + self.dueling), last_gain=0.01
        )
        example = blank(features, jnp.zeros((), jnp.int32))
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

    def update(
        self, key: Array, state: DQNState, batch: Trajectory
    ) -> tuple[DQNState, dict[str, Array]]:
        """Store one trajectory ``[T, N, ...]``, then one gradient step per ``train_freq`` steps.

        The target is copied at the first update after each ``target_update_interval`` steps.
        """
        played = batch.terminated.size
        steps = state.steps + played
        replay = add(state.replay, transitions(batch))
        done = batches.over_agents(batch.done, batch.reward)
        rewards = state.rewards.merged(batch.reward, done, self.gamma)

        shape = (max(1, played // self.train_freq), self.batch_size)
        part = normalised(draw(key, replay, shape), state.inputs, rewards)
        learn = (state.network, state.optimiser)
        (network, optimiser), log = jax.lax.cond(
            steps >= self.learning_starts,
            lambda: self._learn(learn, state.target, part),
            lambda: (learn, {"loss": jnp.zeros(()), "mean_q": jnp.zeros(())}),
        )
        turn = jnp.floor(steps / self.target_update_interval) > jnp.floor(
            state.steps / self.target_update_interval
        )
        after = DQNState(
            network=network,
            target=jax.tree.map(lambda new, old: jnp.where(turn, new, old), network, state.target),
            optimiser=optimiser,
            replay=replay,
            inputs=state.inputs.merged(batch.observation),
            rewards=rewards,
            steps=steps,
        )
        return after, {**log, "epsilon": self._epsilon(state.steps)}

    def _optimiser(self) -> optax.GradientTransformation:
        return clipped_adam(self.max_grad_norm)

    def _epsilon(self, steps: Array) -> Array:
        """Return the share of random actions at this step."""
        span = self.exploration_fraction * self.total_steps
        return schedule.linear(steps, 1.0, self.final_epsilon, span)

    def _learn(
        self, learn: tuple[MLP, Any], target: MLP, parts: Transition
    ) -> tuple[tuple[MLP, Any], dict[str, Array]]:
        """Take one gradient step for each of ``parts`` ``[steps, minibatch, ...]``."""
        flat, restore = ravel_pytree(learn[0])
        judged = action_values(target, parts.next_observation, self.dueling)

        def loss(flat: Array, part: Transition, judged: Array) -> tuple[Array, Array]:
            network = restore(flat)
            values = action_values(network, part.observation, self.dueling)
            if self.double:
                chosen = action_values(network, part.next_observation, self.dueling)
                goal = double_target(part.reward, chosen, judged, part.terminated, self.gamma)
            else:
                goal = plain_target(part.reward, judged, part.terminated, self.gamma)
            taken = value_of(values, part.action)
            return jnp.mean(huber(taken - jax.lax.stop_gradient(goal))), jnp.mean(taken)

        def step(carry: Any, row: tuple[Transition, Array]) -> tuple[Any, dict[str, Array]]:
            flat, optimiser = carry
            (cost, mean_q), grad = jax.value_and_grad(loss, has_aux=True)(flat, *row)
            change, optimiser = self._optimiser().update(grad, optimiser)
            return (flat - jnp.asarray(change) * self.learning_rate, optimiser), {
                "loss": cost,
                "mean_q": mean_q,
            }

        (flat, optimiser), logs = jax.lax.scan(step, (flat, learn[1]), (parts, judged))
        return (restore(flat), optimiser), {name: jnp.mean(leaf) for name, leaf in logs.items()}
