"""The exact optimum as a policy by name, in scenarios small enough: nothing random but the mode."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from edgewright.core.errors import InputError
from edgewright.streams.compose import Composite
from edgewright.streams.processes import Categorical, Constant
from edgewright.systems.aigc.baselines.dynamic_program import TablePolicy, best_mean, tabulate
from edgewright.systems.system import Built

DEEPEST_S = 5.0
"""The deepest local queue in the tables [s]. No optimal plan of `aigc-toy` comes near it."""


def solvable(built: Built) -> bool:
    """Say whether :func:`optimum` has an answer, unless the world leaves its lattice."""
    world = built.world
    return (
        world.devices == 1
        and world.servers == 1
        and world.wait == "backlog"
        and not _varying(built.train_stream)
    )


def optimum(built: Built) -> TablePolicy:
    """Return the policy of the largest expected mean reward of an episode, by backward induction.

    Raises:
        InputError: inputs vary beyond the mode, or the world is too large or leaves its lattice.
    """
    stream = built.train_stream
    varying = _varying(stream)
    if varying or not isinstance(stream, Composite):
        problem = f"the exact optimum needs constant inputs, and {', '.join(varying)} vary"
        raise InputError(problem, where="streams", hint="see the scenario aigc-toy, or use beam-64")
    _, rows = stream.take(stream.start(jax.random.key(0)), 1)
    row = jax.tree.map(lambda leaf: leaf[0], rows)
    deepest = DEEPEST_S * float(jnp.max(built.params.device_ghz))
    mode = stream.fields["mode"]
    assert isinstance(mode, Categorical)  # or it would vary
    model = tabulate(built.world, built.params, row, mode.probabilities, deepest_gcycles=deepest)
    found = best_mean(model, built.horizon, float(built.params.rejected_reward))
    return TablePolicy(lattice=model.lattice, action=found.action)


def _varying(stream: object) -> list[str]:
    """Return the fields of a stream that are neither constant nor independent draws of the mode."""
    if not isinstance(stream, Composite):
        return ["all of them"]
    wanted = {"mode": Categorical}
    return [
        name
        for name, process in stream.fields.items()
        if not isinstance(process, wanted.get(name, Constant))
    ]
