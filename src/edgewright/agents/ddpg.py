"""Learn numbers by deterministic policy gradients (DDPG), with the parts of TD3 as options.

Lillicrap et al. (ICLR 2016); twin critics, delayed policy updates and target policy smoothing:
Fujimoto et al. (ICML 2018). It keeps the protocol of DQN: the replay is part of the learner's
state, observations are stored raw and normalised with the running statistics when they are used.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp

from edgewright.agents.ddpg_steps import ActorCriticSteps, Learned
from edgewright.core.errors import InputError
from edgewright.core.records import Array, Decision, Memoryless, Trajectory, record, static
from edgewright.core.settings import Share, check_samples
from edgewright.core.spaces import Box, Space
from edgewright.nets.actions import from_units, random_units, to_units
from edgewright.nets.actors import BoxActor, box_misfit, init_box_actor
from edgewright.nets.critics import init_critics
from edgewright.rules import batches, schedule
from edgewright.rules.replay import Replay, add, draw, empty
from edgewright.rules.scaling import InputScaler, RewardScaler
from edgewright.rules.transitions import blank, normalised, transitions


@record
class BoxPolicy(Memoryless):
    """An actor of numbers that, while exploring, adds Gaussian noise or draws at random."""

    actor: BoxActor
    inputs: InputScaler
    noise: Array  # deviation, in units
    at_random: Array  # bool: draw the action whatever is observed
    explore: bool = static()

    def act(self, key: Array, carry: tuple[()], observation: Array) -> tuple[tuple[()], Decision]:
        """Return an action ``[*agents, ...]``; agents explore independently."""
        space = self.actor.space
        units = self.actor(self.inputs(observation))
        if self.explore:
            noise_key, random_key = jax.random.split(key)
            noisy = units + self.noise * jax.random.normal(noise_key, units.shape)
            units = jnp.where(self.at_random, random_units(random_key, space, units.shape), noisy)
        return carry, Decision(action=from_units(space, units), aux=())


@record
class DDPGState:
    """Everything that changes while DDPG learns."""

    learned: Learned
    replay: Replay
    inputs: InputScaler
    rewards: RewardScaler
    steps: Array  # environment steps so far


@record
class DDPG:
    """Deep deterministic policy gradient for real numbers; the switches of TD3 are off.

    Numbers are leaves: another value does not recompile. Noise is in units of half the range of a
    number, or in those of the number where it has no bounds. (L) is the value of Lillicrap et al.,
    (F) that of Fujimoto et al.
    """

    actor_learning_rate: Array | float = 1e-3  # (F) Adam; (L) 1e-4
    critic_learning_rate: Array | float = 2e-3  # (L) and (F) 1e-3
    gamma: Share = 0.95  # as PPO here
    tau: Share = 0.005  # (F) share of the way that targets go to the networks; (L) 0.001
    exploration_noise: Array | float = 0.1  # (F) deviation at the first step
    final_noise: Array | float = 0.1  # deviation in the end
    exploration_fraction: Share = 1.0  # of total_steps, from exploration_noise to final_noise
    total_steps: Array | float = 1e6  # K_max, in environment steps
    learning_starts: Array | float = 1000.0  # (F) environment steps with random actions
    target_noise: Array | float = 0.0  # deviation that smooths the target; (F) 0.2
    target_noise_clip: Array | float = 0.5  # (F)
    max_grad_norm: Array | float = 10.0  # norm, per network, both critics as one
    twin: bool = static(default=False)
    normalize_observations: bool = static(default=True)
    normalize_rewards: bool = static(default=True)
    noise_decay: Literal["linear", "exponential"] = static(default="linear")
    hidden_sizes: tuple[int, ...] = static(default=(64, 64))
    num_envs: int = static(default=8)
    rollout_steps: int = static(default=16)
    buffer_size: int = static(default=100_000)  # samples: one per agent and environment step
    train_freq: int = static(default=1)  # (L), (F) environment steps per gradient step
    policy_delay: int = static(default=1)  # critic steps per actor step; (F) 2
    batch_size: int = static(default=64)  # (L)

    def misfit(self, observations: Box, actions: Space) -> str:
        """Return why DDPG cannot learn with these spaces; empty if it can."""
        if isinstance(actions, Box):
            return box_misfit(observations, actions)
        return "its actions must be a Box whose bounds are all finite or all infinite"

    def check_sizes(self, observations: Box, actions: Space) -> None:
        """Check the number of samples between two updates, and that the noise can decay.

        Raises:
            InputError: there are too many, or an exponential decay would begin or end at 0.
        """
        check_samples(self, observations.shape[:-1])
        if self.noise_decay == "exponential":
            for name in ("exploration_noise", "final_noise"):
                if not getattr(self, name) > 0:
                    message = f"{name} must be above 0 where it decays exponentially; got 0"
                    hint = 'give 1e-3, or set noise_decay = "linear"'
                    raise InputError(message, where=f"learner.{name}", hint=hint)

    def init(self, key: Array, observations: Box, actions: Box) -> DDPGState:
        """Return fresh networks, their copies and an empty replay. Consumes ``key``."""
        *agents, features = observations.shape
        actor_key, *critic_keys = jax.random.split(key, 3 if self.twin else 2)
        actor = init_box_actor(actor_key, observations, actions, self.hidden_sizes)
        inputs = features + actor.network.biases[-1].size
        critics = init_critics(critic_keys, inputs, self.hidden_sizes)
        example = blank(features, jnp.zeros(actor.space.shape))
        return DDPGState(
            learned=self._steps().init(actor, critics),
            replay=empty(example, self.buffer_size),
            inputs=InputScaler.of(observations, self.normalize_observations),
            rewards=RewardScaler.of((self.num_envs, *agents), self.normalize_rewards),
            steps=jnp.zeros(()),
        )

    def policy(self, state: DDPGState, explore: bool) -> BoxPolicy:
        """Return the actor with a snapshot of the running statistics."""
        return BoxPolicy(
            actor=state.learned.networks[0],
            inputs=state.inputs,
            noise=self._noise(state.steps),
            at_random=state.steps < self.learning_starts,
            explore=explore,
        )

    def update(
        self, key: Array, state: DDPGState, batch: Trajectory
    ) -> tuple[DDPGState, dict[str, Array]]:
        """Store one trajectory ``[T, N, ...]``, then one gradient step per ``train_freq`` steps."""
        played = batch.terminated.size
        steps = state.steps + played
        space = state.learned.networks[0].space
        replay = add(state.replay, transitions(batch, len(space.shape)))
        done = batches.over_agents(batch.done, batch.reward)
        inputs = state.inputs.merged(batch.observation)
        rewards = state.rewards.merged(batch.reward, done, self.gamma)

        draw_key, learn_key = jax.random.split(key)
        raw = draw(draw_key, replay, (max(1, played // self.train_freq), self.batch_size))
        part = dataclasses.replace(
            normalised(raw, inputs, rewards), action=to_units(space, raw.action)
        )
        nothing = dict.fromkeys(("critic_loss", "actor_loss", "mean_q"), jnp.zeros(()))
        learned, log = jax.lax.cond(
            steps >= self.learning_starts,
            lambda: self._steps()(learn_key, state.learned, part),
            lambda: (state.learned, nothing),
        )
        after = DDPGState(
            learned=learned, replay=replay, inputs=inputs, rewards=rewards, steps=steps
        )
        return after, {**log, "exploration_noise": self._noise(state.steps)}

    def _steps(self) -> ActorCriticSteps:
        names = [field.name for field in dataclasses.fields(ActorCriticSteps)]  # pyright: ignore[reportArgumentType]
        return ActorCriticSteps(**{name: getattr(self, name) for name in names})

    def _noise(self, steps: Array) -> Array:
        """Return the deviation of the exploration noise at this step."""
        decay = {"linear": schedule.linear, "exponential": schedule.exponential}[self.noise_decay]
        span = self.exploration_fraction * self.total_steps
        return decay(steps, self.exploration_noise, self.final_noise, span)


__all__ = ["DDPG", "BoxPolicy", "DDPGState"]
