"""Check the switches of JAX that decide numbers: with others the same seed plays other episodes."""

from __future__ import annotations

from typing import Any

import jax

from edgewright.core.errors import InputError

SWITCHES: dict[str, Any] = {
    "jax_enable_x64": False,
    "jax_default_prng_impl": "threefry2x32",
    "jax_threefry_partitionable": True,
    "jax_random_seed_offset": 0,
    "jax_default_matmul_precision": None,
    "jax_numpy_dtype_promotion": "standard",
    "jax_numpy_rank_promotion": "allow",
}
"""The values that every number of this package is computed with. Every one of these switches
changes random draws, the precision of a product, or the type of a result."""


def check_switches() -> None:
    """Check that the switches of JAX in this process are those of :data:`SWITCHES`.

    Raises:
        InputError: one is not.
    """
    for name, wanted in SWITCHES.items():
        value = _value(name, wanted)
        if value != wanted:
            message = f"{name} must be {wanted!r}; got {value!r}"
            hint = f"unset {name.upper()} and leave jax.config alone: the same seed would give "
            raise InputError(message, where="JAX", hint=hint + "other numbers")


def facts() -> dict[str, Any]:
    """Return what decides numbers here: the version of JAX and its switches."""
    return {"jax": jax.__version__, **{n: _value(n, wanted) for n, wanted in SWITCHES.items()}}


def _value(name: str, wanted: Any) -> Any:
    """Return a switch as plain data; ``wanted`` where this version of JAX has no such switch."""
    value = getattr(jax.config, name, wanted)
    return getattr(value, "value", value)


__all__ = ["SWITCHES", "check_switches", "facts"]
