"""Join several networks into one whose scores are the mean of theirs.

The mean of scores is the mean of action values, and of choices the normalised geometric mean of
their probabilities (a product of experts: Hinton, Neural Computation 14, 2002). It needs nothing
but scores, so it serves every head.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from edgewright.core.errors import InputError
from edgewright.export.layers import Branches, Dense, run


def mean_of(networks: Sequence[Sequence[Any]], columns: int) -> tuple[Any, ...]:
    """Return layers from rows ``[n, columns]`` to the mean of the networks' scores.

    Args:
        networks: the layers of each.
        columns: of a row, all of which every network reads.

    Raises:
        InputError: the networks give different numbers of scores.
    """
    row = jnp.zeros((1, columns))
    scores = [run(network, row).shape[-1] for network in networks]
    if len({*scores}) > 1:
        message = f"networks must give as many scores as each other; got {scores}"
        raise InputError(message, where="ensemble", hint="name networks of one action space")
    weight = np.tile(np.eye(scores[0], dtype=np.float32), (len(networks), 1)) / len(networks)
    side_by_side = Branches(
        parts=tuple(tuple(network) for network in networks),
        columns=(tuple(range(columns)),) * len(networks),
    )
    mean = Dense(weight=jnp.asarray(weight), bias=jnp.zeros(scores[0]))
    return side_by_side, mean


__all__ = ["mean_of"]
