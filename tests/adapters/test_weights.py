"""Weights of Stable-Baselines3 as policies of ours, against NumPy by hand. Needs no torch."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from edgewright.adapters.weights import Statistics, policy_of
from edgewright.core.errors import InputError

FEATURES, WIDTH, CHOICES = 5, 7, 4


def arrays(names: list[str], seed: int = 0) -> dict[str, np.ndarray]:
    """Return layers as torch keeps them, ``[out, in]``, in an order that is not theirs."""
    rng = np.random.default_rng(seed)
    sizes = [FEATURES, *[WIDTH] * (len(names) - 1), CHOICES]
    found = {}
    for name, before, after in reversed(list(zip(names, sizes, sizes[1:], strict=False))):
        found[f"{name}.weight"] = rng.normal(size=(after, before))
        found[f"{name}.bias"] = rng.normal(size=after)
    return found


def by_hand(layers: list[str], found: dict[str, np.ndarray], seen: np.ndarray, act: Any) -> int:
    for layer in layers[:-1]:
        seen = act(found[f"{layer}.weight"] @ seen + found[f"{layer}.bias"])
    last = layers[-1]
    return int(np.argmax(found[f"{last}.weight"] @ seen + found[f"{last}.bias"]))


ACTOR = [*[f"mlp_extractor.policy_net.{n}" for n in (0, 2, 10)], "action_net"]
VALUES = [f"q_net.q_net.{n}" for n in (0, 2, 4)]


@pytest.mark.parametrize("layers", [ACTOR, VALUES], ids=["actor", "values"])
@pytest.mark.parametrize(
    ("activation", "act"), [("tanh", np.tanh), ("relu", lambda x: np.maximum(x, 0))]
)
@pytest.mark.parametrize("normalised", [False, True])
def test_it_decides_as_the_arrays_say(
    layers: list[str], activation: str, act: Any, normalised: bool
) -> None:
    found = arrays(layers)
    other = arrays([name.replace("policy", "value") for name in layers], seed=1)
    rng = np.random.default_rng(2)
    mean, variance = rng.normal(size=FEATURES), rng.uniform(0.5, 2, FEATURES)
    statistics = Statistics(mean, variance, 50.0, clip=1.5, epsilon=0.1)
    policy = policy_of(other | found, activation, statistics if normalised else None)
    key, choices = jax.random.key(0), set()
    for seen in 3 * rng.normal(size=(40, FEATURES)):
        action = int(policy.act(key, (), seen.astype(np.float32))[1].action)
        scaled = np.clip((seen - mean) / np.sqrt(variance + 0.1), -1.5, 1.5)
        assert action == by_hand(layers, found, scaled if normalised else seen, act)
        choices.add(action)
    assert len(choices) > 1


def test_other_networks_are_refused() -> None:
    with pytest.raises(InputError, match="'gelu'"):
        policy_of(arrays(ACTOR), "gelu", None)
    with pytest.raises(InputError, match="of another kind"):
        policy_of(arrays(["actor.mu.0", "actor.mu.2"]), "tanh", None)
    with pytest.raises(InputError, match="of another kind"):  # continuous actions
        policy_of(arrays(ACTOR) | {"log_std": np.zeros(2)}, "tanh", None)
