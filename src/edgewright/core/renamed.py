"""Names of 0.1 that are refused with the name that replaced them; aliases do not exist."""

from __future__ import annotations

from collections.abc import Iterable

from edgewright.core.errors import nearest

COMMANDS = {"bracket": "bounds"}

OPTIONS = {
    "--beyond": "--out-of-range",
    "--patience": "--client-timeout",
    "--max-queue": "--log-queue-size",
    "--hidden": "--task",
    "--lite": "--litert",
    "--min-score-kept": "--min-gain-kept",
    "--min-score-ratio": "--min-gain-kept",
    "--peers": "bench libraries",
    "--peer": "bench speed --reference-script",
    "--scaling": "bench scaling",
}

KEYS = {
    "actor_rate": "actor_learning_rate",
    "critic_rate": "critic_learning_rate",
    "rate": "learning_rate",
    "inner_rate": "inner_learning_rate",
    "outer_rate": "meta_learning_rate",
    "clip": "clip_eps",
    "entropy": "entropy_coef",
    "clip_gradient": "max_grad_norm",
    "warm_share": "warmup_fraction",
    "obs_norm": "normalize_observations",
    "rew_norm": "normalize_rewards",
    "advantage_norm": "normalize_advantages",
    "explore_share": "exploration_fraction",
    "learn_after": "learning_starts",
    "target_every": "target_update_interval",
    "train_every": "train_freq",
    "epsilon_end": "final_epsilon",
    "replay": "buffer_size",
    "memory": "buffer_size",
    "minibatch": "batch_size",
    "batch": "batch_size",
    "frames": "rollout_steps",
    "candidates": "num_candidates",
    "hidden": "hidden_sizes",
    "envs": "num_envs",
    "missed_reward": "post_termination_reward",
    "pinned": "fixed_inputs",
}
"""Keys of scenario files and settings of learners."""

SCENARIOS = {"aigc-literal": "aigc-paper", "binary-seed": "binary-paper"}

SETTINGS = {"document": "paper"}
"""Settings of a study, as a row of ``claims.toml`` names them."""


def command(name: str) -> str:
    """Return the message for an old command."""
    return f"the command '{name}' is called '{COMMANDS[name]}' now"


def option(name: str) -> str:
    """Return the message for an old option."""
    return f"the option '{name}' is '{OPTIONS[name]}' now"


def hint(key: str, valid: Iterable[str]) -> str:
    """Return the remedy for an unknown key: its new name, else the nearest valid one."""
    names = list(valid)
    now = (KEYS | SETTINGS).get(key)
    return f"'{key}' is called '{now}' now" if now in names else nearest(key, names)
