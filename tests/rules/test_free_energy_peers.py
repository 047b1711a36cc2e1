"""Free energy beside pymdp, and the likelihood of an ensemble beside PyTorch, on the same numbers.

pymdp knows discrete states and observations. The members of an ensemble are its hidden states, with
equal beliefs; one predicted number, cut into fine bins, is its observation.
"""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from edgewright.nets.ensemble import negative_log_likelihood
from edgewright.rules import free_energy

EDGES = np.linspace(-12.0, 12.0, 4801)


def _binned(mean: Any, variance: Any) -> np.ndarray:
    """Return the shares ``[bins, members]`` of normal laws that fall into each bin."""
    return np.diff(stats.norm.cdf(EDGES[:, None], mean, np.sqrt(variance)), axis=0)


def _pymdp_gain(mean: np.ndarray, variance: np.ndarray) -> float:
    control = pytest.importorskip("pymdp.control")
    likelihood = jnp.asarray(_binned(mean, variance))
    belief = jnp.full(len(mean), 1.0 / len(mean))
    return float(control.compute_info_gain([belief], [likelihood @ belief], [likelihood], [[0]]))


@pytest.mark.parametrize("spread", [0.0, 0.3, 1.0, 3.0])
def test_the_gain_of_pymdp_lies_between_our_bounds(spread: float) -> None:
    draw = np.random.default_rng(7)
    mean, variance = spread * draw.normal(size=6), draw.uniform(0.05, 0.5, 6)
    theirs = _pymdp_gain(mean, variance)
    column = jnp.asarray(mean)[:, None], jnp.asarray(variance)[:, None]
    assert float(free_energy.gain_lower(*column)) <= theirs + 1e-3
    assert theirs <= float(free_energy.gain_upper(*column)) + 1e-3
    assert theirs > 0.01


def test_members_in_groups_that_lie_apart_have_the_gain_of_pymdp() -> None:
    mean, variance = np.array([-8.0, -8, -8, 0, 0, 8]), np.full(6, 0.1)
    groups = np.array([3, 2, 1]) / 6.0
    exact = -float(np.sum(groups * np.log(groups)))
    column = jnp.asarray(mean)[:, None], jnp.asarray(variance)[:, None]
    assert _pymdp_gain(mean, variance) == pytest.approx(exact, abs=1e-3)
    for bound in (free_energy.gain_lower, free_energy.gain_upper):
        assert float(bound(*column)) == pytest.approx(exact, abs=1e-4)


def test_the_risk_is_that_of_pymdp() -> None:
    control, maths = pytest.importorskip("pymdp.control"), pytest.importorskip("pymdp.maths")
    mean, variance, goal, goal_variance = 0.7, 0.4, 2.0, 0.5
    seen = jnp.asarray(_binned([mean], [variance])[:, 0])
    wanted = stats.norm.logpdf((EDGES[1:] + EDGES[:-1]) / 2, goal, math.sqrt(goal_variance))
    preferred = jnp.asarray(wanted + math.log(EDGES[1] - EDGES[0]))
    utility = control.compute_expected_utility([seen], [preferred])
    theirs = float(-utility - maths.stable_entropy(seen))  # KL(q(o) || p(o))
    assert float(free_energy.risk(mean, variance, goal, goal_variance)) == pytest.approx(
        theirs, abs=1e-3
    )


def test_the_free_energy_as_run_is_not_that_of_pymdp() -> None:
    mean, reward = np.zeros(4), jnp.zeros(4)
    gains, energies = [], []
    for variance in (0.1, 1.0):
        gains.append(_pymdp_gain(mean, np.full(4, variance)))
        state = jnp.full((4, 1), variance)
        energies.append(float(free_energy.as_run(reward, jnp.ones(4), state, 0.0, 0.5)))
    assert gains == pytest.approx([0.0, 0.0], abs=1e-5)  # equal members: nothing can be learned
    assert energies[1] < energies[0] - 1.0  # Gould's program is drawn to noise all the same


def test_the_likelihood_of_an_ensemble_is_that_of_pytorch() -> None:
    """mbrl-lib, the PETS of Chua et al. (2018) in PyTorch, minimises twice this number.

    Its ``gaussian_nll`` is ``(y - mu)^2 exp(-log sigma^2) + log sigma^2``. It is not installed
    here: it wants gymnasium 0.26.3 and hydra 1.0.3.
    """
    torch = pytest.importorskip("torch")
    draw = np.random.default_rng(3)
    mean, target = draw.normal(size=(2, 5, 7)).astype(np.float32)
    variance = draw.uniform(0.05, 2.0, (5, 7)).astype(np.float32)
    theirs = torch.nn.functional.gaussian_nll_loss(
        *map(torch.from_numpy, (mean, target, variance)), reduction="none"
    )
    ours = negative_log_likelihood(*map(jnp.asarray, (mean, variance, target)))
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-5, atol=1e-6)
