"""Draw actions by denoising, with three readings of the output of the network.

Wang, Hunt and Zhou, "Diffusion policies as an expressive policy class for offline reinforcement
learning", ICLR 2023 (arXiv:2208.06193); as a part of SAC: Du et al., IEEE TMC 2024
(arXiv:2303.13052). See ``docs/concepts/diffusion-actor.md`` for every equation.
"""

from __future__ import annotations

import math
from typing import Literal

import jax
import jax.numpy as jnp

from edgewright.core.records import Array, record, static
from edgewright.core.spaces import Box
from edgewright.nets.denoising import (
    ScheduleName,
    estimated_clean,
    mean_from_clean,
    mean_from_noise,
    noise_schedule,
    noised,
    straight_through_clip,
    time_features,
)
from edgewright.nets.mlp import MLP, init_mlp
from edgewright.nets.squashed import mean_and_deviation, squashed

Parameterisation = Literal["x0", "eps_clip", "tanh_eps"]

TIME_SIZE, TIME_HIDDEN = 16, 32

LARGEST_MEAN = 3.0
"""``mu_1`` stays within this before its ``tanh`` where it is not the network's own output.

A bounded noise cannot take the tails off ``a_1``, and there the density grows without bound."""


@record
class DiffusionActor:
    """Numbers from normal ones by ``T`` denoising steps; slopes go through all of them.

    Attributes:
        network: ``[a_t, time, observation]`` to the output, and with ``density`` the logarithms of
            the deviations of the last step.
        time: features of ``t`` to the embedding that the network takes.
        parameterisation: what the output is. ``"x0"``: ``tanh`` of it is the estimate of ``a_0``;
            ``"eps_clip"``: it is the noise, and the estimate is clipped; ``"tanh_eps"``: ``tanh``
            of it is the noise, and only the last mean is clipped.
        density: whether the last step draws, with the exact density
            ``tanh(N(mu_1(a_1, s), diag exp(2 l(a_1, s))))``.
    """

    network: MLP
    time: MLP
    space: Box = static()
    steps: int = static()
    schedule: ScheduleName = static(default="vp")
    parameterisation: Parameterisation = static(default="x0")
    density: bool = static(default=True)

    @property
    def numbers(self) -> int:
        """Numbers of one action."""
        return math.prod(self.space.shape)

    @property
    def draws(self) -> int:
        """``a_T``, the noise of the steps ``T .. 2``, and that of the last one if it draws."""
        return self.steps + self.density

    @property
    def greedy_draws(self) -> int:
        """The chain stays random; its last step does not."""
        return self.steps

    def sample(self, observation: Array, noise: Array) -> tuple[Array, Array]:
        """Return units ``[..., numbers]`` and their log-density given ``a_1``, ``[...]``."""
        mean, log_deviation = self._last(observation, self._chain(observation, noise)[0])
        if not self.density:
            return self._finished(mean), jnp.zeros(mean.shape[:-1])
        return squashed(mean, log_deviation, noise[..., self.steps, :])

    def greedy(self, observation: Array, noise: Array) -> Array:
        """Return the units ``[..., numbers]`` of the mean of the last step."""
        mean, _ = self._last(observation, self._chain(observation, noise)[0])
        return self._finished(mean)

    def network_inputs(self, observation: Array, noise: Array) -> Array:
        """Return what the network is given on its own chain ``[T, ..., inputs]``."""
        noisy, given = self._chain(observation, noise)
        last = self._given(noisy, self._times()[0], observation)
        return jnp.concatenate([given, last[None]])

    def imitation_loss(self, observation: Array, units: Array, noise: Array) -> Array:
        """Return the denoising error ``[...]`` on actions ``[..., numbers]`` noised to a step each.

        ``|eps - eps_theta(a_t, t, s)|^2`` (Ho et al. 2020, equation 14), or ``|a_0 - x0_theta|^2``.

        Args:
            noise: ``[..., draws, numbers]``; the first row noises, the last chooses the steps.
        """
        constants, times = noise_schedule(self.schedule, self.steps), self._times()
        chance = jax.scipy.special.ndtr(noise[..., -1, 0])
        step = jnp.minimum((chance * self.steps).astype(jnp.int32), self.steps - 1)
        added = noise[..., 0, :]
        noisy = noised(units, added, jnp.asarray(constants.signal)[step][..., None])
        output = self.network(self._given(noisy, times[step], observation))[..., : self.numbers]
        goal = units if self.parameterisation == "x0" else added
        guess = output if self.parameterisation == "eps_clip" else jnp.tanh(output)
        return jnp.mean(jnp.square(guess - goal), axis=-1)

    def _times(self) -> Array:
        """Return the embedding of every step ``[T, 16]``."""
        return self.time(jnp.asarray(time_features(self.steps, TIME_SIZE)))

    def _given(self, noisy: Array, time: Array, observation: Array) -> Array:
        embedded = jnp.broadcast_to(time, (*noisy.shape[:-1], TIME_SIZE))
        return jnp.concatenate([noisy, embedded, observation], axis=-1)

    def _chain(self, observation: Array, noise: Array) -> tuple[Array, Array]:
        """Return ``a_1`` ``[..., numbers]``, and the inputs of the network on the way to it."""
        constants = noise_schedule(self.schedule, self.steps)
        added = jnp.moveaxis(noise[..., 1 : self.steps, :], -2, 0)
        numbers = (
            constants.beta, constants.alpha, constants.signal, constants.from_clean,
            constants.from_noisy, constants.deviation,
        )  # fmt: skip
        rows = (added, self._times()[:0:-1], *(jnp.asarray(one[:0:-1]) for one in numbers))

        def step(noisy: Array, row: tuple[Array, ...]) -> tuple[Array, Array]:
            fresh, time, beta, alpha, signal, from_clean, from_noisy, deviation = row
            given = self._given(noisy, time, observation)
            output = self.network(given)[..., : self.numbers]
            if self.parameterisation == "tanh_eps":
                mean = mean_from_noise(noisy, jnp.tanh(output), beta, alpha, signal)
            else:
                clean = self._clean(noisy, output, signal)
                mean = mean_from_clean(clean, noisy, from_clean, from_noisy)
            return mean + deviation * fresh, given

        return jax.lax.scan(step, noise[..., 0, :], rows, unroll=True)

    def _clean(self, noisy: Array, output: Array, signal: Array) -> Array:
        """Return the estimate of ``a_0`` within -1 and 1."""
        if self.parameterisation == "x0":
            return jnp.tanh(output)
        return straight_through_clip(estimated_clean(noisy, output, signal))

    def _last(self, observation: Array, noisy: Array) -> tuple[Array, Array]:
        """Return ``mu_1`` before its bounds and the logarithm of its deviation."""
        constants = noise_schedule(self.schedule, self.steps)
        output = self.network(self._given(noisy, self._times()[0], observation))
        log_deviation = jnp.zeros(())
        if self.density:
            output, log_deviation = mean_and_deviation(output)
        if self.parameterisation == "x0":
            return output, log_deviation
        noise = jnp.tanh(output) if self.parameterisation == "tanh_eps" else output
        mean = estimated_clean(noisy, noise, constants.signal[0].item())
        bound = LARGEST_MEAN if self.density else 1.0
        return bound * straight_through_clip(mean / bound), log_deviation

    def _finished(self, mean: Array) -> Array:
        """Return ``a_0`` without noise: ``tanh`` where the law has it, else what was clipped."""
        return jnp.tanh(mean) if self.density or self.parameterisation == "x0" else mean


def init_diffusion(
    key: Array,
    features: int,
    hidden_sizes: tuple[int, ...],
    **settings: object,
) -> DiffusionActor:
    """Return an actor whose estimates start at 0. Consumes ``key``.

    Args:
        features: entries of an observation.
        hidden_sizes: of the network; its activation is mish.
        settings: the other fields of :class:`DiffusionActor`.
    """
    trunk_key, time_key = jax.random.split(key)
    time = init_mlp(time_key, (TIME_SIZE, TIME_HIDDEN, TIME_SIZE), activation="mish")
    empty = MLP(weights=(), biases=(), activation="mish")
    actor = DiffusionActor(network=empty, time=time, **settings)  # pyright: ignore[reportArgumentType]
    outputs = actor.numbers * (1 + actor.density)
    sizes = (actor.numbers + TIME_SIZE + features, *hidden_sizes, outputs)
    network = init_mlp(trunk_key, sizes, last_gain=0.01, activation="mish")
    return DiffusionActor(network=network, time=time, **settings)  # pyright: ignore[reportArgumentType]


__all__ = ["DiffusionActor", "Parameterisation", "init_diffusion"]
