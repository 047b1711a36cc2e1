"""Estimate the value of a policy from decisions that another policy logged.

Decisions are taken one by one (a contextual bandit): ``x_i`` is what was observed, ``a_i`` the
action with the logged propensity ``p_i = pi_0(a_i | x_i)``, ``r_i`` its reward. The value of a
policy ``pi`` is ``V = E_x sum_a pi(a | x) E[r | x, a]``, over the states that the logging policy
met: what ``pi`` would change in later states is not in it.

Every function takes ``counts`` ``[resamples, n]``, how often each decision is drawn: ones for the
estimate itself, the draws of a bootstrap for its interval (Efron, Annals of Statistics 1979).
NumPy in 64 bits, as nothing here is traced or differentiated.
"""

from __future__ import annotations

import dataclasses

import numpy as np

RIDGE = 1.0
"""Weight of squared coefficients of the reward model, in decisions, for features of deviation 1."""


@dataclasses.dataclass(frozen=True)
class LoggedActions:
    """Decisions of a log, as arrays.

    Attributes:
        features: ``[n, d]`` of mean 0 and deviation 1, the first column 1.
        action: ``[n]`` index of the action that was taken.
        reward: ``[n]`` in the unit of the reward.
        propensity: ``[n]`` probability of that action when it was taken, in (0, 1].
    """

    features: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    propensity: np.ndarray


def importance_weights(law: np.ndarray, logged: LoggedActions) -> np.ndarray:
    """Return ``w_i = pi(a_i | x_i) / p_i`` ``[n]`` for the law ``[n, actions]`` of a policy."""
    return law[np.arange(len(law)), logged.action] / logged.propensity


def effective_sample_size(weights: np.ndarray) -> float:
    """Return ``(sum w)^2 / sum w^2``: decisions of the policy itself that are worth as much.

    Kong, "A note on importance sampling using standardized weights" (technical report 348,
    University of Chicago, 1992). 0 without a positive weight.
    """
    squares = float(np.sum(np.square(weights)))
    return float(np.sum(weights)) ** 2 / squares if squares else 0.0


def importance_weighted(weights: np.ndarray, reward: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return ``1/n sum w_i r_i`` ``[resamples]``: unbiased where every action had a chance.

    Horvitz and Thompson, Journal of the American Statistical Association 1952; Precup, Sutton and
    Singh, ICML 2000.
    """
    return counts @ (weights * reward) / counts.sum(axis=1)


def self_normalised(weights: np.ndarray, reward: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return ``sum w_i r_i / sum w_i`` ``[resamples]``: within the range of the rewards.

    Swaminathan and Joachims, "The self-normalized estimator for counterfactual learning" (NeurIPS
    2015). NaN in a resample without a positive weight.
    """
    total = counts @ weights
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, counts @ (weights * reward) / total, np.nan)


def reward_model(
    logged: LoggedActions, actions: int, counts: np.ndarray, ridge: float = RIDGE
) -> np.ndarray:
    """Return coefficients ``[resamples, actions, d]`` of ``q(x, a) = f(x) . (b + g_a)``.

    ``b`` is a ridge regression of all rewards on the features, ``g_a`` one of what is left on the
    decisions with action ``a``; so an action that is rare takes the reward of all others.
    """
    features, reward = logged.features, logged.reward
    width = features.shape[1]
    upper = np.triu_indices(width)
    products = features[:, upper[0]] * features[:, upper[1]]
    shrink = ridge * np.eye(width)
    result = np.zeros((len(counts), actions, width))
    grams, sides = [], []
    for action in range(actions):
        rows = logged.action == action
        own = np.ascontiguousarray(counts[:, rows])
        gram = np.zeros((len(counts), width, width))
        gram[:, upper[0], upper[1]] = gram[:, upper[1], upper[0]] = own @ products[rows]
        grams.append(gram)
        sides.append(own @ (features[rows] * reward[rows, None]))
    shared = np.linalg.solve(np.sum(grams, axis=0) + shrink, np.sum(sides, axis=0)[..., None])[
        ..., 0
    ]
    for action, (gram, side) in enumerate(zip(grams, sides, strict=True)):
        left = side - np.einsum("bij,bj->bi", gram, shared)
        result[:, action] = shared + np.linalg.solve(gram + shrink, left[..., None])[..., 0]
    return result


def direct(
    logged: LoggedActions, law: np.ndarray, model: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """Return ``1/n sum_i sum_a pi(a | x_i) q(x_i, a)`` ``[resamples]``: biased as the model is."""
    total = np.zeros(len(counts))
    for action in range(law.shape[1]):
        rows = law[:, action] > 0
        weighted = logged.features[rows] * law[rows, action, None]
        total += np.einsum("bd,bd->b", counts[:, rows] @ weighted, model[:, action])
    return total / counts.sum(axis=1)


def doubly_robust(
    logged: LoggedActions, law: np.ndarray, model: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """Return ``1/n sum_i (sum_a pi(a | x_i) q(x_i, a) + w_i (r_i - q(x_i, a_i)))`` ``[resamples]``.

    Right where the propensities or the model are: Dudik, Langford and Li, "Doubly robust policy
    evaluation and learning" (ICML 2011).
    """
    weights = importance_weights(law, logged)
    modelled = np.zeros(len(counts))
    for action in range(law.shape[1]):
        rows = (logged.action == action) & (weights > 0)
        weighted = logged.features[rows] * weights[rows, None]
        modelled += np.einsum("bd,bd->b", counts[:, rows] @ weighted, model[:, action])
    missing = (counts @ (weights * logged.reward) - modelled) / counts.sum(axis=1)
    return direct(logged, law, model, counts) + missing


def resampled(n: int, resamples: int, seed: int) -> np.ndarray:
    """Return how often each of ``n`` decisions is drawn in every resample, ``[resamples, n]``."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(n, size=(resamples, n)) + n * np.arange(resamples)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=resamples * n)
    return counts.reshape(resamples, n).astype(np.float64)


__all__ = [
    "RIDGE",
    "LoggedActions",
    "direct",
    "doubly_robust",
    "effective_sample_size",
    "importance_weighted",
    "importance_weights",
    "resampled",
    "reward_model",
    "self_normalised",
]
