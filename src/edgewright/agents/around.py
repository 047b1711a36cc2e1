"""Pass settings of an inner learner on to the loops that read them."""

from __future__ import annotations

from typing import Any


class Around:
    """The settings of ``inner`` that a loop reads, passed on by the learner around it."""

    inner: Any

    @property
    def all_actions(self) -> bool:
        """Return whether the inner learner is given the outcomes of all actions."""
        return getattr(self.inner, "all_actions", False)

    @property
    def team(self) -> bool:
        """Return whether the inner learner is given their outcomes for all agents."""
        return getattr(self.inner, "team", False)

    @property
    def look_ahead(self) -> int:
        """Return how many steps of the policy follow each of these actions."""
        return getattr(self.inner, "look_ahead", 0)

    @property
    def staggered(self) -> bool:
        """Return whether a training begins with copies at all parts of an episode."""
        return getattr(self.inner, "staggered", False)

    @property
    def num_envs(self) -> int:
        """Number of copies of the world played side by side between two updates."""
        return self.inner.num_envs

    @property
    def rollout_steps(self) -> int:
        """Number of steps of each copy between two updates."""
        return self.inner.rollout_steps


__all__ = ["Around"]
