"""Weights of Stable-Baselines3 as a policy of ours. Needs nothing but the arrays."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, cast

import jax.numpy as jnp
import numpy as np

from edgewright.agents.ddpg import BoxPolicy
from edgewright.agents.dqn import ValuePolicy
from edgewright.agents.ppo import ActorPolicy
from edgewright.core.errors import InputError
from edgewright.core.protocols import Policy
from edgewright.core.spaces import Box
from edgewright.nets.actors import BoxActor
from edgewright.nets.mlp import MLP
from edgewright.rules import normalise
from edgewright.rules.scaling import InputScaler

Arrays = dict[str, np.ndarray]

KNOWN = (
    *("mlp_extractor.policy_net.", "mlp_extractor.value_net.", "action_net.", "value_net."),
    *("q_net.q_net.", "q_net_target.q_net."),
)
"""Beginnings of the names of arrays that are understood, or that no decision needs."""


@dataclasses.dataclass(frozen=True)
class Statistics:
    """The normalisation of observations by a ``VecNormalize``.

    Attributes:
        mean, variance: of the observations that were seen, ``[features]``.
        count: how many were seen.
        clip: ``clip_obs``.
        epsilon: ``epsilon``.
    """

    mean: Any
    variance: Any
    count: float
    clip: float = normalise.CLIP
    epsilon: float = normalise.EPSILON


def policy_of(arrays: Arrays, activation: str, observations: Statistics | None) -> Policy:
    """Return the greedy policy of a ``state_dict``.

    Args:
        arrays: of an actor-critic policy (``mlp_extractor.policy_net``, ``action_net``) or of a DQN
            (``q_net.q_net``).
        activation: ``tanh`` or ``relu``.
        observations: what normalises observations; None where nothing does.

    Raises:
        InputError: the networks are of another kind.
    """
    where = "model.policy"
    if activation not in ("tanh", "relu"):
        hint = "use torch.nn.Tanh or torch.nn.ReLU"
        raise InputError(f"activation '{activation}' is not known here", where=where, hint=hint)
    unknown = sorted(name for name in arrays if not name.startswith(KNOWN))
    if unknown:
        hint = "PPO, A2C and DQN with an MlpPolicy and discrete actions are understood"
        message = f"its networks are of another kind: '{unknown[0]}' is not understood"
        raise InputError(message, where=where, hint=hint)
    act = cast("Literal['tanh', 'relu']", activation)
    inputs = _inputs(observations)
    if "action_net.weight" in arrays:
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


def numbers_policy_of(
    arrays: Arrays, activation: Literal["tanh", "relu"], observations: Statistics, space: Box
) -> BoxPolicy:
    """Return the greedy policy of the ``state_dict`` of a DDPG, TD3 (``actor.mu``) or SAC.

    Args:
        arrays, activation, observations: as for :func:`policy_of`.
        space: of the actions, with finite bounds.
    """
    if "actor.mu.weight" in arrays:  # SAC: a body, and one layer for the means
        layers = [*_layers(arrays, "actor.latent_pi."), "actor.mu"]
    else:
        layers = _layers(arrays, "actor.mu.")
    network = _mlp(arrays, layers, activation)
    return BoxPolicy(
        actor=BoxActor(network=network, space=space),
        inputs=_inputs(observations),
        noise=jnp.zeros(()),
        at_random=jnp.zeros((), bool),
        explore=False,
    )


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


def _inputs(observations: Statistics | None) -> InputScaler:
    """Return what the model does with observations, which are in the units of the world."""
    one = jnp.ones(())
    if observations is None:
        moments = normalise.no_moments(())
        return InputScaler(offset=0 * one, scale=one, moments=moments)
    count = observations.count
    moments = normalise.Moments(
        count=jnp.float32(count),
        mean=jnp.asarray(observations.mean, jnp.float32),
        deviation=jnp.asarray(np.asarray(observations.variance) * count, jnp.float32),
    )
    return InputScaler(
        offset=0 * one,
        scale=one,
        moments=moments,
        standardise=True,
        clip=float(observations.clip),
        epsilon=float(observations.epsilon),
    )
