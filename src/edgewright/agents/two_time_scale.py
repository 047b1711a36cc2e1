"""Train one learner for what is decided in epochs and one for what is decided in slots.

Both are learners of numbers (``Box`` actions) that know nothing of each other: for each, the other
one is part of its world. So HADRL puts DDPG above an active-inference planner. A rule may take the
place of one of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.agents.rule_level import RuleLevel, RulePolicy
from edgewright.core.errors import InputError
from edgewright.core.protocols import Learner, Policy
from edgewright.core.records import Array, Decision, Trajectory, record, static
from edgewright.core.spaces import Box, Record, Space
from edgewright.core.time_scales import TimeScales
from edgewright.loops.evaluate import Informed, plain_observation
from edgewright.loops.unroll import select
from edgewright.nets.unit_actions import from_unit, misfit_of, unit_box

LEVELS = ("upper", "lower")


@record
class TwoLevelPolicy:
    """A policy for epochs and one for slots, whose numbers become the parts of one action.

    Each keeps its memory in the steps in which the other one decides.
    """

    upper: Policy
    lower: Policy
    actions: Record = static()
    slow: tuple[str, ...] = static()
    upper_columns: tuple[int, ...] = static()
    lower_columns: tuple[int, ...] = static()
    phase: int = static()
    by_threshold: bool = static(default=False)

    @property
    def needs_state(self) -> bool:
        """Return whether a level is a rule, which must be shown the state of the world."""
        return any(isinstance(level, RulePolicy) for level in (self.upper, self.lower))

    def init_carry(self, key: Array) -> tuple[Any, Any]:
        """Return the memories of both. Consumes ``key``."""
        upper_key, lower_key = jax.random.split(key)
        return self.upper.init_carry(upper_key), self.lower.init_carry(lower_key)

    def act(self, key: Array, carry: Any, observation: Array | Informed) -> tuple[Any, Decision]:
        """Return the action as a record; ``aux`` is the decision of each level.

        Args:
            observation: of the world; with its state beside it where a level is a rule.

        Raises:
            InputError: a level is a rule, and the state is not shown.
        """
        keys, row = jax.random.split(key), plain_observation(observation)
        upper_carry, upper = self.upper.act(
            keys[0], carry[0], self._looked_at(self.upper, observation, self.upper_columns)
        )
        lower_carry, lower = self.lower.act(
            keys[1], carry[1], self._looked_at(self.lower, observation, self.lower_columns)
        )
        placing = row[..., self.phase] > 0.5
        memory = (
            select(placing, upper_carry, carry[0]),
            select(placing, carry[1], lower_carry),
        )
        slow, fast = levels(self.actions, self.slow)
        action = self._parts(slow, upper.action) | self._parts(fast, lower.action)
        return memory, Decision(action=action, aux=(upper, lower))

    def _looked_at(
        self, level: Policy, observation: Array | Informed, columns: tuple[int, ...]
    ) -> Any:
        if not isinstance(level, RulePolicy):
            return _pick(plain_observation(observation), columns)
        if not isinstance(observation, Informed):
            message = "a level of this policy is a rule, which must be shown the world's state"
            hint = "pass observe_fn = loops.evaluate.observe_fn_of(policy, world)"
            raise InputError(message, where="policy", hint=hint)
        return observation.known

    def _parts(self, parts: list[Any], decided: Any) -> dict[str, Array]:
        """Return parts by name: a rule decides them, a learner numbers."""
        if isinstance(decided, dict):
            return decided
        return from_unit(parts, decided, self.by_threshold)


@record
class TwoTimeScale:
    """Learn at two time scales, with a learner for each.

    The upper learner has one sample for each epoch: what it saw and decided in the first step, the
    sum of its rewards over the slots, and what it sees when the next epoch begins. The lower one
    has the slots; its trajectories are cut at the end of an epoch (truncated, not terminated).

    Attributes:
        upper, lower: learners of ``Box`` actions; their ``num_envs`` and ``rollout_steps`` are set
            here, and their ``total_steps`` are counted in their own steps. One of them may be a
            :class:`~edgewright.agents.rule_level.RuleLevel`, which only decides.
        epochs_per_update: epochs of each copy between two updates.
        association: whether a choice is the largest of ``n`` numbers (``logits``), or one number
            between thresholds of equal width, as in HADRL.
        scales: of the world, see :meth:`for_world`.
    """

    upper: Learner
    lower: Learner
    num_envs: int = static(default=4)
    epochs_per_update: int = static(default=1)
    association: Literal["logits", "thresholds"] = static(default="logits")
    scales: TimeScales | None = dataclasses.field(
        default=None, metadata={"static": True, "setting": False}
    )
    spaces: tuple[Box, Record] | None = dataclasses.field(
        default=None, metadata={"static": True, "setting": False}
    )

    def for_world(self, world: Any, params: Any) -> TwoTimeScale:
        """Return the learner for the time scales, features and actions of a world."""
        scales = getattr(world, "time_scales", None)
        if scales is None:
            return self
        spaces = world.observation_space(params), world.action_space(params)
        return dataclasses.replace(self, scales=scales, spaces=spaces)

    def misfit(self, observations: Box, actions: Space) -> str:
        """Return why it cannot learn with these spaces; empty if it can."""
        if self.scales is None or not isinstance(actions, Record):
            return "its world must have two time scales"
        if isinstance(self.upper, RuleLevel) and isinstance(self.lower, RuleLevel):
            return "both of its levels are rules, so that nothing is learned"
        slow, fast = levels(actions, self.scales.slow)
        reason = misfit_of(slow) or misfit_of(fast)
        for learner, spaces in zip((self.upper, self.lower), self._level_spaces(), strict=True):
            misfit = getattr(learner, "misfit", None)
            reason = reason or (misfit(*spaces) if misfit else "")
        return reason

    def with_rules(self, rule_of: Callable[[str, str], Policy]) -> TwoTimeScale:
        """Return the learner with the rules that its levels name.

        Args:
            rule_of: (``"upper"`` or ``"lower"``, name) to the rule.
        """
        actions = self._spaces[1]
        made = {}
        for level, parts in zip(LEVELS, levels(actions, self._scales.slow), strict=True):
            learner = getattr(self, level)
            if isinstance(learner, RuleLevel):
                names = tuple(name for name, _ in parts)
                rule = rule_of(level, learner.name)
                made[level] = dataclasses.replace(learner, rule=rule, parts=names)
        return dataclasses.replace(self, **made)

    def check_sizes(self, observations: Box, actions: Space) -> None:
        """Check the sizes of both learners.

        Raises:
            InputError: they do not fit each other; it names the level.
        """
        for name, learner, spaces in zip(LEVELS, self._levels(), self._level_spaces(), strict=True):
            check = getattr(learner, "check_sizes", None)
            if check is None:
                continue
            try:
                check(*spaces)
            except InputError as error:
                where, hint = (
                    (text or "").replace("learner.", f"learner.{name}.")
                    for text in (error.where, error.hint)
                )
                raise InputError(error.message, where=where, hint=hint) from None

    @property
    def rollout_steps(self) -> int:
        """Steps of each copy between two updates."""
        return self.epochs_per_update * self._scales.period

    def init(self, key: Array, observations: Box, actions: Record) -> tuple[Any, Any]:
        """Return the states of both learners. Consumes ``key``."""
        keys, spaces = jax.random.split(key), self._level_spaces()
        upper, lower = self._levels()
        return upper.init(keys[0], *spaces[0]), lower.init(keys[1], *spaces[1])

    def policy(self, state: tuple[Any, Any], explore: bool) -> TwoLevelPolicy:
        """Return both policies as one."""
        upper, lower = self._levels()
        names = self._spaces[0].names
        columns = [self._scales.columns(names, stems) for stems in self._stems]
        return TwoLevelPolicy(
            upper=upper.policy(state[0], explore),
            lower=lower.policy(state[1], explore),
            actions=self._spaces[1],
            slow=self._scales.slow,
            upper_columns=columns[0],
            lower_columns=columns[1],
            phase=names.index(self._scales.phase),
            by_threshold=self.association == "thresholds",
        )

    def update(
        self, key: Array, state: tuple[Any, Any], batch: Trajectory
    ) -> tuple[tuple[Any, Any], dict[str, Array]]:
        """Let both learn from one trajectory ``[T, N, ...]`` of whole epochs."""
        keys = jax.random.split(key)
        batch = dataclasses.replace(
            batch,
            observation=plain_observation(batch.observation),
            next_observation=plain_observation(batch.next_observation),
        )
        epochs = jax.tree.map(
            lambda leaf: leaf.reshape(-1, self._scales.period, *leaf.shape[1:]), batch
        )
        results = [
            learner.update(one, part, cut)
            for learner, one, part, cut in zip(
                self._levels(),
                keys,
                state,
                (self._upper_batch(epochs), self._lower_batch(epochs)),
                strict=True,
            )
        ]
        logs = {
            f"{level}_{name}": value
            for level, (_, log) in zip(LEVELS, results, strict=True)
            for name, value in log.items()
        }
        return (results[0][0], results[1][0]), logs

    def _upper_batch(self, epochs: Trajectory) -> Trajectory:
        """Return one sample for each epoch ``[B, N, ...]`` from ``[B, period, N, ...]``."""
        decision = jax.tree.map(lambda leaf: leaf[:, 0], epochs.aux[0])
        columns = self._scales.columns(self._spaces[0].names, self._scales.upper)
        paid = getattr(epochs.metrics, self._scales.upper_reward)
        return Trajectory(
            observation=_pick(epochs.observation[:, 0], columns),
            action=decision.action,
            aux=decision.aux,
            reward=jnp.sum(paid, axis=1),
            terminated=jnp.any(epochs.terminated, axis=1),
            truncated=epochs.truncated[:, -1],
            next_observation=_pick(epochs.next_observation[:, -1], columns),
            metrics=(),
        )

    def _lower_batch(self, epochs: Trajectory) -> Trajectory:
        """Return the slots ``[B * slots, N, ...]`` of the epochs."""
        columns = self._scales.columns(self._spaces[0].names, self._scales.lower)
        last = jnp.zeros_like(epochs.truncated).at[:, -1].set(True)

        def slots(leaf: Array) -> Array:
            return leaf[:, 1:].reshape(-1, *leaf.shape[2:])

        decision = jax.tree.map(slots, epochs.aux[1])
        return Trajectory(
            observation=_pick(slots(epochs.observation), columns),
            action=decision.action,
            aux=decision.aux,
            reward=slots(getattr(epochs.metrics, self._scales.lower_reward)),
            terminated=slots(epochs.terminated),
            truncated=slots((epochs.truncated | last) & ~epochs.terminated),
            next_observation=_pick(slots(epochs.next_observation), columns),
            metrics=(),
        )

    @property
    def _scales(self) -> TimeScales:
        assert self.scales is not None, "call for_world first"
        return self.scales

    @property
    def _spaces(self) -> tuple[Box, Record]:
        assert self.spaces is not None, "call for_world first"
        return self.spaces

    @property
    def _stems(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return self._scales.upper, self._scales.lower

    def _levels(self) -> tuple[Learner, Learner]:
        """Return both learners with their share of the copies and steps."""
        period, epochs = self._scales.period, self.epochs_per_update
        upper = _sized(self.upper, self.num_envs, epochs, 1 / period)
        lower = _sized(self.lower, self.num_envs, epochs * (period - 1), (period - 1) / period)
        return upper, lower

    def _level_spaces(self) -> list[tuple[Box, Box]]:
        """Return what each learner sees and decides."""
        observations, actions = self._spaces
        parts = levels(actions, self._scales.slow)
        return [
            (columns_of(observations, self._scales.columns(observations.names, stems)), unit)
            for stems, unit in zip(
                self._stems,
                (unit_box(part, self.association == "thresholds") for part in parts),
                strict=True,
            )
        ]


def levels(actions: Record, slow: tuple[str, ...]) -> tuple[list[Any], list[Any]]:
    """Return the slow and the fast parts of an action."""
    return (
        [part for part in actions.parts if part[0] in slow],
        [part for part in actions.parts if part[0] not in slow],
    )


def _sized(learner: Any, num_envs: int, rollout_steps: int, share: float) -> Any:
    """Return a learner that has this share of all steps."""
    changes: dict[str, Any] = {"num_envs": num_envs, "rollout_steps": rollout_steps}
    if hasattr(learner, "total_steps"):
        changes["total_steps"] = learner.total_steps * share
    return dataclasses.replace(learner, **changes)


def _pick(observation: Array, columns: tuple[int, ...]) -> Array:
    return observation[..., np.asarray(columns, np.int32)]


def columns_of(space: Box, columns: tuple[int, ...]) -> Box:
    """Return the space of some columns of an observation; a feature has one column, if any."""
    names = tuple(space.names[index] for index in columns)
    features = tuple(space.features[index] for index in columns) if space.features else ()
    low, high = space.bounds
    return Box(
        float(np.min(low[list(columns)])),
        float(np.max(high[list(columns)])),
        (len(columns),),
        names,
        features,
    )


__all__ = ["TwoLevelPolicy", "TwoTimeScale", "columns_of", "levels"]
