"""Take the steps of a denoising chain, whatever network is called in them.

The actor that learns (:mod:`.diffusion`) and the layer of an exported graph
(:mod:`edgewright.export.denoise`) share these equations; see ``docs/concepts/diffusion-actor.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp

from edgewright.core.records import Array, record, static
from edgewright.nets.denoising import (
    ScheduleName,
    estimated_clean,
    mean_from_clean,
    mean_from_noise,
    noise_schedule,
    straight_through_clip,
)

Parameterisation = Literal["x0", "eps_clip", "tanh_eps"]

TIME_SIZE = 16
"""Entries of the embedding of a step."""

LARGEST_MEAN = 3.0
"""``mu_1`` stays within this before its ``tanh`` where it is not the network's own output.

A bounded noise cannot take the tails off ``a_1``, and there the density grows without bound."""


@record
class Chain:
    """``T`` denoising steps of an action of ``numbers`` numbers.

    Attributes:
        parameterisation: what the output of the network is, see
            :class:`~edgewright.nets.diffusion.DiffusionActor`.
        density: whether the last step has a deviation, so that its mean goes through ``tanh``.
    """

    numbers: int = static()
    steps: int = static()
    schedule: ScheduleName = static(default="vp")
    parameterisation: Parameterisation = static(default="x0")
    density: bool = static(default=True)

    @property
    def bound(self) -> float:
        """Return what the mean of the last step is clipped to, unless it is the output itself."""
        return LARGEST_MEAN if self.density else 1.0

    @property
    def squashes(self) -> bool:
        """Return whether the mean of the last step needs ``tanh``; else it is the units."""
        return self.density or self.parameterisation == "x0"

    def given(self, noisy: Array, time: Array, observation: Array) -> Array:
        """Return what the network is given ``[..., inputs]`` in a step.

        Args:
            noisy: ``a_t``, ``[..., numbers]``.
            time: embedding of the step ``[TIME_SIZE]``.
            observation: normalised observation ``[..., F]``.
        """
        embedded = jnp.broadcast_to(time, (*noisy.shape[:-1], TIME_SIZE))
        return jnp.concatenate([noisy, embedded, observation], axis=-1)

    def until_last(
        self, network: Callable[[Array], Array], times: Array, observation: Array, noise: Array
    ) -> tuple[Array, Array]:
        """Return ``a_1`` ``[..., numbers]``, and the network's inputs ``[T - 1, ..., inputs]``.

        Args:
            network: from :meth:`given` to outputs, of which the first ``numbers`` count.
            times: embedding of every step ``[T, TIME_SIZE]``.
            noise: normal numbers ``[..., T, numbers]``, or more of them.
        """
        constants = noise_schedule(self.schedule, self.steps)
        added = jnp.moveaxis(noise[..., 1 : self.steps, :], -2, 0)
        numbers = (
            constants.beta, constants.alpha, constants.signal, constants.from_clean,
            constants.from_noisy, constants.deviation,
        )  # fmt: skip
        rows = (added, times[:0:-1], *(jnp.asarray(one[:0:-1]) for one in numbers))

        def step(noisy: Array, row: tuple[Array, ...]) -> tuple[Array, Array]:
            fresh, time, beta, alpha, signal, from_clean, from_noisy, deviation = row
            given = self.given(noisy, time, observation)
            output = network(given)[..., : self.numbers]
            if self.parameterisation == "tanh_eps":
                mean = mean_from_noise(noisy, jnp.tanh(output), beta, alpha, signal)
            else:
                clean = self._clean(noisy, output, signal)
                mean = mean_from_clean(clean, noisy, from_clean, from_noisy)
            return mean + deviation * fresh, given

        return jax.lax.scan(step, noise[..., 0, :], rows, unroll=True)

    def last_mean(self, noisy: Array, output: Array) -> Array:
        """Return ``mu_1`` before its bounds, from ``a_1`` and the output ``[..., numbers]``."""
        if self.parameterisation == "x0":
            return output
        signal = noise_schedule(self.schedule, self.steps).signal[0].item()
        noise = jnp.tanh(output) if self.parameterisation == "tanh_eps" else output
        mean = estimated_clean(noisy, noise, signal)
        return self.bound * straight_through_clip(mean / self.bound)

    def finished(self, mean: Array) -> Array:
        """Return ``a_0`` without noise: ``tanh`` where the law has it, else what was clipped."""
        return jnp.tanh(mean) if self.squashes else mean

    def _clean(self, noisy: Array, output: Array, signal: Array) -> Array:
        """Return the estimate of ``a_0`` within -1 and 1."""
        if self.parameterisation == "x0":
            return jnp.tanh(output)
        return straight_through_clip(estimated_clean(noisy, output, signal))


__all__ = ["LARGEST_MEAN", "TIME_SIZE", "Chain", "Parameterisation"]
