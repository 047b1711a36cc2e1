"""Every check fails on something broken in just that way, and passes on what the house ships."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.agents.dqn import DQN
from edgewright.agents.ppo import PPO
from edgewright.core.errors import CheckFailed
from edgewright.core.records import Array, Decision, record, static
from edgewright.core.spaces import Box, Discrete
from edgewright.streams.compose import Composite
from edgewright.streams.processes import Constant, ReflectedWalk
from edgewright.systems.aigc import AigcWorld
from edgewright.systems.probes import PROBES, ProbeInputs, ProbeMetrics, ProbeWorld, probe
from edgewright.testing import check_learner, check_policy, check_stream, check_world

WORLD, PARAMS = ProbeWorld(), probe("finite")
COUNT = [0.0]


def count() -> float:
    COUNT[0] += 1.0
    return COUNT[0]


def altered(base: Any, **methods: Any) -> Any:
    """Return ``base`` with some methods replaced."""
    made = type("Altered", (type(base),), methods)
    return made(**{f.name: getattr(base, f.name) for f in dataclasses.fields(base)})


def stepped(change: Any) -> Any:
    """Return a world whose outcome went through ``change(outcome, state, action)``."""

    def step(self: Any, params: Any, state: Any, action: Any, x: Any) -> Any:
        return change(ProbeWorld.step(self, params, state, action, x), state, action)

    return altered(WORLD, step=step)


def observed(change: Any) -> Any:
    def observe(self: Any, params: Any, state: Any, x: Any) -> Any:
        return change(ProbeWorld.observe(self, params, state, x))

    return altered(WORLD, observe=observe)


def other(**fields: Any) -> Any:
    return lambda outcome, state, action: dataclasses.replace(
        outcome, **{name: make(outcome) for name, make in fields.items()}
    )


@dataclasses.dataclass(frozen=True)
class Unhashable(ProbeWorld):
    """Holds a list."""

    sizes: list[int] = dataclasses.field(default_factory=lambda: [1])


@record
class Bare:
    """Metrics that forgot the reward."""

    matched: Array


def python_branch(outcome: Any, state: Any, action: Any) -> Any:
    return outcome if action == 0 else dataclasses.replace(outcome, reward=-outcome.reward)


def secret_branch(outcome: Any, state: Any, action: Any) -> Any:
    compiled = isinstance(action, jax.core.Tracer)
    return dataclasses.replace(outcome, reward=outcome.reward + (1.0 if compiled else 0.0))


def wide_observation(self: Any, params: Any) -> Box:
    return Box(-jnp.inf, jnp.inf, (3,))


BROKEN_WORLDS = {
    "hashable": Unhashable(),
    "shape of observation_space": altered(WORLD, observation_space=wide_observation),
    "is float32": observed(lambda seen: seen.astype(jnp.float16)),
    "lies in observation_space": observed(lambda seen: seen - 7.0),
    "takes (params, state, x)": observed(lambda seen: seen.nonsense),
    "returns an Outcome": stepped(lambda outcome, state, action: (outcome.state, outcome.reward)),
    "state keeps its structure": stepped(
        other(state=lambda o: dataclasses.replace(o.state, slot=o.state.slot * 1.0))
    ),
    "one number per agent": stepped(other(reward=lambda o: o.reward[None])),
    "terminated is one bool": stepped(other(terminated=lambda o: o.terminated[None])),
    "truncated is one bool": stepped(other(truncated=lambda o: o.truncated * 1.0)),
    "never both": stepped(
        other(terminated=lambda o: o.state.slot >= 3, truncated=lambda o: o.state.slot >= 3)
    ),
    "field reward": stepped(other(metrics=lambda o: Bare(matched=o.reward))),
    "same arguments give the same result": stepped(other(reward=lambda o: o.reward + count())),
    "works under jit": stepped(python_branch),
    "compiled results equal plain ones": stepped(secret_branch),
    "every reward is finite": stepped(
        other(reward=lambda o: jnp.where(o.state.slot > 1, jnp.inf, o.reward))
    ),
    "every observation lies": observed(lambda seen: jnp.where(seen[1] > 0, jnp.nan, seen)),
    "starts with the axes of the agents": altered(
        WORLD,
        observe=lambda self, params, state, x: jnp.zeros((4, 2)),
        observation_space=lambda self, params: Box(-1.0, 1.0, (4, 2)),
    ),
}


@pytest.mark.parametrize("law", BROKEN_WORLDS)
def test_a_broken_world_is_told_which_law(law):
    with pytest.raises(CheckFailed, match="remedy: ") as caught:
        check_world(BROKEN_WORLDS[law], PARAMS, steps=20)
    assert law in str(caught.value)


def test_a_world_that_mixes_its_copies_fails_under_vmap():
    def step(self: Any, params: Any, state: Any, action: Any, x: Any) -> Any:
        outcome = ProbeWorld.step(self, params, state, action, x)
        batched = "batch" in type(action).__name__.lower()
        return dataclasses.replace(outcome, reward=outcome.reward + (1.0 if batched else 0.0))

    # Under jit(vmap(...)) the tracer seen by the world is the batching one.
    with pytest.raises(CheckFailed, match="batched results equal single ones"):
        check_world(altered(WORLD, step=step), PARAMS, steps=20)


def walk(**methods: Any) -> Any:
    field = ReflectedWalk(low=jnp.float32(0), high=jnp.float32(1), step_std=jnp.float32(0.1))
    stream = Composite(fields={"cue": field}, into=ProbeInputs)
    if not methods:
        return stream
    made = type("Altered", (Composite,), methods)
    return record(made)(fields=stream.fields, into=stream.into)


def taken(change: Any) -> Any:
    return lambda self, carry, length: change(*Composite.next_rows(self, carry, length))


BROKEN_STREAMS = {
    "keeps its structure": walk(next_rows=taken(lambda carry, rows: ((carry, carry), rows))),
    "returns leaves [n, ...]": walk(
        next_rows=taken(lambda carry, rows: (carry, ProbeInputs(cue=rows.cue[:2])))
    ),
    "same rows": walk(
        next_rows=taken(lambda carry, rows: (carry, ProbeInputs(cue=rows.cue + count())))
    ),
    "how many are taken": walk(
        next_rows=taken(
            lambda carry, rows: (carry, ProbeInputs(cue=rows.cue[:, None] * rows.cue[None]))
        )
    ),
    "another key gives another record": walk(
        init_carry=lambda self, key: Composite.init_carry(self, jax.random.key(0))
    ),
    "resume returns a carry": walk(resume=lambda self, key, x: x),
}


@pytest.mark.parametrize("law", BROKEN_STREAMS)
def test_a_broken_stream_is_told_which_law(law):
    with pytest.raises(CheckFailed) as caught:
        check_stream(BROKEN_STREAMS[law])
    assert law in str(caught.value)


def test_streams_with_and_without_chance_pass():
    check_stream(walk())
    check_stream(Composite(fields={"cue": Constant(value=jnp.float32(1))}, into=ProbeInputs))


@pytest.mark.parametrize("name", PROBES)
def test_probes_pass(name):
    check_world(WORLD, probe(name))


@pytest.mark.parametrize("devices", [1, 3])
def test_aigc_passes(devices, aigc_params):
    check_world(AigcWorld(devices=devices), aigc_params(horizon_slots=40.0), steps=100)


@record
class Coin:
    """Acts at random; one weight, so that it has a leaf."""

    weight: Array

    def init_carry(self, key: Array) -> Any:
        return jnp.zeros((), jnp.int32)

    def act(self, key: Array, carry: Any, observation: Array) -> Any:
        chance = jax.random.uniform(key, observation.shape[:-1])
        action = (chance < jax.nn.sigmoid(self.weight)).astype(jnp.int32)
        return carry + 1, Decision(action=action, aux=())


def acts(change: Any) -> Any:
    def act(self: Any, key: Array, carry: Any, observation: Array) -> Any:
        return change(*Coin.act(self, key, carry, observation))

    return record(type("Altered", (Coin,), {"act": act}))(weight=jnp.zeros(()))


def decided(change: Any) -> Any:
    return acts(lambda carry, d: (carry, Decision(action=change(d.action), aux=())))


class NoTree(Coin):
    """Not registered as a pytree."""


BROKEN_POLICIES = {
    "returns (carry, Decision)": acts(lambda carry, decision: (carry, decision.action)),
    "memory of a policy keeps its structure": acts(lambda carry, d: (carry * 1.0, d)),
    "same key and observation": decided(lambda action: (action + int(count())) % 2),
    "lies in action_space": decided(lambda action: action + 5),
    "of dtype float32": decided(lambda action: action.astype(jnp.float32)),
    "works under jit and vmap": decided(lambda action: jnp.int32(int(action))),
    "compiled decisions equal plain ones": decided(
        lambda action: 1 - action if isinstance(action, jax.core.Tracer) else action
    ),
    "is a pytree": NoTree(weight=jnp.zeros(())),
}


@pytest.mark.parametrize("law", BROKEN_POLICIES)
def test_a_broken_policy_is_told_which_law(law):
    with pytest.raises(CheckFailed) as caught:
        check_policy(BROKEN_POLICIES[law], WORLD, PARAMS)
    assert law in str(caught.value)


def test_a_policy_with_memory_and_one_that_is_told_more_pass():
    check_policy(Coin(weight=jnp.zeros(())), WORLD, PARAMS)
    check_policy(
        Coin(weight=jnp.zeros(())), WORLD, PARAMS,
        observe_fn=lambda params, state, x: state.cue[None],
    )  # fmt: skip


@record
class Tiny:
    """The smallest learner: a weight that follows the reward."""

    rate: Array | float = 0.1
    num_envs: int = static(default=2)
    rollout_steps: int = static(default=4)

    def init(self, key: Array, observation: Array, actions: Discrete) -> dict[str, Array]:
        return {"weight": jax.random.normal(key), "steps": jnp.zeros(())}

    def policy(self, state: dict[str, Array], explore: bool) -> Coin:
        return Coin(weight=state["weight"])

    def update(self, key: Array, state: dict[str, Array], batch: Any) -> Any:
        noise = jax.random.normal(key)
        weight = state["weight"] + self.rate * (jnp.mean(batch.reward) + noise)
        return {"weight": weight, "steps": state["steps"] + batch.reward.size}, {"weight": weight}


def learner(**methods: Any) -> Any:
    return record(type("Altered", (Tiny,), methods))()


def updates(change: Any) -> Any:
    return learner(update=lambda self, key, s, batch: change(*Tiny.update(self, key, s, batch)))


@record
class StaticRate(Tiny):
    """A number that is structure."""

    rate: float = static(default=0.1)


@record
class Sizeless(Tiny):
    """A size that is a number."""

    num_envs: float = 2.5


def mutating_policy(self: Any, state: Any, explore: bool) -> Any:
    return MutatingCoin(weight=state["weight"], state=state)


@record
class MutatingCoin(Coin):
    """Changes the learner's state when it acts."""

    state: Any

    def act(self, key: Array, carry: Any, observation: Array) -> Any:
        self.state["steps"] = self.state["steps"] + 1.0
        return Coin.act(self, key, carry, observation)


def recompiling(self: Any, key: Array, state: Any, batch: Any) -> Any:
    return Tiny.update(self, key, state, batch)


BROKEN_LEARNERS = {
    "envs is a positive whole number": Sizeless(),
    "rate = 0.1 is static": StaticRate(),
    "works under jit": learner(
        update=lambda self, key, s, batch: ({**s, "steps": s["steps"] + float(self.rate)}, {})
    ),
    "init depends on its key": learner(
        init=lambda self, key, observation, actions: Tiny.init(
            self, jax.random.key(0), observation, actions
        )
    ),
    "acting does not change the state": learner(policy=mutating_policy),
    "state of a learner keeps its structure": updates(
        lambda state, log: ({**state, "steps": state["steps"].astype(jnp.int32)}, log)
    ),
    "the log holds scalars": updates(lambda state, log: (state, {"weight": jnp.zeros(3)})),
    "another key gives another state": learner(
        update=lambda self, key, s, batch: ({**s, "steps": s["steps"] + 1.0}, {})
    ),
    "lies in action_space": learner(
        policy=lambda self, s, explore: BROKEN_POLICIES["lies in action_space"]
    ),
}


@pytest.mark.parametrize("law", BROKEN_LEARNERS)
def test_a_broken_learner_is_told_which_law(law):
    with pytest.raises(CheckFailed) as caught:
        check_learner(BROKEN_LEARNERS[law], WORLD, PARAMS)
    assert law in str(caught.value)


def test_the_smallest_learner_passes():
    check_learner(Tiny(), WORLD, PARAMS)


SMALL = {"hidden_sizes": (8,), "num_envs": 4, "rollout_steps": 16, "batch_size": 32}


@pytest.mark.parametrize(
    "made",
    [PPO(**SMALL, epochs=2), DQN(**SMALL, buffer_size=256, learning_starts=0.0, train_freq=32)],
    ids=lambda made: type(made).__name__,
)
def test_the_learners_of_the_house_pass(made):
    check_learner(made, WORLD, probe("match"))


def test_metrics_of_a_probe_are_physical():
    state = WORLD.reset(PARAMS, ProbeInputs(cue=jnp.int32(1)))
    outcome = WORLD.step(PARAMS, state, jnp.int32(1), ProbeInputs(cue=jnp.int32(0)))
    assert isinstance(outcome.metrics, ProbeMetrics)
    assert np.asarray(outcome.metrics.matched) == 1.0
