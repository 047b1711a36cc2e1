"""The same settings for our learners and for those of Stable-Baselines3."""

from __future__ import annotations

from typing import Any

from edgewright.agents.ddpg import DDPG
from edgewright.agents.dqn import DQN
from edgewright.agents.ppo import PPO
from edgewright.agents.sac import SAC

RATE = 5e-4
"""One learning rate for actor and critic, the actor's of SE-PPO: Stable-Baselines3 has one."""


def ppo(steps: float) -> PPO:
    """Return PPO with what both sides know: normalisation, but no schedule and one rate."""
    return PPO(
        actor_learning_rate=RATE,
        critic_learning_rate=RATE,
        warmup=False,
        decay=False,
        total_steps=float(steps),
    )


def dqn(steps: float) -> DQN:
    """Return DQN with what both sides know: neither double nor dueling."""
    return DQN(double=False, dueling=False, total_steps=float(steps))


def td3(steps: float) -> DDPG:
    """Return TD3 with what both sides know: one rate, constant noise, no clipped gradient."""
    return DDPG(
        actor_learning_rate=1e-3,
        critic_learning_rate=1e-3,
        target_noise=0.2,
        max_grad_norm=1e9,
        twin=True,
        policy_delay=2,
        total_steps=float(steps),
    )


def sac(steps: float) -> SAC:
    """Return SAC with what both sides know: one rate, both temperatures learned, no clipping."""
    rates = ("actor_learning_rate", "critic_learning_rate", "temperature_learning_rate")
    return SAC(**dict.fromkeys(rates, 1e-3), max_grad_norm=1e9, total_steps=float(steps))


def settings_of(learner: PPO | DQN | DDPG | SAC) -> dict[str, Any]:
    """Return the settings of a learner as plain values."""
    if isinstance(learner, SAC):
        return sac_settings(learner)
    if isinstance(learner, PPO):
        return ppo_settings(learner)
    return dqn_settings(learner) if isinstance(learner, DQN) else td3_settings(learner)


def ppo_settings(learner: PPO) -> dict[str, Any]:
    """Return the settings of a PPO as plain values."""
    return {
        "learning_rate": float(learner.actor_learning_rate),
        "gamma": float(learner.gamma),
        "gae_lambda": float(learner.gae_lambda),
        "clip_eps": float(learner.clip_eps),
        "entropy_coef": float(learner.entropy_coef),
        "max_grad_norm": float(learner.max_grad_norm),
        "hidden_sizes": learner.hidden_sizes,
        "num_envs": learner.num_envs,
        "rollout_steps": learner.rollout_steps,
        "epochs": learner.epochs,
        "batch_size": learner.batch_size,
    }


def dqn_settings(learner: DQN) -> dict[str, Any]:
    """Return the settings of a DQN as plain values."""
    return {
        "learning_rate": float(learner.learning_rate),
        "gamma": float(learner.gamma),
        "final_epsilon": float(learner.final_epsilon),
        "exploration_fraction": float(learner.exploration_fraction),
        "learning_starts": int(learner.learning_starts),
        "target_update_interval": int(learner.target_update_interval),
        "max_grad_norm": float(learner.max_grad_norm),
        "hidden_sizes": learner.hidden_sizes,
        "num_envs": learner.num_envs,
        "rollout_steps": learner.rollout_steps,
        "buffer_size": learner.buffer_size,
        "train_freq": learner.train_freq,
        "batch_size": learner.batch_size,
    }


def td3_settings(learner: DDPG) -> dict[str, Any]:
    """Return the settings of a TD3 as plain values."""
    return {
        "learning_rate": float(learner.actor_learning_rate),
        "gamma": float(learner.gamma),
        "tau": float(learner.tau),
        "exploration_noise": float(learner.exploration_noise),
        "target_noise": float(learner.target_noise),
        "target_noise_clip": float(learner.target_noise_clip),
        "policy_delay": learner.policy_delay,
        "learning_starts": int(learner.learning_starts),
        "hidden_sizes": learner.hidden_sizes,
        "num_envs": learner.num_envs,
        "rollout_steps": learner.rollout_steps,
        "buffer_size": learner.buffer_size,
        "train_freq": learner.train_freq,
        "batch_size": learner.batch_size,
    }


def sac_settings(learner: SAC) -> dict[str, Any]:
    """Return the settings of a SAC as plain values."""
    return {
        "learning_rate": float(learner.actor_learning_rate),
        "gamma": float(learner.gamma),
        "tau": float(learner.tau),
        "initial_temperature": float(learner.initial_temperature),
        "target_entropy_scale": float(learner.target_entropy_scale),
        "learning_starts": int(learner.learning_starts),
        "activation": learner.activation,
        "hidden_sizes": learner.hidden_sizes,
        "critic_hidden_sizes": learner.critic_hidden_sizes,
        "num_envs": learner.num_envs,
        "rollout_steps": learner.rollout_steps,
        "buffer_size": learner.buffer_size,
        "train_freq": learner.train_freq,
        "batch_size": learner.batch_size,
    }
