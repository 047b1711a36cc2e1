"""Compose a stream of records field by field: a recorded bandwidth beside a synthetic load.

This is the only place where inputs are drawn: one key per block, random words in bulk.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.errors import InputError
from edgewright.core.protocols import Process
from edgewright.core.records import Array, record, static

Carry = tuple[Array, dict[str, Any]]


@record
class Composite:
    """A stream whose rows are ``into(**fields)``; every field is a process of its own.

    The random words of a field depend on the key and the field's name only, so replacing one field
    leaves all others as they were: comparisons stay paired.
    """

    fields: dict[str, Process]
    into: Any = static()

    def init_carry(self, key: Array) -> Carry:
        """Return the carry at a random phase. Consumes ``key``."""
        key, now = jax.random.split(key)
        keys = self._keys(now)
        return key, {name: process.init_carry(keys[name]) for name, process in self.fields.items()}

    def next_rows(self, carry: Carry, length: int) -> tuple[Carry, Any]:
        """Return the next carry and ``length`` rows."""
        key, bits = self._bits(carry[0], length)
        taken = {n: process.next_rows(carry[1][n], bits[n]) for n, process in self.fields.items()}
        memories = {name: pair[0] for name, pair in taken.items()}
        return (key, memories), self.into(**{name: pair[1] for name, pair in taken.items()})

    def resume(self, key: Array, x: Any) -> Carry:
        """Return a carry whose next rows follow ``x``. Consumes ``key``."""
        key, now = jax.random.split(key)
        keys = self._keys(now)
        return key, {n: p.resume(keys[n], getattr(x, n)) for n, p in self.fields.items()}

    def replace(self, **fields: Process) -> Composite:
        """Return a copy with some fields driven by other processes."""
        unknown = sorted(set(fields) - set(self.fields))
        if unknown:
            raise KeyError(f"no such field: {unknown[0]}; the fields are {sorted(self.fields)}")
        return dataclasses.replace(self, fields={**self.fields, **fields})

    def _keys(self, key: Array) -> dict[str, Array]:
        numbers = jnp.array([_name_number(name) for name in self.fields], jnp.uint32)
        keys = jax.vmap(lambda number: jax.random.fold_in(key, number))(numbers)
        return {name: keys[position] for position, name in enumerate(self.fields)}

    def _bits(self, key: Array, length: int) -> tuple[Array, dict[str, Array]]:
        """Return the next key, and uint32 words ``[words, length, *shape]`` for every field.

        Each word of a row has a key of its own, made from the field's name and the word's number,
        and all are drawn by one call: compiling a generator costs more than running it.
        """
        sizes = {name: p.words * math.prod(p.shape) for name, p in self.fields.items()}
        _check_apart(sizes)
        starts = {_NEXT: 1, **sizes}
        numbers = [
            np.uint32(_name_number(name)) + jnp.arange(size, dtype=jnp.uint32)
            for name, size in starts.items()
        ]
        keys = jax.vmap(lambda number: jax.random.fold_in(key, number))(jnp.concatenate(numbers))
        # Sixteen rows at a time: an odd short axis takes the compiler three times as long.
        drawn = jax.vmap(lambda one: jax.random.bits(one, (-(-length // 16) * 16,)))(keys[1:])
        drawn = drawn[:, :length]
        bits, begin = {}, 0
        for name, process in self.fields.items():
            rows = drawn[begin : begin + sizes[name]]
            shaped = rows.reshape(process.words, *process.shape, length)
            bits[name] = jnp.moveaxis(shaped, -1, 1)
            begin += sizes[name]
        return keys[0], bits


_NEXT = "the key of the next block"


def _check_apart(sizes: dict[str, int]) -> None:
    """Refuse fields so wide that a word of one would be a word of another."""
    ends = sorted((_name_number(name), size, name) for name, size in {_NEXT: 1, **sizes}.items())
    for (here, size, name), (there, _, other) in zip(ends, [*ends[1:], ends[0]], strict=True):
        if (there - here) % 2**32 < size:
            raise InputError(
                f"{size} random words are too many: they run into those of '{other}'",
                where=name,
                hint="use fewer devices or servers",
            )


def _name_number(name: str) -> int:
    """Return a number for a field's name, the same in every process and on every machine."""
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:4], "big")
