"""Describe worlds in which some parts of an action are decided in epochs, others in every slot."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class TimeScales:
    """Facts of a world that a learner for two time scales needs.

    An epoch begins with a step in which only the slow parts of the action count. The other steps
    are its slots, in which only the fast parts count. Episodes end with an epoch.

    Attributes:
        period: steps of an epoch, its first step among them.
        slow: names of the slow parts of the action.
        upper, lower: stems of the features that each decision looks at: a column belongs to the
            stem that its name begins with, before an underscore.
        phase: name of the column that is 1 in the first step of an epoch, else 0.
        upper_reward, lower_reward: names of the metrics that each decision is paid by; the upper
            one is summed over the epoch.
    """

    period: int
    slow: tuple[str, ...]
    upper: tuple[str, ...]
    lower: tuple[str, ...]
    phase: str
    upper_reward: str = "upper_reward"
    lower_reward: str = "lower_reward"

    def columns(self, names: tuple[str, ...], stems: tuple[str, ...]) -> tuple[int, ...]:
        """Return which columns of ``names`` belong to the stems, in the order of the stems."""
        return tuple(
            index
            for stem in stems
            for index, name in enumerate(names)
            if name == stem or name.startswith(f"{stem}_")
        )


__all__ = ["TimeScales"]
