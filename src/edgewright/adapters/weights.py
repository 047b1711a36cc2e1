"""Weights of Stable-Baselines3 as a policy of ours. Needs nothing but the arrays."""

from __future__ import annotations

from typing import Any, Literal, cast

import jax.numpy as jnp
import numpy as np

from edgewright.agents.dqn import ValuePolicy
from edgewright.agents.ppo import ActorPolicy
from edgewright.core.errors import InputError
from edgewright.core.protocols import Policy
from edgewright.nets.mlp import MLP
from edgewright.rules import normalise
from edgewright.rules.scaling import InputScaler

Arrays = dict[str, np.ndarray]


def policy_of(
    arrays: Arrays, activation: str, observations: tuple[Any, Any, float] | None
) -> Policy:
    """Return the greedy policy of a ``state_dict``.

    Args:
        arrays: of an actor-critic policy (``mlp_extractor.policy_net``, ``action_net``) or of a DQN
            (``q_net.q_net``).
        activation: ``tanh`` or ``relu``.
        observations: mean, variance and count of a ``VecNormalize``; None where there is none.

    Raises:
        InputError: the networks are of another kind.
    """
    where = "model.policy"
    if activation not in ("tanh", "relu"):
        hint = "use torch.nn.Tanh or torch.nn.ReLU"
        raise InputError(f"activation '{activation}' is not known here", where=where, hint=hint)
    act = cast("Literal['tanh', 'relu']", activation)
    inputs = _inputs(observations)
    if "action_net.weight" in arrays and not any(name == "log_std" for name in arrays):
        layers = [*_layers(arrays, "mlp_extractor.policy_net."), "action_net"]
        return ActorPolicy(
            actor=_mlp(arrays, layers, act),
            inputs=inputs,
            explore=False,
        )
    if layers := _layers(arrays, "q_net.q_net."):
        return ValuePolicy(
            network=_mlp(arrays, layers, act),
            inputs=inputs,
            epsilon=jnp.zeros(()),
            dueling=False,
            explore=False,
        )
    hint = "PPO, A2C and DQN with an MlpPolicy and discrete actions are understood"
    raise InputError("its networks are of another kind", where=where, hint=hint)


def _layers(arrays: Arrays, prefix: str) -> list[str]:
    """Return the names of the linear layers of a network, in order."""
    names = [name.removesuffix(".weight") for name in arrays if name.startswith(prefix)]
    result = {name for name in names if f"{name}.weight" in arrays}
    return sorted(result, key=lambda name: int(name.rsplit(".", 1)[1]))


def _mlp(arrays: Arrays, layers: list[str], activation: Literal["tanh", "relu"]) -> MLP:
    return MLP(
        weights=tuple(jnp.asarray(arrays[f"{layer}.weight"].T, jnp.float32) for layer in layers),
        biases=tuple(jnp.asarray(arrays[f"{layer}.bias"], jnp.float32) for layer in layers),
        activation=activation,
    )


def _inputs(observations: tuple[Any, Any, float] | None) -> InputScaler:
    """Return what the model does with observations, which are in the units of the world."""
    one = jnp.ones(())
    if observations is None:
        moments = normalise.no_moments(())
        return InputScaler(offset=0 * one, scale=one, moments=moments)
    mean, variance, count = observations
    moments = normalise.Moments(
        count=jnp.float32(count),
        mean=jnp.asarray(mean, jnp.float32),
        deviation=jnp.asarray(np.asarray(variance) * count, jnp.float32),
    )
    return InputScaler(offset=0 * one, scale=one, moments=moments, standardise=True)
