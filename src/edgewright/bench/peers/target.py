"""The target probe once more, as a user would write it for Gymnasium: plain Python floats.

It is the world with real numbers of the comparison. A test holds it to the rewards of
:class:`edgewright.systems.target_probe.TargetWorld`. Nothing of JAX is imported here.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

NAME = "target-probe"
"""What stands for a scenario in the comparison; the world has no scenario file."""

SLOTS = 40
"""Length of an episode."""

BLOCK = 1024
"""Cues drawn at a time."""


class TargetEnv(gymnasium.Env):
    """Two numbers, paid minus their squared distance from the target of a cue."""

    def __init__(self) -> None:
        self.observation_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
        low, high = np.zeros(2, np.float32), np.array([4.0, 3.0], np.float32)
        self.action_space = spaces.Box(low, high, dtype=np.float32)
        self.cues: list[float] = []
        self.slot = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode."""
        super().reset(seed=seed)
        if seed is not None:
            self.cues = []
        self.slot = 0
        self._draw()
        return self._observe(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Pay for two numbers and show the next cue."""
        first, second = float(action[0]), float(action[1])
        reward = -((first - 2.0 - 0.5 * self.cue) ** 2) - (second - 1.5 + self.cue) ** 2
        self.slot += 1
        self._draw()
        return self._observe(), reward, False, self.slot >= SLOTS, {}

    def _draw(self) -> None:
        if not self.cues:
            self.cues = self.np_random.uniform(-1.0, 1.0, BLOCK).tolist()
        self.cue = self.cues.pop()

    def _observe(self) -> np.ndarray:
        return np.array([self.cue], np.float32)


def copies(count: int) -> Any:
    """Return copies of our world behind the vector adapter; imports JAX."""
    import jax.numpy as jnp

    from edgewright.adapters.gymnasium import WorldVectorEnv
    from edgewright.systems.target_probe import TargetParams, TargetWorld

    world, params = TargetWorld(), TargetParams(horizon_slots=jnp.float32(SLOTS))
    return WorldVectorEnv(world, params, world.inputs(params), count)
