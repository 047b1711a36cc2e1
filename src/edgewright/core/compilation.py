"""Keep compiled programs on disk."""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path

import jax

from edgewright.core.errors import InputError
from edgewright.core.files import check_writable

QUICK = "--xla_backend_optimization_level"
"""Compiler flag: at level 1 the programs here compile in half the time and run as fast."""

SHORT = "--xla_cpu_use_fusion_emitters"
"""Compiler flag: without them they compile in half the time again and run at 0.6 of the speed."""


def cache_folder() -> Path | None:
    """Return where compiled programs are kept: ``EDGEWRIGHT_CACHE`` or the user's cache folder.

    Returns:
        None where the user has no home folder, or none that can be written; nothing is kept then.

    Raises:
        InputError: ``EDGEWRIGHT_CACHE`` names a folder that cannot be written.
    """
    chosen = os.environ.get("EDGEWRIGHT_CACHE")
    if chosen:
        check_writable(Path(chosen), "EDGEWRIGHT_CACHE")
        return Path(chosen)
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = base / "edgewright" / f"jax-{jax.__version__}"
        check_writable(folder, "cache")
    except (RuntimeError, InputError):  # RuntimeError: the user has no home folder
        return None
    return folder


def processor_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return a short name of what this processor can do.

    JAX keeps compiled programs by its version and flags, not by the instructions that a
    processor has. A home folder that two machines share would hand one the other's programs.

    Args:
        cpuinfo: what Linux says of the processor; elsewhere its name alone counts.
    """
    able = f"{platform.machine()} {platform.processor()}"
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        able += "".join(sorted({line for line in lines if line.startswith(("flags", "Features"))}))
    return f"{platform.machine()}-{hashlib.sha256(able.encode()).hexdigest()[:8]}"


def keep_compilations(short: bool = False) -> None:
    """Compile quickly and keep the results on disk, small programs on a CPU included.

    To be called before the first compilation. A flag that the user chose in ``XLA_FLAGS`` stands.

    Args:
        short: the work is many programs that run for seconds, so compiling counts for more.

    Raises:
        InputError: ``EDGEWRIGHT_CACHE`` cannot be written, or JAX finds no device here.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    wanted = {QUICK: "1", **({SHORT: "false"} if short else {})}
    added = [f"{name}={value}" for name, value in wanted.items() if name not in flags]
    os.environ["XLA_FLAGS"] = " ".join([flags, *added]).strip()
    folder = cache_folder()
    if folder is not None:
        jax.config.update("jax_compilation_cache_dir", str(folder / processor_name()))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    _check_device()


def _check_device() -> None:
    """Check that JAX has a device to compute on.

    Raises:
        InputError: the platform that ``JAX_PLATFORMS`` names is not here.
    """
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:
        platforms = os.environ.get("JAX_PLATFORMS", "")
        message = f"JAX finds no device for JAX_PLATFORMS={platforms!r}"
        raise InputError(message, where="JAX", hint="unset it, or give cpu") from error
