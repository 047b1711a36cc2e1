"""The exact optimum as a policy by name, in scenarios small enough: nothing random but the mode."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from edgewright.core.errors import InputError
from edgewright.streams.compose import Composite
from edgewright.streams.processes import Categorical, Constant
from edgewright.systems.aigc.baselines.dynamic_program import TablePolicy, best_mean, tabulate
from edgewright.systems.system import Problem

DEEPEST_S = 5.0
"""The deepest local queue in the tables [s]. No optimal plan of `aigc-toy` comes near it."""


def solvable(problem: Problem) -> bool:
    """Return whether :func:`optimum` has an answer, unless the world leaves its lattice."""
    world = problem.world
    return (
        world.devices == 1
        and world.servers == 1
        and world.reading == "ours"
        and world.uplink == "parallel"
        and not _varying(problem.train_stream)
    )


def optimum(problem: Problem) -> TablePolicy:
    """Return the policy of the largest expected mean reward of an episode, by backward induction.

    Raises:
        InputError: inputs vary beyond the mode, or the world is too large or leaves its lattice.
    """
    stream = problem.train_stream
    varying = _varying(stream)
    if varying or not isinstance(stream, Composite):
        message = f"the exact optimum needs constant inputs, and {', '.join(varying)} vary"
        raise InputError(
            message, where="streams", hint="use the scenario aigc-toy, or the policy beam-64"
        )
    _, rows = stream.next_rows(stream.init_carry(jax.random.key(0)), 1)
    row = jax.tree.map(lambda leaf: leaf[0], rows)
    deepest = DEEPEST_S * float(jnp.max(problem.params.device_ghz))
    mode = stream.fields["mode"]
    assert isinstance(mode, Categorical)  # or it would vary
    model = tabulate(
        problem.world, problem.params, row, mode.probabilities, deepest_gcycles=deepest
    )
    result = best_mean(model, problem.horizon, float(problem.params.rejected_reward))
    return TablePolicy(lattice=model.lattice, action=result.action)


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
