"""Compute what markets and menus are worth in float64, for the mechanisms that solve for menus.

The same equations as ``physics.contract``, of NumPy: batches ``[..., K]`` of markets.
"""

from __future__ import annotations

import dataclasses
from typing import Any, TypeAlias

import numpy as np

from edgewright.physics.contract import Market, Menu

Numbers: TypeAlias = np.ndarray
Markets: TypeAlias = Any
"""A :class:`Market` of NumPy arrays of float64, one or a batch."""
Menus: TypeAlias = Any
"""A :class:`Menu` of NumPy arrays of float64, one or a batch."""


def as_market(**numbers: Numbers) -> Markets:
    """Return a market of NumPy arrays."""
    return Market(**numbers)  # pyright: ignore[reportArgumentType]


def as_menu(x1: Numbers, r1: Numbers, x2: Numbers, r2: Numbers) -> Menus:
    """Return a menu of NumPy arrays."""
    return Menu(x1=x1, r1=r1, x2=x2, r2=r2)  # pyright: ignore[reportArgumentType]


def as_float64(record: Any) -> Any:
    """Return a record with its arrays as NumPy arrays of float64."""
    fields = {f.name: np.asarray(getattr(record, f.name), np.float64) for f in _fields(record)}
    return dataclasses.replace(record, **fields)


def one(record: Any, index: Any) -> Any:
    """Return one market or menu of a batch."""
    return dataclasses.replace(
        record, **{f.name: getattr(record, f.name)[index] for f in _fields(record)}
    )


def stacked(records: list[Any]) -> Any:
    """Return markets or menus as one batch."""
    first = records[0]
    names = [f.name for f in _fields(first)]
    return dataclasses.replace(
        first, **{name: np.stack([getattr(each, name) for each in records]) for name in names}
    )


def _fields(record: Any) -> tuple[Any, ...]:
    return dataclasses.fields(record)


def tail(market: Markets, number: Numbers, axes: int) -> Numbers:
    """Return a number of each market with ``axes`` further axes of size 1."""
    return number.reshape(*number.shape, *[1] * axes)


def effort(market: Markets, q: Numbers) -> Numbers:
    """Return ``psi(q)`` (B.1); ``q`` has axes behind those of the batch."""
    axes = q.ndim - market.linear.ndim
    return tail(market, market.linear, axes) * q + tail(market, market.quadratic, axes) * q * q / 2


def contribution(market: Markets, x: Numbers) -> Numbers:
    """Return ``q(x)`` (B.1)."""
    axes = x.ndim - market.linear.ndim
    a, b = tail(market, market.linear, axes), tail(market, market.quadratic, axes)
    return 2 * x / (np.sqrt(a * a + 2 * b * x) + a)


def value(market: Markets, x: Numbers, period: int) -> Numbers:
    """Return ``V_t`` (B.1)."""
    axes = x.ndim - market.linear.ndim
    sigma, eta = tail(market, market.sigma[..., period], axes), tail(market, market.eta, axes)
    return sigma * np.log1p(eta * contribution(market, x))


def efficient(market: Markets, cost: Numbers, period: int) -> Numbers:
    """Return the work that maximises ``V_t(x) - cost x`` (B.6), for one market."""
    eta, a, b = market.eta, market.linear, market.quadratic
    with np.errstate(divide="ignore"):
        rest = market.sigma[period] * eta / cost - a
    straight = b + a * eta
    q = 2 * rest / (straight + np.sqrt(straight**2 + 4 * b * eta * np.maximum(rest, 0)))
    return effort(market, np.clip(q, 0, market.q_max))


def profit(market: Markets, menu: Menus) -> Numbers:
    """Return ``Pi`` (B.3) of each market."""
    first = value(market, menu.x1, 0) - menu.r1
    second = value(market, menu.x2, 1) - menu.r2
    later = np.sum(market.transition * second, axis=-1)
    return np.sum(market.prior * (first + market.discount[..., None] * later), axis=-1)


__all__ = [
    "Markets",
    "Menus",
    "as_float64",
    "as_market",
    "as_menu",
    "contribution",
    "efficient",
    "effort",
    "one",
    "profit",
    "stacked",
    "value",
]
