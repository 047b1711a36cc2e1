"""Score what a model predicts by the free energy of the expected future, for one prediction.

Everything is written for one candidate action at one time: ``mean`` and ``variance`` ``[E, D]`` are
those of the ``D`` numbers that each of ``E`` members predicts as independent normal laws, and a
caller vmaps. The free energy of the expected future (Millidge, Tschantz, Buckley 2021,
arXiv:2004.08128) of a plan ``pi`` is

    F = E_q(x|pi) KL(q(o|x, pi) || p(o))  -  E_q(o|pi) KL(q(x|o, pi) || q(x|pi)),

a risk, which is extrinsic, minus an expected information gain, which is epistemic. Two published
programs read the second term in opposite ways:

* Tschantz, Millidge, Seth, Buckley 2020 (arXiv:2002.12636): states are observed, so what can be
  learned are the parameters, and the gain is the entropy of the mixture of the members minus the
  mean entropy of a member. It is between 0 and ``log E``.
* R. Gould ("active-inference", 2023): the parameters are fixed and the gain is the entropy of the
  next state. It counts the mean entropy of a member with the opposite sign and knows no
  disagreement of members.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax.scipy.special import digamma, gammaln

from edgewright.core.records import Array, Number

FLOOR = 1e-7
"""Least variance inside a logarithm of Gould's program."""

KNN_FLOOR = 1e-8
"""Least variance inside a logarithm of the nearest-neighbour estimator of Tschantz et al."""


def risk(mean: Number, variance: Number, goal: Number, goal_variance: Number) -> Array:
    """Return ``KL(N(mean, variance) || N(goal, goal_variance))`` in nats, elementwise.

    ``log(alpha / sigma) + (sigma^2 + (mu - r*)^2) / (2 alpha^2) - 1/2``. Inside the logarithm the
    variance is at least :data:`FLOOR`.
    """
    log_ratio = jnp.log(goal_variance / jnp.maximum(variance, FLOOR))
    distance = (variance + jnp.square(mean - goal)) / goal_variance
    return 0.5 * (log_ratio + distance - 1.0)


def entropy(variance: Array, floor: float = FLOOR) -> Array:
    """Return ``1/2 sum_i log(2 pi e sigma_i^2)`` over the last axis, in nats."""
    floored = jnp.maximum(variance, floor)
    return 0.5 * jnp.sum(jnp.log(2.0 * math.pi * math.e * floored), axis=-1)


def as_run(
    reward_mean: Array,
    reward_variance: Array,
    state_variance: Array,
    goal: Number,
    goal_variance: Number,
) -> Array:
    """Return the free energy of one step as Gould's program computes it, which is to be minimised.

    ``(1/E) sum_n [KL(N(mu_r, sigma_r^2) || N(r*, alpha^2)) - H(q(s' | s, a))]``. With
    ``alpha^2 = 1/2`` it is ``(mu_r - r*)^2 + sigma_r^2 - log(2 sigma_r^2)/2 - 1/2 - H``.

    Args:
        reward_mean, reward_variance: ``[E]``.
        state_variance: ``[E, D]`` of the next state.
        goal, goal_variance: of the preferred reward.
    """
    risks = risk(reward_mean, reward_variance, goal, goal_variance)
    return jnp.mean(risks - entropy(state_variance))


def gain_lower(mean: Array, variance: Array) -> Array:
    """Return a lower bound of the information gain in nats, from 0 to ``log E``.

    ``-(1/E) sum_i log (1/E) sum_j exp(-D_ij)`` with the distance of Bhattacharyya (Kolchinsky,
    Tracey, Entropy 19(7), 2017, equations 10 and 13); it is 0 if all members are equal.
    """
    both = variance[:, None] + variance[None]
    apart = jnp.square(mean[:, None] - mean[None]) / both
    # log((v_i + v_j) / (2 sqrt(v_i v_j))); the logarithms of single members leave the pairs.
    single = jnp.sum(jnp.log(variance), axis=-1)
    joint = jnp.sum(jnp.log(0.5 * both) + 0.5 * apart, axis=-1)
    return _pairwise(0.5 * joint - 0.25 * (single[:, None] + single[None]))


def gain_upper(mean: Array, variance: Array) -> Array:
    """Return an upper bound of the information gain in nats, from 0 to ``log E``.

    As :func:`gain_lower`, with the Kullback-Leibler divergence of member ``i`` from ``j``
    (Kolchinsky, Tracey 2017, equation 11).
    """
    ratio = variance[:, None] / variance[None]
    apart = jnp.square(mean[:, None] - mean[None]) / variance[None]
    single = jnp.sum(jnp.log(variance), axis=-1)
    joint = jnp.sum(ratio + apart - 1.0, axis=-1)
    return _pairwise(0.5 * (joint + single[None] - single[:, None]))


def _pairwise(distance: Array) -> Array:
    """Return ``-(1/E) sum_i log (1/E) sum_j exp(-D_ij)`` of distances ``[E, E]``."""
    # Rounding may leave a distance just below zero, and a member away from itself.
    distance = jnp.maximum(distance, 0.0) * (1.0 - jnp.eye(distance.shape[0]))
    members = distance.shape[0]
    return jnp.mean(math.log(members) - jax.nn.logsumexp(-distance, axis=-1))


def gain_moments(mean: Array, variance: Array) -> Array:
    """Return the gain if the mixture were one normal law: ``1/2 sum_i log(1 + Var mu / mean s^2)``.

    It is right below about one nat where the members' variances are alike; it sees no difference of
    variances, and it has no bound: two members that lie far apart have a gain of ``log 2``, and
    this one grows with their distance.
    """
    spread = jnp.var(mean, axis=0) / jnp.mean(variance, axis=0)
    return 0.5 * jnp.sum(jnp.log1p(spread))


def gain_knn(key: Array, mean: Array, variance: Array, neighbours: int = 3) -> Array:
    """Return the nearest-neighbour estimate of the program of Tschantz et al., for compatibility.

    ``log(E - 1) - psi(k) + log V_d + (d/E) sum_i log rho_i + 1/2``, from one sample of each
    member, minus the mean entropy of a member. Do not plan with it beyond a few dimensions: a
    sample's distance to itself counts as that of its first neighbour, the 1/2 has no derivation,
    and with 20 samples in 116 dimensions it returns about 30 nats where the gain is 0. The unbiased
    estimator is that of Kozachenko and Leonenko (Problems Inform. Transmission 23(2), 1987).

    Args:
        key: consumed; it draws the samples.
        neighbours: ``k``.
    """
    members, numbers = mean.shape
    sample = mean + jnp.sqrt(variance) * jax.random.normal(key, mean.shape)
    square = jnp.sum(jnp.square(sample[:, None] - sample[None]), axis=-1)
    nearest = -jax.lax.top_k(-square, neighbours)[0][:, -1]
    log_distance = 0.5 * jnp.log(jnp.maximum(nearest, 1e-30))
    log_volume = 0.5 * numbers * math.log(math.pi) - gammaln(0.5 * numbers + 1.0)
    mixture = math.log(members - 1) - digamma(float(neighbours)) + log_volume + 0.5
    mixture = mixture + numbers * jnp.mean(log_distance)
    return mixture - jnp.mean(entropy(variance, KNN_FLOOR))


def total_variance(mean: Array, variance: Array) -> Array:
    """Return the predicted variance, summed over members and numbers: aleatoric uncertainty."""
    return jnp.sum(variance)


def disagreement(mean: Array, variance: Array) -> Array:
    """Return the deviation of the members' means, summed over the numbers."""
    # The gradient of a square root at zero is infinite.
    return jnp.sum(jnp.sqrt(jnp.var(mean, axis=0) + 1e-12) - 1e-6)


__all__ = [
    "as_run",
    "disagreement",
    "entropy",
    "gain_knn",
    "gain_lower",
    "gain_moments",
    "gain_upper",
    "risk",
    "total_variance",
]
