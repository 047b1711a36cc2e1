"""Bootstrap any function of several arms' means jointly, over new seeds and new episodes.

`statistics.paired_difference` serves the difference of two arms. A claim may need more at once: a
ratio, a share of a span between two anchors, the least of several leads. Here every arm is averaged
over drawn seeds and drawn episodes, and the claim's function is applied to the averages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from edgewright.core.errors import InputError
from edgewright.evaluation.statistics import Interval

Arms: TypeAlias = Mapping[str, Mapping[str, np.ndarray]]
"""TrainingJob to name to values ``[seeds, episodes, ...]``."""

Means: TypeAlias = Mapping[str, Mapping[str, np.ndarray]]
"""TrainingJob to name to means ``[draws, ...]``."""


def joint_mean(values: np.ndarray) -> Interval:
    """Return the mean of ``[seeds, episodes]`` and its interval, from the draws of a joint claim.

    They are other draws than those of `statistics.mean_interval`, of the same distribution.
    """
    return joint_bootstrap({"one": {"x": values}}, lambda means: means["one"]["x"])


def joint_bootstrap(
    arms: Arms,
    function: Callable[[Means], np.ndarray],
    *,
    paired_seeds: bool = False,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Return the interval of ``function`` of all arms' means.

    It is a crossed (pigeonhole) bootstrap, Owen 2007. Arms of the same number of episodes share the
    drawn episodes (column e is the same episode in all of them). Each arm draws its own seeds, and
    all arrays of one arm share them.

    Args:
        arms: values ``[seeds, episodes, ...]``; an array without episodes has 1.
        function: from means ``[draws, ...]`` to numbers ``[draws]``; not finite where it has no
            value, which makes the interval not finite.
        paired_seeds: seed s of all arms of as many seeds is one draw, because these arms share what
            is random of it, for instance the trained network they start from.
        confidence: nominal coverage in (0, 1).
        resamples: number of draws.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    counts = sorted({a.shape[1] for arrays in arms.values() for a in arrays.values()})
    episodes = {n: rng.multinomial(n, np.full(n, 1 / n), size=resamples) / n for n in counts}
    shared: dict[int, np.ndarray] = {}
    drawn: dict[str, dict[str, np.ndarray]] = {}
    plain: dict[str, dict[str, np.ndarray]] = {}
    for arm, arrays in arms.items():
        sizes = {a.shape[0] for a in arrays.values()}
        if len(sizes) != 1:
            raise InputError(f"the arrays of arm '{arm}' have {sorted(sizes)} seeds")
        n = sizes.pop()
        seeds = shared[n] if n in shared else rng.multinomial(n, np.full(n, 1 / n), resamples) / n
        if paired_seeds:
            shared[n] = seeds
        drawn[arm], plain[arm] = {}, {}
        for name, values in arrays.items():
            if not np.all(np.isfinite(values)):
                hint = "find out why before leaving them out"
                raise InputError(f"'{arm}: {name}' holds numbers that are not finite", hint=hint)
            over_seeds = np.tensordot(seeds, values, axes=(1, 0))
            weights = episodes[values.shape[1]]
            drawn[arm][name] = np.einsum("re,re...->r...", weights, over_seeds)
            plain[arm][name] = values.mean(axis=(0, 1))[None]
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = float(function(plain)[0])
        draws = np.asarray(function(drawn), float)
    if not np.all(np.isfinite(draws)) or not np.isfinite(estimate):
        return Interval(estimate, float("nan"), float("nan"), confidence)
    tails = (1 - confidence) / 2, (1 + confidence) / 2
    low, high = np.quantile(draws, tails)
    return Interval(estimate, float(low), float(high), confidence)
