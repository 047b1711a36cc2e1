"""Find the exact optimum, by all 2^N actions or, where nothing is shared, device by device."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.errors import InputError
from edgewright.core.records import Array, Decision, Memoryless, record, static
from edgewright.loops.evaluate import PrivilegedObservation
from edgewright.systems.binary import (
    BinaryParams,
    BinaryWorld,
    Needs,
    Objective,
    alone_s,
    joined,
    load,
    needs,
    total_s,
)

MAX_DEVICES = 20
"""Above it 2^N actions are refused; use the bound of :mod:`edgewright.systems.binary.baselines`."""

_TABLE_BITS = 10
"""Low bits whose sums are one matrix product; the high bits are added to them one by one."""


def check_size(devices: int) -> None:
    """Refuse a number of devices whose actions cannot all be tried."""
    if devices > MAX_DEVICES:
        raise InputError(
            f"exact enumeration of 2^{devices} actions was asked for; it goes to 2^{MAX_DEVICES}",
            where="world.devices",
            hint="use the policy 'one-flip' and the convex bound, or lower the number of devices",
        )


def table(bits: int) -> np.ndarray:
    """Return all binary actions ``[2^bits, bits]`` of int32, counting upwards."""
    return (np.arange(2**bits)[:, None] >> np.arange(bits) & 1).astype(np.int32)


@functools.partial(jax.jit, static_argnames=("objective",))
def enumerate_actions(objective: Objective, need: Needs) -> tuple[Array, Array]:
    """Return the least cost ``[T]`` and its action ``[T, N]`` for slots with needs ``[T, N]``.

    A load is a sum over devices. So one product with the table of the low bits' actions gives their
    loads, and each setting of the high bits adds a constant to them.

    Raises:
        InputError: there are more than 20 devices.
    """
    slots, devices = need.uplink.shape
    check_size(devices)
    low = min(devices, _TABLE_BITS)
    few, many = table(low), table(devices - low)

    def part(actions: np.ndarray, first: int) -> Needs:
        stop = first + actions.shape[1]
        return jax.tree.map(lambda leaf: leaf[:, None, first:stop], need)

    below = load(part(few, 0), jnp.asarray(few))  # [T, 2^low]
    above = load(part(many, low), jnp.asarray(many))  # [T, 2^high]

    def look(best: tuple[Array, Array], high: Array) -> tuple[tuple[Array, Array], None]:
        at = joined(below, jax.tree.map(lambda leaf: leaf[:, high, None], above))
        cost = total_s(objective, at)
        cheapest = jnp.argmin(cost, axis=1)
        result = jnp.take_along_axis(cost, cheapest[:, None], axis=1)[:, 0]
        index = high * len(few) + cheapest
        better = result < best[0]
        return (jnp.where(better, result, best[0]), jnp.where(better, index, best[1])), None

    start = (jnp.full(slots, jnp.inf), jnp.zeros(slots, jnp.int32))
    (_, index), _ = jax.lax.scan(look, start, jnp.arange(len(many)))
    action = (index[:, None] >> jnp.arange(devices)) & 1
    action = action * (need.present > 0)
    # Priced once more as the world prices it, so that the optimum's ratio is 1 and not nearly 1.
    return total_s(objective, load(need, action)), action.astype(jnp.int32)


def threshold(need: Needs) -> Array:
    """Return the optimum ``[..., N]`` where nothing is shared: offload what is quicker away."""
    return ((alone_s(need) < need.local_s) & (need.present > 0)).astype(jnp.int32)


@record
class Optimum(Memoryless):
    """A policy with the best of all actions, which knows the numbers. For up to 20 devices."""

    world: BinaryWorld = static()

    def act(
        self, key: Array, carry: tuple[()], insight: PrivilegedObservation
    ) -> tuple[tuple[()], Decision]:
        """Return the action ``[N]`` of least cost."""
        need = needs(insight.params, insight.x.gain)
        if self.world.objective == "separable":
            return carry, Decision(action=threshold(need), aux=())
        slots = jax.tree.map(lambda leaf: leaf[None], need)
        _, action = enumerate_actions(self.world.objective, slots)
        return carry, Decision(action=action[0], aux=())


def optimum(world: BinaryWorld, params: BinaryParams, gain: Array) -> Array:
    """Return the least cost ``[T]`` of one scenario in slots with gains ``[T, N]``.

    Exact to 20 devices, and for any number of them where nothing is shared.
    """
    need = jax.vmap(lambda one: needs(params, one))(gain)
    if world.objective == "separable":
        return total_s("separable", load(need, threshold(need)))
    return enumerate_actions(world.objective, need)[0]
