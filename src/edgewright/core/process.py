"""Check that this process can compute the package's numbers: compiler, switches of JAX, forks."""

from __future__ import annotations

import os
from typing import Any

import jax
import jaxlib.version
from jax._src import xla_bridge

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

WRONG_SUMS = frozenset({"0.10.2", "0.11.0"})
"""Versions of jaxlib whose programs for processors get some sums of products wrong, without a word:
``jit(lambda x, y: (x[:, None, None] * y).sum(-1))`` for example (jax-ml/jax issues 39103, 39257).
"""

_state = {"forked": False}


def _after_fork() -> None:
    _state["forked"] = xla_bridge.backends_are_initialized()


os.register_at_fork(after_in_child=_after_fork)


def check_process() -> None:
    """Check that JAX computes here, and computes the numbers of this package.

    Raises:
        InputError: the process was forked from one in which JAX had started, where a computation
            never ends; or jaxlib is one of :data:`WRONG_SUMS`; or a switch of JAX has another value
            than in :data:`SWITCHES`.
    """
    if _state["forked"]:
        message = "JAX had started before this process was forked, so it would wait for ever"
        hint = (
            "start processes with context='spawn' (SubprocVecEnv: start_method='spawn'), or step "
            "many copies in one program with edgewright.adapters.gymnasium.make_vec"
        )
        raise InputError(message, where="fork", hint=hint)
    if jaxlib.version.__version__ in WRONG_SUMS:
        message = f"jaxlib {jaxlib.version.__version__} compiles some sums of products wrongly"
        hint = "pip install 'jax==0.10.1' 'jaxlib==0.10.1', or jax 0.12"
        raise InputError(message, where="JAX", hint=hint)
    for name, wanted in SWITCHES.items():
        value = _value(name, wanted)
        if value != wanted:
            message = f"{name} must be {wanted!r}; got {value!r}"
            hint = f"unset {name.upper()} and leave jax.config alone: the same seed would give "
            raise InputError(message, where="JAX", hint=hint + "other numbers")


def facts() -> dict[str, Any]:
    """Return what decides numbers here: the version of JAX and its switches."""
    versions = {"jax": jax.__version__, "jaxlib": jaxlib.version.__version__}
    return {**versions, **{n: _value(n, wanted) for n, wanted in SWITCHES.items()}}


def _value(name: str, wanted: Any) -> Any:
    """Return a switch as plain data; ``wanted`` where this version of JAX has no such switch."""
    value = getattr(jax.config, name, wanted)
    return getattr(value, "value", value)


__all__ = ["SWITCHES", "WRONG_SUMS", "check_process", "facts"]
