"""Account for the privacy of noisy rounds with the accountant of dp-accounting."""

from __future__ import annotations

from edgewright.core.errors import InputError

DELTA = 1e-5
"""Probability with which the guarantee may fail."""


def epsilon(noise_multiplier: float, rounds: int, delta: float = DELTA) -> float:
    """Return the epsilon of rounds in which every device takes part.

    One device's whole contribution is protected: each round is a Gaussian mechanism on the sum of
    changes, whose sensitivity is the norm that changes are clipped to. Composition by Rényi
    differential privacy (Mironov, CSF 2017, arXiv:1702.07476), with dp-accounting.

    Args:
        noise_multiplier: deviation of the noise of the sum, in multiples of that norm; above 0.
        rounds: number of rounds, at least one.
        delta: probability with which the guarantee may fail.

    Raises:
        InputError: dp-accounting is not installed.
    """
    try:
        import dp_accounting  # pyright: ignore[reportMissingImports]
        from dp_accounting import rdp  # pyright: ignore[reportMissingImports]
    except ModuleNotFoundError:
        hint = "install the extra 'federated' in an environment of its own"
        message = "epsilon needs dp-accounting, which is not installed"
        raise InputError(message, where="learner.noise_multiplier", hint=hint) from None
    accountant = rdp.RdpAccountant()
    accountant.compose(dp_accounting.GaussianDpEvent(noise_multiplier), rounds)
    return float(accountant.get_epsilon(delta))


__all__ = ["DELTA", "epsilon"]
