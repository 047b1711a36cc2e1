"""Play the world of one decision maker step by step, with whoever decides.

Examples and tests put a service in front of it: systems whose bundle decides for all at once, such
as ``binary`` and ``caching``.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.bundle.bundle import Bundle
from edgewright.bundle.choices import ACTION
from edgewright.loops.unroll import step_and_reset
from edgewright.serve.explore import Explorer, explorer_of
from edgewright.serve.log_reader import BY_POLICY, LoggedDecision
from edgewright.systems.problem import Problem
from edgewright.systems.registry import system_of

CLIENT = "site"
"""Name that the decision maker states."""


class SimulatedSite:
    """One copy of a world, in which one decision maker decides for all.

    Args:
        problem: with the inputs that are drawn.
        world: as the policy plays in it.
        seed: of the inputs.
    """

    def __init__(self, problem: Problem, world: Any, seed: int = 0) -> None:
        self.problem, self.world = problem, world
        replay = system_of(problem.kind).replay
        assert replay is not None, "only systems whose inputs do not depend on decisions"
        self._report = replay.report
        self._carry = problem.train_stream.init_carry(jax.random.key(seed))
        self._x = self._next()
        self._state = world.reset(problem.params, self._x)

    def observation(self) -> np.ndarray:
        """Return the observation of this step as a row ``[columns]`` in physical units."""
        row = _observe(self.world, self.problem.params, self._state, self._x)
        return np.asarray(row).reshape(-1)

    def step(self, outputs: Mapping[str, Any]) -> tuple[float, dict[str, float]]:
        """Act on the outputs of a bundle, and go to the next step.

        Returns:
            the mean reward of all agents, and what an outcome reports.
        """
        taken: Any = {name: jnp.asarray(value) for name, value in outputs.items()}
        taken = taken.get(ACTION, taken)
        following = self._next()
        params = self.problem.params
        outcome, self._state = _step(self.world, params, self._state, taken, self._x, following)
        self._x = following
        return float(np.mean(outcome.metrics.reward)), self._report(outcome.metrics)

    def _next(self) -> Any:
        self._carry, rows = _next_row(self.problem.train_stream, self._carry)
        return jax.tree.map(lambda leaf: leaf[0], rows)


def site_log(
    site: SimulatedSite,
    bundle: Bundle,
    *,
    steps: int,
    explore: float | None = None,
    seed: int = 0,
    first: int = 0,
) -> list[LoggedDecision]:
    """Return the decisions of a bundle in a simulated world, with their outcomes.

    Args:
        explore: share of decisions that are drawn; None for none.
        seed: of what is drawn.
        first: number and time [s] of the first decision.
    """
    explorer, rng = explorer_of(bundle, explore), np.random.default_rng(seed)
    return [_logged(site, bundle, explorer, rng, number) for number in range(first, first + steps)]


def _logged(
    site: SimulatedSite,
    bundle: Bundle,
    explorer: Explorer | None,
    rng: np.random.Generator,
    number: int,
) -> LoggedDecision:
    row = site.observation().tolist()
    if explorer is not None:
        ((outputs, chance),) = explorer.decide([row], rng)
    else:
        engine = bundle.engine
        outputs, chance = dict(zip(engine.outputs, engine.one(row), strict=True)), 1.0
    observation = bundle.interface.observation(row)
    reward, metrics = site.step(outputs)
    return LoggedDecision(
        id=f"{'0' * 12}-{number:x}",
        at=float(number),
        policy=bundle.version,
        decided_by=BY_POLICY,
        observation=observation,
        decision=outputs,
        clamped=(),
        propensity=chance,
        client=CLIENT,
        reward=reward,
        outcome_at=float(number),
        metrics=metrics,
    )


def outcomes(site: SimulatedSite, client: Any, interface: Any, steps: int) -> Iterator[float]:
    """Yield the reward of each step in which a service decides and gets the outcome.

    Args:
        client: of the service, see :class:`edgewright.client.Client`.
        interface: of the bundle that is served.
    """
    for _ in range(steps):
        decision = client.decide(interface.observation(site.observation().tolist()))
        names = [output.name for output in interface.outputs]
        reward, metrics = site.step({name: decision[name] for name in names})
        client.outcome(decision["id"], reward=reward, **metrics)
        yield reward


def earned(bundle: Bundle, world: Any, params: Any, inputs: Any) -> np.ndarray:
    """Return the mean reward ``[E]`` of a bundle in episodes that are stepped side by side.

    The runtime is called between two steps, so that one compiled program serves every bundle.

    Args:
        inputs: leaves ``[T + 1, E, ...]``.
    """
    steps = jax.tree.leaves(inputs)[0].shape[0] - 1
    x = jax.tree.map(lambda leaf: leaf[0], inputs)
    state, total = _reset_all(world, params, x), 0.0
    for step in range(1, steps + 1):
        rows = np.asarray(_observe_all(world, params, state, x))
        outputs = bundle.engine.many(rows.reshape(len(rows), -1))
        taken: Any = {one.name: outputs[one.name] for one in bundle.interface.outputs}
        following = jax.tree.map(lambda leaf, step=step: leaf[step], inputs)
        state, reward = _step_all(world, params, state, taken.get(ACTION, taken), x, following)
        total, x = total + np.asarray(reward), following
    return total / steps


@functools.partial(jax.jit, static_argnames="world")
def _reset_all(world: Any, params: Any, x: Any) -> Any:
    return jax.vmap(lambda one: world.reset(params, one))(x)


@functools.partial(jax.jit, static_argnames="world")
def _observe_all(world: Any, params: Any, state: Any, x: Any) -> Any:
    return jax.vmap(lambda s, one: world.observe(params, s, one))(state, x)


@functools.partial(jax.jit, static_argnames="world")
def _step_all(
    world: Any, params: Any, state: Any, action: Any, x: Any, following: Any
) -> tuple[Any, Any]:
    def one(state: Any, action: Any, x: Any, following: Any) -> tuple[Any, Any]:
        outcome, state = step_and_reset(world, params, state, action, x, following)
        return state, jnp.mean(outcome.metrics.reward)

    return jax.vmap(one)(state, action, x, following)


@functools.partial(jax.jit, static_argnames="world")
def _observe(world: Any, params: Any, state: Any, x: Any) -> Any:
    return world.observe(params, state, x)


@functools.partial(jax.jit, static_argnames="world")
def _step(world: Any, params: Any, state: Any, action: Any, x: Any, following: Any) -> Any:
    return step_and_reset(world, params, state, action, x, following)


@jax.jit
def _next_row(stream: Any, carry: Any) -> Any:
    return stream.next_rows(carry, 1)


__all__ = ["CLIENT", "SimulatedSite", "earned", "outcomes", "site_log"]
