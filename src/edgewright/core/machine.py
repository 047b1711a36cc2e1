"""Facts about the machine and the software that a result was measured with."""

from __future__ import annotations

import os
import platform
from typing import Any

import jax

from edgewright.core.version import __version__


def cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine_facts() -> dict[str, Any]:
    """Return the number of cores, the architecture and the versions, for a measured result."""
    return {
        "cores": cores(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "jax": jax.__version__,
        "edgewright": __version__,
    }
