"""Let a rule decide one of two levels, so that the learner of the other level has it as its world.

A rule may look at the state of the world, which no learner sees; a policy with such a level says so
(``needs_state``), and whoever plays it shows both, see :class:`edgewright.loops.evaluate.Informed`.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from edgewright.core.protocols import Policy
from edgewright.core.records import Array, Decision, Trajectory, record, static
from edgewright.core.spaces import Box, Space
from edgewright.loops.evaluate import PrivilegedObservation


@record
class RulePolicy:
    """Some parts of the decision of a rule, which is shown the state of the world."""

    rule: Policy
    parts: tuple[str, ...] = static()

    def init_carry(self, key: Array) -> Any:
        """Return the memory of the rule. Consumes ``key``."""
        return self.rule.init_carry(key)

    def act(self, key: Array, carry: Any, known: PrivilegedObservation) -> tuple[Any, Decision]:
        """Return the parts by name, as the world takes them. Consumes ``key``."""
        carry, decision = self.rule.act(key, carry, known)
        return carry, Decision(action={name: decision.action[name] for name in self.parts}, aux=())


@record
class RuleLevel:
    """Take the place of a learner at one level of two, where a rule of the world decides.

    Attributes:
        name: of the rule, as the world's system calls its rules for that level.
        rule: the rule, whose action has the parts of the level; set where the learner is built.
        parts: names of those parts.
    """

    name: str = static(default="")
    rule: Any = dataclasses.field(default=None, metadata={"setting": False})
    parts: tuple[str, ...] = dataclasses.field(
        default=(), metadata={"static": True, "setting": False}
    )
    num_envs: int = dataclasses.field(default=1, metadata={"static": True, "setting": False})
    rollout_steps: int = dataclasses.field(default=1, metadata={"static": True, "setting": False})

    def init(self, key: Array, observations: Box, actions: Space) -> tuple[()]:
        """Return nothing: there is nothing to learn."""
        return ()

    def policy(self, state: tuple[()], explore: bool) -> RulePolicy:
        """Return the rule's part of the decision, which explores nothing."""
        return RulePolicy(rule=self.rule, parts=self.parts)

    def update(
        self, key: Array, state: tuple[()], batch: Trajectory
    ) -> tuple[tuple[()], dict[str, Array]]:
        """Return the same, and nothing to log."""
        return state, {}


__all__ = ["RuleLevel", "RulePolicy"]
