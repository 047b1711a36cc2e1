"""Define records, the named tuples of arrays that all parts of the package exchange.

A *record* is a frozen, keyword-only dataclass registered as a JAX pytree. Its fields are arrays
(leaves) unless declared with :func:`static`, in which case they are part of the structure and must
be hashable. Named fields instead of positional tuples: adding one breaks nobody.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterable
from typing import Any, TypeVar, dataclass_transform

import jax

T = TypeVar("T")
Array = jax.Array
Number = Array | float


def static(**kwargs: Any) -> Any:
    """Declare a record field as structure (hashable, part of the compiled program), not data."""
    return dataclasses.field(metadata={"static": True}, **kwargs)


@dataclass_transform(
    kw_only_default=True, frozen_default=True, field_specifiers=(dataclasses.field, static)
)
def record(cls: type[T]) -> type[T]:
    """Make ``cls`` a frozen keyword-only dataclass that JAX treats as a pytree."""
    made = dataclasses.dataclass(frozen=True, kw_only=True)(cls)
    fields = dataclasses.fields(made)  # pyright: ignore[reportArgumentType]
    data = [f.name for f in fields if not f.metadata.get("static", False)]
    meta = [f.name for f in fields if f.metadata.get("static", False)]
    keys = [jax.tree_util.GetAttrKey(name) for name in data]

    # The class is part of the structure: `register_dataclass` of jaxlib 0.10 calls two classes with
    # the same fields equal, and a compiled function may then run the other one's methods.
    def structure(value: Any) -> Hashable:
        return (made, *(getattr(value, name) for name in meta))

    def flatten(value: Any) -> tuple[list[Any], Hashable]:
        return [getattr(value, name) for name in data], structure(value)

    def flatten_with_keys(value: Any) -> tuple[list[tuple[Any, Any]], Hashable]:
        pairs = zip(keys, data, strict=True)
        return [(key, getattr(value, name)) for key, name in pairs], structure(value)

    def unflatten(aux: Any, leaves: Iterable[Any]) -> Any:
        value = object.__new__(made)  # no checks: leaves may be tracers, shapes or placeholders
        for name, leaf in (*zip(data, leaves, strict=True), *zip(meta, aux[1:], strict=True)):
            object.__setattr__(value, name, leaf)
        return value

    jax.tree_util.register_pytree_with_keys(made, flatten_with_keys, unflatten, flatten)
    return made


@record
class Outcome:
    """The result of one step of a world.

    Attributes:
        state: the next state of the world.
        reward: what a learner maximises, shape ``[*agents]``; it may hold a terminal penalty.
        terminated: ``[]`` bool, the episode ended for a reason of the physics: no future value.
        truncated: ``[]`` bool, the episode was cut by the clock: the future still has value.
        metrics: the world's own record of physical quantities (units in the names). Its field
            ``reward`` is the objective of this step without any terminal shaping.
    """

    state: Any
    reward: Array
    terminated: Array
    truncated: Array
    metrics: Any


class Memoryless:
    """Base of policies and processes that carry nothing from one call to the next."""

    def init_carry(self, key: Array) -> tuple[()]:
        """Return no memory."""
        return ()


@record
class Decision:
    """An ``action`` of shape ``[*agents]``, with values to log."""

    action: Any
    aux: Any


@record
class Trajectory:
    """The result of an unroll. Every leaf is time-major ``[T, N, ...]``.

    ``next_observation[t]`` is what the policy would have seen after step ``t`` *before* any reset,
    so the target of a truncated step can bootstrap from the state it was cut in. ``alternatives``
    holds the outcomes of all actions where they were asked for, see ``loops.alternatives``;
    ``guidance`` what a guide would have done where there is one, a :class:`Guidance`.
    """

    observation: Any
    action: Any
    aux: Any
    reward: Array
    terminated: Array
    truncated: Array
    next_observation: Any
    metrics: Any
    alternatives: Any = ()
    guidance: Any = ()

    @property
    def done(self) -> Array:
        """``[T, N]`` bool: the episode ended here, for either reason."""
        return self.terminated | self.truncated


@record
class Guidance:
    """The actions of a guide ``[T, N, *agents]``, and how much they count ``[]``."""

    action: Array
    weight: Array


@record
class Labelled:
    """Observations ``[B, *agents, features]`` and the actions ``[B, *agents]`` to imitate."""

    observation: Any
    action: Any
