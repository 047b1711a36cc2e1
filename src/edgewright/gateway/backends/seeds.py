"""Draw the seed of an image from what the client asked for."""

from __future__ import annotations

import hashlib


def seed_of(prompt: str, seed: int | None) -> int:
    """Return the seed of an image: what the client gave, else a hash of the prompt."""
    if seed is not None:
        return seed
    return int.from_bytes(hashlib.sha256(prompt.encode()).digest()[:8], "little")


__all__ = ["seed_of"]
