"""The PyTorch transcription of DMSAC is the same learner in the same market as ours."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.agents.sac import SAC
from edgewright.bench import contracts
from edgewright.core.spaces import Box
from edgewright.nets.critics import init_critics
from edgewright.nets.diffusion import init_diffusion
from edgewright.rules.transitions import Transition
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load

torch = pytest.importorskip("torch")

from edgewright.bench.peers.contracts_torch import TorchContracts, TorchSAC  # noqa: E402
from edgewright.bench.peers.diffusion_torch import layers, transcribed  # noqa: E402

NUMBERS, FEATURES, BATCH = 12, 15, 7


def _actor():
    space = Box(-1.0, 1.0, (NUMBERS,))
    actor = init_diffusion(
        jax.random.key(0), FEATURES, (16, 16), space=space, steps=5, schedule="vp",
        parameterisation="x0", density=True,
    )  # fmt: skip
    # Weights far from the small ones of the start, so that an error of the chain is visible.
    return jax.tree.map(lambda leaf: leaf * 3.0 + 0.05, actor)


def _batch():
    rng = np.random.default_rng(1)
    observation = rng.uniform(-1, 1, (BATCH, FEATURES)).astype(np.float32)
    units = rng.uniform(-1, 1, (BATCH, NUMBERS)).astype(np.float32)
    return observation, units, rng.normal(size=BATCH).astype(np.float32)


def test_the_actor_draws_the_same_numbers_with_the_same_density() -> None:
    actor, (observation, _, _) = _actor(), _batch()
    noise = np.array(jax.random.normal(jax.random.key(2), (BATCH, actor.draws, NUMBERS)))
    units, density = actor.sample(jnp.asarray(observation), jnp.asarray(noise))
    peer = transcribed(actor)
    tensors = torch.from_numpy(observation), torch.from_numpy(noise)
    own_units, own_density = peer.sample(*tensors)
    np.testing.assert_allclose(own_units.detach().numpy(), units, atol=2e-5)
    np.testing.assert_allclose(own_density.detach().numpy(), density, rtol=2e-4)
    greedy = peer.greedy(tensors[0], tensors[1]).detach().numpy()
    np.testing.assert_allclose(greedy, actor.greedy(observation, noise), atol=2e-5)


@pytest.mark.parametrize("name", ["contract-d2", "contract-d3"])
def test_the_market_pays_the_same_for_a_raw_contract(name: str) -> None:
    problem = build(load(name, {"world.actions": "raw", "params.reward_floor": 1e4}))
    rows, _ = contracts.one_market(problem)
    size = problem.world.action_space(problem.params).shape[0]
    action = np.random.default_rng(3).uniform(-1, 1, (50, size)).astype(np.float32)
    state = problem.world.reset(problem.params, rows)
    ours = jax.vmap(lambda one: problem.world.step(problem.params, state, one, rows).reward)(action)
    peer = TorchContracts(contracts.market_numbers(problem)).reward(torch.from_numpy(action))
    np.testing.assert_allclose(peer.numpy(), ours, rtol=1e-4, atol=1e-5)
    assert float(jnp.std(ours)) > 0.1


def test_a_gradient_step_ends_with_the_same_weights() -> None:
    actor, (observation, units, reward) = _actor(), _batch()
    critics = init_critics(jax.random.split(jax.random.key(5)), FEATURES + NUMBERS, (8,), "relu")
    learner = SAC(actor="diffusion", gamma=0.0, initial_temperature=0.2, max_grad_norm=0.5)
    steps = learner._steps()
    start = steps.init(actor, critics, learner.initial_temperature)
    part = Transition(
        observation=jnp.asarray(observation), action=jnp.asarray(units),
        reward=jnp.asarray(reward), next_observation=jnp.asarray(observation),
        terminated=jnp.ones(BATCH, bool),
    )  # fmt: skip
    key = jax.random.key(9)
    after, _ = steps(key, start, jax.tree.map(lambda leaf: leaf[None], part))
    own_key = jax.random.split(jax.random.split(key, 1)[0])[1]
    noise = jax.random.normal(own_key, (BATCH, actor.draws, NUMBERS))
    settings = contracts.settings_of(learner)
    peer = TorchSAC(transcribed(actor), [layers(one) for one in critics], settings)
    peer.step(*(torch.from_numpy(np.array(one)) for one in (observation, units, reward, noise)))
    for ours, theirs in [
        *zip(after.actor.network.weights, peer.actor.network.weights, strict=True),
        *zip(after.actor.time.weights, peer.actor.time.weights, strict=True),
        *zip(after.critics[1].weights, peer.critics[1].weights, strict=True),
    ]:
        np.testing.assert_allclose(theirs.detach().numpy(), ours, atol=2e-4)
    temperature = float(peer.log_temperature.detach()[0])
    assert temperature == pytest.approx(float(after.log_temperature), abs=1e-5)
    moved = after.actor.network.weights[0] - actor.network.weights[0]
    assert float(jnp.max(jnp.abs(moved))) > 2e-4
