"""Does a world keep the laws? See :func:`check_world`."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.process import check_process
from edgewright.core.records import Array, Outcome
from edgewright.core.spaces import Discrete
from edgewright.testing.play import first_input, one_slot, slot_many, slot_once
from edgewright.testing.playing import check_play
from edgewright.testing.stream import check_stream
from edgewright.testing.verdicts import attempt, broken, close, demand, difference, same, shapes


def check_world(world: Any, params: Any, *, key: Array | None = None, steps: int = 600) -> None:
    """Raise unless ``world`` keeps the laws of :class:`~edgewright.core.protocols.World`.

    Args:
        world: a frozen dataclass of sizes.
        params: its numbers.
        key: chooses the inputs and the random actions; consumed.
        steps: slots to play in each of some copies, with random and with extreme inputs and
            actions. A world with the number ``horizon_slots`` is played with a horizon of 8 as
            well; another should meet some ends in as many slots.
    """
    check_process()
    name = type(world).__name__
    key = jax.random.key(0) if key is None else key
    stream_key, play_key, action_key = jax.random.split(key, 3)
    try:
        hash(world)
    except TypeError as error:
        remedy = "make it a frozen dataclass of numbers, strings and tuples; arrays go in params"
        raise broken(name, "a world is hashable", str(error), remedy) from error
    stream = attempt(lambda: world.inputs(params), f"{name}.inputs", "takes (params)")
    check_stream(stream, key=stream_key)

    x = first_input(stream, stream_key)
    state = attempt(lambda: world.reset(params, x), f"{name}.reset", "takes (params, x)")
    observation = attempt(lambda: world.observe(params, state, x), f"{name}.observe",
                "takes (params, state, x)")  # fmt: skip
    agents = check_observation(world, params, observation)
    action = world.action_space(params).sample(action_key)
    leads = {leaf.shape[: len(agents)] for leaf in jax.tree.leaves(action)}
    demand(
        leads == {agents}, name, "an action starts with the axes of the agents",
        f"{jax.tree.map(jnp.shape, action)} for agents {agents}",
        "let action_space(params).shape begin with the agents axis of the observation",
    )  # fmt: skip
    outcome = attempt(lambda: world.step(params, state, action, x), f"{name}.step",
                   "takes (params, state, action, x)")  # fmt: skip
    check_outcome(name, outcome, state, agents)
    check_pure(world, params, (state, action, x), (observation, outcome))
    check_play(world, params, play_key, steps)


def check_observation(world: Any, params: Any, observation: Any) -> tuple[int, ...]:
    """Check one observation and return the axes of the agents."""
    name, space = type(world).__name__, world.observation_space(params)
    shape, dtype = jnp.shape(observation), jnp.result_type(observation)
    demand(
        shape == space.shape and len(shape) > 0, f"{name}.observe",
        "an observation has the shape of observation_space, [*agents, features]",
        f"{shape} instead of {space.shape}", "stack the features on the last axis",
    )  # fmt: skip
    demand(
        dtype == jnp.float32, f"{name}.observe", "an observation is float32", f"{dtype}",
        "cast with .astype(jnp.float32)",
    )  # fmt: skip
    demand(
        space.contains(observation), f"{name}.observe", "an observation lies in observation_space",
        f"{np.asarray(observation)} outside [{space.low}, {space.high}] or not finite",
        "widen the space or correct the feature",
    )  # fmt: skip
    return shape[:-1]


def check_action(name: str, space: Any, action: Any) -> None:
    """Check that one action is legal."""
    demand(
        space.contains(action), name, "an action lies in action_space",
        ", ".join(
            f"{np.asarray(leaf)} of dtype {np.asarray(leaf).dtype} and shape {np.shape(leaf)}"
            for leaf in jax.tree.leaves(action)
        ) + f" is not in {space}",
        "return one action per agent; an index is int32" if isinstance(space, Discrete)
        else "clip the action to the bounds of the space",
    )  # fmt: skip


def check_outcome(name: str, outcome: Any, state: Any, agents: tuple[int, ...]) -> None:
    """Check the shapes and dtypes of what one step returned."""
    demand(
        isinstance(outcome, Outcome), f"{name}.step", "step returns an Outcome",
        f"a {type(outcome).__name__}", "return core.records.Outcome(state=..., reward=..., ...)",
    )  # fmt: skip
    demand(
        shapes(outcome.state) == shapes(state), f"{name}.step",
        "the state keeps its structure, so that a scan can carry it",
        difference(state, outcome.state), "return the shapes and dtypes that reset returns",
    )  # fmt: skip
    reward = jnp.shape(outcome.reward), jnp.result_type(outcome.reward)
    demand(
        reward == (agents, jnp.float32), f"{name}.step",
        "the reward is float32 with one number per agent", f"{reward} for agents {agents}",
        "keep the agents axis of the observation",
    )  # fmt: skip
    for end in ("terminated", "truncated"):
        flag = getattr(outcome, end)
        demand(
            jnp.shape(flag) == () and jnp.result_type(flag) == jnp.bool_, f"{name}.step",
            f"{end} is one bool for the whole world",
            f"shape {jnp.shape(flag)}, dtype {jnp.result_type(flag)}",
            "reduce over agents with jnp.any or jnp.all",
        )  # fmt: skip
    paid = getattr(outcome.metrics, "reward", None)
    demand(
        paid is not None and jnp.shape(paid) == agents, f"{name}.step",
        "metrics has the field reward, one number per agent", f"{outcome.metrics}",
        "add reward, the objective of the step without terminal shaping",
    )  # fmt: skip


def check_pure(world: Any, params: Any, given: tuple[Any, ...], first: tuple[Any, Any]) -> None:
    """Check that calls repeat, and that compiled and batched calls agree with plain ones."""
    name = type(world).__name__
    state, action, x = given

    again = one_slot(world, params, state, action, x)
    demand(
        same(again, (*first, state)), name, "the same arguments give the same result",
        "a second call of reset, observe or step differs",
        "keep all memory in the state and all chance in the inputs",
    )  # fmt: skip
    compiled = attempt(lambda: slot_once(world, params, state, action, x), name, "works under jit")
    demand(
        shapes(compiled) == shapes(again) and close(compiled, again), name,
        "compiled results equal plain ones", difference(again, compiled),
        "branch with jnp.where, not with if, and read nothing but the arguments",
    )  # fmt: skip
    stacked = jax.tree.map(lambda leaf: jnp.stack([leaf] * 3), (state, action, x))
    batched = attempt(lambda: slot_many(world, params, *stacked), name, "works under vmap")
    last = jax.tree.map(lambda leaf: leaf[-1], batched)
    demand(
        close(last, again), name, "batched results equal single ones", difference(again, last),
        "write for one example and reduce over named axes only",
    )  # fmt: skip
