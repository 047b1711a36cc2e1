"""A contextual bandit whose true values are known in closed form or to any precision."""

import numpy as np

from edgewright.rules.off_policy import LoggedActions

ACTIONS = 3
_WEIGHTS = np.array([[0.2, 0.5, 0.0, -0.4], [0.0, -0.3, 0.6, 0.2], [0.4, 0.0, -0.2, 0.3]])


def features(rng, n):
    """Return ``[n, 4]``: one and three standard normal numbers."""
    return np.concatenate([np.ones((n, 1)), rng.normal(size=(n, 3))], axis=1)


def means(x):
    """Return the expected rewards ``[n, actions]``."""
    return x @ _WEIGHTS.T


def logging_law(x):
    """Return the probabilities ``[n, actions]`` of the policy that logs, each at least 0.1."""
    logits = 0.8 * x[:, 1:]
    law = np.exp(logits - logits.max(axis=1, keepdims=True))
    return 0.1 + 0.7 * law / law.sum(axis=1, keepdims=True)


def greedy_law(x):
    """Return the policy that takes the best action always."""
    return np.eye(ACTIONS)[np.argmax(means(x), axis=1)]


def true_value(law, n=2_000_000):
    """Return the value of a policy by averaging its expected reward over many states."""
    x = features(np.random.default_rng(1), n)
    return float(np.mean(np.sum(law(x) * means(x), axis=1)))


def log(rng, n, noise=1.0):
    """Return a log of ``n`` decisions, and the states."""
    x = features(rng, n)
    law = logging_law(x)
    action = (rng.random(n)[:, None] > np.cumsum(law, axis=1)).sum(axis=1)
    reward = means(x)[np.arange(n), action] + noise * rng.normal(size=n)
    return LoggedActions(x, action, reward, law[np.arange(n), action]), x
