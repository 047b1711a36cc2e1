"""Compute advantages from rewards and values, for one trajectory, time first."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

Series = Float[Array, "T *rest"]
Flags = Bool[Array, "T *rest"]
Times = Int[Array, "T *rest"]


def generalised_advantages(
    rewards: Series,
    values: Series,
    next_values: Series,
    terminated: Flags,
    done: Flags,
    gamma: Float[Array, ""] | float,
    gae_lambda: Float[Array, ""] | float,
) -> Series:
    """Return GAE: ``A_t = sum_l (gamma lambda)^l delta_{t+l}``. SE-PPO equations (25), (26).

    ``delta_t = r_t + gamma V(s_{t+1}) (1 - terminated_t) - V(s_t)``; the sum stops where an episode
    ends (``done``), but a truncated step still bootstraps from the state it was cut in, which is
    what ``next_values`` holds (Schulman et al. 2016; the paper writes no mask).
    """
    deltas = rewards + gamma * jnp.where(terminated, 0.0, next_values) - values
    return _summed(deltas, gamma * gae_lambda * (1.0 - done))


def expected_advantages(
    expected: Series,
    values: Series,
    done: Flags,
    gamma: Float[Array, ""] | float,
    gae_lambda: Float[Array, ""] | float,
) -> Series:
    """Return ``A_t = sum_l (gamma lambda)^l delta_{t+l}``, the deltas in expectation over actions.

    ``delta_t = sum_b pi(b) Q_t(b) - V(s_t)``, where GAE has the sampled action alone. Only the
    actions that lead to later states are sampled: with ``V = sum_b pi(b) Q(b)`` throughout it is 0,
    whichever actions were drawn (expected Sarsa: van Seijen et al., ADPRL 2009; as traces: Sutton
    and Barto, 2nd edition, section 12.8).

    Args:
        expected: ``sum_b pi(b) Q_t(b)``, with no value after an end.
    """
    return _summed(expected - values, gamma * gae_lambda * (1.0 - done))


def _summed(deltas: Series, decay: Series) -> Series:
    """Return ``A_t = delta_t + decay_t A_{t+1}``, from the end."""

    def back(later: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        advantage = row[0] + row[1] * later
        return advantage, advantage

    return jax.lax.scan(back, jnp.zeros_like(deltas[0]), (deltas, decay), reverse=True)[1]


def running_returns(
    rewards: Series, done: Flags, start: Float[Array, " *rest"], gamma: Float[Array, ""] | float
) -> tuple[Float[Array, " *rest"], Series]:
    """Return the discounted sums ``R_t = r_t + gamma R_{t-1}`` that scale rewards (22).

    Returns:
        the sum to carry on with (zero after an episode's end), and every ``R_t``.
    """

    def forward(before: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        total = row[0] + gamma * before
        return jnp.where(row[1], 0.0, total), total

    return jax.lax.scan(forward, start, (rewards, done))


def n_step_returns(
    rewards: Series, done: Flags, gamma: Float[Array, ""] | float, steps: int
) -> tuple[Series, Times]:
    """Return ``r_t + gamma r_{t+1} + ... + gamma^(m-1) r_{t+m-1}`` and the last of these steps.

    Sutton (1988); in Q-learning Peng and Williams (1996) and Hessel et al. (AAAI 2018, section
    "Multi-step learning"). ``m`` is ``steps``, or fewer where an episode or the trajectory ends
    before: what follows is bootstrapped from the state after the last step, with ``gamma^m``.

    Returns:
        sums ``[T, ...]``, and for each the index ``t + m - 1`` on the axis of time.
    """
    length = rewards.shape[0]
    time = jnp.arange(length).reshape(-1, *[1] * (rewards.ndim - 1))
    total, last = rewards, jnp.broadcast_to(time, rewards.shape)
    goes_on = jnp.ones(rewards.shape, bool)
    for ahead in range(1, steps):
        before = jnp.minimum(jnp.arange(length) + ahead - 1, length - 1)
        at = jnp.minimum(jnp.arange(length) + ahead, length - 1)
        goes_on = goes_on & ~done[before] & (time + ahead < length)
        total = total + jnp.where(goes_on, gamma**ahead * rewards[at], 0.0)
        last = jnp.where(goes_on, time + ahead, last)
    return total, last
