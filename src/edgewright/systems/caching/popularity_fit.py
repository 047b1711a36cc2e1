"""Fit the law of requests to logged ones.

Fixed shares, Zipf's law, and Zipf's law with a ranking that drifts are tried. The law with the
least Bayesian information criterion is taken (Schwarz, Annals of Statistics 1978). A ranking that
drifts is a hidden Markov chain over its shift; the forward algorithm gives the likelihood (Rabiner,
Proceedings of the IEEE 1989).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import optimize
from scipy.special import logsumexp

DRIFTS = (0.02, 0.05, 0.1, 0.2, 0.4)
"""Probabilities of a move of the ranking that are tried."""

EXPONENTS = (0.4, 0.6, 0.8, 1.0, 1.2, 1.6, 2.0)
"""Exponents that are tried with each of them."""

LEAST = 0.5
"""Requests that every service counts as having beside its own, so that no share is zero."""


def fit_requests(counts: np.ndarray) -> tuple[dict[str, Any], float]:
    """Return the law of requests and its negative log-likelihood [nats a request].

    Args:
        counts: ``[steps, K]`` requests for each service in the order of time.
    """
    total = counts.sum(axis=0)
    size = float(total.sum())
    laws = [_categorical(total), _zipf(total), _drifting(counts)]
    criteria = [2.0 * loss + free * math.log(size) for _, loss, free in laws]
    law, loss, _ = laws[int(np.argmin(criteria))]
    return law, loss / size


def loss_of(spec: dict[str, Any], counts: np.ndarray) -> float:
    """Return the negative log-likelihood [nats a request] of a law; NaN for another kind."""
    size, total = float(counts.sum()), counts.sum(axis=0)
    if spec["kind"] == "categorical" and not isinstance(spec["probabilities"][0], list):
        shares = np.maximum(np.asarray(spec["probabilities"], float), 1e-12)
        return float(-total @ np.log(shares)) / size
    if spec["kind"] != "zipf":
        return math.nan
    logs = log_zipf(float(spec["exponent"]), len(total))
    if spec.get("drift", 0.0) > 0:
        return _forward(counts, logs, float(spec["drift"])) / size
    return float(-total @ logs) / size


def log_zipf(exponent: float, services: int) -> np.ndarray:
    """Return the logarithm ``[K]`` of Zipf's law."""
    weight = -exponent * np.log(np.arange(1, services + 1))
    return weight - logsumexp(weight)


def _categorical(total: np.ndarray) -> tuple[dict[str, Any], float, int]:
    shares = (total + LEAST) / (total + LEAST).sum()
    plain = [round(float(share), 9) for share in shares[:-1]]
    law = {"kind": "categorical", "probabilities": [*plain, 1.0 - sum(plain)]}
    return law, float(-total @ np.log(shares)), len(total) - 1


def _zipf(total: np.ndarray) -> tuple[dict[str, Any], float, int]:
    def loss(exponent: float) -> float:
        return float(-total @ log_zipf(exponent, len(total)))

    best: Any = optimize.minimize_scalar(loss, bounds=(0.0, 4.0), method="bounded")
    law = {"kind": "zipf", "exponent": float(best.x), "drift": 0.0, "random_start": False}
    return law, float(best.fun), 1


def _drifting(counts: np.ndarray) -> tuple[dict[str, Any], float, int]:
    losses = {
        (exponent, drift): _forward(counts, log_zipf(exponent, counts.shape[1]), drift)
        for exponent in EXPONENTS
        for drift in DRIFTS
    }
    exponent, drift = min(losses, key=lambda pair: losses[pair])
    law = {"kind": "zipf", "exponent": exponent, "drift": drift, "random_start": False}
    return law, losses[exponent, drift], 2


def _forward(counts: np.ndarray, logs: np.ndarray, drift: float) -> float:
    """Return minus the log-likelihood of requests ``[steps, K]`` under a ranking that drifts."""
    services = len(logs)
    shifted = np.stack([np.roll(logs, shift) for shift in range(services)], axis=1)
    likelihood = counts @ shifted
    belief, total = np.full(services, 1.0 / services), 0.0
    for number, row in enumerate(likelihood):
        if number:
            beside = np.roll(belief, 1) + np.roll(belief, -1)
            belief = (1.0 - drift) * belief + 0.5 * drift * beside
        top = row.max()
        belief = belief * np.exp(row - top)
        mass = belief.sum()
        total += top + math.log(mass)
        belief = belief / mass
    return -total


__all__ = ["fit_requests", "log_zipf", "loss_of"]
