"""A system: one decision problem with all that a command needs to know of it.

Everything above the worlds is written against this record, so a system of your own gets training,
comparison, statistics, figures and the command line by filling it in (see
``docs/guides/own-world.md``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal

from edgewright.core.errors import InputError
from edgewright.core.protocols import Policy, Stream, World
from edgewright.core.records import Array, record, static
from edgewright.loops.evaluate import Play, play, play_each
from edgewright.loops.unroll import Reveal
from edgewright.scenarios.schema import Problem, Scenario

Group = Literal["rule", "oracle", "learned"]


@record
class Built:
    """A scenario come to life: the physics, its inputs for training and for evaluation.

    ``placement`` says where positions come from, ``"recorded"`` or ``"drawn"``; None without any.
    """

    kind: str = static()
    world: Any = static()  # the system's own class
    horizon: int = static()
    placement: str | None = static(default=None)
    params: Any
    train_stream: Stream[Any]
    test_stream: Stream[Any]


@dataclasses.dataclass(frozen=True)
class Contender:
    """A policy, what it is told, and how it is grouped in tables and figures.

    Attributes:
        foresee: for an oracle of the future, from the inputs ``[T + 1, E, ...]`` to the policy of
            every episode, leaves ``[E, ...]``. It plays instead of ``policy``, which is None.
    """

    name: str
    group: Group
    policy: Policy | None
    reveal: Reveal | None
    world: World
    foresee: Callable[[Any], Policy] | None = None

    def play(self, key: Array, params: Any, inputs: Any) -> Play:
        """Play every episode of ``inputs`` once. Consumes ``key``."""
        if self.foresee is None:
            assert self.policy is not None
            return play(key, self.world, params, self.policy, inputs, reveal=self.reveal)
        each = self.foresee(inputs)
        return play_each(key, self.world, params, each, inputs, reveal=self.reveal)


@dataclasses.dataclass(frozen=True)
class Metric:
    """A physical metric of episodes that tables show: a field of the world's metrics."""

    name: str
    heading: str
    unit: str = ""
    format: str = ".2f"
    better: Literal["min", "max", ""] = ""


def _no_problems(scenario: Scenario[Any, Any, Any]) -> list[Problem]:
    return []


def same_game(trained: World, built: Built) -> World:
    """Return the scenario's world for a run that was trained in ``trained``.

    Raises:
        InputError: the two observe or act in different ways.
    """
    for what in ("observation_space", "action_space"):
        mine, theirs = getattr(trained, what), getattr(built.world, what)
        if _kind_of(mine(built.params)) != _kind_of(theirs(built.params)):
            problem = f"the run was trained in {trained}, the scenario has {built.world}"
            hint = "evaluate it on a scenario of the same sizes, or train on this one"
            raise InputError(problem, where=what, hint=hint)
    return built.world


def _kind_of(space: Any) -> tuple[Any, ...]:
    """Return what must agree between two spaces; the number of agents may differ."""
    return type(space), space.shape[1:], getattr(space, "names", ()), getattr(space, "n", 0)


@dataclasses.dataclass(frozen=True)
class System:
    """One decision problem.

    Attributes:
        kind: ``world.kind`` of its scenario files.
        scenario: ``Scenario[Structure, Numbers, Streams]`` with the dataclasses of its tables.
        build: (scenario, data folder) to the physics and its inputs.
        usual: names of policies that need no training, for scenarios of the usual sizes.
        policy_names: names of all policies that need no training here, in the order of tables.
        policy: (name, built) to a contender, or None where no policy has that name.
        bound: (built, inputs, missed reward) to an upper bound on the mean reward of each episode
            ``[E]``; None where there is none. It raises InputError where it does not hold.
        ranges: what an evaluation may pin an input to.
        metrics: what tables show beside the reward.
        inconsistencies: what single fields of a scenario cannot see.
        game: (world a run was trained in, built) to the world it plays in, or InputError.
    """

    kind: str
    scenario: Any
    build: Callable[[Any, str | None], Built]
    usual: tuple[str, ...]
    policy_names: Callable[[Built], list[str]]
    policy: Callable[[str, Built], Contender | None]
    bound: Callable[[Built, Any, float], Array] | None = None
    ranges: Mapping[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()
    inconsistencies: Callable[[Any], list[Problem]] = _no_problems
    game: Callable[[World, Built], World] = same_game


__all__ = ["Built", "Contender", "Group", "Metric", "System", "same_game"]
