"""Distil the mean of several trained networks into one, on states that the student gets into.

Several seeds that decide together are better than most of them alone, and cost as many networks.
One network is trained to give the mean of their scores (Hinton, Vinyals and Dean, 2015) by dataset
aggregation (Ross, Gordon and Bagnell, AISTATS 2011), as in :mod:`.amortise`: the teacher plays the
first round and the student all others, and the teacher scores every state.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.compress.distil import fit, smaller
from edgewright.compress.ensemble import mean_of
from edgewright.deploy.amortise import NO_FIELDS
from edgewright.deploy.compression import agreement
from edgewright.deploy.rollouts import watch
from edgewright.export.heads import Head
from edgewright.export.layers import run
from edgewright.export.networks import layers_of
from edgewright.export.policy import LayerPolicy
from edgewright.scenarios.build import Problem

ROUNDS = 3
"""Rounds, of which the teacher plays the first."""


@dataclasses.dataclass(frozen=True)
class Distilled:
    """One network that decides like the mean of several.

    Attributes:
        teacher: the policy of the mean.
        student: the policy of the network.
        rows: observations ``[n, columns]`` that it learned from.
        agreement: for each round but the first, the share of the states met in it in which student
            and teacher decide the same, before the student learned from them.
    """

    teacher: LayerPolicy
    student: LayerPolicy
    rows: np.ndarray
    agreement: list[float]


def distil_seeds(
    problem: Problem,
    policies: Sequence[Any],
    head: Head,
    widths: tuple[int, ...],
    *,
    seed: int = 0,
    on_progress: Callable[[str], None] = lambda name: None,
) -> Distilled:
    """Return one network that decides like the mean of the policies' networks.

    Args:
        problem: with the policies' own world; its training inputs are played.
        policies: greedy policies of one world that can become layers.
        head: what turns their scores into decisions.
        widths: of the student's hidden layers. It reads its inputs as the first network does.
        seed: of everything drawn.

    Raises:
        InputError: the policies cannot become layers, or have no hidden layer.
    """
    shape = problem.world.observation_space(problem.params).shape
    columns = int(np.prod(shape)) if head.joint else shape[-1]
    networks = [layers_of(policy, problem.params, NO_FIELDS) for policy in policies]
    start_key, fit_key = jax.random.split(jax.random.key(seed))
    teacher = _player(mean_of(networks, columns), head)
    student = _player(smaller(networks[0], widths, head, start_key), head)
    met: list[np.ndarray] = []
    same: list[float] = []
    for number in range(ROUNDS):
        on_progress(f"round {number + 1} of {ROUNDS}")
        player = student if number else teacher
        met.append(watch(problem.world, problem, player, columns, seed * ROUNDS + number))
        if number:
            same.append(_same(student, teacher, met[-1]))
        rows = _repeated(np.concatenate(met), ROUNDS * len(met[0]))
        key = jax.random.fold_in(fit_key, number)
        student = _player(fit(student.layers, teacher.layers, head, rows, key), head)
    return Distilled(teacher, student, np.concatenate(met), same)


def _player(layers: Sequence[Any], head: Head) -> LayerPolicy:
    interface = dataclasses.replace(NO_FIELDS, joint=head.joint)
    return LayerPolicy(layers=tuple(layers), epsilon=jnp.float32(0), head=head, interface=interface)


def _repeated(rows: np.ndarray, count: int) -> jax.Array:
    """Return ``count`` rows, again from the first one: as many in all rounds compile once."""
    return jnp.asarray(rows[np.arange(count) % len(rows)])


def _same(one: LayerPolicy, other: LayerPolicy, rows: np.ndarray) -> float:
    """Return the share of rows ``[n, columns]`` in which two policies decide the same."""
    shown, head = jnp.asarray(rows), one.head
    given, wanted = (
        {name: np.asarray(values) for name, values in head(run(each.layers, shown), shown).items()}
        for each in (one, other)
    )
    return agreement(head.outputs, given, wanted)


__all__ = ["ROUNDS", "Distilled", "distil_seeds"]
