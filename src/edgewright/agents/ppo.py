"""Train a policy with PPO or SE-PPO, clipped policy gradients with the paper's parts as switches.

SE-PPO is PPO with observation normalisation (21), reward normalisation (22), a warmed-up (23) and
decayed (24) learning rate, and separate rates for actor and critic. Each part is a field, so
PPO-Norm, PPO-LR, plain PPO and A2C are settings of one learner (see ``agents/learners.toml``).
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from edgewright.core.errors import InputError
from edgewright.core.records import Array, Decision, Memoryless, Trajectory, record, static
from edgewright.core.settings import Share, check_samples
from edgewright.core.spaces import Box, Discrete, Space
from edgewright.loops import alternatives
from edgewright.nets.actors import Actor, box_misfit, distribution_of, init_actor
from edgewright.nets.knots import KnotNetwork, init_critic
from edgewright.nets.mlp import MLP
from edgewright.rules import batches, schedule
from edgewright.rules.gradient_hooks import GradientHook, hooked
from edgewright.rules.minibatch import affine_order
from edgewright.rules.policy_gradient import (
    all_action_advantages,
    all_action_surrogate,
    clipped_share,
    clipped_surrogate,
    imitation_loss,
)
from edgewright.rules.quantiles import quantile_loss, value_of
from edgewright.rules.returns import expected_advantages, generalised_advantages
from edgewright.rules.scaling import InputScaler, RewardScaler

Critic = MLP | KnotNetwork

_ADAM = optax.scale_by_adam(eps=1e-5)
_settled = jax.lax.optimization_barrier


@record
class ActorPolicy(Memoryless):
    """An actor that samples while exploring and else takes the likeliest action."""

    actor: Actor
    inputs: InputScaler
    explore: bool = static()

    def act(self, key: Array, carry: tuple[()], observation: Array) -> tuple[tuple[()], Decision]:
        """Return an action ``[*agents, ...]`` and what an update needs to know of its draw."""
        scores, law = self.actor(self.inputs(observation)), distribution_of(self.actor)
        if not self.explore:
            return carry, Decision(action=law.likeliest(scores), aux=())
        return carry, law.drawn(key, scores)


@record
class PPOState:
    """Everything that changes while PPO learns."""

    networks: tuple[Actor, Critic]
    optimiser: Any
    inputs: InputScaler
    rewards: RewardScaler
    steps: Array  # environment steps so far
    memory: Any = ()  # of the gradient's hook


@record
class Samples:
    """The samples that an epoch draws minibatches from, leaves ``[samples, ...]``."""

    observation: Array
    drawn: Array  # the action, or its numbers before their bounds
    log_probability: Array  # of what was drawn, or [samples, actions] of all actions
    advantage: Array  # in the shape of log_probability
    target: Array
    guide: Any = ()  # the guide's action and the weight of its imitation; () without a guide


@record
class PPO:
    """Proximal policy optimisation (Schulman et al. 2017) for choices, and for numbers.

    Numbers are leaves: another value does not recompile. The defaults are SE-PPO's: (S) from the
    paper, (R) where it is silent, from the conventions of cleanrl and Stable-Baselines3.

    Attributes:
        all_actions: whether an update is given the outcomes of all actions and needs no sampled
            advantage; the critic learns from the actions that were taken, as without.
        team: whether an action counts by what it leads to for all agents, not for its own alone;
            it needs ``all_actions``, and changes nothing for a single agent.
        look_ahead: steps of the policy itself that follow each action on the same inputs before the
            critic's value counts, for the actor; it needs ``all_actions``. The critic learns as
            without.
        expected_returns: whether the critic's targets expect over the actions of each step, too;
            it needs ``all_actions``.
        staggered: whether a training begins with copies at all parts of an episode. The steps until
            then are played, not learned from.
        critic_quantiles: quantiles of the return that the critic learns, see
            :func:`edgewright.rules.quantiles.quantile_loss`; their mean is the value.
        critic_knots: intervals in which each feature is encoded for the critic, see
            :mod:`edgewright.nets.knots`; 1 takes features as they are.
    """

    actor_learning_rate: Array | float = 5e-4  # (S)
    critic_learning_rate: Array | float = 1.5e-3  # (S)
    gamma: Share = 0.95  # (S)
    gae_lambda: Share = 0.9  # (S)
    clip_eps: Array | float = 0.2  # (S)
    entropy_coef: Array | float = 0.01  # (R)
    max_grad_norm: Array | float = 0.5  # (R) norm, per network
    warmup_fraction: Share = 0.05  # (R) K_warm / K_max
    total_steps: Array | float = 1e6  # (S) K_max, in environment steps
    normalize_observations: bool = static(default=True)
    normalize_rewards: bool = static(default=True)
    warmup: bool = static(default=True)
    decay: bool = static(default=True)
    normalize_advantages: bool = static(default=True)
    all_actions: bool = static(default=False)
    team: bool = static(default=False)
    look_ahead: int = static(default=0)
    expected_returns: bool = static(default=False)
    staggered: bool = static(default=False)
    critic_knots: int = static(default=1)
    critic_quantiles: int = static(default=1)
    hidden_sizes: tuple[int, ...] = static(default=(64, 64))
    num_envs: int = static(default=16)
    rollout_steps: int = static(default=128)
    epochs: int = static(default=10)
    batch_size: int = static(default=64)
    hook: GradientHook | None = dataclasses.field(default=None, metadata={"setting": False})

    PARAMETERS: ClassVar[str] = "networks"
    """The field of the state that holds the parameters."""

    def misfit(self, observations: Box, actions: Space) -> str:
        """Return why PPO cannot learn with these spaces; empty if it can."""
        if self.all_actions:
            return alternatives.misfit(actions, self.team)
        if isinstance(actions, Discrete):
            return ""
        if isinstance(actions, Box):
            return box_misfit(observations, actions)
        return "its actions must be Discrete, or a Box whose bounds are all finite or all infinite"

    def check_sizes(self, observations: Box, actions: Space) -> None:
        """Check that the minibatches divide the samples of an update, all agents counted.

        Raises:
            InputError: they do not, there are too many samples, or a setting needs another one.
        """
        for name in ("expected_returns", "team"):
            if not getattr(self, name) or self.all_actions:
                continue
            message = f"{name} must be false without the outcomes of all actions"
            raise InputError(message, where="learner", hint="set learner.all_actions = true")
        if self.look_ahead and (self.team or not self.all_actions):
            message = "look_ahead must be left out with team or without the outcomes of all actions"
            hint = "choose a learner without look_ahead, or set all_actions = true and team = false"
            raise InputError(message, where="learner", hint=hint)
        if self.look_ahead and isinstance(actions, Discrete):
            count = actions.n * math.prod(actions.shape)
            most = alternatives.MAX_STEPS // count - 1
            if self.look_ahead > most:
                message = f"look_ahead must be at most {most} with {count} actions of all agents"
                hint = "lower learner.look_ahead: so many steps follow every action"
                raise InputError(f"{message}; got {self.look_ahead}", where="learner", hint=hint)
        if self.all_actions and (reason := alternatives.misfit(actions, self.team)):
            message = f"all_actions must be false here: {reason}"
            raise InputError(message, where="learner", hint="set learner.all_actions = false")
        check_samples(self, observations.shape[:-1], self.batch_size)

    def init(self, key: Array, observations: Box, actions: Discrete | Box) -> PPOState:
        """Return fresh networks and no statistics. Consumes ``key``."""
        actor_key, critic_key = jax.random.split(key)
        *agents, features = observations.shape
        actor = init_actor(actor_key, observations, actions, self.hidden_sizes)
        critic = init_critic(
            critic_key, features, self.hidden_sizes, self.critic_knots, self.critic_quantiles
        )
        return PPOState(
            networks=(actor, critic),
            optimiser=_ADAM.init(ravel_pytree((actor, critic))[0]),
            inputs=InputScaler.of(observations, self.normalize_observations),
            rewards=RewardScaler.of((self.num_envs, *agents), self.normalize_rewards),
            steps=jnp.zeros(()),
        )

    def policy(self, state: PPOState, explore: bool) -> ActorPolicy:
        """Return the actor with a snapshot of the running statistics."""
        return ActorPolicy(actor=state.networks[0], inputs=state.inputs, explore=explore)

    def update(
        self, key: Array, state: PPOState, batch: Trajectory
    ) -> tuple[PPOState, dict[str, Array]]:
        """Run all epochs on one trajectory ``[T, N, ...]``. Algorithm 1 of the paper."""
        samples, rewards = self._samples(state, batch)
        rates = self._rates(state.steps)

        # One vector for both networks: a step of Adam is then a few operations, not a few dozen.
        flat, restore = ravel_pytree(state.networks)
        actor_size = ravel_pytree(state.networks[0])[0].size
        is_actor = jnp.arange(flat.size) < actor_size
        rate = jnp.where(is_actor, *rates)

        def batch_size(carry: Any, rows: Array) -> tuple[Any, None]:
            flat, optimiser, memory = carry
            # The barriers keep the compiler from repeating the gather and the concatenation of
            # gradients inside every operation that uses them.
            part = _settled(jax.tree.map(lambda leaf: leaf[rows], samples))
            grads = jax.grad(lambda nets: self._loss(nets, part)[0])(restore(flat))
            grad = _settled(ravel_pytree(grads)[0])
            grad, memory = hooked(self.hook, grad, flat, memory)
            grad = self._clipped(grad, actor_size, is_actor)
            step, optimiser = _ADAM.update(grad, optimiser)
            return (flat - rate * jnp.asarray(step), optimiser, memory), None

        def epoch(carry: Any, words: Array) -> tuple[Any, None]:
            order = affine_order(words, samples.drawn.shape[0])
            return jax.lax.scan(batch_size, carry, order.reshape(-1, self.batch_size))

        carry = (flat, state.optimiser, state.memory)
        words = jax.random.bits(key, (self.epochs, 2))
        (flat, optimiser, memory), _ = jax.lax.scan(epoch, carry, words)
        after = PPOState(
            networks=restore(flat),
            optimiser=optimiser,
            inputs=state.inputs.merged(batch.observation),
            rewards=rewards,
            steps=state.steps + batch.terminated.size,
            memory=memory,
        )
        # Logged once, on all samples and with the new networks: in every minibatch the four numbers
        # would cost a third of the time.
        _, log = self._loss(after.networks, samples)
        return after, {**log, "actor_learning_rate": rates[0], "critic_learning_rate": rates[1]}

    def _clipped(self, grad: Array, actor_size: int, is_actor: Array) -> Array:
        """Return the gradient with the norm of each network's part at most ``max_grad_norm``."""
        squares = jnp.square(grad)
        norms = (jnp.sum(squares[:actor_size]), jnp.sum(squares[actor_size:]))
        factors = [jnp.minimum(1.0, self.max_grad_norm * jax.lax.rsqrt(n + 1e-12)) for n in norms]
        return grad * jnp.where(is_actor, *factors)

    def _rates(self, steps: Array) -> tuple[Array, Array]:
        """Return the learning rates of actor and critic at this step. (23), (24)."""
        warm = self.warmup_fraction * self.total_steps
        factor = jnp.ones(())
        if self.warmup:
            # The first update of a run would otherwise have rate 0.
            counted = steps + self.num_envs * self.rollout_steps
            factor = factor * schedule.warm_up(counted, warm)
        if self.decay:
            factor = factor * schedule.linear_decay(steps, warm, self.total_steps)
        return self.actor_learning_rate * factor, self.critic_learning_rate * factor

    def _samples(self, state: PPOState, batch: Trajectory) -> tuple[Samples, RewardScaler]:
        """Return normalised samples with advantages, and the new statistics of rewards."""
        observation = state.inputs(batch.observation)
        done = batches.over_agents(batch.done, batch.reward)
        terminated = batches.over_agents(batch.terminated, batch.reward)
        rewards = state.rewards.merged(batch.reward, done, self.gamma)
        values = value_of(state.networks[1](observation))
        law = distribution_of(state.networks[0])
        drawn, log_p = law.recorded(batch)
        outcomes = None
        if self.all_actions:
            log_p = jax.nn.log_softmax(state.networks[0](observation))
            outcomes = self._outcomes(state, rewards, batch.alternatives)
        if outcomes is not None and self.expected_returns:
            expected = jnp.sum(jnp.exp(log_p) * outcomes, axis=-1)
            advantages = expected_advantages(expected, values, done, self.gamma, self.gae_lambda)
        else:
            following = value_of(state.networks[1](state.inputs(batch.next_observation)))
            advantages = generalised_advantages(
                rewards(batch.reward), values, following, terminated, done,
                self.gamma, self.gae_lambda,
            )  # fmt: skip
        targets = batches.samples(advantages + values)
        if outcomes is not None:
            if self.look_ahead:
                outcomes = self._later(state, rewards, batch.alternatives.later)
            outcomes = self._for_all(outcomes, state, rewards, batch.alternatives)
            advantages = all_action_advantages(outcomes, jnp.exp(log_p))
        samples = Samples(
            observation=batches.samples(observation, 1),
            drawn=batches.samples(drawn, law.axes),
            log_probability=batches.samples(log_p, int(self.all_actions)),
            advantage=batches.samples(advantages, int(self.all_actions)),
            target=targets,
            guide=_guide(batch),
        )
        return samples, rewards

    def _outcomes(self, state: PPOState, rewards: RewardScaler, others: Any) -> Array:
        """Return ``Q(a) = r(a) + gamma V(s'(a))`` ``[T, N, *agents, actions]``, rewards scaled."""
        following = value_of(state.networks[1](state.inputs(others.next_observation)))
        future = jnp.where(others.ended, 0.0, following)
        return rewards(others.reward) + self.gamma * future

    def _later(self, state: PPOState, rewards: RewardScaler, later: Any) -> Array:
        """Return ``sum_i gamma^i r_i(a) + gamma^n V(s_n(a))`` ``[T, N, *agents, actions]``.

        The rewards of an action and of the steps of the policy after it (expert iteration by a
        rollout of the policy itself: Anthony, Tian and Barber, NeurIPS 2017; rollout policies:
        Bertsekas, 2020), and the critic's value of the state after these ``n`` steps.
        """
        discounts = self.gamma ** jnp.arange(self.look_ahead + 1)
        earned = jnp.sum(discounts * rewards(later.reward), axis=-1)
        value = value_of(state.networks[1](state.inputs(later.next_observation)))
        return earned + jnp.where(later.ended, 0.0, self.gamma**later.steps * value)

    def _for_all(
        self, outcomes: Array, state: PPOState, rewards: RewardScaler, others: Any
    ) -> Array:
        """Return ``sum_j r_j(a) + gamma V(s'_j(a))`` over all agents ``j`` with ``team``.

        One critic of an agent's own rewards serves all, so that the value of the team is their sum
        (value decomposition: Sunehag et al., AAMAS 2018). What an action changes for nobody else
        cancels in the advantage, as in difference rewards (Wolpert and Tumer, 2001).

        Args:
            outcomes: those for the agent alone, which are returned without ``team``.
        """
        if not self.team:
            return outcomes

        def at(step: Any) -> Array:  # one after another: all at once would need gigabytes
            reward, following, ended = step
            values = value_of(state.networks[1](state.inputs(following)))
            future = jnp.where(ended[..., None], 0.0, values)
            return jnp.sum(rewards(reward) + self.gamma * future, axis=-1)

        team = others.team
        return jax.lax.map(at, (team.reward, team.next_observation, others.ended))

    def _standardised(self, part: Samples) -> Array:
        """Return advantages of deviation 1 under the policy, in a minibatch.

        Those of all actions have the mean 0 in each state. They are weighted by the probability of
        the action: else those that nobody would take decide the scale.
        """
        if self.all_actions:
            squares = jnp.exp(part.log_probability) * jnp.square(part.advantage)
            return part.advantage / (jnp.sqrt(jnp.mean(jnp.sum(squares, axis=-1))) + 1e-8)
        centred = part.advantage - jnp.mean(part.advantage)
        return centred / (jnp.std(part.advantage) + 1e-8)

    def _surrogate(self, log_p: Array, part: Samples, advantage: Array) -> Array:
        """Return the mean of the clipped surrogate, sampled or over all actions."""
        surrogate = all_action_surrogate if self.all_actions else clipped_surrogate
        return jnp.mean(surrogate(log_p, part.log_probability, advantage, self.clip_eps))

    def _loss(
        self, networks: tuple[Actor, Critic], part: Samples
    ) -> tuple[Array, dict[str, Array]]:
        """Return ``-L_CLIP + L_critic - c2 S`` of a minibatch. (30), with one critic."""
        actor, critic = networks
        advantage = self._standardised(part) if self.normalize_advantages else part.advantage
        scores, law = actor(part.observation), distribution_of(actor)
        if self.all_actions:
            log_p = jax.nn.log_softmax(scores)
        else:
            log_p = law.log_probability(scores, part.drawn)
        surrogate = self._surrogate(log_p, part, advantage)
        entropy = jnp.mean(law.entropy(scores))
        value_loss = quantile_loss(critic(part.observation), part.target)
        log = {
            "policy_loss": -surrogate,
            "value_loss": value_loss,
            "entropy": entropy,
            "clipped_share": jnp.mean(clipped_share(log_p, part.log_probability, self.clip_eps)),
        }
        cost = -surrogate + value_loss - self.entropy_coef * entropy
        if part.guide:
            log["guide_loss"] = imitation = imitation_loss(scores, part.guide[0])
            cost += jnp.mean(part.guide[1]) * imitation
        return cost, log


def _guide(batch: Trajectory) -> tuple[Array, ...]:
    """Return the actions of a guide and their weight for every sample, or nothing without one."""
    if not batch.guidance:
        return ()
    action = batches.samples(batch.guidance.action)
    return action, jnp.broadcast_to(batch.guidance.weight, action.shape)
