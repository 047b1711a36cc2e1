# pyright: reportMissingImports=false
"""rejax and sbx, two libraries that train in JAX, on the same world with the same settings."""

from __future__ import annotations

import time
from typing import Any

import jax

from edgewright.bench.peers import sb3
from edgewright.core.protocols import Stream, World
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load

UPDATES = 20
"""Rollouts with their epochs that are timed."""


def rejax_rate(scenario: str, settings: dict[str, Any]) -> dict[str, float]:
    """Return the seconds to compile rejax's PPO and its steps per second: the median of three."""
    from rejax import PPO

    problem = build(load(scenario))
    steps = UPDATES * settings["num_envs"] * settings["rollout_steps"]
    batches = settings["num_envs"] * settings["rollout_steps"] // settings["batch_size"]
    learner = PPO.create(
        env=_gymnax(problem.world, problem.params, problem.train_stream),
        env_params=problem.params,
        agent_kwargs={"activation": "tanh", "hidden_layer_sizes": settings["hidden_sizes"]},
        num_envs=settings["num_envs"],
        num_steps=settings["rollout_steps"],
        num_epochs=settings["epochs"],
        num_minibatches=batches,
        learning_rate=settings["learning_rate"],
        gamma=settings["gamma"],
        gae_lambda=settings["gae_lambda"],
        clip_eps=settings["clip_eps"],
        ent_coef=settings["entropy_coef"],
        max_grad_norm=settings["max_grad_norm"],
        normalize_observations=True,
        normalize_rewards=True,
        total_timesteps=steps,
        eval_freq=steps,
        skip_initial_evaluation=True,
    )
    learner = learner.replace(eval_callback=lambda *_: ())  # we time training, not evaluation
    started = time.perf_counter()
    train = jax.jit(PPO.train).lower(learner, jax.random.key(0)).compile()
    compiled = time.perf_counter()
    rates = []
    for seed in range(3):
        began = time.perf_counter()
        jax.block_until_ready(train(learner, jax.random.key(seed)))
        rates.append(steps / (time.perf_counter() - began))
    return {"compile_s": compiled - started, "steps_per_s": sorted(rates)[1]}


def sbx_rate(scenario: str, settings: dict[str, Any], index: sb3.Place) -> float:
    """Return sbx's PPO in steps per second, after a warm-up that compiles."""
    import flax.linen as nn
    from sbx import PPO
    from stable_baselines3.common.vec_env import VecNormalize

    copies = VecNormalize(sb3.envs(scenario, index, settings["num_envs"]), gamma=settings["gamma"])
    hidden = list(settings["hidden_sizes"])
    model = PPO(
        "MlpPolicy",
        copies,
        n_steps=settings["rollout_steps"],
        batch_size=settings["batch_size"],
        n_epochs=settings["epochs"],
        learning_rate=settings["learning_rate"],
        gamma=settings["gamma"],
        gae_lambda=settings["gae_lambda"],
        clip_range=settings["clip_eps"],
        ent_coef=settings["entropy_coef"],
        max_grad_norm=settings["max_grad_norm"],
        policy_kwargs={"net_arch": {"pi": hidden, "vf": hidden}, "activation_fn": nn.tanh},
        seed=0,
    )
    update = settings["num_envs"] * settings["rollout_steps"]
    model.learn(2 * update)
    before, started = model.num_timesteps, time.perf_counter()
    model.learn(5 * update, reset_num_timesteps=False)
    return (model.num_timesteps - before) / (time.perf_counter() - started)


def _gymnax(world: World, params: Any, stream: Stream[Any]) -> Any:
    """Return the world as a gymnax environment; rejax needs gymnax below 1.

    gymnax draws inside ``step``, resets inside ``step`` and joins ``terminated`` and ``truncated``,
    so this serves to measure speed and would not train the same.
    """
    from gymnax.environments import spaces
    from gymnax.environments.environment import Environment

    choices: Any = world.action_space(params)

    def draw(carry: Any) -> tuple[Any, Any]:
        carry, rows = stream.next_rows(carry, 1)
        return carry, jax.tree.map(lambda leaf: leaf[0], rows)

    class GymnaxWorld(Environment):
        @property
        def default_params(self) -> Any:
            return params

        def reset_env(self, key: Any, params: Any) -> tuple[Any, Any]:
            carry, x = draw(stream.init_carry(key))
            state = world.reset(params, x)
            return world.observe(params, state, x)[0], (state, x, carry)

        def step_env(self, key: Any, state: Any, action: Any, params: Any) -> tuple[Any, ...]:
            state, x, carry = state
            outcome = world.step(params, state, action[None], x)
            carry, x = draw(carry)
            done = outcome.terminated | outcome.truncated
            observation = world.observe(params, outcome.state, x)[0]
            return observation, (outcome.state, x, carry), outcome.reward[0], done, {}

        def action_space(self, params: Any = None) -> Any:
            return spaces.Discrete(choices.n)

        def observation_space(self, params: Any) -> Any:
            return spaces.Box(-1e9, 1e9, world.observation_space(params).shape[1:])

    return GymnaxWorld()
