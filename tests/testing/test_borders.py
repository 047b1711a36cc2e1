"""Faults that only show at an end, at a border or in another process are found, each by its law."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.core.errors import CheckFailed
from edgewright.core.records import Array, Decision, Memoryless, Outcome, record, static
from edgewright.core.spaces import Box, Discrete
from edgewright.streams.compose import Composite
from edgewright.streams.processes import Uniform
from edgewright.testing import check_learner, check_policy, check_world


@record
class Numbers:
    limit: Array
    horizon_slots: Array


@record
class Inputs:
    work: Array


@record
class State:
    queue: Array
    slot: Array


@record
class Metrics:
    reward: Array
    queue: Array


@dataclasses.dataclass(frozen=True)
class Queue:
    """Action 1 takes the work into a queue that drains by 1; a full queue ends the episode."""

    slots: int = 0  # 0: the horizon is a number

    def inputs(self, params):
        return Composite(into=Inputs, fields={"work": Uniform(low=0.0, high=2.0)})

    def reset(self, params, x):
        return State(queue=jnp.zeros(()), slot=jnp.zeros((), jnp.int32))

    def observe(self, params, state, x):
        return jnp.stack([state.queue, x.work])

    def step(self, params, state, action, x):
        queue = jnp.maximum(state.queue + action * x.work - 1.0, 0.0)
        reward = action * x.work - 0.1 * state.queue
        slot, full = state.slot + 1, queue > params.limit
        return Outcome(
            state=State(queue=queue, slot=slot),
            reward=reward - 5.0 * full,
            terminated=full,
            truncated=(slot >= (self.slots or params.horizon_slots)) & ~full,
            metrics=Metrics(reward=reward, queue=queue),
        )

    def observation_space(self, params):
        return Box(0.0, jnp.inf, (2,), ("queue", "work"))

    def action_space(self, params):
        return Discrete(2)


PARAMS = Numbers(limit=jnp.float32(60.0), horizon_slots=jnp.float32(200.0))


def changed(change: Any, slots: int = 0) -> Any:
    """Return the world whose outcome went through ``change(world, params, outcome, x)``."""

    def step(self: Any, params: Any, state: Any, action: Any, x: Any) -> Any:
        return change(self, params, Queue.step(self, params, state, action, x), x)

    return dataclasses.dataclass(frozen=True)(type("Changed", (Queue,), {"step": step}))(slots)


def replaced(outcome: Any, where: Any, **fields: Any) -> Any:
    state = dataclasses.replace(outcome.state, **fields)
    state = jax.tree.map(lambda a, b: jnp.where(where, a, b), state, outcome.state)
    return dataclasses.replace(outcome, state=state)


def reset_when_cut(world, params, outcome, x):
    first = world.reset(params, x)
    return replaced(outcome, outcome.truncated, queue=first.queue, slot=first.slot)


def reset_when_full(world, params, outcome, x):
    first = world.reset(params, x)
    return replaced(outcome, outcome.terminated, queue=first.queue, slot=first.slot)


def emptied_when_cut(world, params, outcome, x):
    return replaced(outcome, outcome.truncated, queue=jnp.zeros(()))


def nan_state(world, params, outcome, x):
    return replaced(outcome, outcome.state.queue > 40.0, slot=outcome.state.slot, queue=jnp.nan)


def nan_metrics(world, params, outcome, x):
    queue = jnp.sqrt(45.0 - outcome.state.queue)
    return dataclasses.replace(outcome, metrics=dataclasses.replace(outcome.metrics, queue=queue))


def other_reward(world, params, outcome, x):
    return dataclasses.replace(outcome, reward=outcome.reward - 0.1 * outcome.state.queue)


def bonus_when_cut(world, params, outcome, x):
    return dataclasses.replace(outcome, reward=outcome.reward + 3.0 * outcome.truncated)


BROKEN = {
    "reset at truncation": (changed(reset_when_cut), "step never resets"),
    "reset at termination": (changed(reset_when_full), "step never resets"),
    "reset without a number for it": (changed(reset_when_cut, 9), "step never resets"),
    "emptied at truncation": (changed(emptied_when_cut), "step never resets"),
    "NaN in the state": (changed(nan_state), "no number of the state is NaN"),
    "NaN in the metrics": (changed(nan_metrics), "no number of the metrics is NaN"),
    "another reward": (changed(other_reward), "the reward is the field reward of the metrics"),
    "a bonus of the clock": (changed(bonus_when_cut), "the reward is the field reward"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_fault_at_an_end_or_a_border_is_found(fault):
    world, law = BROKEN[fault]
    with pytest.raises(CheckFailed, match="remedy: ") as caught:
        check_world(world, PARAMS)
    assert law in str(caught.value)


def test_the_right_worlds_pass():
    check_world(Queue(), PARAMS)
    check_world(Queue(slots=9), PARAMS)


def test_a_state_that_follows_the_horizon_all_the_time_passes():
    def step(self, params, state, action, x):
        outcome = Queue.step(self, params, state, action, x)
        left = params.horizon_slots - outcome.state.slot
        metrics = dataclasses.replace(outcome.metrics, queue=outcome.state.queue)
        outcome = dataclasses.replace(outcome, metrics=metrics)
        return dataclasses.replace(outcome, state=(outcome.state, left))

    def unwrap(method):
        return lambda self, params, state, *rest: method(self, params, state[0], *rest)

    methods = {
        "reset": lambda self, params, x: (Queue.reset(self, params, x), params.horizon_slots),
        "observe": unwrap(Queue.observe),
        "step": unwrap(step),
    }
    check_world(type("Phased", (Queue,), methods)(), PARAMS)


@dataclasses.dataclass(frozen=True)
class Pair(Queue):
    """Two queues; the one that is full earns its penalty once, then nothing until both are."""

    def reset(self, params, x):
        return State(queue=jnp.zeros(2), slot=jnp.zeros((), jnp.int32))

    def observe(self, params, state, x):
        return jnp.stack([state.queue, jnp.full(2, x.work)], axis=-1)

    def step(self, params, state, action, x):
        active = state.queue <= params.limit
        queue = jnp.maximum(state.queue + active * (action * x.work - 1.0), 0.0)
        queue = jnp.where(active, queue, state.queue)
        full, slot = queue > params.limit, state.slot + 1
        reward = action * x.work - 0.1 * state.queue
        return Outcome(
            state=State(queue=queue, slot=slot),
            reward=(reward - 5.0 * full) * active,
            terminated=jnp.all(full),
            truncated=(slot >= params.horizon_slots) & ~jnp.all(full),
            metrics=Metrics(reward=reward, queue=queue),
        )

    def observation_space(self, params):
        return Box(0.0, jnp.inf, (2, 2), ("queue", "work"))

    def action_space(self, params):
        return Discrete(2, (2,))


def test_agents_that_end_one_by_one_pass():
    check_world(Pair(), dataclasses.replace(PARAMS, limit=jnp.float32(5.0)))


@record
class Chooser(Memoryless):
    """Takes the work by a coin of one weight; an illegal action above ``wrong_above``."""

    weight: Array | float = 0.0
    wrong_above: Array | float = jnp.inf

    def act(self, key: Array, carry: Any, observation: Array) -> Any:
        chance = jax.random.uniform(key) < jax.nn.sigmoid(self.weight)
        action = jnp.where(observation[0] > self.wrong_above, 7, chance.astype(jnp.int32))
        return carry, Decision(action=action, aux=())


def test_a_policy_is_followed_beyond_the_first_observation():
    check_policy(Chooser(), Queue(), PARAMS)
    with pytest.raises(CheckFailed, match="an action lies in action_space"):
        check_policy(Chooser(weight=9.0, wrong_above=4.0), Queue(), PARAMS)


@record
class Follower:
    """A learner whose first weight is zero."""

    rate: Array | float = 0.1
    num_envs: int = static(default=2)
    rollout_steps: int = static(default=4)

    def init(self, key: Array, observation: Box, actions: Discrete) -> dict[str, Array]:
        return {"weight": jnp.zeros(()), "updates": jnp.zeros(())}

    def policy(self, state: dict[str, Array], explore: bool) -> Chooser:
        return Chooser(weight=state["weight"])

    def update(self, key: Array, state: dict[str, Array], batch: Any) -> Any:
        gain = jnp.mean(batch.reward) + jax.random.normal(key)
        weight = state["weight"] + self.rate * gain
        return {"weight": weight, "updates": state["updates"] + 1.0}, {"gain": gain}


def learner(**methods: Any) -> Any:
    return record(type("Altered", (Follower,), methods))()


def updated(change: Any) -> Any:
    def update(self: Any, key: Array, state: Any, batch: Any) -> Any:
        after, log = Follower.update(self, key, state, batch)
        return change(after), log

    return learner(update=update)


def noisy(state: Any) -> Any:
    return {**state, "weight": state["weight"] + np.random.normal()}


def with_a_count_of_its_own() -> Any:
    calls: list[int] = []

    def change(state: Any) -> Any:
        calls.append(1)
        return {**state, "weight": state["weight"] + len(calls)}

    return updated(change)


ZERO = jnp.zeros(())
BROKEN_LEARNERS = {
    "np.random in update": (updated(noisy), "the same key and data"),
    "np.random in a compiled update": (updated(jax.jit(noisy)), "the same key and data"),
    "a counter beside the state": (with_a_count_of_its_own(), "the same key and data"),
    "NaN in a weight at once": (
        updated(lambda state: {**state, "weight": state["weight"] * jnp.nan}),
        "no number of the state is NaN",
    ),
    "NaN in another leaf, later": (
        updated(
            lambda state: {
                **state,
                "updates": jnp.where(state["updates"] > 2, jnp.nan, state["updates"]),
            }
        ),
        "NaN in state['updates'] after update 3",
    ),
    "NaN in the first weights": (
        learner(init=lambda self, *given: {"weight": jnp.nan * jnp.ones(()), "updates": ZERO}),
        "NaN in state['weight']",
    ),
    "np.random in init": (
        learner(
            init=lambda self, *given: {
                "weight": jnp.float32(np.random.normal()), "updates": ZERO
            }
        ),
        "init depends on its key",
    ),
    "one key for all in init": (
        learner(
            init=lambda self, *given: {
                "weight": jax.random.normal(jax.random.key(3)), "updates": ZERO
            }
        ),
        "init depends on its key",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", BROKEN_LEARNERS)
def test_a_broken_learner_is_found(fault):
    made, law = BROKEN_LEARNERS[fault]
    with pytest.raises(CheckFailed, match="remedy: ") as caught:
        check_learner(made, Queue(), PARAMS)
    assert law in str(caught.value)


def test_first_weights_may_be_zero():
    check_learner(Follower(), Queue(), PARAMS)
