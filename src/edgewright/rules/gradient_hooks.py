"""Change gradients before a learner's optimiser takes them.

A hook is a record, so its numbers are arguments of the compiled program. ``memory`` is a part of
the learner's state. A learner without a hook computes what it did before there were any.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from edgewright.core.records import Array, Number, record, static
from edgewright.rules import exchange


class GradientHook(Protocol):
    """A change of the gradient of all parameters as one vector."""

    def init_memory(self, size: int) -> Any:
        """Return the memory before the first gradient of ``size`` entries."""
        ...

    def __call__(self, gradient: Array, parameters: Array, memory: Any) -> tuple[Array, Any]:
        """Return the gradient ``[n]`` that the optimiser takes, and the memory."""
        ...


def hooked(
    hook: GradientHook | None, gradient: Array, parameters: Array, memory: Any
) -> tuple[Array, Any]:
    """Return the gradient and the memory after a hook, or both unchanged without one."""
    return (gradient, memory) if hook is None else hook(gradient, parameters, memory)


@record
class Proximal:
    """Pull parameters towards an anchor, FedProx (Li et al., MLSys 2020, arXiv:1812.06127).

    The loss gains ``strength / 2 |w - anchor|^2``.
    """

    anchor: Array  # [n]
    strength: Number

    def init_memory(self, size: int) -> tuple[()]:
        """Return nothing."""
        return ()

    def __call__(self, gradient: Array, parameters: Array, memory: Any) -> tuple[Array, Any]:
        """Return the gradient of the loss with the proximal term."""
        return gradient + self.strength * (parameters - self.anchor), memory


@record
class Averaged:
    """Average gradients over devices in every step, as they arrive over the wire.

    Gradients that are not finite are set aside, as are those of a device that has not ``arrived``
    (a bool), which gets the mean all the same. It runs inside ``vmap`` over a named axis, where
    all devices step together.
    """

    key: Array
    axis: str = static()
    encoding: exchange.Encoding = static(default="float32")
    percent: int = static(default=10)
    arrived: Array | bool = True

    def init_memory(self, size: int) -> tuple[Array, Array]:
        """Return what was left out so far, and the number of steps."""
        return exchange.init_memory(size, self.encoding), jnp.zeros((), jnp.int32)

    def __call__(self, gradient: Array, parameters: Array, memory: Any) -> tuple[Array, Any]:
        """Return the mean over devices of what was decoded."""
        left, steps = memory
        key = jax.random.fold_in(self.key, steps)
        decoded, after = exchange.transmitted(key, gradient, left, self.encoding, self.percent)
        left = jnp.where(self.arrived, after, left)
        right = jnp.all(jnp.isfinite(decoded)) & self.arrived
        total = jax.lax.psum(jnp.where(right, decoded, 0.0), self.axis)
        count = jax.lax.psum(right.astype(jnp.float32), self.axis)
        total, count = self.together(steps, total, count)
        return total / jnp.maximum(count, 1.0), (left, steps + 1)

    def together(self, steps: Array, total: Array, count: Array) -> tuple[Array, Array]:
        """Return the sum and the number of gradients of all devices: those of the axis."""
        return total, count


@record
class AveragedAcross(Averaged):
    """Average gradients over devices of several processes, which all take the same steps.

    Attributes:
        number: of the update; with the step it names the sum.
        add: called outside the program with ``number``, the step, this process's sum ``[n]`` and
            its count of devices. It returns those of all processes, and the same ones when it is
            called again.
    """

    number: Array
    add: Callable[..., Any] = static()

    def together(self, steps: Array, total: Array, count: Array) -> tuple[Array, Array]:
        """Return the sum and the number of gradients of all devices of all processes."""
        # Equal on all devices, and so one call for all: a vmapped condition makes rows of them.
        number, step = jax.lax.pmax((self.number, steps), self.axis)
        return jax.pure_callback(self.add, (total, count), number, step, total, count)


__all__ = ["Averaged", "AveragedAcross", "GradientHook", "Proximal", "hooked"]
