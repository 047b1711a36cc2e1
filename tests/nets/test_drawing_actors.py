"""Actors that draw: densities, slopes, parameterisations, and the noise as an input."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from edgewright.core.spaces import Box
from edgewright.nets.denoising import noise_schedule
from edgewright.nets.diffusion import DiffusionActor, init_diffusion
from edgewright.nets.mlp import MLP, init_mlp, mish
from edgewright.nets.squashed import init_tanh_gaussian, squashed

FEATURES, NUMBERS = 3, 2
SPACE = Box(0.0, 4.0, (NUMBERS,))
PARAMETERISATIONS = ("x0", "eps_clip", "tanh_eps")


def diffusion(steps: int = 4, gain: float = 1.0, **settings: Any) -> DiffusionActor:
    key = jax.random.key(0)
    actor = init_diffusion(key, FEATURES, (16, 16), space=SPACE, steps=steps, **settings)
    sizes = tuple(weight.shape[0] for weight in actor.network.weights)
    outputs = actor.network.biases[-1].size
    network = init_mlp(key, (*sizes, outputs), last_gain=gain, activation="mish")
    return dataclasses.replace(actor, network=network)


def gaussian(density: bool = True) -> Any:
    return init_tanh_gaussian(jax.random.key(0), FEATURES, SPACE, (16,), "relu", density)


def drawn(actor: Any, *shape: int, key: int = 1) -> tuple[jax.Array, jax.Array]:
    seen_key, noise_key = jax.random.split(jax.random.key(key))
    observation = jax.random.normal(seen_key, (*shape, FEATURES))
    return observation, jax.random.normal(noise_key, (*shape, actor.draws, NUMBERS))


ACTORS = [
    gaussian(),
    gaussian(density=False),
    *(
        diffusion(parameterisation=one, density=density)
        for one in PARAMETERISATIONS
        for density in (True, False)
    ),
]


@pytest.mark.parametrize("actor", ACTORS, ids=lambda a: f"{type(a).__name__}-{a.density}")
def test_units_stay_in_the_box_and_come_from_the_noise_alone(actor: Any) -> None:
    observation, noise = drawn(actor, 200)
    units, log_density = actor.sample(observation, noise)
    assert units.shape == (200, NUMBERS)
    assert log_density.shape == (200,)
    assert np.all(np.abs(units) <= 1 + 1e-6)
    again, _ = actor.sample(observation, noise)
    np.testing.assert_array_equal(units, again)
    greedy = actor.greedy(observation, noise[..., : actor.greedy_draws, :])
    assert greedy.shape == units.shape
    if not actor.density:
        np.testing.assert_allclose(greedy, units, atol=1e-6)
        np.testing.assert_array_equal(log_density, 0.0)
    quiet = noise.at[..., -1, :].set(0.0) if actor.density else noise
    np.testing.assert_allclose(actor.sample(observation, quiet)[0], greedy, atol=1e-6)


@pytest.mark.parametrize("actor", ACTORS, ids=lambda a: f"{type(a).__name__}-{a.density}")
def test_slopes_reach_every_weight_and_are_finite(actor: Any) -> None:
    observation, noise = drawn(actor, 64)
    grad = jax.grad(lambda a: jnp.sum(a.sample(observation, noise)[0] ** 2))(actor)
    # The deviation of the last step and the output's bias aside, no part may be cut off.
    for leaf in jax.tree.leaves(grad):
        assert np.all(np.isfinite(leaf))
        assert np.any(leaf != 0)


def test_the_density_is_that_of_the_squashed_normal_law() -> None:
    mean, log_deviation = jnp.array([0.3, -1.0]), jnp.array([-0.5, 0.2])
    noise = jax.random.normal(jax.random.key(0), (50, 2))
    units, found = squashed(mean, log_deviation, noise)
    free = np.arctanh(np.asarray(units, np.float64))
    normal = stats.norm.logpdf(free, np.asarray(mean), np.exp(np.asarray(log_deviation)))
    expected = np.sum(normal - np.log1p(-(np.asarray(units, np.float64) ** 2)), axis=-1)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    far, log_density = squashed(jnp.array([40.0]), jnp.zeros(1), jnp.zeros(1))
    assert float(far[0]) == 1.0
    np.testing.assert_allclose(log_density, -0.9189385 - (np.log(4) - 80), rtol=1e-5)


def test_the_conditional_density_sums_to_one() -> None:
    actor = init_diffusion(jax.random.key(3), FEATURES, (8,), space=Box(0.0, 1.0, (1,)), steps=3)
    observation = jnp.zeros((20_000, FEATURES))
    chain = jnp.broadcast_to(jax.random.normal(jax.random.key(4), (3, 1)), (20_000, 3, 1))
    last = jax.random.normal(jax.random.key(5), (20_000, 1, 1))
    units, log_density = actor.sample(observation, jnp.concatenate([chain, last], axis=1))
    edges = np.linspace(-0.9, 0.9, 10)
    counts = np.histogram(np.asarray(units), edges)[0] / 20_000
    order = np.argsort(np.asarray(units)[:, 0])
    density = np.interp(
        (edges[1:] + edges[:-1]) / 2, np.asarray(units)[order, 0], np.exp(log_density)[order]
    )
    np.testing.assert_allclose(counts, density * 0.2, rtol=0.06)


class Perfect(MLP):
    """A network that knows the action ``[numbers]`` and answers the noise that hides it."""

    def __call__(self, x: Any, gates: Any = ()) -> Any:
        goal, signal = self.weights[0], self.biases[0]
        noisy, told = x[..., :NUMBERS], x[..., NUMBERS]
        share = signal[jnp.round(told).astype(jnp.int32)][..., None]
        return (noisy - jnp.sqrt(share) * goal) / jnp.sqrt(1 - share)


@pytest.mark.parametrize("schedule", ["vp", "cosine"])
def test_a_perfect_network_denoises_to_its_action(schedule: Any) -> None:
    goal, steps = jnp.array([0.4, -0.9]), 5
    signal = jnp.asarray(noise_schedule(schedule, steps).signal)

    class Count(MLP):
        def __call__(self, x: Any, gates: Any = ()) -> Any:  # tells which step it is
            return jnp.broadcast_to(jnp.arange(steps)[:, None], (steps, 16)).astype(jnp.float32)

    actor = DiffusionActor(
        network=Perfect(weights=(goal,), biases=(signal,), activation="mish"),
        time=Count(weights=(), biases=(), activation="mish"),
        space=SPACE,
        steps=steps,
        schedule=schedule,
        parameterisation="eps_clip",
        density=False,
    )
    units, _ = actor.sample(*drawn(actor, 30))
    np.testing.assert_allclose(units, jnp.broadcast_to(goal, units.shape), atol=1e-5)
    seen = drawn(actor, 30)
    loss = actor.imitation_loss(seen[0], jnp.broadcast_to(goal, (30, 2)), seen[1])
    np.testing.assert_allclose(loss, 0.0, atol=1e-8)


def test_a_bounded_noise_cannot_take_the_tails_off() -> None:
    """Without a clip, the best that tanh_eps can do leaves the box about one time in three."""
    s, rng = noise_schedule("vp", 5), np.random.default_rng(0)
    goal = rng.uniform(-1, 1, 40_000)
    noisy = rng.standard_normal(40_000)
    for t in range(4, -1, -1):
        wanted = (noisy - np.sqrt(s.signal[t]) * goal) / np.sqrt(1 - s.signal[t])
        noise = np.clip(wanted, -1, 1)
        mean = (noisy - s.beta[t] * noise / np.sqrt(1 - s.signal[t])) / np.sqrt(s.alpha[t])
        noisy = mean + s.deviation[t] * rng.standard_normal(40_000)
    assert 0.25 < np.mean(np.abs(noisy) > 1) < 0.4


def test_the_network_is_called_once_a_step_and_what_it_sees_is_told() -> None:
    for actor, calls in ((gaussian(), 1), (diffusion(steps=4), 4)):
        observation, noise = drawn(actor, 6)
        inputs = actor.network_inputs(observation, noise)
        assert inputs.shape == (calls, 6, actor.network.weights[0].shape[0])
    np.testing.assert_array_equal(inputs[0, :, :NUMBERS], noise[:, 0])  # a_T is noise
    last = jnp.tanh(actor.network(inputs[-1])[..., :NUMBERS])
    np.testing.assert_allclose(last, actor.greedy(observation, noise[:, :4]), atol=1e-6)


def test_mish_and_its_slope_are_those_of_the_formula() -> None:
    x = np.linspace(-30.0, 30.0, 121)
    expected = x * np.tanh(np.log1p(np.exp(x)))
    np.testing.assert_allclose(mish(jnp.asarray(x, jnp.float32)), expected, rtol=1e-4, atol=1e-6)
    slope = np.gradient(expected, x)[1:-1]
    found = jax.vmap(jax.grad(mish))(jnp.asarray(x, jnp.float32))[1:-1]
    np.testing.assert_allclose(found, slope, atol=0.03)


def test_a_gate_of_zero_removes_a_unit_with_its_bias() -> None:
    network = init_mlp(jax.random.key(0), (3, 8, 6, 2), activation="mish")
    network = dataclasses.replace(network, biases=tuple(b + 0.7 for b in network.biases))
    x = jax.random.normal(jax.random.key(1), (5, 3))
    gates = (jnp.ones(8).at[2].set(0.0), jnp.ones(6).at[0].set(0.0))
    hidden = network.hidden(x, gates)
    np.testing.assert_array_equal(hidden[0][:, 2], 0.0)
    np.testing.assert_array_equal(hidden[1][:, 0], 0.0)
    keep = np.array([0, 1, 3, 4, 5, 6, 7])
    small = MLP(
        weights=(
            network.weights[0][:, keep], network.weights[1][keep][:, 1:], network.weights[2][1:],
        ),
        biases=(network.biases[0][keep], network.biases[1][1:], network.biases[2]),
        activation="mish",
    )  # fmt: skip
    np.testing.assert_allclose(network(x, gates), small(x), atol=1e-6)
