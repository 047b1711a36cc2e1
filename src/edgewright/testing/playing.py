"""Does a world keep the laws while it is played, at the borders and across ends?"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.records import Array
from edgewright.testing.extremes import (
    COPIES,
    HORIZON,
    Mixed,
    Moment,
    draw_rows,
    play_moments,
    shortened,
)
from edgewright.testing.verdicts import TOLERANCE, attempt, close, demand, nan_leaf, plain, same

_MIN_STEPS = 2 * HORIZON + 1


def check_play(world: Any, params: Any, key: Array, steps: int) -> None:
    """Play a world and check every observation, every end, every reward and every leaf.

    Random actions meet random inputs, then held actions meet extreme inputs; both once more with a
    horizon of eight slots where the world has such a number.
    """
    name, space = type(world).__name__, world.action_space(params)
    short, sizes = shortened(params), (max(steps, _MIN_STEPS), COPIES)
    for numbers in (params,) if short is None else (params, short):
        for extreme in (False, True):
            rows = draw_rows(world, numbers, key, sizes=sizes, extreme=extreme)
            policy = Mixed(space=space, held=jnp.asarray(extreme))
            played = attempt(
                lambda n=numbers, p=policy, r=rows: play_moments(world, n, p, key, r),
                name, "works under scan",
            )  # fmt: skip
            _check_trajectory(world, numbers, jax.tree.map(np.asarray, plain(played)))
            if numbers is short:
                _check_horizon(world, short, played)


def _check_trajectory(world: Any, params: Any, played: Any) -> None:
    """Check all that one play shows; leaves are ``[T, N, ...]``."""
    name = type(world).__name__
    both = played.terminated & played.truncated
    demand(
        not both.any(), f"{name}.step", "an episode is terminated or truncated, never both",
        f"both in {int(both.sum())} of {both.size} steps",
        "truncated = (slot >= horizon) & ~terminated",
    )  # fmt: skip
    _check_numbers(name, "state", played.next_observation.state)
    _check_observations(world, params, played)
    bad = int((~np.isfinite(played.reward)).sum())
    demand(
        bad == 0, f"{name}.step", "every reward is finite", f"{bad} are not",
        "guard divisions and logarithms",
    )  # fmt: skip
    _check_numbers(name, "metrics", played.metrics)
    _check_reward(name, played)
    _check_no_reset(world, params, played)


def _check_numbers(name: str, what: str, tree: Any) -> None:
    """Check that no leaf of the state or of the metrics holds NaN."""
    leaf = nan_leaf(tree)
    demand(
        not leaf, f"{name}.step", f"no number of the {what} is NaN", f"NaN in {what}{leaf}",
        "guard divisions, logarithms and inf - inf, also for long queues and empty batteries",
    )  # fmt: skip


def _check_observations(world: Any, params: Any, played: Any) -> None:
    """Check that every observation, also the last of an episode, lies in the space."""
    name, space = type(world).__name__, world.observation_space(params)
    low, high = space.bounds
    for what, moment in (
        ("observation", played.observation),
        ("last one", played.next_observation),
    ):
        values = moment.observation
        inside = np.isfinite(values) & (values >= low) & (values <= high)
        demand(
            inside.all(), f"{name}.observe", "every observation lies in observation_space",
            f"{int((~inside).sum())} numbers of the {what} outside [{space.low}, {space.high}] "
            "or not finite", "widen the space or correct the feature",
        )  # fmt: skip


def _check_reward(name: str, played: Any) -> None:
    """Check that the reward is that of the metrics, but for what an end adds.

    An agent may end before the others: from the slot after its end on it earns nothing.
    """
    done = played.terminated | played.truncated
    paid = np.broadcast_to(played.metrics.reward, played.reward.shape)
    differs = ~np.isclose(played.reward, paid, TOLERANCE, TOLERANCE)
    idle = np.ones(played.reward.shape[1:], bool)  # earns nothing until the episode's end
    for slot in reversed(range(done.shape[0])):
        axes = (-1, *(1 for _ in idle.shape[1:]))
        ended, over = played.terminated[slot].reshape(axes), done[slot].reshape(axes)
        agents = idle.ndim > 1
        allowed = ended | (idle | over if agents else False)
        wrong = differs[slot] & ~allowed
        demand(
            not wrong.any(), f"{name}.step",
            "the reward is the field reward of the metrics, but for what an end adds",
            f"{played.reward[slot][wrong][:1]} and {paid[slot][wrong][:1]} in a slot that does "
            "not terminate", "pay penalties where the episode terminates, or report them",
        )  # fmt: skip
        idle = (idle | over) & (played.reward[slot] == 0)


def _check_no_reset(world: Any, params: Any, played: Any) -> None:
    """Check that the state after an end is not the first one of an episode.

    Only a world with a clock can be judged: a leaf that grows, or falls, in every other slot.
    """
    name = type(world).__name__
    before, after = played.observation.state, played.next_observation.state
    done = played.terminated | played.truncated
    if not _has_clock(before, after, ~done):
        return
    for end in ("terminated", "truncated"):
        where = getattr(played, end)
        if not where.any():
            continue
        rows = jax.tree.map(lambda leaf, w=where: leaf[w], played.observation.x)
        first = jax.vmap(lambda x: world.reset(params, x))(rows)
        left = jax.tree.map(lambda leaf, w=where: leaf[w], after)
        demand(
            not same(first, left), f"{name}.step", "step never resets",
            f"the state after every {end} slot is that of reset",
            "return the state in which the episode ended; the caller resets",
        )  # fmt: skip


def _has_clock(before: Any, after: Any, running: np.ndarray) -> bool:
    """Return whether a number of the state grows, or falls, in every slot that ends nothing."""
    for old, new in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        moved = new[running].astype(np.float64) - old[running] if running.any() else np.zeros(1)
        if np.all(moved > 0) or np.all(moved < 0):
            return True
    return False


def _check_horizon(world: Any, params: Any, played: Any) -> None:
    """Check that a horizon decides when an episode is cut, and not the state it is cut in.

    Numbers of the state that follow the horizon in other slots as well, as a phase, are left out.

    Args:
        params: with the horizon that ``played`` was played with.
    """
    slots = params.horizon_slots
    far = dataclasses.replace(params, horizon_slots=jnp.full_like(slots, 2**20))
    moment: Moment = played.observation
    given = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), (moment, played.action))

    @jax.jit
    def after(numbers: Any, moment: Moment, action: Any) -> Any:
        def one(moment: Moment, action: Any) -> Any:
            return world.step(numbers, moment.state, action, moment.x).state

        return jax.vmap(one)(moment, action)

    cut = np.asarray(played.truncated).reshape(-1)
    near, other = (jax.tree.leaves(plain(after(numbers, *given))) for numbers in (params, far))
    for one, two in zip(near, other, strict=True):
        one, two = np.asarray(one), np.asarray(two)
        demand(
            not close(one[~cut], two[~cut]) or close(one[cut], two[cut]),
            f"{type(world).__name__}.step", "step never resets, and the clock decides no state",
            "the state after a truncated slot is not that of a longer episode",
            "return the state in which the episode was cut; the caller resets",
        )  # fmt: skip


__all__ = ["check_play"]
