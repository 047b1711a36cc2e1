"""Name the parts of the action of the caching world in bundles."""

from __future__ import annotations

from typing import Any

from edgewright.core.spaces import Record
from edgewright.export.observation import head_of
from edgewright.export.record_head import RecordHead
from edgewright.systems.caching import CachingWorld

MEANINGS = (
    (
        "cache",
        "priority of each service on each server: cached where positive, highest first while "
        "they fit; counts where placing = 1",
    ),
    ("server", "server of each user, counted from 0; counts where placing = 0"),
    ("bandwidth", "weight of each user's share of its server's bandwidth"),
    ("speed", "weight of each user's share of its server's speed"),
)


@head_of.register
def _(world: CachingWorld, params: Any) -> RecordHead:
    space: Record = world.action_space(params)
    names = {name for name, _ in space.parts}
    return RecordHead(space, tuple(pair for pair in MEANINGS if pair[0] in names))
