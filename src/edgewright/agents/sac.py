"""Learn numbers with a stochastic actor and an entropy bonus (SAC), from any actor that draws.

Haarnoja et al., "Soft actor-critic", ICML 2018, and "Soft actor-critic algorithms and
applications", arXiv:1812.05905. The actor is tanh-Gaussian as there, or a denoising diffusion (Du
et al., arXiv:2303.13052). It keeps the protocol of DDPG: the replay is part of the learner's state,
observations are stored raw and normalised with the running statistics when they are used.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal

import jax
import jax.numpy as jnp

from edgewright.agents.sac_steps import Learned, SACSteps
from edgewright.core.errors import InputError
from edgewright.core.records import Array, Decision, Memoryless, Trajectory, record, static
from edgewright.core.settings import Share, check_samples
from edgewright.core.spaces import Box, Space
from edgewright.nets.actions import bounded, from_units, random_units, to_units
from edgewright.nets.actors import box_misfit
from edgewright.nets.critics import Critics, action_values, init_critics
from edgewright.nets.denoising import ScheduleName
from edgewright.nets.diffusion import Parameterisation, init_diffusion
from edgewright.nets.mlp import Activation
from edgewright.nets.squashed import DrawingActor, init_tanh_gaussian
from edgewright.rules import batches
from edgewright.rules.replay import Replay, add, draw, empty
from edgewright.rules.scaling import InputScaler, RewardScaler
from edgewright.rules.transitions import blank, normalised, transitions


@record
class DrawingPolicy(Memoryless):
    """An actor that draws its numbers; greedily, the best of some by the critics.

    Attributes:
        critics: judge the candidates; empty where there is one.
        noise: deviation of the noise on top, in units, for an actor without a density.
        at_random: bool, whether the action is drawn whatever is observed.
        candidates: greedy actions that the critics choose from.
    """

    actor: Any
    critics: Critics
    inputs: InputScaler
    noise: Array
    at_random: Array
    candidates: int = static()
    explore: bool = static()

    def act(self, key: Array, carry: tuple[()], observation: Array) -> tuple[tuple[()], Decision]:
        """Return an action ``[*agents, ...]``; agents draw independently."""
        observed, space = self.inputs(observation), self.actor.space
        units = self._explored(key, observed) if self.explore else self._greedy(key, observed)
        return carry, Decision(action=from_units(space, units), aux=())

    def _explored(self, key: Array, observed: Array) -> Array:
        own_key, noise_key, random_key = jax.random.split(key, 3)
        numbers = math.prod(self.actor.space.shape)
        shape = (*observed.shape[:-1], self.actor.draws, numbers)
        units, _ = self.actor.sample(observed, jax.random.normal(own_key, shape))
        units = units + self.noise * jax.random.normal(noise_key, units.shape)
        anything = random_units(random_key, self.actor.space, units.shape)
        return jnp.where(self.at_random, anything, units)

    def _greedy(self, key: Array, observed: Array) -> Array:
        shape = (self.actor.greedy_draws, math.prod(self.actor.space.shape))
        shape = (self.candidates, *observed.shape[:-1], *shape)
        return self.best_of(observed, jax.random.normal(key, shape))

    def best_of(self, observed: Array, noise: Array) -> Array:
        """Return the greedy units ``[..., numbers]`` that the least critic likes most.

        Args:
            observed: normalised observation ``[..., F]``.
            noise: ``[candidates, ..., greedy_draws, numbers]``.
        """
        if self.candidates == 1:
            return self.actor.greedy(observed, noise[0])
        repeated = jnp.broadcast_to(observed, (self.candidates, *observed.shape))
        units = self.actor.greedy(repeated, noise)
        least = jnp.min(action_values(self.critics, repeated, units), axis=-1)
        chosen = jnp.argmax(least, axis=0) == jnp.arange(self.candidates).reshape(
            -1, *[1] * (least.ndim - 1)
        )
        return jnp.sum(jnp.where(chosen[..., None], units, 0.0), axis=0)


@record
class SACState:
    """Everything that changes while SAC learns."""

    learned: Learned
    replay: Replay
    inputs: InputScaler
    rewards: RewardScaler
    steps: Array  # environment steps so far


@record
class SAC:
    """Soft actor-critic for real numbers with bounds; the actor is Gaussian or a diffusion.

    Numbers are leaves: another value does not recompile. Units are half the range of a number. (H)
    is the value of Haarnoja et al. 2018, (B) that of Stable-Baselines3.
    """

    actor_learning_rate: Array | float = 3e-4  # (H) Adam
    critic_learning_rate: Array | float = 1e-3  # (H) 3e-4
    temperature_learning_rate: Array | float = 3e-4  # (H)
    gamma: Share = 0.95  # as PPO here; 0 is a bandit, which looks no step ahead
    tau: Share = 0.005  # (H) share of the way that targets go to the critics
    initial_temperature: Array | float = 1.0  # (B) alpha; the one of all steps if it is fixed
    target_entropy_scale: Array | float = 1.0  # (H) wanted nats are minus this for each number
    exploration_noise: Array | float = 0.1  # deviation, where entropy = "none"
    bc_coef: Array | float = 0.0  # mu, weight of imitating the replay
    bc_quantile: Share = 0.9  # of the rewards of a minibatch: those above are imitated
    weight_decay: Array | float = 0.0  # of the actor, decoupled (Loshchilov and Hutter 2019)
    total_steps: Array | float = 1e6  # K_max, in environment steps
    learning_starts: Array | float = 1000.0  # environment steps with random actions; (B) 100
    max_grad_norm: Array | float = 10.0  # norm, per network, both critics as one
    actor: Literal["gaussian", "diffusion"] = static(default="gaussian")
    denoising_steps: int = static(default=5)  # T
    noise_schedule: ScheduleName = static(default="vp")
    parameterisation: Parameterisation = static(default="x0")
    entropy: Literal["conditional", "none"] = static(default="conditional")
    temperature: Literal["auto", "fixed"] = static(default="auto")
    huber: bool = static(default=False)
    normalize_q: bool = static(default=False)  # the actor's values, by their mean size
    normalize_observations: bool = static(default=True)
    normalize_rewards: bool = static(default=True)
    activation: Activation = static(default="relu")  # a diffusion's is mish
    critic_activation: Activation = static(default="relu")
    hidden_sizes: tuple[int, ...] = static(default=(64, 64))
    critic_hidden_sizes: tuple[int, ...] = static(default=(64, 64))
    num_candidates: int = static(default=1)  # m, greedy actions that the critics choose from
    num_envs: int = static(default=8)
    rollout_steps: int = static(default=16)
    buffer_size: int = static(default=100_000)  # samples: one per agent and environment step
    train_freq: int = static(default=1)  # (H) environment steps per gradient step
    batch_size: int = static(default=64)  # (H) 256

    def misfit(self, observations: Box, actions: Space) -> str:
        """Return why SAC cannot learn with these spaces; empty if it can."""
        if isinstance(actions, Box):
            reason = box_misfit(observations, actions)
            if reason or bounded(actions):
                return reason
        return "its actions must be a Box whose bounds are all finite"

    def check_sizes(self, observations: Box, actions: Space) -> None:
        """Check the number of samples between two updates, and the temperature.

        Raises:
            InputError: there are too many, or the temperature is 0, which has no logarithm.
        """
        check_samples(self, observations.shape[:-1])
        if not self.initial_temperature > 0:
            hint = 'give 1e-3, or set entropy = "none"'
            message = "initial_temperature must be above 0; got 0"
            raise InputError(message, where="learner.initial_temperature", hint=hint)

    def init(self, key: Array, observations: Box, actions: Box) -> SACState:
        """Return fresh networks, target critics and an empty replay. Consumes ``key``."""
        *agents, features = observations.shape
        actor_key, *critic_keys = jax.random.split(key, 3)
        own = Box(actions.low, actions.high, actions.shape[len(agents) :], unit=actions.unit)
        actor = self._init_actor(actor_key, features, own)
        inputs = features + math.prod(own.shape)
        sizes = self.critic_hidden_sizes
        critics = init_critics(critic_keys, inputs, sizes, self.critic_activation)
        return SACState(
            learned=self._steps().init(actor, critics, self.initial_temperature),
            replay=empty(blank(features, jnp.zeros(own.shape)), self.buffer_size),
            inputs=InputScaler.of(observations, self.normalize_observations),
            rewards=RewardScaler.of((self.num_envs, *agents), self.normalize_rewards),
            steps=jnp.zeros(()),
        )

    def policy(self, state: SACState, explore: bool) -> DrawingPolicy:
        """Return the actor with a snapshot of the running statistics."""
        return self.policy_of(state, state.learned.actor, explore)

    def policy_of(self, state: SACState, actor: Any, explore: bool) -> DrawingPolicy:
        """Return the policy of an actor, the learned one or what was made of it."""
        chooses = self.num_candidates > 1 and not explore
        return DrawingPolicy(
            actor=actor,
            critics=state.learned.critics if chooses else (),
            inputs=state.inputs,
            noise=jnp.asarray(self.exploration_noise * (self.entropy == "none"), jnp.float32),
            at_random=state.steps < self.learning_starts,
            candidates=self.num_candidates if chooses else 1,
            explore=explore,
        )

    def update(
        self, key: Array, state: SACState, batch: Trajectory
    ) -> tuple[SACState, dict[str, Array]]:
        """Store one trajectory ``[T, N, ...]``, then one gradient step per ``train_freq`` steps."""
        draw_key, learn_key = jax.random.split(key)
        after, parts = self.stored(draw_key, state, batch)
        learned, log = self.learned(
            learn_key, after, lambda key, now: self._steps()(key, now, parts)
        )
        return dataclasses.replace(after, learned=learned), log

    def stored(self, key: Array, state: SACState, batch: Trajectory) -> tuple[SACState, Any]:
        """Return the state with a trajectory, and minibatches ``[steps, batch_size, ...]``."""
        played = batch.terminated.size
        space = state.learned.actor.space
        replay = add(state.replay, transitions(batch, len(space.shape)))
        done = batches.over_agents(batch.done, batch.reward)
        inputs = state.inputs.merged(batch.observation)
        rewards = state.rewards.merged(batch.reward, done, self.gamma)
        raw = draw(key, replay, (max(1, played // self.train_freq), self.batch_size))
        parts = dataclasses.replace(
            normalised(raw, inputs, rewards), action=to_units(space, raw.action)
        )
        after = dataclasses.replace(
            state, replay=replay, inputs=inputs, rewards=rewards, steps=state.steps + played
        )
        return after, parts

    def learned(self, key: Array, state: SACState, learn: Any) -> tuple[Learned, dict[str, Array]]:
        """Return what ``learn(key, learned)`` returns once learning has started."""
        names = ("critic_loss", "mean_q", "actor_loss", "entropy", "temperature")
        return jax.lax.cond(
            state.steps >= self.learning_starts,
            lambda: learn(key, state.learned),
            lambda: (state.learned, dict.fromkeys(names, jnp.zeros(()))),
        )

    def _steps(self) -> SACSteps:
        names = [field.name for field in dataclasses.fields(SACSteps)]  # pyright: ignore[reportArgumentType]
        return SACSteps(**{name: getattr(self, name) for name in names})

    def _init_actor(self, key: Array, features: int, space: Box) -> DrawingActor:
        density = self.entropy == "conditional"
        if self.actor == "gaussian":
            return init_tanh_gaussian(
                key, features, space, self.hidden_sizes, self.activation, density
            )
        return init_diffusion(
            key,
            features,
            self.hidden_sizes,
            space=space,
            steps=self.denoising_steps,
            schedule=self.noise_schedule,
            parameterisation=self.parameterisation,
            density=density,
        )


__all__ = ["SAC", "DrawingPolicy", "SACState"]
