"""The same settings for our learners and for those of Stable-Baselines3."""

from __future__ import annotations

from typing import Any

from edgewright.agents.dqn import DQN
from edgewright.agents.ppo import PPO

RATE = 5e-4
"""One learning rate for actor and critic, the actor's of SE-PPO: Stable-Baselines3 has one."""


def ppo(steps: float) -> PPO:
    """Return PPO with what both sides know: normalisation, but no schedule and one rate."""
    return PPO(
        actor_rate=RATE, critic_rate=RATE, warmup=False, decay=False, total_steps=float(steps)
    )


def dqn(steps: float) -> DQN:
    """Return DQN with what both sides know: neither double nor dueling."""
    return DQN(double=False, dueling=False, total_steps=float(steps))


def ppo_settings(learner: PPO) -> dict[str, Any]:
    """Return the settings of a PPO as plain values."""
    return {
        "rate": float(learner.actor_rate),
        "gamma": float(learner.gamma),
        "gae_lambda": float(learner.gae_lambda),
        "clip": float(learner.clip),
        "entropy": float(learner.entropy),
        "clip_gradient": float(learner.clip_gradient),
        "hidden": learner.hidden,
        "envs": learner.envs,
        "rollout_steps": learner.rollout_steps,
        "epochs": learner.epochs,
        "minibatch": learner.minibatch,
    }


def dqn_settings(learner: DQN) -> dict[str, Any]:
    """Return the settings of a DQN as plain values."""
    return {
        "rate": float(learner.rate),
        "gamma": float(learner.gamma),
        "epsilon_end": float(learner.epsilon_end),
        "explore_share": float(learner.explore_share),
        "learning_starts": int(learner.learn_after),
        "target_every": int(learner.target_every),
        "clip_gradient": float(learner.clip_gradient),
        "hidden": learner.hidden,
        "envs": learner.envs,
        "rollout_steps": learner.rollout_steps,
        "replay": learner.replay,
        "train_every": learner.train_every,
        "minibatch": learner.minibatch,
    }
