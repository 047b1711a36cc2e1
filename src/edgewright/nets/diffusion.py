"""Draw actions by denoising, with three readings of the output of the network.

Wang, Hunt and Zhou, "Diffusion policies as an expressive policy class for offline reinforcement
learning", ICLR 2023 (arXiv:2208.06193); as a part of SAC: Du et al., IEEE TMC 2024
(arXiv:2303.13052). See ``docs/concepts/diffusion-actor.md`` for every equation.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from edgewright.core.records import Array, record, static
from edgewright.core.spaces import Box
from edgewright.nets.chain import TIME_SIZE, Chain, Parameterisation
from edgewright.nets.denoising import ScheduleName, noise_schedule, noised, time_features
from edgewright.nets.mlp import MLP, init_mlp
from edgewright.nets.squashed import mean_and_deviation, squashed

TIME_HIDDEN = 32


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

    @property
    def chain(self) -> Chain:
        """The equations of the steps."""
        return Chain(
            numbers=self.numbers,
            steps=self.steps,
            schedule=self.schedule,
            parameterisation=self.parameterisation,
            density=self.density,
        )

    def sample(self, observation: Array, noise: Array) -> tuple[Array, Array]:
        """Return units ``[..., numbers]`` and their log-density given ``a_1``, ``[...]``."""
        mean, log_deviation = self._last(observation, self._until_last(observation, noise)[0])
        if not self.density:
            return self.chain.finished(mean), jnp.zeros(mean.shape[:-1])
        return squashed(mean, log_deviation, noise[..., self.steps, :])

    def greedy(self, observation: Array, noise: Array) -> Array:
        """Return the units ``[..., numbers]`` of the mean of the last step."""
        mean, _ = self._last(observation, self._until_last(observation, noise)[0])
        return self.chain.finished(mean)

    def network_inputs(self, observation: Array, noise: Array) -> Array:
        """Return what the network is given on its own chain ``[T, ..., inputs]``."""
        noisy, given = self._until_last(observation, noise)
        last = self.chain.given(noisy, self.times()[0], observation)
        return jnp.concatenate([given, last[None]])

    def imitation_loss(self, observation: Array, units: Array, noise: Array) -> Array:
        """Return the denoising error ``[...]`` on actions ``[..., numbers]`` noised to a step each.

        ``|eps - eps_theta(a_t, t, s)|^2`` (Ho et al. 2020, equation 14), or ``|a_0 - x0_theta|^2``.

        Args:
            noise: ``[..., draws, numbers]``; the first row noises, the last chooses the steps.
        """
        constants, times = noise_schedule(self.schedule, self.steps), self.times()
        chance = jax.scipy.special.ndtr(noise[..., -1, 0])
        step = jnp.minimum((chance * self.steps).astype(jnp.int32), self.steps - 1)
        added = noise[..., 0, :]
        noisy = noised(units, added, jnp.asarray(constants.signal)[step][..., None])
        output = self.network(self.chain.given(noisy, times[step], observation))[
            ..., : self.numbers
        ]
        goal = units if self.parameterisation == "x0" else added
        guess = output if self.parameterisation == "eps_clip" else jnp.tanh(output)
        return jnp.mean(jnp.square(guess - goal), axis=-1)

    def times(self) -> Array:
        """Return the embedding of every step ``[T, 16]``."""
        return self.time(jnp.asarray(time_features(self.steps, TIME_SIZE)))

    def _until_last(self, observation: Array, noise: Array) -> tuple[Array, Array]:
        """Return ``a_1`` ``[..., numbers]``, and the inputs of the network on the way to it."""
        return self.chain.until_last(self.network, self.times(), observation, noise)

    def _last(self, observation: Array, noisy: Array) -> tuple[Array, Array]:
        """Return ``mu_1`` before its bounds and the logarithm of its deviation."""
        output = self.network(self.chain.given(noisy, self.times()[0], observation))
        log_deviation = jnp.zeros(())
        if self.density:
            output, log_deviation = mean_and_deviation(output)
        return self.chain.last_mean(noisy, output), log_deviation


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
