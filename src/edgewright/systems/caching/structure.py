"""Define the sizes and switches of the caching world."""

from __future__ import annotations

import dataclasses
from typing import Literal

import jax.numpy as jnp

from edgewright.core.records import Array


@dataclasses.dataclass(frozen=True)
class CachingStructure:
    """Sizes and switches of the caching world.

    An epoch is one step that places services and ``slots_per_epoch`` steps that serve requests.

    Attributes:
        servers, users, services: ``M``, ``U``, ``K``.
        slots_per_epoch: slots between two decisions about the caches.
        shares: who divides bandwidth and speed: the ``action``, or the exact ``square_root`` law.
        channel: a user's radio link is that to the ``chosen`` server, or to the ``cell`` it is in
            whatever it chooses, as published.
        fading: ``power`` is Rayleigh fading, ``amplitude`` takes its amplitude for a power gain, as
            published.
        capacity: a cache is ``projected`` to what fits, or replaced by the ``published`` rule,
            which never looks at the new content.
        zero_share: a share of zero is raised to a small one within the ``budget``, or gets a fixed
            share of the server beside the budget (``fallback``), as published.
        queues: whether work that a server cannot finish in a slot is carried over.
        objective: ``latency`` for both decisions, or the ``published`` reward of each.
        obs: our features (``full``), or those of the published code (``paper``).
    """

    servers: int = 2
    users: int = 30
    services: int = 10
    slots_per_epoch: int = 5
    shares: Literal["action", "square_root"] = "action"
    channel: Literal["chosen", "cell"] = "chosen"
    fading: Literal["power", "amplitude"] = "power"
    capacity: Literal["projected", "published"] = "projected"
    zero_share: Literal["budget", "fallback"] = "budget"
    queues: bool = False
    objective: Literal["latency", "published"] = "latency"
    obs: Literal["full", "paper"] = "full"

    @property
    def period(self) -> int:
        """Steps of an epoch, which are its slots and one that places services."""
        return self.slots_per_epoch + 1

    def placing(self, slot: Array) -> Array:
        """Return whether the step ``slot`` places services, ``[]`` bool."""
        return slot % self.period == 0

    def chosen(self, server: Array) -> Array:
        """Return the choice of each user as bits ``[U, M]``."""
        return (server[:, None] == jnp.arange(self.servers)).astype(jnp.float32)

    def requested(self, service: Array) -> Array:
        """Return the request of each user as bits ``[U, K]``."""
        return (service[:, None] == jnp.arange(self.services)).astype(jnp.float32)
