"""Let a bundle decide in a simulated world and log it, as a service in front of that world would.

A log of the simulator is compared with that of the service, and examples and tests are made of it.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.bundle.bundle import Bundle
from edgewright.bundle.choices import ACTION
from edgewright.loops.unroll import next_rows, step_and_reset
from edgewright.serve.explore import Explorer, explorer_of
from edgewright.serve.log_reader import BY_POLICY, LoggedDecision
from edgewright.systems.problem import Problem

METRICS = ("delay_s", "device_energy_j", "edge_energy_j", "quality", "served")
"""Metrics of a slot that outcomes report where the world has them."""


@dataclasses.dataclass(frozen=True)
class SimulatedEdge:
    """Copies of a world of choices, played slot by slot by whoever decides.

    Attributes:
        world: as the policy plays in it.
        copies: how many are played side by side.
    """

    problem: Problem
    world: Any
    copies: int

    def start(self, key: Any, slots: int) -> Any:
        """Return the states and all inputs of ``slots`` slots. Consumes ``key``."""
        carry = jax.vmap(self.problem.train_stream.init_carry)(jax.random.split(key, self.copies))
        _, rows = next_rows(self.problem.train_stream, carry, slots + 1)
        first = jax.tree.map(lambda leaf: leaf[0], rows)
        return jax.vmap(lambda x: self.world.reset(self.problem.params, x))(first), rows

    def observations(self, state: Any, rows: Any, slot: int) -> np.ndarray:
        """Return the rows ``[copies * agents, features]`` of a slot, copy after copy."""
        observed = _observe(self.world, self.problem.params, state, rows, jnp.int32(slot))
        return np.asarray(observed).reshape(-1, observed.shape[-1])

    def step(
        self, state: Any, rows: Any, slot: int, actions: np.ndarray
    ) -> tuple[Any, np.ndarray, dict[str, np.ndarray]]:
        """Take an action ``[copies * agents]`` of a slot.

        Returns:
            the next states, rewards ``[copies * agents]``, and metrics by name.
        """
        world, params = self.world, self.problem.params
        shaped = jnp.asarray(actions).reshape(self.copies, -1)
        state, reward, metrics = _step(world, params, state, shaped, rows, jnp.int32(slot))
        each = {name: np.asarray(values).reshape(-1) for name, values in metrics.items()}
        return state, np.asarray(reward).reshape(-1), each


def simulated_log(
    edge: SimulatedEdge,
    bundle: Bundle,
    *,
    slots: int,
    explore: float | str | None,
    seed: int = 0,
) -> list[LoggedDecision]:
    """Return the decisions of a bundle in a simulated world, with their outcomes.

    Args:
        slots: of every copy; an episode that ends is followed by another one.
        explore: see :func:`edgewright.serve.explore.explorer_of`.
        seed: of the inputs and of what is explored.

    Raises:
        InputError: the bundle does not choose among actions.
    """
    explorer = explorer_of(bundle, explore if explore is not None else 0.5)
    assert explorer is not None, "a share is given"
    rng, logged = np.random.default_rng(seed), []
    state, rows = edge.start(jax.random.key(seed), slots)
    for slot in range(slots):
        observed = edge.observations(state, rows, slot)
        drawn = _decided(explorer, observed, rng, explore is not None)
        actions = np.array([outputs[ACTION] for outputs, _ in drawn])
        state, reward, metrics = edge.step(state, rows, slot, actions)
        for index, (outputs, chance) in enumerate(drawn):
            logged.append(
                LoggedDecision(
                    id=f"{'0' * 12}-{slot * len(drawn) + index:x}",
                    at=float(slot),
                    policy=bundle.version,
                    decided_by=BY_POLICY,
                    observation=bundle.interface.observation(observed[index].tolist()),
                    decision=outputs,
                    clamped=(),
                    propensity=chance,
                    client=f"copy-{index}",
                    reward=float(reward[index]),
                    outcome_at=float(slot),
                    metrics={name: float(values[index]) for name, values in metrics.items()},
                )
            )
    return logged


def _decided(
    explorer: Explorer, rows: np.ndarray, rng: np.random.Generator, explores: bool
) -> list[tuple[dict[str, Any], float]]:
    """Return outputs and propensities for rows; the best action of each without exploring."""
    if explores:
        return explorer.decide(rows, rng)  # pyright: ignore[reportArgumentType]
    engine = explorer.bundle.engine
    result = engine.many(rows)
    columns = zip(*(result[name].tolist() for name in engine.outputs), strict=True)
    return [(dict(zip(engine.outputs, values, strict=True)), 1.0) for values in columns]


@functools.partial(jax.jit, static_argnames="world")
def _observe(world: Any, params: Any, state: Any, rows: Any, slot: Any) -> Any:
    x = jax.tree.map(lambda leaf: leaf[slot], rows)
    return jax.vmap(lambda s, one: world.observe(params, s, one))(state, x)


@functools.partial(jax.jit, static_argnames="world")
def _step(world: Any, params: Any, state: Any, actions: Any, rows: Any, slot: Any) -> Any:
    x = jax.tree.map(lambda leaf: leaf[slot], rows)
    following = jax.tree.map(lambda leaf: leaf[slot + 1], rows)

    def one(state: Any, action: Any, x: Any, x_next: Any) -> Any:
        outcome, state = step_and_reset(world, params, state, action, x, x_next)
        metrics = {
            name: getattr(outcome.metrics, name)
            for name in METRICS
            if hasattr(outcome.metrics, name)
        }
        return state, outcome.reward, metrics

    return jax.vmap(one)(state, actions, x, following)


__all__ = ["METRICS", "SimulatedEdge", "simulated_log"]
