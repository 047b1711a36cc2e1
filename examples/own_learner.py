"""Write a learner, check it, and train it beside a shipped one.

    python examples/own_learner.py

REINFORCE with a linear policy and a running baseline (Williams, "Simple statistical
gradient-following algorithms for connectionist reinforcement learning", Machine Learning 8, 1992).
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax

import edgewright as ew
from edgewright.core.records import Array, Decision, record, static
from edgewright.rules.batches import over_agents
from edgewright.rules.scaling import InputScaler

STEPS = 2e4
ADAM = optax.scale_by_adam()


def features(observation):
    """Return the observation ``[..., F]`` with its products and a constant appended."""
    products = observation[..., :, None] * observation[..., None, :]
    flat = products.reshape(*observation.shape[:-1], -1)
    one = jnp.ones((*observation.shape[:-1], 1))
    return jnp.concatenate([observation, flat, one], axis=-1)


@record
class LinearPolicy:
    """A softmax over linear scores; the best action where it does not explore."""

    weights: Array  # [features, actions]
    inputs: InputScaler  # from physical units to numbers of about 1
    explore: bool = static()

    def init_carry(self, key):
        return ()

    def act(self, key, carry, observation):
        scores = features(self.inputs(observation)) @ self.weights
        action = jax.random.categorical(key, scores) if self.explore else jnp.argmax(scores, -1)
        return carry, Decision(action=action.astype(jnp.int32), aux=())


@record
class ReinforceState:
    """Everything that changes while learning; a checkpoint holds it."""

    weights: Array
    inputs: InputScaler
    optimiser: Any
    baseline: Array  # running mean of the returns
    updates: Array


@record
class Reinforce:
    """Fields are settings: ``ew.train(..., settings={"learning_rate": 0.005})``."""

    learning_rate: float = 0.02
    gamma: float = 0.95
    num_envs: int = static(default=32)
    rollout_steps: int = static(default=64)

    def init(self, key, observations, actions):
        shape = (features(jnp.zeros(observations.shape)).shape[-1], actions.n)
        weights = 0.01 * jax.random.normal(key, shape)
        zero = jnp.zeros(())
        return ReinforceState(
            weights=weights,
            inputs=InputScaler.of(observations),
            optimiser=ADAM.init(weights),
            baseline=zero,
            updates=zero,
        )

    def policy(self, state, explore):
        return LinearPolicy(weights=state.weights, inputs=state.inputs, explore=explore)

    def update(self, key, state, batch):
        def back(later, row):
            reward, done = row
            value = reward + self.gamma * jnp.where(done, 0.0, later)
            return value, value

        done = over_agents(batch.done, batch.reward)
        after_cut = jnp.broadcast_to(state.baseline, batch.reward.shape[1:])
        _, returns = jax.lax.scan(back, after_cut, (batch.reward, done), reverse=True)
        advantage = returns - state.baseline
        inputs = features(state.inputs(batch.observation))

        def loss(weights):
            log_p = jax.nn.log_softmax(inputs @ weights)
            chosen = jnp.take_along_axis(log_p, batch.action[..., None], axis=-1)[..., 0]
            return -jnp.mean(chosen * advantage)

        value, gradient = jax.value_and_grad(loss)(state.weights)
        step, optimiser = ADAM.update(gradient, state.optimiser)
        rate = jnp.where(state.updates == 0, 1.0, 0.05)
        state = ReinforceState(
            weights=state.weights - self.learning_rate * step,
            inputs=state.inputs,
            optimiser=optimiser,
            baseline=state.baseline + rate * (jnp.mean(returns) - state.baseline),
            updates=state.updates + 1,
        )
        return state, {"policy_loss": value}


ew.register_learner("reinforce", Reinforce)

problem = ew.make("aigc-heavy", {"params.horizon_slots": 100, "evaluation.episodes": 20})
ew.check_learner(Reinforce(num_envs=4, rollout_steps=8), problem.world, problem.params)
own = ew.train(problem, "reinforce", steps=STEPS)
shipped = ew.train(problem, "se-ppo", steps=STEPS)
print(ew.compare(problem, ["greedy", own, shipped]))
