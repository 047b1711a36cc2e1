"""Evaluate policies on the same episodes, with one implementation for all of them."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp

from edgewright.core.protocols import Policy, Stream, World
from edgewright.core.records import Array, record
from edgewright.loops.unroll import ObserveFn, init_rollout, next_rows, unroll


@record
class EpisodeBatch:
    """Metrics and actions ``[T, E, ...]`` at each step, and which episodes were still running."""

    metrics: Any
    actions: Any
    alive: Array  # [T, E] bool: the episode had not ended before this step
    terminated: Array  # [T, E] bool


@record
class PrivilegedObservation:
    """The information that an oracle may use, which is everything but the future."""

    params: Any
    state: Any
    x: Any


def full_information(params: Any, state: Any, x: Any) -> PrivilegedObservation:
    """Return the state and the numbers of the world. Pass it as ``observe_fn`` where meant."""
    return PrivilegedObservation(params=params, state=state, x=x)


@record
class Informed:
    """An observation as learners get it, and beside it what an oracle may use."""

    observation: Any
    known: PrivilegedObservation


@dataclasses.dataclass(frozen=True)
class InformedObserve:
    """An ``observe_fn`` for policies of which one part learned and another is a rule."""

    world: World

    def __call__(self, params: Any, state: Any, x: Any) -> Informed:
        """Return both."""
        observation = self.world.observe(params, state, x)
        return Informed(observation=observation, known=full_information(params, state, x))


def observe_fn_of(policy: Any, world: World) -> ObserveFn | None:
    """Return what shows a learner's policy the world: None for the world's own ``observe``.

    A policy that says ``needs_state`` (a learned level beside a rule) gets :class:`Informed`.
    """
    return InformedObserve(world) if getattr(policy, "needs_state", False) else None


def plain_observation(observation: Any) -> Any:
    """Return what the world's own ``observe`` gave."""
    return observation.observation if isinstance(observation, Informed) else observation


def episode_inputs(
    key: Array, stream: Stream[Any], episodes: int, horizon: int, fixed_inputs: dict[str, Any]
) -> Any:
    """Return the inputs ``[horizon + 1, episodes, ...]`` of an evaluation.

    Args:
        key: consumed; the same key gives the same episodes to every policy.
        fixed_inputs: fields that are not drawn but go round a fixed grid, episode by episode, e.g.
            ``{"initial_charge_pct": [100, 45, 25]}``.
    """
    rows = _draw(key, stream, episodes, horizon + 1)
    fixed = {}
    for name, grid in fixed_inputs.items():
        drawn = getattr(rows, name)
        values = jnp.asarray(grid, drawn.dtype)[jnp.arange(episodes) % len(grid)]
        shape = (1, episodes) + (1,) * (drawn.ndim - 2)
        fixed[name] = jnp.broadcast_to(values.reshape(shape), drawn.shape)
    return dataclasses.replace(rows, **fixed)


@functools.partial(jax.jit, static_argnames=("episodes", "length"))
def _draw(key: Array, stream: Stream[Any], episodes: int, length: int) -> Any:
    carry = jax.vmap(stream.init_carry)(jax.random.split(key, episodes))
    return next_rows(stream, carry, length)[1]


@functools.partial(jax.jit, static_argnames=("world", "observe_fn"))
def play(
    key: Array,
    world: World,
    params: Any,
    policy: Policy,
    inputs: Any,
    *,
    observe_fn: ObserveFn | None = None,
) -> EpisodeBatch:
    """Play every episode of ``inputs`` ``[T + 1, E, ...]`` once. Consumes ``key``."""
    start_key, play_key = jax.random.split(key)
    first, following = jax.tree.map(lambda a: a[0], inputs), jax.tree.map(lambda a: a[1:], inputs)
    envs = init_rollout(start_key, world, params, policy, first)
    _, trajectory = unroll(play_key, world, params, policy, envs, following, observe_fn=observe_fn)
    ended = jnp.cumsum(trajectory.terminated | trajectory.truncated, axis=0)
    over = jnp.concatenate([jnp.zeros_like(ended[:1]), ended[:-1]]) > 0
    return EpisodeBatch(
        metrics=trajectory.metrics,
        actions=trajectory.action,
        alive=~over,
        terminated=trajectory.terminated & ~over,
    )


@functools.partial(jax.jit, static_argnames=("world", "observe_fn"))
def run_episodes_each(
    key: Array,
    world: World,
    params: Any,
    policies: Policy,
    inputs: Any,
    *,
    observe_fn: ObserveFn | None = None,
) -> EpisodeBatch:
    """Play every episode with a policy of its own: leaves of ``policies`` ``[E, ...]``.

    So an oracle of the future plays: it holds the inputs of the one episode it is in.
    """

    def one(key: Array, policy: Policy, rows: Any) -> EpisodeBatch:
        alone = jax.tree.map(lambda leaf: leaf[:, None], rows)
        played = play(key, world, params, policy, alone, observe_fn=observe_fn)
        return jax.tree.map(lambda leaf: leaf[:, 0], played)

    keys = jax.random.split(key, jax.tree.leaves(inputs)[0].shape[1])
    return jax.vmap(one, in_axes=(0, 0, 1), out_axes=1)(keys, policies, inputs)


@jax.jit
def summarise(played: EpisodeBatch, post_termination_reward: Array) -> dict[str, Array]:
    """Return one number per episode ``[E]`` for every metric that is a real number or a flag.

    ``reward`` is the mean over the *whole* horizon, where every slot after an episode's end counts
    as its worst slot so far, and at most ``post_termination_reward``: dying early cannot pay.
    All other metrics are means over slots and agents, weighted by the metric that the world's
    metrics name in ``WEIGHT`` (e.g. tasks served); that one is a mean over slots.
    ``episode_length`` and ``terminated`` say how long it lasted and whether it ended badly.
    """

    def over_agents(values: Array) -> Array:
        return jnp.mean(values.reshape(*played.alive.shape, -1), axis=-1)

    horizon = played.alive.shape[0]
    slots = jnp.sum(played.alive, axis=0)
    rewards = over_agents(played.metrics.reward)
    earned = jnp.sum(rewards * played.alive, axis=0)
    worst = jnp.min(jnp.where(played.alive, rewards, jnp.inf), axis=0)
    post_termination_reward = jnp.minimum(post_termination_reward, worst)
    result = {
        "reward": (earned + (horizon - slots) * post_termination_reward) / horizon,
        "episode_length": slots.astype(jnp.float32),
        "terminated": jnp.any(played.terminated, axis=0).astype(jnp.float32),
    }
    named = getattr(played.metrics, "WEIGHT", None)
    weight = getattr(played.metrics, named) if named else jnp.ones_like(played.metrics.reward)
    weight = weight * played.alive.reshape(*played.alive.shape, *[1] * (weight.ndim - 2))
    total_weight = jnp.sum(over_agents(weight), axis=0)
    for field in dataclasses.fields(played.metrics):
        values = getattr(played.metrics, field.name)
        if values.dtype == bool:  # a flag becomes a share of the tasks
            values = values.astype(jnp.float32)
        if field.name in result or not jnp.issubdtype(values.dtype, jnp.floating):
            continue
        ones = (1,) * max(0, weight.ndim - values.ndim)  # a metric of all agents together
        weighted = values.reshape(*values.shape, *ones) * weight
        total = jnp.sum(over_agents(weighted), axis=0)
        result[field.name] = total / jnp.maximum(total_weight, 1e-9)
    if named:
        result[named] = total_weight / jnp.maximum(slots, 1)
    return result


def evaluate(
    key: Array,
    world: World,
    params: Any,
    policy: Policy,
    inputs: Any,
    *,
    post_termination_reward: float = 0.0,
    observe_fn: ObserveFn | None = None,
) -> dict[str, Array]:
    """Play the episodes of ``inputs`` and return one number per episode for every metric."""
    played = play(key, world, params, policy, inputs, observe_fn=observe_fn)
    return summarise(played, jnp.float32(post_termination_reward))
