"""A scenario by name, ready to train in, to compare on and to look into."""

from __future__ import annotations

import dataclasses
import functools
import html
from collections.abc import Mapping
from typing import Any

from edgewright.core.protocols import Stream, World
from edgewright.scenarios.build import build
from edgewright.scenarios.load import identity, load
from edgewright.scenarios.policies import baseline, baseline_names
from edgewright.specs.schema import Scenario
from edgewright.systems.system import PolicyEntry, Problem


@dataclasses.dataclass(frozen=True)
class EdgeProblem:
    """A decision problem with its scenario, world, numbers and inputs.

    Attributes:
        origin: name of a shipped scenario, or the path of a TOML file.
        overrides: dotted keys and the values that replace the file's.
        data: folder of recordings, or None.
    """

    origin: str
    overrides: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    data: str | None = None

    @functools.cached_property
    def scenario(self) -> Scenario:
        """The checked scenario, every number with its unit in its name."""
        return load(self.origin, dict(self.overrides))

    @functools.cached_property
    def built(self) -> Problem:
        """The record that the layers below work with."""
        return build(self.scenario, self.data)

    @property
    def name(self) -> str:
        """Name of the scenario."""
        return self.scenario.name

    @property
    def world(self) -> World:
        """The physics as pure functions over arrays; sizes are attributes."""
        return self.built.world

    @property
    def params(self) -> Any:
        """Every number of the world, as float32 arrays with units in their names."""
        return self.built.params

    @property
    def streams(self) -> dict[str, Stream[Any]]:
        """The inputs for ``"train"`` and for ``"test"``."""
        return {"train": self.built.train_stream, "test": self.built.test_stream}

    @property
    def horizon_slots(self) -> int:
        """Slots of an episode."""
        return self.built.horizon

    def policies(self) -> list[str]:
        """Return the names of all policies that need no training, in the order of tables."""
        return baseline_names(self.built)

    def policy(self, name: str) -> PolicyEntry:
        """Return a policy by name, with what it may observe.

        Raises:
            InputError: no policy has that name; the nearest is offered.
        """
        return baseline(name, self.built)

    def __repr__(self) -> str:
        """Return the name, the title and the sizes."""
        return f"{self.name}: {self.scenario.title}\n{self.world!r}\nidentity {self.identity}"

    def _repr_html_(self) -> str:
        """Return the same for a notebook."""
        name, title = html.escape(self.name), html.escape(self.scenario.title)
        return f"<p><b>{name}</b>: {title}</p><pre>{html.escape(repr(self.world))}</pre>"

    @property
    def identity(self) -> str:
        """A hash that two scenarios share only if every number is the same."""
        return identity(self.scenario)


def make(
    scenario: str, overrides: Mapping[str, Any] | None = None, *, data: str | None = None
) -> EdgeProblem:
    """Return the problem of a scenario.

    Args:
        scenario: a shipped name (:func:`edgewright.list_scenarios`) or the path of a TOML file.
        overrides: dotted keys and values that replace the file's, e.g.
            ``{"params.horizon_slots": 100, "learner.clip_eps": 0.1}``.
        data: folder of recordings, for scenarios that are driven by them.

    Raises:
        InputError: no scenario has that name, or a key or value is wrong; names the nearest one.
    """
    problem = EdgeProblem(scenario, dict(overrides or {}), data)
    load(problem.origin, dict(problem.overrides))  # a wrong name or key is refused here
    return problem


__all__ = ["EdgeProblem", "make"]
