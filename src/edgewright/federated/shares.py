"""Divide the digits of scikit-learn among edge servers, with classes that differ between them.

The data: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine
Learning Repository, 1998, doi 10.24432/C50P49.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from edgewright.core.errors import InputError
from edgewright.federated.courier import COST_NOISE, MOVES, ROOMS, Rooms, draw_rooms
from edgewright.federated.settings import Settings

PIXELS = 64
TEST_IMAGES = 450
"""Images that the cloud holds back to measure agents; no server gets one."""


@dataclasses.dataclass(frozen=True)
class Share:
    """The pictures of one edge server, in the order in which it uses them.

    Attributes:
        images: ``[n, 64]`` from 0 to 1, without noise.
        digits: ``[n]``.
        law: probability ``[10]`` of each digit in what reaches this server.
    """

    images: np.ndarray
    digits: np.ndarray
    law: np.ndarray


@dataclasses.dataclass(frozen=True)
class Samples:
    """Fresh samples of one server in one period, ``n`` rows in each array.

    Attributes:
        images, digits: noisy pictures ``[n, 64]`` of rooms and their digits ``[n]``.
        goals: of a demonstration that begins in that room; ``moves`` are the expert's first ones.
        log_rooms, log_moves, log_costs: traversals that the server logged.
    """

    images: np.ndarray
    digits: np.ndarray
    goals: np.ndarray
    moves: np.ndarray
    log_rooms: np.ndarray
    log_moves: np.ndarray
    log_costs: np.ndarray


@functools.lru_cache(maxsize=1)
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Return all images ``[1797, 64]`` from 0 to 1 and their digits ``[1797]``.

    Raises:
        InputError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError:
        message = "needs scikit-learn for its digits"
        hint = "pip install scikit-learn, or install the extra 'federated'"
        raise InputError(message, where="federate", hint=hint) from None
    data: Any = load_digits()
    return (data.data / 16.0).astype(np.float64), data.target.astype(np.int64)


def test_images(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the held-out images ``[450, 64]`` and their digits ``[450]``."""
    images, labels = digits()
    chosen = _order(seed)[:TEST_IMAGES]
    return images[chosen], labels[chosen]


def rooms_of(seed: int) -> Rooms:
    """Return the rooms of a seed; no client and no server gets their true costs."""
    return draw_rooms(np.random.default_rng([seed, 1]))


def share(settings: Settings, seed: int, server: int) -> Share:
    """Return the pictures of one server; shares of different servers have no picture in common."""
    return shares(settings, seed)[server]


@functools.lru_cache(maxsize=64)
def shares(settings: Settings, seed: int) -> tuple[Share, ...]:
    """Return the shares of all servers, equally large, with Dirichlet laws over digits.

    Servers draw one picture each in turn, a digit by the server's own law among the digits that
    are left, so a skewed law does not make a small share.
    """
    images, labels = digits()
    pool = _order(seed)[TEST_IMAGES:]
    rng = np.random.default_rng([seed, 2])
    laws = rng.dirichlet(np.full(ROOMS, settings.skew), settings.servers)
    stock = [list(pool[labels[pool] == digit]) for digit in range(ROOMS)]
    taken: list[list[int]] = [[] for _ in range(settings.servers)]
    for _ in range(len(pool) // settings.servers):
        for server, law in enumerate(laws):
            left = np.array([len(pictures) > 0 for pictures in stock])
            chance = np.where(left, law + 1e-9, 0.0)
            digit = rng.choice(ROOMS, p=chance / chance.sum())
            taken[server].append(stock[digit].pop())
    return tuple(
        Share(images=images[rows], digits=labels[rows], law=law)
        for rows, law in zip(taken, laws, strict=True)
    )


def fresh_samples(settings: Settings, seed: int, server: int, first: int, count: int) -> Samples:
    """Return samples ``first`` to ``first + count`` of a server, fewer if its share ends.

    The same numbers give the same samples in every process.
    """
    own = share(settings, seed, server)
    rows = slice(first, first + count)
    clean, labels = own.images[rows], own.digits[rows]
    rng = np.random.default_rng([seed, 3, server, first])
    rooms, size = rooms_of(seed), len(labels)
    away = rng.integers(1, ROOMS, size)  # the goal is another room
    goals = (labels + away) % ROOMS
    log_rooms = rng.choice(ROOMS, size, p=own.law / own.law.sum())
    log_moves = rng.integers(0, MOVES, size)
    noise = COST_NOISE * rng.standard_normal(size)
    return Samples(
        images=noisy(settings, rng, clean),
        digits=labels,
        goals=goals,
        moves=rooms.best_move(labels, goals),
        log_rooms=log_rooms,
        log_moves=log_moves,
        log_costs=rooms.cost[log_rooms, log_moves] + noise,
    )


def noisy(settings: Settings, rng: np.random.Generator, images: np.ndarray) -> np.ndarray:
    """Return images with Gaussian noise on every pixel."""
    return images + settings.image_noise * rng.standard_normal(images.shape)


def _order(seed: int) -> np.ndarray:
    return np.random.default_rng([seed, 0]).permutation(len(digits()[1]))


__all__ = [
    "PIXELS",
    "Samples",
    "Share",
    "digits",
    "fresh_samples",
    "noisy",
    "rooms_of",
    "share",
    "shares",
    "test_images",
]
