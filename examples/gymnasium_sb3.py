"""Use a world through Gymnasium, and train a Stable-Baselines3 model in it.

pip install '.[train,peers]'
python examples/gymnasium_sb3.py
"""

import importlib.util
import sys

import gymnasium
import jax
import numpy as np

import edgewright as ew
import edgewright.adapters.gymnasium  # registers the ids
from edgewright.loops.evaluate import evaluate
from edgewright.training.runs import evaluation_inputs

STEPS = 4096
OVERRIDES = {"params.horizon_slots": 50, "evaluation.episodes": 10}

env = gymnasium.make("Edgewright/aigc-heavy-v0", overrides=OVERRIDES)
env.action_space.seed(0)
env.reset(seed=0)
rewards = []
over = False
while not over:
    _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
    rewards.append(float(reward))
    over = terminated or truncated
print(f"random actions through Gymnasium: {np.mean(rewards):+.4f} per slot in one episode")

if importlib.util.find_spec("stable_baselines3") is None:
    sys.exit(
        "The rest needs stable-baselines3, which is not installed: pip install 'edgewright[peers]'."
    )

from stable_baselines3 import PPO  # noqa: E402
from stable_baselines3.common.vec_env import VecMonitor, VecNormalize  # noqa: E402

from edgewright.adapters.stable_baselines3 import make_vec, policy_of  # noqa: E402

envs = VecNormalize(VecMonitor(make_vec("aigc-heavy", 16, overrides=OVERRIDES)), gamma=0.95)
model = PPO("MlpPolicy", envs, n_steps=128, gamma=0.95, gae_lambda=0.9, seed=0)
model.learn(STEPS)

# The model, on the same episodes as every policy of Edgewright.
problem = ew.make("aigc-heavy", OVERRIDES)
scores = evaluate(
    jax.random.key(0),
    problem.world,
    problem.params,
    policy_of(model),
    evaluation_inputs(problem.scenario, problem.built),
    post_termination_reward=problem.scenario.evaluation.post_termination_reward,
)
print(f"Stable-Baselines3 PPO: {float(scores['reward'].mean()):+.4f} per slot")
print(ew.compare(problem, ["greedy"]))
